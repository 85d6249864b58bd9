/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* keyed-digest: keyed digests of what must not be stored. */
#include "keyed-digest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keyed-digest-private.h"
#include "util.h"

struct StoreDigest {
    GHmac *hmac;
};

/* FALSE if there is no key that only we can know. */
static gboolean
read_key(const char *path, guint8 *key)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    gboolean ok = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
                  (st.st_mode & 0077) == 0 && st.st_size == STORE_KEY_SIZE &&
                  read(fd, key, STORE_KEY_SIZE) == STORE_KEY_SIZE;

    if (fd >= 0)
        close(fd);
    return ok;
}

gboolean
secret_load(const char *run, guint8 *key, GError **error)
{
    g_autofree char *path = g_build_filename(run, "request-key", NULL);

    if (read_key(path, key))
        return TRUE;
    util_random(key, STORE_KEY_SIZE);
    return g_file_set_contents_full(path, (const char *)key, STORE_KEY_SIZE,
                                    G_FILE_SET_CONTENTS_CONSISTENT, 0600, error);
}

StoreDigest *
store_digest_new(const Store *store)
{
    StoreDigest *digest = g_new0(StoreDigest, 1);

    digest->hmac = g_hmac_new(G_CHECKSUM_SHA256, store->key, sizeof(store->key));
    return digest;
}

static void
add_number(StoreDigest *digest, guint64 number)
{
    guint64 le = GUINT64_TO_LE(number);

    g_hmac_update(digest->hmac, (const guchar *)&le, sizeof(le));
}

void
store_digest_add(StoreDigest *digest, const char *text)
{
    gsize length = strlen(text);

    add_number(digest, length);
    g_hmac_update(digest->hmac, (const guchar *)text, (gssize)length);
}

void
store_digest_add_list(StoreDigest *digest, char **texts)
{
    add_number(digest, g_strv_length(texts));
    for (; *texts; texts++)
        store_digest_add(digest, *texts);
}

char *
store_digest_finish(StoreDigest *digest)
{
    char *text = g_strdup(g_hmac_get_string(digest->hmac));

    g_hmac_unref(digest->hmac);
    g_free(digest);
    return text;
}
