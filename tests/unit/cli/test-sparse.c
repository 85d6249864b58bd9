/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-sparse: files keep their holes in an archive, and damaged archives are refused. */
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "sparse.h"

#define MIB (1024 * 1024)

static int
open_nameless(void)
{
    int fd = open(g_get_tmp_dir(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static int
make_file(off_t size, const off_t *at, gsize n)
{
    int fd = open_nameless();

    for (gsize i = 0; i < n; i++)
        g_assert_cmpint(pwrite(fd, "data", 4, at[i]), ==, 4);
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    return fd;
}

static void
assert_same(int one, int two, off_t start)
{
    char a[4096], b[4096];
    struct stat first, second;

    fstat(one, &first);
    fstat(two, &second);
    g_assert_cmpint(first.st_size - start, ==, second.st_size);
    for (off_t at = 0; at < second.st_size; at += sizeof b) {
        ssize_t n = pread(two, b, sizeof b, at);

        g_assert_cmpint(pread(one, a, n, start + at), ==, n);
        g_assert_cmpmem(a, n, b, n);
    }
    g_assert_cmpint(second.st_blocks, <=, first.st_blocks + 128); /* extents may be rounded */
}

/* Returns the archive. */
static int
pack(SparseFile *file)
{
    Stream stream = {.fd = open_nameless()};
    g_autoptr(GError) error = NULL;

    file->name = (char *)"name";
    g_assert_true(sparse_pack(&stream, file, &error));
    g_assert_no_error(error);
    g_assert_cmpint(lseek(stream.fd, 0, SEEK_CUR), <, MIB);
    return stream.fd;
}

static gboolean
unpack(int archive, int fd, GError **error)
{
    Stream stream = {.fd = archive};
    SparseTarget target = {.fd = fd, .path = "/there"};

    lseek(archive, 0, SEEK_SET);
    return sparse_unpack(&stream, &target, error);
}

static void
test_round_trip(void)
{
    static const struct {
        off_t size, start, at[3];
        gsize n;
    } cases[] = {
        {40 * MIB, 0, {0}, 0},
        {40 * MIB, 0, {0}, 1},
        {40 * MIB, 0, {20 * MIB + 1}, 1},
        {40 * MIB, 0, {40 * MIB - 4}, 1},
        {40 * MIB + 1, 0, {0, 8191, 39 * MIB}, 3},
        {40 * MIB, 3, {0, 65536, 39 * MIB}, 3},
        {40 * MIB, MIB + 1, {0, 65536}, 2},
        {SPARSE_MIN, 0, {0}, 0},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        int from = make_file(cases[i].size, cases[i].at, cases[i].n), to = open_nameless();
        g_autoptr(GError) error = NULL;
        SparseFile file;
        int archive;

        lseek(from, cases[i].start, SEEK_SET);
        g_assert_true(sparse_open(from, &file));
        g_assert_cmpint(lseek(from, 0, SEEK_CUR), ==, cases[i].start);
        archive = pack(&file);
        g_assert_true(unpack(archive, to, &error));
        g_assert_no_error(error);
        assert_same(from, to, cases[i].start);
        close(archive);
        close(from);
        close(to);
    }
}

static void
test_what_is_not_sparse(void)
{
    g_autofree char *zeros = g_malloc0(MIB);
    int full = open_nameless(), small = make_file(SPARSE_MIN - 1, NULL, 0), ends[2];
    SparseFile file;

    g_assert_cmpint(write(full, zeros, MIB), ==, MIB);
    lseek(full, 0, SEEK_SET);
    g_assert_false(sparse_open(full, &file));
    g_assert_false(sparse_open(small, &file));
    g_assert_cmpint(pipe(ends), ==, 0);
    g_assert_false(sparse_open(ends[0], &file));
    lseek(small, 0, SEEK_END);
    g_assert_false(sparse_open(small, &file));
    close(full);
    close(small);
    close(ends[0]);
    close(ends[1]);
}

/* The missing part is filled with zeros, so that the archive has the length in its header. */
static void
test_one_that_becomes_shorter(void)
{
    int from = make_file(40 * MIB, (off_t[]){0, 30 * MIB}, 2), to = open_nameless(), archive;
    g_autoptr(GError) error = NULL;
    SparseFile file;
    char bytes[4];

    g_assert_true(sparse_open(from, &file));
    g_assert_cmpint(ftruncate(from, 2), ==, 0);
    archive = pack(&file);
    g_assert_true(unpack(archive, to, &error));
    g_assert_cmpint(lseek(to, 0, SEEK_END), ==, 40 * MIB);
    g_assert_cmpint(pread(to, bytes, 4, 0), ==, 4);
    g_assert_cmpmem(bytes, 4, "da\0\0", 4);
    close(from);
    close(to);
    close(archive);
}

/* An archive ends with two blocks of zeros, which may be missing. */
static void
test_archives_that_are_cut_off(void)
{
    int from = make_file(40 * MIB, (off_t[]){0, 20 * MIB}, 2), archive;
    SparseFile file;
    off_t size;

    g_assert_true(sparse_open(from, &file));
    archive = pack(&file);
    size = lseek(archive, 0, SEEK_CUR);
    for (off_t cut = size - 10240 - 512; cut >= 0; cut -= 512) {
        g_autoptr(GError) error = NULL;
        int to = open_nameless();

        g_assert_cmpint(ftruncate(archive, cut), ==, 0);
        if (!unpack(archive, to, &error))
            g_assert_cmpint(error->domain, ==, G_FILE_ERROR);
        else
            g_assert_cmpint(cut, >=, size - 20480);
        close(to);
    }
    close(archive);
    close(from);
}

static void
assert_refused(int archive)
{
    g_autoptr(GError) error = NULL;
    int to = open_nameless();

    g_assert_false(unpack(archive, to, &error));
    g_assert_cmpint(error->domain, ==, G_FILE_ERROR);
    g_assert_nonnull(strstr(error->message, "/there"));
    g_assert_cmpint(lseek(to, 0, SEEK_END), ==, 0);
    close(to);
    close(archive);
}

static int
archive_of(int type, la_int64_t size)
{
    int fd = open_nameless();
    struct archive *archive = archive_write_new();
    struct archive_entry *member = archive_entry_new();

    archive_write_set_format_pax(archive);
    archive_write_open_fd(archive, fd);
    archive_entry_set_pathname(member, "../../etc/passwd");
    archive_entry_set_filetype(member, type);
    archive_entry_set_symlink(member, "/etc/passwd");
    archive_entry_set_size(member, size);
    archive_write_header(archive, member);
    archive_entry_free(member);
    archive_write_free(archive);
    return fd;
}

static void
test_hostile_archives(void)
{
    int garbage = open_nameless(), nothing = open_nameless();

    g_assert_cmpint(write(garbage, "no archive at all", 17), ==, 17);
    assert_refused(garbage);
    assert_refused(nothing);
    assert_refused(archive_of(AE_IFDIR, 0));
    assert_refused(archive_of(AE_IFLNK, 0));
    assert_refused(archive_of(AE_IFIFO, 0));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/sparse/round-trip", test_round_trip);
    g_test_add_func("/cli/sparse/not-sparse", test_what_is_not_sparse);
    g_test_add_func("/cli/sparse/shorter", test_one_that_becomes_shorter);
    g_test_add_func("/cli/sparse/cut-off", test_archives_that_are_cut_off);
    g_test_add_func("/cli/sparse/hostile", test_hostile_archives);
    return g_test_run();
}
