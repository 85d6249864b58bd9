/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-check: what cloche-vm allows. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "util.h"
#include "vm-list.h"
#include "vmd-check.h"

typedef struct {
    char *folder;
    VmdConfig config;
    VmRequest request;
    VmdPaths paths;
} Fixture;

static void
write_file(const char *folder, const char *path)
{
    g_autofree char *full = g_build_filename(folder, path, NULL);
    g_autofree char *parent = g_path_get_dirname(full);

    g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
    g_assert_true(g_file_set_contents(full, "x", 1, /* error= */ NULL));
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
    fixture->folder = g_dir_make_tmp("cloche-check-XXXXXX", /* error= */ NULL);
    fixture->config = (VmdConfig){
        .state = g_build_filename(fixture->folder, "state", NULL),
        .ram = g_build_filename(fixture->folder, "ram", NULL),
        .uid_first = 2000,
        .uid_count = 16,
        .vcpus_max = 4,
        .memory_max_mib = 1024,
        .peer = geteuid(),
    };
    write_file(fixture->folder, "state/images/python-1/kernel");
    write_file(fixture->folder, "state/images/python-1/initrd");
    write_file(fixture->folder, "state/machines/abc/disk.qcow2");
    write_file(fixture->folder, "ram/python-2");
    write_file(fixture->folder, "secret");
    vm_request_init(&fixture->request, VM_REQUEST_RESTORE, 1);
    vm_field_set(fixture->request.name, VM_NAME_SIZE, "cloche-abc");
    vm_field_set(fixture->request.image, VM_KEY_SIZE, "python-1");
    vm_field_set(fixture->request.version_key, VM_KEY_SIZE, "python-2");
    fixture->request.uid = 2000;
    fixture->request.vcpus = 1;
    fixture->request.memory_mib = 64;
    vmd_paths_init(&fixture->paths, &fixture->config, &fixture->request);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    vmd_paths_clear(&fixture->paths);
    g_assert_true(util_remove_tree(fixture->folder, /* error= */ NULL));
    g_free(fixture->config.state);
    g_free(fixture->config.ram);
    g_free(fixture->folder);
}

static gboolean
is_allowed(const Fixture *fixture, const char *reason)
{
    g_autoptr(GError) error = NULL;
    gboolean allowed =
        vmd_check_start(&fixture->config, &fixture->request, &fixture->paths, &error);

    if (!allowed && !strstr(error->message, reason))
        g_error("'%s' is not in: %s", reason, error->message);
    return allowed;
}

static void
test_start(Fixture *fixture, gconstpointer data)
{
    g_assert_true(is_allowed(fixture, ""));
    fixture->request.uid = 2015;
    fixture->request.vcpus = 4;
    fixture->request.memory_mib = 1024;
    g_assert_true(is_allowed(fixture, ""));
}

static void
test_uid(Fixture *fixture, gconstpointer data)
{
    const uid_t bad[] = {0, 1, 1999, 2016, 65534, 4294967295};

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        fixture->request.uid = bad[i];
        g_assert_false(is_allowed(fixture, "is not one of [Machines] Uids"));
    }
    fixture->config.uid_count = 0;
    fixture->request.uid = 2000;
    g_assert_false(is_allowed(fixture, "is not one of [Machines] Uids"));
    fixture->request.uid = 0;
    g_assert_true(is_allowed(fixture, ""));
}

static void
test_size(Fixture *fixture, gconstpointer data)
{
    fixture->request.vcpus = 5;
    g_assert_false(is_allowed(fixture, "5 virtual processors are more"));
    fixture->request.vcpus = 1;
    fixture->request.memory_mib = 1025;
    g_assert_false(is_allowed(fixture, "1025 MiB are more"));
}

/* Replaces a file or folder of the store by a link to `target`. */
static void
replace_by_link(const Fixture *fixture, const char *path, const char *target)
{
    g_autofree char *full = g_build_filename(fixture->folder, path, NULL);

    g_assert_true(util_remove_tree(full, /* error= */ NULL));
    g_assert_cmpint(symlink(target, full), ==, 0);
}

static void
test_links(Fixture *fixture, gconstpointer data)
{
    g_autofree char *secret = g_build_filename(fixture->folder, "secret", NULL);
    static const char *const files[] = {"state/images/python-1/kernel",
                                        "state/machines/abc/disk.qcow2", "ram/python-2"};

    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        replace_by_link(fixture, files[i], secret);
        g_assert_false(is_allowed(fixture, "is not a regular file"));
        replace_by_link(fixture, files[i], "/dev/null");
        g_assert_false(is_allowed(fixture, "is not a regular file"));
        g_assert_cmpint(g_chdir(fixture->folder), ==, 0);
        g_assert_cmpint(g_unlink(files[i]), ==, 0);
        g_assert_false(is_allowed(fixture, "No such file"));
        write_file(fixture->folder, files[i]);
        g_assert_true(is_allowed(fixture, ""));
    }
}

static void
test_linked_folder(Fixture *fixture, gconstpointer data)
{
    g_autofree char *other = g_build_filename(fixture->folder, "other", NULL);

    write_file(fixture->folder, "other/disk.qcow2");
    replace_by_link(fixture, "state/machines/abc", other);
    g_assert_false(is_allowed(fixture, "cannot use"));
}

static void
test_owner(Fixture *fixture, gconstpointer data)
{
    fixture->config.peer = geteuid() + 1;
    g_assert_false(is_allowed(fixture, "is a file of the uid"));
}

static void
test_boot_disk(Fixture *fixture, gconstpointer data)
{
    VmdPaths paths;

    fixture->request.type = VM_REQUEST_BOOT;
    vmd_paths_init(&paths, &fixture->config, &fixture->request);
    g_assert_true(g_str_has_suffix(paths.disk, "/state/templates/.new-python-2/disk.qcow2"));
    g_assert_true(g_str_has_suffix(fixture->paths.disk, "/state/machines/abc/disk.qcow2"));
    vmd_paths_clear(&paths);
}

static void
test_descriptors(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = g_build_filename(fixture->folder, "secret", NULL);
    const int modes[] = {O_RDONLY, O_WRONLY, O_RDWR, O_PATH};
    int pipes[2], fd;

    for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
        fd = open(path, modes[i] | O_CLOEXEC);
        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(vmd_check_fd(&fixture->config, fd, O_RDONLY, NULL), ==, i == 0);
        g_assert_cmpint(vmd_check_fd(&fixture->config, fd, O_WRONLY, NULL), ==, i == 1);
        close(fd);
    }
    g_assert_cmpint(pipe(pipes), ==, 0);
    g_assert_false(vmd_check_fd(&fixture->config, pipes[0], O_RDONLY, NULL));
    g_assert_false(vmd_check_fd(&fixture->config, pipes[1], O_WRONLY, NULL));
    close(pipes[0]);
    close(pipes[1]);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    fixture->config.peer = geteuid() + 1;
    g_assert_false(vmd_check_fd(&fixture->config, fd, O_RDONLY, NULL));
    close(fd);
}

static void
test_uid_of_xml(void)
{
    g_assert_cmpuint(vm_list_parse_uid("<seclabel type='dynamic' model='apparmor' relabel='yes'>\n"
                                       "  <label>libvirt-1</label>\n</seclabel>\n"
                                       "<seclabel type='static' model='dac' relabel='no'>\n"
                                       "  <label>+1900000007:+64055</label>\n</seclabel>\n"),
                     ==, 1900000007);
    g_assert_cmpuint(vm_list_parse_uid("<domain/>"), ==, 0);
}

#define ADD(name, function) g_test_add(name, Fixture, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/vmd/check/start", test_start);
    ADD("/vmd/check/uid", test_uid);
    ADD("/vmd/check/size", test_size);
    ADD("/vmd/check/links", test_links);
    ADD("/vmd/check/linked-folder", test_linked_folder);
    ADD("/vmd/check/owner", test_owner);
    ADD("/vmd/check/boot-disk", test_boot_disk);
    ADD("/vmd/check/descriptors", test_descriptors);
    g_test_add_func("/vmd/check/uid-of-xml", test_uid_of_xml);
    return g_test_run();
}
