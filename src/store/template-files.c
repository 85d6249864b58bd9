/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * template-files: making, keeping and checking the parts that machines are restored from.
 *
 * A template's folder appears by a rename when all parts are in it, so a folder that exists is
 * complete. template_files_load() verifies its contents each time the service starts to use it.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "digest.h"
#include "error.h"
#include "ownership.h"
#include "template-files.h"
#include "util.h"

#define CONF "template.conf"
/* Its age is how long the version has been unused. */
#define UNUSED "unused"
#define UNUSED_MAX_S (7 * 24 * 3600)
static const char *const parts[] = {"ram", "state", "disk.qcow2"};

TemplateFiles *
template_files_new(const Store *store, const char *name, const char *key, const char *image,
                   const char *accelerator)
{
    TemplateFiles *files = g_new0(TemplateFiles, 1);
    char *version = g_strdup_printf("%s-%s", name, key);
    g_autofree char *staging = g_strdup_printf(".new-%s", version);

    files->store = store;
    files->name = g_strdup(name);
    files->key = g_strdup(key);
    files->image = g_strdup(image);
    files->accelerator = g_strdup(accelerator);
    files->version = version;
    files->dir = g_build_filename(store->state, "templates", version, NULL);
    files->staging = g_build_filename(store->state, "templates", staging, NULL);
    files->ram = g_build_filename(store->ram, version, NULL);
    return files;
}

void
template_files_free(TemplateFiles *files)
{
    if (!files)
        return;
    g_free(files->name);
    g_free(files->key);
    g_free(files->image);
    g_free(files->accelerator);
    g_free(files->version);
    g_free(files->dir);
    g_free(files->staging);
    g_free(files->ram);
    g_free(files);
}

char *
template_files_path(const TemplateFiles *files, const char *part)
{
    return g_build_filename(files->dir, part, NULL);
}

char *
template_files_staging_path(const TemplateFiles *files, const char *part)
{
    return g_build_filename(files->staging, part, NULL);
}

gboolean
template_files_exists(const TemplateFiles *files)
{
    g_autofree char *conf = template_files_path(files, CONF);

    return g_file_test(conf, G_FILE_TEST_IS_REGULAR);
}

guint64
template_files_disk_usage(const TemplateFiles *files)
{
    guint64 total = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *path = template_files_path(files, parts[i]);
        struct stat st;

        if (stat(path, &st) == 0)
            total += (guint64)st.st_blocks * 512;
    }
    return total;
}

gboolean
template_files_read_conf(const TemplateFiles *files, char **ret_image, char **ret_accelerator,
                         GError **error)
{
    g_autoptr(GKeyFile) conf = g_key_file_new();
    g_autofree char *path = template_files_path(files, CONF);
    g_autofree char *image = NULL, *accelerator = NULL;
    g_autoptr(GError) cause = NULL;

    if (g_key_file_load_from_file(conf, path, G_KEY_FILE_NONE, &cause))
        image = g_key_file_get_string(conf, "Template", "Image", &cause);
    if (image)
        accelerator = g_key_file_get_string(conf, "Template", "Accelerator", &cause);
    if (!accelerator) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED, "%s: %s", path,
                    cause->message);
        return FALSE;
    }
    *ret_image = g_steal_pointer(&image);
    *ret_accelerator = g_steal_pointer(&accelerator);
    return TRUE;
}

int
template_files_keep_image(const TemplateFiles *files)
{
    g_autoptr(GKeyFile) conf = g_key_file_new();
    g_autofree char *path = template_files_path(files, CONF);
    g_autofree char *image = NULL, *version = NULL, *dir = NULL;
    int fd;

    if (!g_key_file_load_from_file(conf, path, G_KEY_FILE_NONE, NULL))
        return -1;
    image = g_key_file_get_string(conf, "Template", "Image", NULL);
    if (!image || strchr(image, '/'))
        return -1;
    version = g_strdup_printf("%s-%s", files->name, image);
    dir = g_build_filename(files->store->state, "images", version, NULL);
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* --- fit --- */

static gboolean
fit_one(const TemplateFiles *files, const char *path, mode_t mode, gboolean is_shared,
        GError **error)
{
    const Ownership fit = {
        .type = S_ISDIR(mode) ? S_IFDIR : S_IFREG,
        .mode = mode & 07777,
        .gid = is_shared ? files->store->gid : OWNERSHIP_ANY_GROUP,
        .folder = files->store->state,
    };

    if (ownership_set(path, &fit, error))
        return TRUE;
    if (error && g_error_matches(*error, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED))
        (*error)->code = CLOCHE_ERROR_TEMPLATE_DAMAGED; /* the caller lacks no permission */
    return FALSE;
}

/* Gives the folder and its parts the owner, group and modes that this service and its machines'
 * group need: machines read the disk. */
static gboolean
fit_parts(const TemplateFiles *files, const char *dir, GError **error)
{
    static const struct {
        const char *name;
        mode_t mode;
        gboolean is_shared, may_be_missing;
    } expected[] = {
        {CONF, 0600, FALSE, FALSE},         {"ram", 0600, FALSE, FALSE},
        {"state", 0600, FALSE, FALSE},      {"disk.qcow2", 0640, TRUE, FALSE},
        {"blank.qcow2", 0600, FALSE, TRUE},
    };

    if (!fit_one(files, dir, S_IFDIR | 0710, TRUE, error))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_autofree char *path = g_build_filename(dir, expected[i].name, NULL);

        if (expected[i].may_be_missing && !g_file_test(path, G_FILE_TEST_EXISTS))
            continue;
        if (!fit_one(files, path, expected[i].mode, expected[i].is_shared, error))
            return FALSE;
    }
    return TRUE;
}

/* Replaces a RAM file of another owner, who could write to it while machines run from it, and
 * revokes access that a previous instance of the service has granted to machines. */
static gboolean
fit_ram(const TemplateFiles *files, GError **error)
{
    struct stat st;

    if (lstat(files->ram, &st) < 0)
        return TRUE;
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
        return util_remove_tree(files->ram, error);
    return fit_one(files, files->ram, S_IFREG | 0600, FALSE, error);
}

/* A folder of another owner that we may not search looks as if it had no template.conf. */
static gboolean
check_place(const TemplateFiles *files, GError **error)
{
    return !g_file_test(files->dir, G_FILE_TEST_EXISTS) ||
           fit_one(files, files->dir, S_IFDIR | 0710, TRUE, error);
}

/* --- make --- */

gboolean
template_files_stage(const TemplateFiles *files, guint64 memory_mib, GError **error)
{
    int fd;
    gboolean ok;

    if (!check_place(files, error) || !util_remove_tree(files->staging, error) ||
        !util_remove_tree(files->ram, error) ||
        !store_make_folder(files->store, files->staging, error))
        return FALSE;
    fd = open(files->ram, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ok = fd >= 0 && ftruncate(fd, (off_t)memory_mib * 1024 * 1024) == 0;
    if (!ok)
        util_set_errno(error, errno, "Cannot make the RAM file '%s'", files->ram);
    if (fd >= 0)
        close(fd);
    return ok;
}

void
template_files_discard(const TemplateFiles *files)
{
    util_remove_tree(files->staging, NULL);
    util_remove_tree(files->ram, NULL);
}

static gboolean
write_conf(const TemplateFiles *files, GError **error)
{
    g_autoptr(GKeyFile) conf = g_key_file_new();
    g_autofree char *path = template_files_staging_path(files, CONF);

    g_key_file_set_string(conf, "Template", "Image", files->image);
    g_key_file_set_string(conf, "Template", "Accelerator", files->accelerator);
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *part = template_files_staging_path(files, parts[i]);
        g_auto(FileDigest) digest = {0};

        if (!file_digest(part, &digest, error))
            return FALSE;
        g_key_file_set_uint64(conf, parts[i], "Size", digest.size);
        g_key_file_set_string(conf, parts[i], "Sha256", digest.sha256);
    }
    return g_key_file_save_to_file(conf, path, error);
}

gboolean
template_files_commit(const TemplateFiles *files, GError **error)
{
    g_autofree char *ram = template_files_staging_path(files, "ram");
    g_auto(FileDigest) digest = {0};

    if (!file_digest_copy(files->ram, ram, &digest, error) || !write_conf(files, error) ||
        !fit_parts(files, files->staging, error))
        return FALSE;
    sync(); /* a crash of the host must not leave a folder with empty files */
    if (!util_remove_tree(files->dir, error))
        return FALSE;
    if (g_rename(files->staging, files->dir) < 0)
        return util_set_errno(error, errno, "Cannot put '%s' into its place", files->dir);
    return TRUE;
}

static FileDigest
expected_digest(GKeyFile *conf, const char *part)
{
    return (FileDigest){
        .size = g_key_file_get_uint64(conf, part, "Size", NULL),
        .sha256 = g_key_file_get_string(conf, part, "Sha256", NULL),
    };
}

/* Verifies a part, and copies it to `copy` unless that is NULL. */
static gboolean
check_part(const TemplateFiles *files, GKeyFile *conf, const char *part, const char *copy,
           GError **error)
{
    g_autofree char *path = template_files_path(files, part);
    g_auto(FileDigest) found = {0};
    g_auto(FileDigest) expected = expected_digest(conf, part);

    if (file_digest_copy(path, copy, &found, error) &&
        file_digest_check(path, &found, &expected, error))
        return TRUE;
    if (copy)
        unlink(copy);
    return FALSE;
}

/* Whether the RAM file exists and has the stored content. */
static gboolean
ram_is_good(const TemplateFiles *files, GKeyFile *conf)
{
    g_auto(FileDigest) found = {0};
    g_auto(FileDigest) expected = expected_digest(conf, "ram");

    return file_digest(files->ram, &found, NULL) &&
           file_digest_check(files->ram, &found, &expected, NULL);
}

gboolean
template_files_load(const TemplateFiles *files, GError **error)
{
    g_autoptr(GKeyFile) conf = g_key_file_new();
    g_autofree char *path = template_files_path(files, CONF);
    g_autofree char *unused = template_files_path(files, UNUSED);
    g_autoptr(GError) cause = NULL;
    gboolean has_ram;

    if (!fit_parts(files, files->dir, error) || !fit_ram(files, error))
        return FALSE;
    unlink(unused);
    if (!g_key_file_load_from_file(conf, path, G_KEY_FILE_NONE, &cause)) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED, "%s: %s", path,
                    cause->message);
        return FALSE;
    }
    has_ram = ram_is_good(files, conf);
    if (!has_ram && !util_remove_tree(files->ram, error))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        gboolean fills = !has_ram && g_str_equal(parts[i], "ram");

        if (!check_part(files, conf, parts[i], fills ? files->ram : NULL, error)) {
            util_remove_tree(files->ram, NULL);
            return FALSE;
        }
    }
    return TRUE;
}

/* Whether `folder` is another version of the template: NAME-KEY, where keys have no dash. */
static gboolean
is_other_version(const TemplateFiles *files, const char *folder)
{
    const char *dash = strrchr(folder, '-');

    return dash && (gsize)(dash - folder) == strlen(files->name) &&
           g_str_has_prefix(folder, files->name) && !g_str_equal(dash + 1, files->key);
}

static gboolean
is_of_other_accelerator(const TemplateFiles *files, const char *path)
{
    g_autoptr(GKeyFile) conf = g_key_file_new();
    g_autofree char *file = g_build_filename(path, CONF, NULL);
    g_autofree char *image = NULL, *accelerator = NULL;

    if (!g_key_file_load_from_file(conf, file, G_KEY_FILE_NONE, NULL))
        return FALSE;
    image = g_key_file_get_string(conf, "Template", "Image", NULL);
    accelerator = g_key_file_get_string(conf, "Template", "Accelerator", NULL);
    return accelerator && !g_str_equal(accelerator, files->accelerator) &&
           g_strcmp0(image, files->image) == 0;
}

/* The week begins when the version is first found unused. */
static gboolean
is_unused_for_long(const char *path)
{
    g_autofree char *file = g_build_filename(path, UNUSED, NULL);
    time_t now = time(NULL);
    struct stat st;

    if (stat(file, &st) == 0)
        return now - st.st_mtime > UNUSED_MAX_S;
    /* A full disk has no room for an unused template either. */
    return !g_file_set_contents(file, "", /* length= */ 0, NULL);
}

/* RAM files are never kept: they are not folders with a template.conf. */
static gboolean
is_kept(const TemplateFiles *files, const char *path)
{
    return is_of_other_accelerator(files, path) && !is_unused_for_long(path);
}

static gboolean
remove_other_versions_in(const TemplateFiles *files, const char *path, const char *const *in_use,
                         GError **error)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *version;

    while (dir && (version = g_dir_read_name(dir))) {
        g_autofree char *old = g_build_filename(path, version, NULL);

        if (is_other_version(files, version) && !g_strv_contains(in_use, version) &&
            !is_kept(files, old) && !util_remove_tree(old, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
template_files_remove_others(const TemplateFiles *files, const char *const *in_use, GError **error)
{
    g_autofree char *templates = g_build_filename(files->store->state, "templates", NULL);

    return remove_other_versions_in(files, templates, in_use, error) &&
           remove_other_versions_in(files, files->store->ram, in_use, error);
}

gboolean
template_files_remove(const TemplateFiles *files, GError **error)
{
    return util_remove_tree(files->dir, error) && util_remove_tree(files->ram, error);
}
