/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-vm: src/vm and cloche-vm on a real libvirt, with a real guest.
 *
 * Usage: CLOCHE_VM=PROGRAM test-vm IMAGE [URI], as root. IMAGE is a folder with kernel, initrd and
 * disk.ext4 whose agent speaks src/wire; URI is qemu:///embed in a folder of this test's own unless
 * given. The tests build on each other and run in order: a template, machines of it, their ends.
 */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "error.h"
#include "util.h"
#include "vm-guest.h"

#define MACHINES 3

Run run;

static Guest guests[MACHINES];

static void
test_probe(void)
{
    open_vm();
    g_test_message("%s, %s, %s, %s", run.facts->hypervisor, run.facts->machine_type,
                   run.facts->cpu_model, run.facts->accelerator);
    g_assert_true(g_str_has_prefix(run.facts->hypervisor, "QEMU "));
    g_assert_true(g_str_has_prefix(run.facts->machine_type, "pc-q35-"));
    g_assert_cmpint(run.facts->emulated, ==, g_str_equal(run.facts->accelerator, "tcg"));
}

static void
make_ram(void)
{
    g_autofree char *ram = path_of("ram/test");
    FILE *file = fopen(ram, "wx");

    g_assert_nonnull(file);
    g_assert_cmpint(fchmod(fileno(file), 0600), ==, 0);
    g_assert_cmpint(ftruncate(fileno(file), (off_t)GUEST_MEMORY_MIB << 20), ==, 0);
    fclose(file);
}

/* Machines read it, all of them. */
static void
freeze_disk(void)
{
    g_autofree char *disk = path_of(GUEST_DISK);

    GError *error = NULL;

    g_assert_true(access_reset(disk, &error));
    g_assert_cmpint(chown(disk, (uid_t)-1, run.gid), ==, 0);
    g_assert_cmpint(g_chmod(disk, 0640), ==, 0);
}

/* All of its RAM is in the template's file. */
static void
check_no_capture(Guest *guest)
{
    g_autofree char *path = path_of("no-capture");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    Call call = {0};
    g_autoptr(GError) error = NULL;

    machine_capture_async(guest->machine, fd, on_done, &call);
    wait_for(&call.done, "a capture that must fail");
    g_assert_false(machine_capture_finish(guest->machine, call.result, &error));
    g_test_message("as it should be: %s", error->message);
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED);
    g_object_unref(call.result);
    close(fd);
}

static void
test_template(void)
{
    g_autofree char *state = path_of("state-file");
    Guest guest;
    Call call = {0};
    struct stat st;
    int fd;
    gint64 begin = g_get_monotonic_time();
    GError *error = NULL;

    make_ram();
    guest_init(&guest, GUEST_TEMPLATE, MACHINES);
    guest_start(&guest, /* state= */ NULL);
    guest_greet(&guest);
    told("boot in all", begin);
    check_no_capture(&guest);
    begin = g_get_monotonic_time();
    fd = open(state, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    g_assert_cmpint(fd, >=, 0);
    machine_save_async(guest.machine, fd, on_done, &call);
    wait_for(&call.done, "a save");
    machine_save_finish(guest.machine, call.result, &error);
    g_assert_no_error(error);
    g_object_unref(call.result);
    close(fd);
    told("save", begin);
    g_assert_cmpint(stat(state, &st), ==, 0);
    g_assert_cmpint(st.st_size, >, 10000);
    g_assert_cmpint(st.st_size, <, 4 << 20);
    g_test_message("state: %ld bytes", (long)st.st_size);
    guest_destroy(&guest);
    freeze_disk();
}

static void
test_no_state(void)
{
    g_autofree char *frozen = path_of(GUEST_DISK), *state = path_of("absent");
    Guest guest;
    MachineSpec spec;
    Call call = {0};
    GError *error = NULL;
    int fd = -1;

    guest_init(&guest, "cloche-test-none", 0);
    guest_make_disk(&guest, frozen, "qcow2");
    spec = guest_spec(&guest, state);
    g_assert_cmpint(g_chmod(spec.ram, 0666), ==, 0);
    vm_start_async(run.vm, &spec, &guest_events, &guest, /* cancellable= */ NULL, on_done, &call);
    wait_for(&call.done, "a start that must fail");
    g_assert_null(vm_start_finish(run.vm, call.result, &fd, &error));
    g_assert_cmpint(g_chmod(spec.ram, 0600), ==, 0);
    g_assert_nonnull(error);
    g_test_message("as it should be: %s", error->message);
    g_assert_nonnull(strstr(error->message, "cloche-test-none"));
    g_assert_nonnull(strstr(error->message, state));
    g_clear_error(&error);
    g_object_unref(call.result);
    g_assert_cmpint(fd, ==, -1);
    g_assert_false(g_file_test(spec.socket, G_FILE_TEST_EXISTS));
    spec_clear(&spec);
    guest_clear(&guest);
}

static void
test_restore(void)
{
    g_autofree char *state = path_of("state-file");

    for (guint i = 0; i < MACHINES; i++) {
        g_autofree char *name = g_strdup_printf("cloche-test-%u", i);

        guest_init(&guests[i], name, i);
        guest_start(&guests[i], state);
        g_assert_cmpint(machine_pid(guests[i].machine), >, 1);
    }
    for (guint i = 0; i < MACHINES; i++) {
        guest_greet(&guests[i]);
        guest_ping(&guests[i]);
        guest_ping(&guests[i]);
    }
}

static void
assert_word(pid_t pid, const char *name, const char *expected)
{
    g_autofree char *word = proc_word(pid, "status", name);

    g_assert_cmpstr(word, ==, expected);
}

/* Each QEMU runs under a uid of its own, in one group, without capabilities, and with a filter of
 * system calls. */
static void
test_users(void)
{
    for (guint i = 0; i < MACHINES; i++) {
        pid_t pid = machine_pid(guests[i].machine);
        unsigned uid = guests[i].uid, gid = run.gid;
        g_autofree char *uids = g_strdup_printf("%u\t%u\t%u\t%u", uid, uid, uid, uid);
        g_autofree char *gids = g_strdup_printf("%u\t%u\t%u\t%u", gid, gid, gid, gid);
        g_autofree char *group = g_strdup_printf("%u", gid);

        assert_word(pid, "Uid:", uids);
        assert_word(pid, "Gid:", gids);
        assert_word(pid, "Groups:", group);
        assert_word(pid, "CapEff:", "0000000000000000");
        assert_word(pid, "Seccomp:", "2");
    }
}

/* The service still owns its files. */
static void
test_owners(void)
{
    const char *const ours[] = {"ram/test", "state-file", GUEST_DISK,
                                "state/machines/test-0/disk.qcow2"};

    for (gsize i = 0; i < G_N_ELEMENTS(ours); i++) {
        g_autofree char *path = path_of("%s", ours[i]);
        struct stat st;

        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpuint(st.st_uid, ==, geteuid());
    }
}

/* Where systemd runs, libvirtd's machines are units of its, with QEMU in a group of its own there.
 */
static void
test_bounds(void)
{
    g_autofree char *group = proc_word(machine_pid(guests[0].machine), "cgroup", "0::");
    g_autofree char *scope = g_strndup(group, (gsize)(strstr(group, ".scope") + 6 - group));
    g_autofree char *unit = g_path_get_basename(scope);
    const char *const show[] = {"systemctl", "show",
                                "--property=Slice,MemoryMax,TasksMax,CPUWeight", unit, NULL};
    g_autofree char *properties = program(show);

    g_test_message("%s: %s", unit, properties);
    g_assert_nonnull(strstr(properties, "Slice=cloche.slice\n"));
    g_assert_nonnull(strstr(properties, "CPUWeight=100\n"));
    g_assert_nonnull(strstr(properties, "TasksMax=97\n"));
    g_assert_nonnull(strstr(properties, run.facts->emulated ? "MemoryMax=1073741824\n"
                                                            : "MemoryMax=805306368\n"));
}

static guint64
kibibytes(pid_t pid, const char *name)
{
    g_autofree char *word = proc_word(pid, "smaps_rollup", name);

    return word ? g_ascii_strtoull(word, /* endptr= */ NULL, 10) : 0;
}

/* How long the threads of a process have run, or waited for a processor. */
static gint64
runnable_us(pid_t pid)
{
    g_autofree char *tasks = g_strdup_printf("/proc/%d/task", (int)pid);
    g_autoptr(GDir) dir = g_dir_open(tasks, 0, /* error= */ NULL);
    const char *task;
    gint64 all_ns = 0;

    g_assert_nonnull(dir);
    while ((task = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(tasks, task, "schedstat", NULL), *text = NULL;
        char *rest;

        if (!g_file_get_contents(path, &text, /* length= */ NULL, /* error= */ NULL))
            continue; /* it has ended */
        all_ns += (gint64)g_ascii_strtoull(text, &rest, 10);
        all_ns += (gint64)g_ascii_strtoull(rest, /* endptr= */ NULL, 10);
    }
    return all_ns / 1000;
}

#define WINDOW_S 2
#define WINDOWS_MAX 20

/*
 * An idle machine comes to rest: there is a time in which it wants a processor for less than half
 * of that time. A virtual processor that spins always wants one, also on a host that is too busy to
 * give it one. tests/bench measures what an idle machine costs.
 */
static void
wait_for_rest(void)
{
    gboolean rests[MACHINES] = {FALSE};
    guint busy = MACHINES;

    for (guint i = 0; i < WINDOWS_MAX && busy > 0; i++) {
        gint64 begin_us = g_get_monotonic_time(), before_us[MACHINES], window_us;

        for (guint m = 0; m < MACHINES; m++)
            before_us[m] = runnable_us(machine_pid(guests[m].machine));
        pass_time(WINDOW_S);
        window_us = g_get_monotonic_time() - begin_us;
        for (guint m = 0; m < MACHINES; m++) {
            gint64 wanted_us = runnable_us(machine_pid(guests[m].machine)) - before_us[m];

            g_test_message("machine %u: %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " ms", m,
                           wanted_us / 1000, window_us / 1000);
            if (rests[m] || wanted_us >= window_us / 2)
                continue;
            rests[m] = TRUE;
            busy--;
        }
    }
    g_assert_cmpuint(busy, ==, 0);
}

static void
test_idle(void)
{
    wait_for_rest();
    for (int i = 0; i < MACHINES; i++) {
        pid_t pid = machine_pid(guests[i].machine);

        g_test_message("pid %d: RSS %" G_GUINT64_FORMAT " KiB, PSS %" G_GUINT64_FORMAT
                       " KiB, private %" G_GUINT64_FORMAT " KiB",
                       (int)pid, kibibytes(pid, "Rss:"), kibibytes(pid, "Pss:"),
                       kibibytes(pid, "Private_Dirty:"));
        guest_destroy(&guests[i]);
    }
}

/* QEMU's users pass through it, and the kernel and the image's disk are for their group to read. */
static char *
make_directory(void)
{
    char *directory = g_dir_make_tmp("cloche-test-vm-XXXXXX", /* error= */ NULL);

    g_assert_nonnull(directory);
    g_assert_cmpint(g_chmod(directory, 0711), ==, 0);
    return directory;
}

static void
add_tests(void)
{
    g_test_add_func("/vm/probe", test_probe);
    add_tests_of_kvm();
    g_test_add_func("/vm/template", test_template);
    g_test_add_func("/vm/no-state", test_no_state);
    g_test_add_func("/vm/restore", test_restore);
    g_test_add_func("/vm/users", test_users);
    g_test_add_func("/vm/owners", test_owners);
    if (run.is_system)
        g_test_add_func("/vm/bounds", test_bounds);
    g_test_add_func("/vm/idle", test_idle);
    add_tests_of_freezing();
    add_tests_of_captures();
    add_tests_of_ends();
    add_tests_of_survival();
    g_test_add_func("/vm/last/close", close_vm);
}

static void
find_group(void)
{
    const struct group *group = getgrnam("libvirt-qemu");

    if (geteuid() != 0 || !group)
        g_error("this needs root, and the group libvirt-qemu");
    run.gid = group->gr_gid;
}

/* cloche-vm sees what is mounted later. */
static void
prepare_host(void)
{
    g_assert_cmpint(mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL), ==, 0);
}

/* As in a service, so that the kernel shows QEMU's mapping of a RAM file as one of that file. */
static void
mount_ram(void)
{
    g_autofree char *ram = path_of("ram");

    g_assert_cmpint(mount("cloche-test", ram, "tmpfs", MS_NOSUID, "mode=711"), ==, 0);
}

static void
unmount_ram(void)
{
    g_autofree char *ram = path_of("ram");

    g_assert_cmpint(umount2(ram, MNT_DETACH), ==, 0);
}

/* What a test runs in a program of its own: test-vm --kvm|--leave|--adopt IMAGE URI DIRECTORY PIDS.
 */
static int
live_another_life(int argc, char **argv)
{
    run.image = argv[2];
    run.uri = argv[3];
    run.is_system = g_str_equal(run.uri, "qemu:///system");
    run.directory = argv[4];
    run.life = "other-run";
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    if (g_str_equal(argv[1], "--kvm")) {
        run_kvm_machine();
        return 0;
    }
    if (g_str_equal(argv[1], "--leave"))
        leave_machines();
    adopt_machines(argv[5]);
    return 0;
}

int
main(int argc, char **argv)
{
    g_autofree char *directory = NULL, *embedded = NULL;
    GError *error = NULL;
    int status;

    setlinebuf(stdout);
    find_group();
    run.program = g_getenv("CLOCHE_VM");
    if (!run.program)
        g_error("CLOCHE_VM must name the program cloche-vm");
    if (argc == 6)
        return live_another_life(argc, argv);
    prepare_host();
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL); /* warnings are expected */
    if (argc < 2)
        g_error("usage: test-vm IMAGE [URI]");
    directory = make_directory();
    embedded = g_strdup_printf("qemu:///embed?root=%s/libvirt", directory);
    run.image = argv[1];
    run.uri = argc > 2 ? argv[2] : embedded;
    run.is_system = g_str_equal(run.uri, "qemu:///system");
    run.directory = directory;
    run.life = "run";
    make_store();
    mount_ram();
    add_tests();
    status = g_test_run();
    unmount_ram();
    if (!util_remove_tree(directory, &error))
        g_error("%s", error->message);
    return status;
}
