/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-tree: an archive from a sandbox cannot change anything outside of the target folder. */
#include "tree-folders.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The archive must be refused with a message that contains `part`, and nothing must be created
 * outside of the folder. */
static void
assert_refused(const Folders *folders, const Member *members, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    Tree tree = {0};

    write_archive(folders, members);
    g_assert_false(unpack(folders, &tree, &error));
    g_assert_cmpint(error->domain, ==, G_FILE_ERROR);
    g_assert_nonnull(strstr(error->message, part));
    assert_is_empty(folders->outside);
    text = read_text(folders->top, "x");
    g_assert_null(text);
    g_free(tree.first_left_out);
}

static void
test_outside(Folders *folders, gconstpointer data)
{
    g_autofree char *absolute = g_build_filename(folders->outside, "x", NULL);
    const char *const names[] = {"../x", "a/../../x",     "..", "/x", absolute,
                                 "a/..", "./../outside/x"};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        assert_refused(folders, (Member[]){{names[i], AE_IFREG, NULL, "bad"}, {NULL}}, names[i]);
        assert_refused(folders, (Member[]){{names[i], AE_IFDIR}, {NULL}}, names[i]);
        assert_refused(folders, (Member[]){{names[i], AE_IFLNK, "target"}, {NULL}}, names[i]);
    }
    g_assert_null(read_text("/", "x"));
}

static void
test_names_that_only_look_like_it(Folders *folders, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *first = NULL, *second = NULL;
    Tree tree = {0};

    write_archive(
        folders,
        (Member[]){{"..a/b..", AE_IFREG, NULL, "one"}, {"./.../x", AE_IFREG, NULL, "two"}, {NULL}});
    unpack(folders, &tree, &error);
    g_assert_no_error(error);
    first = read_text(folders->into, "..a/b..");
    second = read_text(folders->into, ".../x");
    g_assert_cmpstr(first, ==, "one");
    g_assert_cmpstr(second, ==, "two");
}

static void
test_through_symlink(Folders *folders, gconstpointer data)
{
    const char *const targets[] = {"../outside", folders->outside, "..", "a/../../outside"};

    for (gsize i = 0; i < G_N_ELEMENTS(targets); i++) {
        assert_refused(
            folders,
            (Member[]){{"way", AE_IFLNK, targets[i]}, {"way/x", AE_IFREG, NULL, "bad"}, {NULL}},
            "way");
        assert_refused(
            folders, (Member[]){{"way", AE_IFLNK, targets[i]}, {"way/x", AE_IFDIR}, {NULL}}, "way");
    }
}

/* A file replaces a symbolic link, and is not written to the link's target. */
static void
test_over_symlink(Folders *folders, gconstpointer data)
{
    g_autofree char *target = g_build_filename(folders->outside, "x", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    Tree tree = {0};

    write_archive(folders,
                  (Member[]){{"way", AE_IFLNK, target}, {"way", AE_IFREG, NULL, "mine"}, {NULL}});
    unpack(folders, &tree, &error);
    g_assert_no_error(error);
    text = read_text(folders->into, "way");
    g_assert_cmpstr(text, ==, "mine");
    assert_is_empty(folders->outside);
}

/* A directory has the same name as a link: later members are unpacked into a real directory, or not
 * at all. */
static void
test_directory_over_symlink(Folders *folders, gconstpointer data)
{
    Tree tree = {0};

    write_archive(folders, (Member[]){{"way", AE_IFLNK, folders->outside},
                                      {"way", AE_IFDIR, .mode = 0700},
                                      {"way/x", AE_IFREG, NULL, "bad"},
                                      {NULL}});
    unpack(folders, &tree, NULL);
    assert_is_empty(folders->outside);
    g_free(tree.first_left_out);
}

/* The attributes of directories are set last, and must not be set on what replaced a directory. */
static void
test_symlink_over_directory(Folders *folders, gconstpointer data)
{
    struct stat before, after;
    Tree tree = {.with_owners = TRUE};

    g_assert_cmpint(g_stat(folders->outside, &before), ==, 0);
    write_archive(folders, (Member[]){{"way", AE_IFDIR, .mode = 0777},
                                      {"way", AE_IFLNK, folders->outside, .mode = 0777},
                                      {NULL}});
    unpack(folders, &tree, NULL);
    g_assert_cmpint(g_stat(folders->outside, &after), ==, 0);
    g_assert_cmpuint(after.st_mode, ==, before.st_mode);
    g_assert_cmpuint(after.st_uid, ==, before.st_uid);
    g_assert_cmpint(after.st_mtime, ==, before.st_mtime);
    g_free(tree.first_left_out);
}

static void
test_hard_links(Folders *folders, gconstpointer data)
{
    g_autofree char *secret = g_build_filename(folders->top, "secret", NULL);
    g_autofree char *text = NULL, *good = NULL;
    g_autoptr(GError) error = NULL;
    struct stat status;
    Tree tree = {0};

    g_assert_true(g_file_set_contents(secret, "secret", -1, NULL));
    assert_refused(folders, (Member[]){{"l", 0, "../secret"}, {NULL}}, "../secret");
    assert_refused(folders, (Member[]){{"l", 0, secret}, {NULL}}, secret);
    assert_refused(folders, (Member[]){{"l", 0, "a/../../secret"}, {NULL}}, "secret");
    assert_refused(folders, (Member[]){{"up", AE_IFLNK, ".."}, {"l", 0, "up/secret"}, {NULL}}, "l");
    text = read_text(folders->top, "secret");
    g_assert_cmpstr(text, ==, "secret");
    g_assert_cmpint(g_stat(secret, &status), ==, 0);
    g_assert_cmpuint(status.st_nlink, ==, 1);

    write_archive(folders, (Member[]){{"f", AE_IFREG, NULL, "text"}, {"g", 0, "f"}, {NULL}});
    unpack(folders, &tree, &error);
    g_assert_no_error(error);
    good = g_build_filename(folders->into, "g", NULL);
    g_assert_cmpint(g_stat(good, &status), ==, 0);
    g_assert_cmpuint(status.st_nlink, ==, 2);
}

static gsize
find_header(const char *archive, gsize size, const char *name)
{
    gsize at = 0;

    while (at < size && !g_str_equal(archive + at, name))
        at += 512;
    g_assert_cmpuint(at, <, size);
    return at;
}

/* Changes the member "l" from a file to a hard link with a body, because libarchive writes no such
 * archive. */
static void
make_link(const Folders *folders, const char *target)
{
    g_autofree char *archive = NULL;
    gsize size, at;
    guint sum = 0;

    g_assert_true(g_file_get_contents(folders->archive, &archive, &size, NULL));
    at = find_header(archive, size, "l");
    archive[at + 156] = '1';
    g_strlcpy(archive + at + 157, target, 100);
    memset(archive + at + 148, ' ', 8);
    for (gsize i = 0; i < 512; i++)
        sum += (guint8)archive[at + i];
    g_snprintf(archive + at + 148, 8, "%06o", sum);
    g_assert_true(g_file_set_contents(folders->archive, archive, (gssize)size, NULL));
}

/* The body must not be written to the target of the symbolic link. */
static void
test_hard_link_with_a_body(Folders *folders, gconstpointer data)
{
    g_autofree char *secret = g_build_filename(folders->top, "secret", NULL);
    g_autofree char *text = NULL, *good = NULL;
    g_autoptr(GError) error = NULL;
    Tree tree = {0};

    g_assert_true(g_file_set_contents(secret, "secret", -1, NULL));
    g_assert_cmpint(g_chmod(secret, 0600), ==, 0);
    write_archive(
        folders,
        (Member[]){{"s", AE_IFLNK, secret}, {"l", AE_IFREG, NULL, "overwritten", 0777}, {NULL}});
    make_link(folders, "s");
    unpack(folders, &tree, NULL);
    g_clear_pointer(&tree.first_left_out, g_free);
    text = read_text(folders->top, "secret");
    g_assert_cmpstr(text, ==, "secret");
    g_assert_cmpuint(mode_of(secret), ==, S_IFREG | 0600);

    /* A hard link has the contents of its file; the body is ignored. */
    write_archive(
        folders,
        (Member[]){{"f", AE_IFREG, NULL, "first"}, {"l", AE_IFREG, NULL, "second"}, {NULL}});
    make_link(folders, "f");
    unpack(folders, &tree, &error);
    g_assert_no_error(error);
    good = read_text(folders->into, "l");
    g_assert_cmpstr(good, ==, "first");
}

static void
test_devices_and_modes(Folders *folders, gconstpointer data)
{
    g_autofree char *program = g_build_filename(folders->into, "program", NULL);
    g_autofree char *sticky = g_build_filename(folders->into, "sticky", NULL);
    g_autofree char *fifo = g_build_filename(folders->into, "fifo", NULL);
    g_autofree char *null = g_build_filename(folders->into, "null", NULL);
    g_autoptr(GError) error = NULL;
    struct stat status;
    Tree tree = {0};

    write_archive(folders, (Member[]){{"null", AE_IFCHR, .mode = 0666},
                                      {"disk", AE_IFBLK, .mode = 0666},
                                      {"program", AE_IFREG, NULL, "x", 06755},
                                      {"sticky", AE_IFDIR, .mode = 03777},
                                      {"fifo", AE_IFIFO, .mode = 0600},
                                      {NULL}});
    unpack(folders, &tree, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(tree.left_out, ==, 2);
    g_assert_cmpstr(tree.first_left_out, ==, "'null': it is a device");
    g_free(tree.first_left_out);
    g_assert_cmpint(g_lstat(null, &status), ==, -1);
    g_assert_cmpint(g_lstat(program, &status), ==, 0);
    g_assert_cmpuint(status.st_mode, ==, S_IFREG | 0755);
    g_assert_cmpuint(status.st_uid, ==, geteuid());
    g_assert_cmpint(g_lstat(sticky, &status), ==, 0);
    g_assert_cmpuint(status.st_mode, ==, S_IFDIR | 01777);
    g_assert_cmpint(g_lstat(fifo, &status), ==, 0);
    g_assert_cmpuint(status.st_mode, ==, S_IFIFO | 0600);
}

static void
test_owners(Folders *folders, gconstpointer data)
{
    g_autofree char *program = g_build_filename(folders->into, "program", NULL);
    g_autoptr(GError) error = NULL;
    struct stat status;
    Tree tree = {.with_owners = TRUE};

    write_archive(folders, (Member[]){{"program", AE_IFREG, NULL, "x", 06755}, {NULL}});
    unpack(folders, &tree, &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_lstat(program, &status), ==, 0);
    g_assert_cmpuint(status.st_mode, ==, S_IFREG | 0755);
    if (geteuid() == 0)
        g_assert_cmpuint(status.st_uid, ==, 12345);
    g_free(tree.first_left_out);
}

/* An existing folder keeps its mode. */
static void
test_own_attributes(Folders *folders, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    struct stat status;

    write_archive(folders, (Member[]){{".", AE_IFDIR, .mode = 0700}, {NULL}});
    for (int with = 0; with <= 1; with++) {
        Tree tree = {.with_attributes = with};

        unpack(folders, &tree, &error);
        g_assert_no_error(error);
        g_assert_cmpint(g_lstat(folders->into, &status), ==, 0);
        g_assert_cmpuint(status.st_mode, ==, S_IFDIR | (with ? 0700 : 0755));
    }
    write_archive(folders, (Member[]){{".", AE_IFLNK, "/"}, {NULL}});
    unpack(folders, &(Tree){.with_attributes = TRUE}, &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_lstat(folders->into, &status), ==, 0);
    g_assert_true(S_ISDIR(status.st_mode));
}

static void
test_no_archive(Folders *folders, gconstpointer data)
{
    g_autofree char *noise = g_strnfill(5000, 'x');
    g_autoptr(GError) error = NULL;
    Tree tree = {0};

    g_assert_true(g_file_set_contents(folders->archive, noise, -1, NULL));
    g_assert_false(unpack(folders, &tree, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED);
    assert_is_empty(folders->into);
}

static void
test_damaged(Folders *folders, gconstpointer data)
{
    g_autofree char *archive = NULL;
    g_autoptr(GError) error = NULL;
    Tree tree = {0};
    gsize size;

    write_archive(folders, (Member[]){{"f", AE_IFREG, NULL, "text"}, {"l", AE_IFREG}, {NULL}});
    g_assert_true(g_file_get_contents(folders->archive, &archive, &size, NULL));
    memset(archive + find_header(archive, size, "l"), 'x', 512);
    g_assert_true(g_file_set_contents(folders->archive, archive, (gssize)size, NULL));
    g_assert_false(unpack(folders, &tree, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "Damaged tar archive"));
}

/* The stream is cut off in the middle of a member, or after the archive's end: both are errors. */
static void
test_cut_off(Folders *folders, gconstpointer data)
{
    g_autofree char *text = g_strnfill(100000, 'x');
    g_autofree char *all = NULL;
    gsize size;

    write_archive(folders, (Member[]){{"f", AE_IFREG, NULL, text}, {NULL}});
    g_assert_true(g_file_get_contents(folders->archive, &all, &size, NULL));
    for (int whole = 0; whole <= 1; whole++) {
        g_autoptr(GError) error = NULL;
        Stream stream = {0};
        Tree tree = {.directory = folders->into};
        int ends[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), ==, 0);
        g_assert_cmpint(write(ends[0], all, whole ? size : size / 2), ==, whole ? size : size / 2);
        g_assert_cmpint(write(ends[1], "", 1), ==, 1); /* stays unread, so the end is a reset */
        close(ends[0]);
        stream.fd = ends[1];
        g_assert_false(tree_unpack(&stream, &tree, &error));
        g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_IO);
        g_assert_nonnull(strstr(error->message, "was cut off"));
        close(ends[1]);
        g_assert_cmpint(chdir("/"), ==, 0);
    }
}

static void
test_interrupted(Folders *folders, gconstpointer data)
{
    g_autoptr(GCancellable) interrupted = g_cancellable_new();
    Tree tree = {.directory = folders->into};
    int ends[2];

    g_assert_cmpint(pipe(ends), ==, 0);
    g_cancellable_cancel(interrupted);
    for (int i = 0; i <= 1; i++) {
        g_autoptr(GError) error = NULL;
        Stream stream = {.fd = ends[i], .interrupted = interrupted};

        g_assert_false(i == 0 ? tree_unpack(&stream, &tree, &error)
                              : tree_pack(&stream, &tree, &error));
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
        close(ends[i]);
    }
    g_assert_cmpint(chdir("/"), ==, 0);
}

/* --- there and back --- */

static void
run_in(const char *directory, const char *script, char **ret_out)
{
    const char *argv[] = {"sh", "-ec", script, NULL};
    g_autoptr(GError) error = NULL;
    int status;

    g_spawn_sync(directory, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, ret_out, NULL,
                 &status, &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
}

static void
pack(const Folders *folders, gboolean with_attributes)
{
    g_autoptr(GError) error = NULL;
    Stream stream = {.fd = open(folders->archive, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
    Tree tree = {.directory = folders->outside, .with_attributes = with_attributes};

    tree_pack(&stream, &tree, &error);
    g_assert_no_error(error);
    close(stream.fd);
}

/* Returns the size of the largest file that the folder's file system permits. */
static gint64
largest_file(const char *directory)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    gint64 size = 0;

    g_assert_cmpint(fd, >=, 0);
    for (int bit = 62; bit >= 0; bit--)
        if (ftruncate(fd, size | (gint64)1 << bit) == 0)
            size |= (gint64)1 << bit;
    close(fd);
    return size;
}

/* Packs a file that is one hole. */
static void
pack_hole(const Folders *folders, gint64 size)
{
    g_autofree char *script = g_strdup_printf(
        "truncate -s %" G_GINT64_FORMAT " large; tar -cSf ../archive.tar --format=posix ./large",
        size);

    run_in(folders->outside, script, NULL);
}

/* Changes the size that the archive has for this file. Both have the same number of digits. */
static void
claim_size(const Folders *folders, const char *size)
{
    static const char key[] = "realsize=";
    g_autofree char *archive = NULL;
    gsize length;
    char *value;

    g_assert_true(g_file_get_contents(folders->archive, &archive, &length, NULL));
    value = (char *)memmem(archive, length, key, strlen(key)) + strlen(key);
    memcpy(value, size, strlen(size));
    g_assert_cmpint(value[strlen(size)], ==, '\n');
    g_assert_true(g_file_set_contents(folders->archive, archive, (gssize)length, NULL));
}

/* A file that is one hole needs no space, but a file system limits its size. */
static void
test_largest_file(Folders *folders, gconstpointer data)
{
    const gint64 largest = largest_file(folders->into);
    g_autofree char *path = g_build_filename(folders->into, "large", NULL);
    g_autofree char *next = g_strdup_printf("%" G_GUINT64_FORMAT, (guint64)largest + 1);
    g_autofree char *far = g_strnfill(strlen(next), '9');
    const char *const beyond[] = {next, far};
    g_autoptr(GError) error = NULL;
    struct stat status;
    Tree tree = {0};

    pack_hole(folders, largest);
    unpack(folders, &tree, &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_stat(path, &status), ==, 0);
    g_assert_cmpint(status.st_size, ==, largest);

    if (largest == G_MAXINT64) /* an archive cannot have more either */
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(beyond); i++) {
        g_autoptr(GError) refusal = NULL;

        claim_size(folders, beyond[i]);
        g_assert_false(unpack(folders, &tree, &refusal));
        g_assert_error(refusal, G_FILE_ERROR, G_FILE_ERROR_FAILED);
        g_assert_true(g_str_has_prefix(refusal->message, "'./large' is larger than a file can be"));
        assert_is_empty(folders->into);
    }
}

#define FILL                                                                                       \
    "mkdir -p d/e; printf text >d/f; ln d/f hard; ln -s d/f soft; ln -s /nowhere dangling; "       \
    "mkfifo fifo; truncate -s 1G sparse; printf x >>sparse; : >empty; chmod 751 d/f; "             \
    "n=$(printf 'raw\\377 cafe\\314\\201 \\303\\251 nl\\n-'); : >\"$n\"; : >-dash; "               \
    "n=$(printf %0255d 7); : >$n; "                                                                \
    "mkdir -p $(printf 'l%0100d/' 1 2 3 4 5 6); touch -d @12345.678 d/f soft d/e d .; chmod 1733 " \
    "."
#define SHOW                                                                                       \
    "find . -printf '%P %y %m %s %n %T@ %l\\0' | LC_ALL=C sort -z | tr '\\0' '\\n'; "              \
    "test $(du -k sparse | cut -f1) -lt 1000"

/* Archives are made by cloche, and by the tar of sandboxes. */
static void
test_round_trip(Folders *folders, gconstpointer by_tar)
{
    g_autofree char *before = NULL, *after = NULL;
    g_autoptr(GError) error = NULL;
    Tree tree = {.with_attributes = TRUE};
    struct stat status;

    run_in(folders->outside, FILL, NULL);
    run_in(folders->outside, SHOW, &before);
    pack(folders, /* with_attributes= */ TRUE);
    g_assert_cmpint(g_stat(folders->archive, &status), ==, 0);
    g_assert_cmpint(status.st_size, <, 1024 * 1024);
    if (by_tar)
        run_in(folders->into,
               "tar -xpf ../archive.tar --delay-directory-restore --warning=no-unknown-keyword",
               NULL);
    else
        unpack(folders, &tree, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(tree.left_out, ==, 0);
    run_in(folders->into, SHOW, &after);
    g_assert_cmpstr(after, ==, before);
}

static void
test_from_tar(Folders *folders, gconstpointer data)
{
    g_autofree char *before = NULL, *after = NULL;
    g_autoptr(GError) error = NULL;
    Tree tree = {.with_attributes = TRUE};

    run_in(folders->outside, FILL, NULL);
    run_in(folders->outside, SHOW, &before);
    run_in(folders->outside, "tar --create --sparse --format=posix --file=../archive.tar .", NULL);
    unpack(folders, &tree, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(tree.left_out, ==, 0);
    run_in(folders->into, SHOW, &after);
    g_assert_cmpstr(after, ==, before);
}

static void
test_pack_without_the_folder(Folders *folders, gconstpointer data)
{
    g_autofree char *names = NULL;

    run_in(folders->outside, ": >f", NULL);
    pack(folders, /* with_attributes= */ FALSE);
    run_in(folders->top, "tar -tf archive.tar", &names);
    g_assert_cmpstr(names, ==, "./f\n");
    pack(folders, /* with_attributes= */ TRUE);
    g_free(names);
    run_in(folders->top, "tar -tf archive.tar", &names);
    g_assert_cmpstr(names, ==, "./\n./f\n");
}

static void
test_pack_nothing(Folders *folders, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    Stream stream = {.fd = open("/dev/null", O_WRONLY | O_CLOEXEC)};
    Tree tree = {.directory = "/nonexistent"};

    g_assert_false(tree_pack(&stream, &tree, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "/nonexistent"));
    close(stream.fd);
}

#define ADD(name, function) g_test_add(name, Folders, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/cli/tree/outside", test_outside);
    ADD("/cli/tree/names-that-only-look-like-it", test_names_that_only_look_like_it);
    ADD("/cli/tree/through-symlink", test_through_symlink);
    ADD("/cli/tree/over-symlink", test_over_symlink);
    ADD("/cli/tree/directory-over-symlink", test_directory_over_symlink);
    ADD("/cli/tree/symlink-over-directory", test_symlink_over_directory);
    ADD("/cli/tree/hard-links", test_hard_links);
    ADD("/cli/tree/hard-link-with-a-body", test_hard_link_with_a_body);
    ADD("/cli/tree/devices-and-modes", test_devices_and_modes);
    ADD("/cli/tree/owners", test_owners);
    ADD("/cli/tree/own-attributes", test_own_attributes);
    ADD("/cli/tree/no-archive", test_no_archive);
    ADD("/cli/tree/damaged", test_damaged);
    ADD("/cli/tree/cut-off", test_cut_off);
    ADD("/cli/tree/interrupted", test_interrupted);
    ADD("/cli/tree/largest-file", test_largest_file);
    ADD("/cli/tree/round-trip", test_round_trip);
    g_test_add("/cli/tree/to-tar", Folders, "tar", set_up, test_round_trip, tear_down);
    ADD("/cli/tree/from-tar", test_from_tar);
    ADD("/cli/tree/pack-without-the-folder", test_pack_without_the_folder);
    ADD("/cli/tree/pack-nothing", test_pack_nothing);
    return g_test_run();
}
