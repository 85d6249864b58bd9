/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * secret-search: Knuth, Morris and Pratt, for each value.
 *
 * The state of a value is how many of its first bytes the stream ends with. So the bytes that are
 * held back need no memory: they are a part of a value.
 */
#include "secret-search.h"

#include <string.h>

typedef struct {
    const guint8 *value;
    gsize size;
    guint16 *shorter; /* [i]: the next shorter begin of the value that ends its first i + 1 bytes */
    gsize matched;    /* bytes of the value that the stream ends with */
} Pattern;

struct SecretSearch {
    GPtrArray *secrets;
    Pattern patterns[SECRETS_MAX];
    guint n_patterns;
    gsize left;         /* bytes of the body that are searched yet */
    const guint8 *held; /* inside a value */
    gsize held_size;
};

static gsize
next_state(const Pattern *pattern, gsize matched, guint8 byte)
{
    while (matched > 0 && pattern->value[matched] != byte)
        matched = pattern->shorter[matched - 1];
    return pattern->value[matched] == byte ? matched + 1 : 0;
}

static void
add_pattern(SecretSearch *search, const Secret *secret)
{
    Pattern *pattern = &search->patterns[search->n_patterns];

    pattern->value = secret_value(secret, &pattern->size);
    if (pattern->size < SECRET_SEARCH_VALUE_MIN)
        return;
    search->n_patterns++;
    pattern->shorter = g_new0(guint16, pattern->size);
    for (gsize i = 1; i < pattern->size; i++)
        pattern->shorter[i] =
            (guint16)next_state(pattern, pattern->shorter[i - 1], pattern->value[i]);
}

SecretSearch *
secret_search_new(GPtrArray *secrets)
{
    SecretSearch *search = g_new0(SecretSearch, 1);

    search->secrets = secrets ? g_ptr_array_ref(secrets) : NULL;
    for (guint i = 0; secrets && i < secrets->len; i++)
        add_pattern(search, secrets->pdata[i]);
    return search;
}

void
secret_search_free(SecretSearch *search)
{
    if (!search)
        return;
    for (guint i = 0; i < search->n_patterns; i++) {
        Pattern *pattern = &search->patterns[i];
        explicit_bzero(pattern->shorter, pattern->size * sizeof *pattern->shorter);
        g_free(pattern->shorter);
    }
    g_clear_pointer(&search->secrets, g_ptr_array_unref);
    g_free(search);
}

gboolean
secret_search_text(const SecretSearch *search, const guint8 *data, gsize size)
{
    for (guint i = 0; i < search->n_patterns; i++) {
        if (memmem(data, size, search->patterns[i].value, search->patterns[i].size))
            return TRUE;
    }
    return FALSE;
}

void
secret_search_begin(SecretSearch *search)
{
    for (guint i = 0; i < search->n_patterns; i++)
        search->patterns[i].matched = 0;
    search->left = search->n_patterns > 0 ? SECRET_SEARCH_BYTES : 0;
    search->held_size = 0;
}

static gboolean
match_block(Pattern *pattern, const guint8 *data, gsize size)
{
    for (gsize i = 0; i < size; i++) {
        if (pattern->matched == 0) {
            const guint8 *first = memchr(data + i, pattern->value[0], size - i);
            if (!first)
                return FALSE;
            i = (gsize)(first - data);
        }
        pattern->matched = next_state(pattern, pattern->matched, data[i]);
        if (pattern->matched == pattern->size)
            return TRUE;
    }
    return FALSE;
}

static const Pattern *
longest_match(const SecretSearch *search)
{
    const Pattern *longest = &search->patterns[0];

    for (guint i = 1; i < search->n_patterns; i++) {
        if (search->patterns[i].matched > longest->matched)
            longest = &search->patterns[i];
    }
    return longest;
}

/* What is held back was a part of the stream that has not passed: not more than `waiting` bytes. */
static void
hold(SecretSearch *search, gsize waiting)
{
    const Pattern *longest = longest_match(search);

    search->held_size = 0;
    if (search->left == 0 || longest->matched < SECRET_SEARCH_HELD_MIN)
        return;
    search->held_size = MIN(longest->matched, waiting);
    search->held = longest->value + longest->matched - search->held_size;
}

gboolean
secret_search_block(SecretSearch *search, const guint8 *data, gsize size, SecretSearchPart *ret)
{
    gsize held_before = search->held_size, waiting = held_before + size;

    *ret = (SecretSearchPart){search->held, held_before, size};
    if (search->left > 0) {
        for (guint i = 0; i < search->n_patterns; i++) {
            if (match_block(&search->patterns[i], data, size))
                return FALSE;
        }
        search->left -= MIN(search->left, size);
    }
    hold(search, waiting);
    gsize passes = waiting - search->held_size;
    ret->held_size = MIN(held_before, passes);
    ret->block_size = passes - ret->held_size;
    return TRUE;
}

gsize
secret_search_held(const SecretSearch *search)
{
    return search->held_size;
}

void
secret_search_end(SecretSearch *search, SecretSearchPart *ret)
{
    *ret = (SecretSearchPart){search->held, search->held_size, 0};
    search->held_size = 0;
}
