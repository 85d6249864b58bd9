/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* trust: the image's certificates are the beginning of the copy, and are never rewritten. */
#include "trust.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire.h"

#define PEM_BEGIN "-----BEGIN CERTIFICATE-----"

static struct {
    bool is_prepared;
    char root[PATH_MAX / 2];
    off_t bundle_size; /* of the image's certificates; -1: the image has none */
} trust;

static const char *
below_root(char out[PATH_MAX], const char *path)
{
    snprintf(out, PATH_MAX, "%s%s", trust.root, path);
    return out;
}

/* --- before the machine has users --- */

static int
copy_file(int in, off_t size, const char *to)
{
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (out < 0)
        return -errno;
    int r = 0;
    for (off_t at = 0; r == 0 && at < size;) {
        ssize_t n = sendfile(out, in, &at, (size_t)(size - at));
        r = n < 0 ? -errno : n == 0 ? -EIO : 0;
    }
    close(out);
    return r;
}

/* Replaces the file `path` by a link. */
static int
replace_by_link(const char *path, const char *target)
{
    char new[PATH_MAX + 8];

    snprintf(new, sizeof new, "%s.cloche", path);
    if (symlink(target, new) < 0)
        return -errno;
    if (rename(new, path) == 0)
        return 0;
    int r = -errno;
    unlink(new);
    return r;
}

static int
prepare_bundle(void)
{
    char bundle[PATH_MAX], copy[PATH_MAX];
    struct stat st;

    trust.bundle_size = -1;
    int fd = open(below_root(bundle, TRUST_BUNDLE), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    int r = fstat(fd, &st) < 0 ? -errno : copy_file(fd, st.st_size, below_root(copy, TRUST_COPY));
    close(fd);
    if (r == 0)
        r = replace_by_link(bundle, TRUST_COPY);
    if (r == 0)
        trust.bundle_size = st.st_size;
    return r;
}

/* The link leads nowhere until certificates are added; update-ca-certificates ignores it then. */
static int
prepare_link(void)
{
    char path[PATH_MAX];

    below_root(path, TRUST_LINK);
    *strrchr(path, '/') = '\0';
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return errno == ENOENT ? 0 : -errno;
    return symlink(TRUST_ADDED, below_root(path, TRUST_LINK)) < 0 && errno != EEXIST ? -errno : 0;
}

int
trust_prepare(const char *root)
{
    if (snprintf(trust.root, sizeof trust.root, "%s", root) >= (int)sizeof trust.root)
        return -ENAMETOOLONG;
    int r = prepare_bundle();
    if (r == 0)
        r = prepare_link();
    trust.is_prepared = r == 0;
    return r;
}

/* --- later --- */

static bool
is_pem(const uint8_t *pem, size_t size)
{
    if (size == 0)
        return true;
    return size <= WIRE_CERTIFICATES_MAX && size > strlen(PEM_BEGIN) &&
           memcmp(pem, PEM_BEGIN, strlen(PEM_BEGIN)) == 0 && !memchr(pem, '\0', size) &&
           pem[size - 1] == '\n';
}

/* Writes at this offset, where the file ends then. */
static int
write_end(const char *path, off_t at, const uint8_t *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    int r = ftruncate(fd, at) < 0 ? -errno : 0;
    if (r == 0 && size > 0) {
        ssize_t n = pwrite(fd, data, size, at);
        r = n < 0 ? -errno : (size_t)n < size ? -ENOSPC : 0;
    }
    close(fd);
    return r;
}

int
trust_set(const uint8_t *pem, size_t size)
{
    char path[PATH_MAX];

    if (!is_pem(pem, size))
        return -EINVAL;
    if (!trust.is_prepared)
        return 0;
    int r = 0;
    if (trust.bundle_size >= 0)
        r = write_end(below_root(path, TRUST_COPY), trust.bundle_size, pem, size);
    below_root(path, TRUST_ADDED);
    if (size > 0)
        return r < 0 ? r : write_end(path, 0, pem, size);
    return unlink(path) < 0 && errno != ENOENT && r == 0 ? -errno : r;
}
