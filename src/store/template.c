/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * template: making, keeping and checking the parts that machines are restored from.
 *
 * A template's folder appears with a rename when all of it is there, so one that exists is whole;
 * that it is still what was stored is found out by template_load(), each time it is put to use.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "digest.h"
#include "error.h"
#include "fit.h"
#include "store.h"
#include "util.h"

#define CONF "template.conf"
/* Its age tells for how long another accelerator is in use. */
#define UNUSED "unused"
#define UNUSED_MAX_S (7 * 24 * 3600)
static const char *const parts[] = {"ram", "state", "disk.qcow2"};

Template *
template_new(const Store *store, const char *name, const char *key, const char *image,
             const char *accelerator)
{
    Template *template = g_new0(Template, 1);
    g_autofree char *folder = g_strdup_printf("%s-%s", name, key);
    g_autofree char *staging = g_strdup_printf(".new-%s", folder);

    template->store = store;
    template->name = g_strdup(name);
    template->key = g_strdup(key);
    template->image = g_strdup(image);
    template->accelerator = g_strdup(accelerator);
    template->dir = g_build_filename(store->state, "templates", folder, NULL);
    template->staging = g_build_filename(store->state, "templates", staging, NULL);
    template->ram = g_build_filename(store->ram, folder, NULL);
    return template;
}

void
template_free(Template *template)
{
    if (!template)
        return;
    g_free(template->name);
    g_free(template->key);
    g_free(template->image);
    g_free(template->accelerator);
    g_free(template->dir);
    g_free(template->staging);
    g_free(template->ram);
    g_free(template);
}

char *
template_path(const Template *template, const char *part)
{
    return g_build_filename(template->dir, part, NULL);
}

char *
template_staging_path(const Template *template, const char *part)
{
    return g_build_filename(template->staging, part, NULL);
}

gboolean
template_exists(const Template *template)
{
    g_autofree char *conf = template_path(template, CONF);

    return g_file_test(conf, G_FILE_TEST_IS_REGULAR);
}

guint64
template_disk_usage(const Template *template)
{
    guint64 total = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *path = template_path(template, parts[i]);
        struct stat st;

        if (stat(path, &st) == 0)
            total += (guint64)st.st_blocks * 512;
    }
    return total;
}

/* --- fit --- */

static gboolean
fit_one(const Template *template, const char *path, mode_t mode, gboolean is_shared, GError **error)
{
    const Fit fit = {
        .type = S_ISDIR(mode) ? S_IFDIR : S_IFREG,
        .mode = mode & 07777,
        .gid = is_shared ? template->store->gid : FIT_ANY_GROUP,
        .folder = template->store->state,
    };

    if (fit_ours(path, &fit, error))
        return TRUE;
    if (error && g_error_matches(*error, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED))
        (*error)->code = CLOCHE_ERROR_TEMPLATE_DAMAGED; /* it is not about the caller */
    return FALSE;
}

/* The folder and all that is in it, for this service and its machines' group: they read the disk.
 */
static gboolean
fit_parts(const Template *template, const char *dir, GError **error)
{
    static const struct {
        const char *name;
        mode_t mode;
        gboolean is_shared, may_be_missing;
    } files[] = {
        {CONF, 0600, FALSE, FALSE},         {"ram", 0600, FALSE, FALSE},
        {"state", 0600, FALSE, FALSE},      {"disk.qcow2", 0640, TRUE, FALSE},
        {"blank.qcow2", 0600, FALSE, TRUE},
    };

    if (!fit_one(template, dir, S_IFDIR | 0710, TRUE, error))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(dir, files[i].name, NULL);

        if (files[i].may_be_missing && !g_file_test(path, G_FILE_TEST_EXISTS))
            continue;
        if (!fit_one(template, path, files[i].mode, files[i].is_shared, error))
            return FALSE;
    }
    return TRUE;
}

/* Whoever owns it could write to it while machines run from it. Access that was granted to machines
 * by a service that died is over. */
static gboolean
fit_ram(const Template *template, GError **error)
{
    struct stat st;

    if (lstat(template->ram, &st) < 0)
        return TRUE;
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
        return util_remove_tree(template->ram, error);
    return fit_one(template, template->ram, S_IFREG | 0600, FALSE, error);
}

/* Somebody else's that we may not even look into seems not to be there. */
static gboolean
check_place(const Template *template, GError **error)
{
    return !g_file_test(template->dir, G_FILE_TEST_EXISTS) ||
           fit_one(template, template->dir, S_IFDIR | 0710, TRUE, error);
}

/* --- make --- */

gboolean
template_stage(const Template *template, guint64 memory_mib, GError **error)
{
    int fd;
    gboolean ok;

    if (!check_place(template, error) || !util_remove_tree(template->staging, error) ||
        !util_remove_tree(template->ram, error) ||
        !store_make_folder(template->store, template->staging, error))
        return FALSE;
    fd = open(template->ram, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ok = fd >= 0 && ftruncate(fd, (off_t)memory_mib * 1024 * 1024) == 0;
    if (!ok)
        util_set_errno(error, errno, "Cannot make the RAM file '%s'", template->ram);
    if (fd >= 0)
        close(fd);
    return ok;
}

void
template_discard(const Template *template)
{
    util_remove_tree(template->staging, NULL);
    util_remove_tree(template->ram, NULL);
}

static gboolean
write_conf(const Template *template, GError **error)
{
    g_autoptr(GKeyFile) conf = g_key_file_new();
    g_autofree char *path = template_staging_path(template, CONF);

    g_key_file_set_string(conf, "Template", "Image", template->image);
    g_key_file_set_string(conf, "Template", "Accelerator", template->accelerator);
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *part = template_staging_path(template, parts[i]);
        g_auto(FileDigest) digest = {0};

        if (!file_digest(part, &digest, error))
            return FALSE;
        g_key_file_set_uint64(conf, parts[i], "Size", digest.size);
        g_key_file_set_string(conf, parts[i], "Sha256", digest.sha256);
    }
    return g_key_file_save_to_file(conf, path, error);
}

gboolean
template_commit(const Template *template, GError **error)
{
    g_autofree char *ram = template_staging_path(template, "ram");
    g_auto(FileDigest) digest = {0};

    if (!file_digest_copy(template->ram, ram, &digest, error) || !write_conf(template, error) ||
        !fit_parts(template, template->staging, error))
        return FALSE;
    sync(); /* a crash of the host must not leave a folder with empty files */
    if (!util_remove_tree(template->dir, error))
        return FALSE;
    if (g_rename(template->staging, template->dir) < 0)
        return util_set_errno(error, errno, "Cannot put '%s' into its place", template->dir);
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

/* Checks a part, and copies it to `copy` (NULL: does not). */
static gboolean
check_part(const Template *template, GKeyFile *conf, const char *part, const char *copy,
           GError **error)
{
    g_autofree char *path = template_path(template, part);
    g_auto(FileDigest) found = {0};
    g_auto(FileDigest) expected = expected_digest(conf, part);

    if (file_digest_copy(path, copy, &found, error) &&
        file_digest_check(path, &found, &expected, error))
        return TRUE;
    if (copy)
        unlink(copy);
    return FALSE;
}

/* Whether the RAM file is there, and is what was stored. */
static gboolean
ram_is_good(const Template *template, GKeyFile *conf)
{
    g_auto(FileDigest) found = {0};
    g_auto(FileDigest) expected = expected_digest(conf, "ram");

    return file_digest(template->ram, &found, NULL) &&
           file_digest_check(template->ram, &found, &expected, NULL);
}

gboolean
template_load(const Template *template, GError **error)
{
    g_autoptr(GKeyFile) conf = g_key_file_new();
    g_autofree char *path = template_path(template, CONF);
    g_autofree char *unused = template_path(template, UNUSED);
    g_autoptr(GError) cause = NULL;
    gboolean has_ram;

    if (!fit_parts(template, template->dir, error) || !fit_ram(template, error))
        return FALSE;
    unlink(unused);
    if (!g_key_file_load_from_file(conf, path, G_KEY_FILE_NONE, &cause)) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED, "%s: %s", path,
                    cause->message);
        return FALSE;
    }
    has_ram = ram_is_good(template, conf);
    if (!has_ram && !util_remove_tree(template->ram, error))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        gboolean fills = !has_ram && g_str_equal(parts[i], "ram");

        if (!check_part(template, conf, parts[i], fills ? template->ram : NULL, error)) {
            util_remove_tree(template->ram, NULL);
            return FALSE;
        }
    }
    return TRUE;
}

/* Whether `folder` is another version of the template: NAME-KEY, where keys have no dash. */
static gboolean
is_other_version(const Template *template, const char *folder)
{
    const char *dash = strrchr(folder, '-');

    return dash && (gsize)(dash - folder) == strlen(template->name) &&
           g_str_has_prefix(folder, template->name) && !g_str_equal(dash + 1, template->key);
}

static gboolean
is_of_other_accelerator(const Template *template, const char *path)
{
    g_autoptr(GKeyFile) conf = g_key_file_new();
    g_autofree char *file = g_build_filename(path, CONF, NULL);
    g_autofree char *image = NULL, *accelerator = NULL;

    if (!g_key_file_load_from_file(conf, file, G_KEY_FILE_NONE, NULL))
        return FALSE;
    image = g_key_file_get_string(conf, "Template", "Image", NULL);
    accelerator = g_key_file_get_string(conf, "Template", "Accelerator", NULL);
    return accelerator && !g_str_equal(accelerator, template->accelerator) &&
           g_strcmp0(image, template->image) == 0;
}

/* The week begins when it is first found unused. */
static gboolean
is_unused_for_long(const char *path)
{
    g_autofree char *file = g_build_filename(path, UNUSED, NULL);
    time_t now = time(NULL);
    struct stat st;

    if (stat(file, &st) == 0)
        return now - st.st_mtime > UNUSED_MAX_S;
    /* Where it cannot be written there is no room to keep the template. */
    return !g_file_set_contents(file, "", /* length= */ 0, NULL);
}

/* Never a RAM file: it is no folder with a template.conf. */
static gboolean
is_kept(const Template *template, const char *path)
{
    return is_of_other_accelerator(template, path) && !is_unused_for_long(path);
}

static gboolean
remove_other_versions_in(const Template *template, const char *path, GError **error)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *folder;

    while (dir && (folder = g_dir_read_name(dir))) {
        g_autofree char *old = g_build_filename(path, folder, NULL);

        if (is_other_version(template, folder) && !is_kept(template, old) &&
            !util_remove_tree(old, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
template_remove_others(const Template *template, GError **error)
{
    g_autofree char *templates = g_build_filename(template->store->state, "templates", NULL);

    return remove_other_versions_in(template, templates, error) &&
           remove_other_versions_in(template, template->store->ram, error);
}
