/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tree-folders: libarchive writes the archives, because it accepts more than tar(1). */
#include "tree-folders.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

void
set_up(Folders *folders, gconstpointer data)
{
    folders->top = g_dir_make_tmp("cloche-tree-XXXXXX", NULL);
    folders->into = g_build_filename(folders->top, "into", NULL);
    folders->outside = g_build_filename(folders->top, "outside", NULL);
    folders->archive = g_build_filename(folders->top, "archive.tar", NULL);
    g_assert_cmpint(g_mkdir(folders->into, 0755), ==, 0);
    g_assert_cmpint(g_mkdir(folders->outside, 0755), ==, 0);
}

static void
remove_tree(const char *path)
{
    const char *argv[] = {"rm", "-rf", path, NULL};

    g_assert_true(g_spawn_sync("/", (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
                               NULL, NULL, NULL));
}

void
tear_down(Folders *folders, gconstpointer data)
{
    remove_tree(folders->top);
    g_free(folders->top);
    g_free(folders->into);
    g_free(folders->outside);
    g_free(folders->archive);
}

static void
write_member(struct archive *archive, const Member *member)
{
    struct archive_entry *entry = archive_entry_new();
    gsize size = member->text != NULL ? strlen(member->text) : 0;

    archive_entry_set_pathname(entry, member->name);
    archive_entry_set_filetype(entry, member->type != 0 ? (guint)member->type : AE_IFREG);
    archive_entry_set_perm(entry, member->mode != 0 ? member->mode : 0755);
    archive_entry_set_size(entry, (gint64)size);
    archive_entry_set_uid(entry, 12345);
    archive_entry_set_gid(entry, 12345);
    archive_entry_set_mtime(entry, 1, 5); /* makes it a pax archive */
    archive_entry_set_rdevmajor(entry, 1);
    archive_entry_set_rdevminor(entry, 3);
    if (member->type == AE_IFLNK)
        archive_entry_set_symlink(entry, member->link);
    else if (member->link != NULL)
        archive_entry_set_hardlink(entry, member->link);
    g_assert_cmpint(archive_write_header(archive, entry), ==, ARCHIVE_OK);
    if (size > 0)
        g_assert_cmpint(archive_write_data(archive, member->text, size), ==, size);
    archive_entry_free(entry);
}

void
write_archive(const Folders *folders, const Member *members)
{
    struct archive *archive = archive_write_new();

    archive_write_set_format_pax(archive);
    g_assert_cmpint(archive_write_open_filename(archive, folders->archive), ==, ARCHIVE_OK);
    for (; members->name != NULL; members++)
        write_member(archive, members);
    g_assert_cmpint(archive_write_close(archive), ==, ARCHIVE_OK);
    archive_write_free(archive);
}

gboolean
unpack(const Folders *folders, Tree *tree, GError **error)
{
    Stream stream = {.fd = open(folders->archive, O_RDONLY | O_CLOEXEC)};
    gboolean is_done;

    g_assert_cmpint(stream.fd, >=, 0);
    tree->directory = folders->into;
    is_done = tree_unpack(&stream, tree, error);
    close(stream.fd);
    g_assert_cmpint(chdir("/"), ==, 0);
    return is_done;
}

void
assert_is_empty(const char *directory)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);

    g_assert_nonnull(dir);
    g_assert_cmpstr(g_dir_read_name(dir), ==, NULL);
}

mode_t
mode_of(const char *path)
{
    struct stat status;

    g_assert_cmpint(g_lstat(path, &status), ==, 0);
    return status.st_mode;
}

char *
read_text(const char *directory, const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, NULL);
    return text;
}
