/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshot: making, keeping and checking the files of a snapshot. */
#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compose.h"
#include "digest.h"
#include "error.h"
#include "names.h"
#include "snapshot-private.h"
#include "util.h"

#define CAPTURE "capture"
#define REMOVED "removed"
#define BLOCK_BYTES 512 /* of st_blocks */

static const char *const parts[] = {SNAPSHOT_STATE, SNAPSHOT_DISK};

Snapshot *
snapshot_new(const Store *store, const char *id)
{
    Snapshot *snapshot = g_new0(Snapshot, 1);
    g_autofree char *staging = g_strconcat(id, ".new", NULL);

    snapshot->store = store;
    snapshot->id = g_strdup(id);
    snapshot->dir = g_build_filename(store->state, "snapshots", id, NULL);
    snapshot->staging = g_build_filename(store->state, "snapshots", staging, NULL);
    return snapshot;
}

void
snapshot_free(Snapshot *snapshot)
{
    if (!snapshot)
        return;
    g_free(snapshot->id);
    g_free(snapshot->dir);
    g_free(snapshot->staging);
    g_free(snapshot->name);
    g_free(snapshot->description);
    g_free(snapshot->sandbox);
    g_free(snapshot->parent);
    g_free(snapshot->template);
    g_free(snapshot->key);
    g_free(snapshot->image);
    g_free(snapshot->accelerator);
    g_free(snapshot->user);
    g_strfreev(snapshot->languages);
    net_policy_free(snapshot->network);
    g_free(snapshot);
}

char *
snapshot_path(const Snapshot *snapshot, const char *part)
{
    return g_build_filename(snapshot->dir, part, NULL);
}

char *
snapshot_staging_path(const Snapshot *snapshot, const char *part)
{
    return g_build_filename(snapshot->staging, part, NULL);
}

char **
snapshot_list(const Store *store)
{
    g_autofree char *path = g_build_filename(store->state, "snapshots", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autoptr(GStrvBuilder) ids = g_strv_builder_new();
    const char *name;

    while (dir && (name = g_dir_read_name(dir)))
        if (record_id_is_valid(name))
            g_strv_builder_add(ids, name);
    return g_strv_builder_end(ids);
}

/* --- make --- */

/* Takes the descriptor. */
static gboolean
sync_fd(int fd, const char *path, GError **error)
{
    gboolean ok = fd >= 0 && fsync(fd) == 0;

    if (!ok)
        util_set_errno(error, errno, "Cannot write '%s' to the disk", path);
    if (fd >= 0)
        close(fd);
    return ok;
}

static gboolean
sync_path(const char *path, int flags, GError **error)
{
    return sync_fd(open(path, O_RDONLY | O_CLOEXEC | flags), path, error);
}

static int
create_part(const Snapshot *snapshot, const char *part, GError **error)
{
    g_autofree char *path = snapshot_staging_path(snapshot, part);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        util_set_errno(error, errno, "Cannot make '%s'", path);
    return fd;
}

int
snapshot_stage(const Snapshot *snapshot, GError **error)
{
    if (!store_make_folder(snapshot->store, snapshot->staging, error))
        return -1;
    return create_part(snapshot, CAPTURE, error);
}

/* From the present offsets on; 0 at the end. The kernel shares or copies as it can. */
static gssize
copy_some(int from, int to)
{
    static const gsize most = 16 * 1024 * 1024;
    gssize n = copy_file_range(from, NULL, to, NULL, most, 0);
    char buffer[64 * 1024];

    if (n >= 0 || (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS))
        return n;
    n = read(from, buffer, sizeof buffer);
    return n > 0 ? write(to, buffer, (gsize)n) : n;
}

static gboolean
copy_data(int from, int to)
{
    gssize n;

    if (ioctl(to, FICLONE, from) == 0)
        return TRUE;
    do
        n = copy_some(from, to);
    while (n > 0 || (n < 0 && errno == EINTR));
    return n == 0;
}

gboolean
snapshot_copy_disk(const Snapshot *snapshot, const char *disk, GError **error)
{
    int from = open(disk, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int to = from >= 0 ? create_part(snapshot, SNAPSHOT_DISK, error) : -1;
    gboolean ok = to >= 0 && copy_data(from, to);

    if (!ok && (from < 0 || to >= 0))
        util_set_errno(error, errno, "Cannot copy '%s'", disk);
    if (to >= 0)
        close(to);
    if (from >= 0)
        close(from);
    return ok;
}

static int
open_to_read(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        util_set_errno(error, errno, "Cannot open '%s'", path);
    return fd;
}

static void
close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static gboolean
compose(const Snapshot *snapshot, const TemplateFiles *base, GError **error)
{
    g_autofree char *capture_path = snapshot_staging_path(snapshot, CAPTURE);
    g_autofree char *state_path = template_files_path(base, "state");
    int state = open_to_read(state_path, error);
    int ram = state >= 0 ? open_to_read(base->ram, error) : -1;
    int capture = ram >= 0 ? open_to_read(capture_path, error) : -1;
    int out = capture >= 0 ? create_part(snapshot, SNAPSHOT_STATE, error) : -1;
    gboolean ok = out >= 0 && compose_state(state, ram, capture, out, error);

    close_fd(state);
    close_fd(ram);
    close_fd(capture);
    close_fd(out);
    return ok && (unlink(capture_path) == 0 ||
                  util_set_errno(error, errno, "Cannot remove '%s'", capture_path));
}

/* One that is removed from the beginning need not outlive the host. */
static gboolean
must_last(const Snapshot *snapshot)
{
    return !snapshot->is_removed;
}

static gboolean
add_size(const char *path, const char *part, GKeyFile *conf, GError **error)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return util_set_errno(error, errno, "Cannot find '%s'", path);
    g_key_file_set_uint64(conf, part, "Size", (guint64)st.st_size);
    return TRUE;
}

/* What the file system has stored is read again for the digest. */
static gboolean
add_digest(const Snapshot *snapshot, const char *part, GKeyFile *conf, GError **error)
{
    g_autofree char *path = snapshot_staging_path(snapshot, part);
    g_auto(FileDigest) digest = {0};

    if (!must_last(snapshot))
        return add_size(path, part, conf, error);
    if (!sync_path(path, 0, error) || !file_digest(path, &digest, error))
        return FALSE;
    g_key_file_set_uint64(conf, part, "Size", digest.size);
    g_key_file_set_string(conf, part, "Sha256", digest.sha256);
    return TRUE;
}

static guint64
disk_usage(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (guint64)st.st_blocks * BLOCK_BYTES : 0;
}

static void
measure(Snapshot *snapshot, const char *dir)
{
    snapshot->size = 0;
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *path = g_build_filename(dir, parts[i], NULL);

        snapshot->size += disk_usage(path);
    }
}

static gboolean
write_conf(const Snapshot *snapshot, GError **error)
{
    g_autoptr(GKeyFile) conf = snapshot_fill_conf(snapshot);
    g_autofree char *path = snapshot_staging_path(snapshot, SNAPSHOT_CONF);

    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++)
        if (!add_digest(snapshot, parts[i], conf, error))
            return FALSE;
    return g_key_file_save_to_file(conf, path, error) && g_chmod(path, 0600) == 0 &&
           (!must_last(snapshot) || sync_path(path, 0, error));
}

static gboolean
put_in_place(const Snapshot *snapshot, GError **error)
{
    g_autofree char *parent = g_path_get_dirname(snapshot->dir);

    if (must_last(snapshot) && !sync_path(snapshot->staging, O_DIRECTORY, error))
        return FALSE;
    if (g_rename(snapshot->staging, snapshot->dir) < 0)
        return util_set_errno(error, errno, "Cannot put '%s' into its place", snapshot->dir);
    return !must_last(snapshot) || sync_path(parent, O_DIRECTORY, error);
}

gboolean
snapshot_commit(Snapshot *snapshot, const TemplateFiles *base, GError **error)
{
    if (!compose(snapshot, base, error))
        return FALSE;
    measure(snapshot, snapshot->staging);
    if (snapshot->is_removed) {
        g_autofree char *path = snapshot_staging_path(snapshot, REMOVED);

        if (!g_file_set_contents(path, "", 0, error))
            return FALSE;
    }
    return write_conf(snapshot, error) && put_in_place(snapshot, error);
}

void
snapshot_discard(const Snapshot *snapshot)
{
    g_autoptr(GError) error = NULL;

    if (!util_remove_tree(snapshot->staging, &error) || !util_remove_tree(snapshot->dir, &error))
        g_warning("%s", error->message);
}

/* --- check --- */

static gboolean
check_size(const Snapshot *snapshot, GKeyFile *conf, const char *part, GError **error)
{
    g_autofree char *path = snapshot_path(snapshot, part);
    guint64 size = g_key_file_get_uint64(conf, part, "Size", NULL);
    struct stat st;

    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (guint64)st.st_size == size)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED,
                "'%s' is missing or has another size than %" G_GUINT64_FORMAT, path, size);
    return FALSE;
}

static GKeyFile *
read_conf(const Snapshot *snapshot, GError **error)
{
    g_autoptr(GKeyFile) conf = g_key_file_new();
    g_autofree char *path = snapshot_path(snapshot, SNAPSHOT_CONF);
    g_autoptr(GError) cause = NULL;

    if (g_key_file_load_from_file(conf, path, G_KEY_FILE_NONE, &cause))
        return g_steal_pointer(&conf);
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_DAMAGED, "%s: %s", path, cause->message);
    return NULL;
}

Snapshot *
snapshot_load(const Store *store, const char *id, GError **error)
{
    g_autoptr(Snapshot) snapshot = snapshot_new(store, id);
    g_autoptr(GKeyFile) conf = read_conf(snapshot, error);
    g_autofree char *removed = snapshot_path(snapshot, REMOVED);

    if (!conf || !snapshot_read_conf(snapshot, conf, error))
        return NULL;
    snapshot->is_removed = g_file_test(removed, G_FILE_TEST_EXISTS);
    if (!check_size(snapshot, conf, SNAPSHOT_DISK, error) ||
        (!snapshot->is_removed && !check_size(snapshot, conf, SNAPSHOT_STATE, error)))
        return NULL;
    measure(snapshot, snapshot->dir);
    return g_steal_pointer(&snapshot);
}

gboolean
snapshot_verify(const Snapshot *snapshot, GError **error)
{
    g_autoptr(GKeyFile) conf = read_conf(snapshot, error);

    if (!conf)
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *path = snapshot_path(snapshot, parts[i]);
        g_auto(FileDigest) found = {0};
        g_auto(FileDigest) expected = {
            .size = g_key_file_get_uint64(conf, parts[i], "Size", NULL),
            .sha256 = g_key_file_get_string(conf, parts[i], "Sha256", NULL),
        };

        if (!file_digest(path, &found, error) || !file_digest_check(path, &found, &expected, error))
            return FALSE;
    }
    return TRUE;
}

/* --- remove --- */

gboolean
snapshot_mark_removed(Snapshot *snapshot, GError **error)
{
    g_autofree char *path = snapshot_path(snapshot, REMOVED);

    if (!g_file_set_contents(path, "", 0, error) || !sync_path(snapshot->dir, O_DIRECTORY, error))
        return FALSE;
    snapshot->is_removed = TRUE;
    return TRUE;
}

gboolean
snapshot_drop_state(Snapshot *snapshot, GError **error)
{
    g_autofree char *path = snapshot_path(snapshot, SNAPSHOT_STATE);

    if (unlink(path) < 0)
        return util_set_errno(error, errno, "Cannot remove '%s'", path);
    measure(snapshot, snapshot->dir);
    return TRUE;
}

/* A crash in the middle leaves a folder that is swept. */
gboolean
snapshot_remove(const Snapshot *snapshot, GError **error)
{
    if (g_rename(snapshot->dir, snapshot->staging) < 0 && errno != ENOENT)
        return util_set_errno(error, errno, "Cannot remove '%s'", snapshot->dir);
    return util_remove_tree(snapshot->staging, error);
}
