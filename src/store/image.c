/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image: loads images that build-image has made. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digest.h"
#include "error.h"
#include "image.h"
#include "names.h"
#include "util.h"

#define MEMORY_MIB_MIN 64
#define MEMORY_MIB_MAX (1024 * 1024)
#define VCPUS_MAX 64
#define MIB (1024 * 1024)

static const char *const parts[] = {"kernel", "initrd", "disk.ext4"};

char *
image_path(const Image *image, const char *part)
{
    return g_build_filename(image->dir, part, NULL);
}

/* Reads a required key; the error names file, section and key. */
static gboolean
read_string(GKeyFile *file, const char *path, const char *key, char **ret_value, GError **error)
{
    g_autoptr(GError) cause = NULL;
    char *value = g_key_file_get_string(file, "Image", key, &cause);

    if (value) {
        g_free(*ret_value);
        *ret_value = value;
        return TRUE;
    }
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED, "%s: %s", path, cause->message);
    return FALSE;
}

static gboolean
read_number(GKeyFile *file, const char *path, const char *key, guint64 min, guint64 max,
            guint64 *ret_value, GError **error)
{
    guint64 value = g_key_file_get_uint64(file, "Image", key, NULL);

    if (value < min || value > max) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED,
                    "%s: [Image] %s is not between %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT,
                    path, key, min, max);
        return FALSE;
    }
    *ret_value = value;
    return TRUE;
}

/* Reads another required key. */
static gboolean
read_list(GKeyFile *file, const char *path, const char *key, char ***ret_list, GError **error)
{
    g_autoptr(GError) cause = NULL;
    char **list = g_key_file_get_string_list(file, "Image", key, NULL, &cause);

    if (list) {
        g_strfreev(*ret_list);
        *ret_list = list;
        return TRUE;
    }
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED, "%s: %s", path, cause->message);
    return FALSE;
}

static gboolean
check_runners(const Image *image, const char *path, GError **error)
{
    for (char **runner = image->runners; *runner; runner++)
        if (!g_strv_contains((const char *const *)image->languages, *runner)) {
            g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED,
                        "%s: [Image] Runners names '%s', but Languages does not", path, *runner);
            return FALSE;
        }
    return TRUE;
}

/* Reads the keys `prefix`LANGUAGE of all runners. */
static void
read_code(const Image *image, GKeyFile *file, const char *prefix, GHashTable *ret_code)
{
    for (char **language = image->runners; *language; language++) {
        g_autofree char *key = g_strconcat(prefix, *language, NULL);
        char *code = g_key_file_get_string(file, "Image", key, NULL);

        if (code)
            g_hash_table_insert(ret_code, g_strdup(*language), code);
    }
}

/* Returns the optional key; an empty list if there is none. */
static char **
get_entries(GKeyFile *file, const char *key)
{
    char **entries = g_key_file_get_string_list(file, "Image", key, NULL, NULL);

    return entries ? entries : g_new0(char *, 1);
}

static gboolean
read_network(Image *image, GKeyFile *file, const char *path, GError **error)
{
    g_autofree char *mode = g_key_file_get_string(file, "Image", "Network", NULL);
    g_autoptr(NetPolicy) policy = net_policy_new();
    g_autoptr(GError) cause = NULL;

    if (!mode)
        return TRUE;
    g_strfreev(policy->allow);
    g_strfreev(policy->deny);
    policy->allow = get_entries(file, "NetworkAllow");
    policy->deny = get_entries(file, "NetworkDeny");
    if (!net_mode_parse(mode, &policy->mode) || !net_policy_check(policy, &cause)) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED, "%s: [Image] Network: %s",
                    path, cause ? cause->message : "it is not off, restricted or internet");
        return FALSE;
    }
    image->network = g_steal_pointer(&policy);
    return TRUE;
}

static gboolean
read_fields(Image *image, GKeyFile *file, const char *path, GError **error)
{
    guint64 vcpus;

    if (!read_string(file, path, "Description", &image->description, error) ||
        !read_string(file, path, "Digest", &image->digest, error) ||
        !read_string(file, path, "User", &image->user, error) ||
        !read_string(file, path, "Kernel", &image->kernel_release, error) ||
        !read_list(file, path, "Languages", &image->languages, error) ||
        !read_list(file, path, "Runners", &image->runners, error) ||
        !check_runners(image, path, error) ||
        !read_number(file, path, "MemoryMiB", MEMORY_MIB_MIN, MEMORY_MIB_MAX, &image->memory_mib,
                     error) ||
        !read_number(file, path, "Vcpus", 1, VCPUS_MAX, &vcpus, error) ||
        !read_network(image, file, path, error))
        return FALSE;
    image->vcpus = (guint)vcpus;
    read_code(image, file, "Startup.", image->startup);
    read_code(image, file, "Exercise.", image->exercise);
    return TRUE;
}

static gboolean
read_disk(Image *image, GError **error)
{
    g_autofree char *path = image_path(image, "disk.ext4");
    struct stat st;

    if (stat(path, &st) < 0) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED, "Cannot read '%s': %s",
                    path, g_strerror(errno));
        return FALSE;
    }
    image->disk_mib = ((guint64)st.st_size + MIB - 1) / MIB;
    return TRUE;
}

static GKeyFile *
open_conf(const char *dir, char **ret_path, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) cause = NULL;

    *ret_path = g_build_filename(dir, "image.conf", NULL);
    if (g_key_file_load_from_file(file, *ret_path, G_KEY_FILE_NONE, &cause))
        return g_steal_pointer(&file);
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED, "%s: %s", *ret_path,
                cause->message);
    return NULL;
}

/* build-image does not remove an image that is locked. */
static gboolean
lock_image(Image *image, GError **error)
{
    image->lock = open(image->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (image->lock >= 0 && flock(image->lock, LOCK_SH | LOCK_NB) == 0)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED, "Cannot use the image '%s': %s",
                image->dir, g_strerror(errno));
    return FALSE;
}

/* Another configuration, or an administrator's umask, may have left files unreadable. */
static gboolean
fit_parts(const Store *store, const Image *image, GError **error)
{
    gboolean ok = store_make_readable(store, image->dir, S_IFDIR, error);
    g_autofree char *conf = g_build_filename(image->dir, "image.conf", NULL);

    ok = ok && store_make_readable(store, conf, S_IFREG, error);
    for (gsize i = 0; ok && i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *path = image_path(image, parts[i]);

        ok = store_make_readable(store, path, S_IFREG, error);
    }
    if (!ok && error)
        (*error)->code =
            CLOCHE_ERROR_TEMPLATE_DAMAGED; /* NOT_PERMITTED would be about the caller */
    return ok;
}

static gboolean
load(const Store *store, Image *image, const char *link, GError **error)
{
    g_autofree char *target = g_file_read_link(link, error);
    g_autofree char *parent = g_path_get_dirname(link), *path = NULL;
    g_autoptr(GKeyFile) file = NULL;

    if (!target)
        return FALSE;
    image->dir = g_build_filename(parent, target, NULL);
    if (!fit_parts(store, image, error) || !lock_image(image, error))
        return FALSE;
    file = open_conf(image->dir, &path, error);
    return file && read_fields(image, file, path, error) && read_disk(image, error);
}

Image *
image_load(const Store *store, const char *name, GError **error)
{
    Image *image = g_new0(Image, 1);
    g_autofree char *link = g_build_filename(store->state, "images", name, NULL);

    image->name = g_strdup(name);
    image->description = g_strdup("");
    image->languages = g_new0(char *, 1);
    image->runners = g_new0(char *, 1);
    image->lock = -1;
    image->startup = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    image->exercise = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    load(store, image, link, error);
    return image;
}

int
image_keep(const Image *image, GError **error)
{
    int fd = fcntl(image->lock, F_DUPFD_CLOEXEC, 0);

    if (fd < 0)
        util_set_errno(error, errno, "Cannot keep the image '%s'", image->dir);
    return fd;
}

void
image_free(Image *image)
{
    if (!image)
        return;
    g_free(image->name);
    g_free(image->description);
    g_free(image->digest);
    g_free(image->user);
    g_free(image->kernel_release);
    g_free(image->dir);
    g_strfreev(image->languages);
    net_policy_free(image->network);
    g_strfreev(image->runners);
    g_hash_table_unref(image->startup);
    g_hash_table_unref(image->exercise);
    if (image->lock >= 0)
        close(image->lock);
    g_free(image);
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **
image_list(const Store *store)
{
    g_autofree char *path = g_build_filename(store->state, "images", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *link = g_build_filename(path, name, NULL);

        if (image_name_is_valid(name) && g_file_test(link, G_FILE_TEST_IS_SYMLINK))
            g_ptr_array_add(names, g_strdup(name));
    }
    g_ptr_array_sort(names, compare_names);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_steal(names, NULL);
}

gboolean
image_verify(const Image *image, GError **error)
{
    g_autofree char *conf = NULL;
    g_autoptr(GKeyFile) file = open_conf(image->dir, &conf, error);

    if (!file)
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *path = image_path(image, parts[i]);
        g_auto(FileDigest) expected = {
            .size = g_key_file_get_uint64(file, parts[i], "Size", NULL),
            .sha256 = g_key_file_get_string(file, parts[i], "Sha256", NULL),
        };
        g_auto(FileDigest) found = {0};

        if (!file_digest(path, &found, error) || !file_digest_check(path, &found, &expected, error))
            return FALSE;
    }
    return TRUE;
}
