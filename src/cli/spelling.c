/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spelling: the number of typing errors between two words. */
#include "spelling.h"

#include <string.h>

/* Longer words are not compared. */
#define NAME_MAX_LENGTH 24

/* Counts letters that are missing, added or changed, and neighbours that are swapped. */
static guint
count_errors(const char *a, const char *b)
{
    guint d[NAME_MAX_LENGTH + 1][NAME_MAX_LENGTH + 1];
    gsize n = strlen(a), m = strlen(b);

    for (gsize i = 0; i <= n; i++) {
        for (gsize j = 0; j <= m; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            d[i][j] =
                MIN(MIN(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = MIN(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[n][m];
}

static const char *
only_completion(const char *word, const char *const *known)
{
    const char *found = NULL;

    for (; *known != NULL; known++) {
        if (!g_str_has_prefix(*known, word))
            continue;
        if (found != NULL)
            return NULL;
        found = *known;
    }
    return found;
}

const char *
spelling_nearest(const char *word, const char *const *known)
{
    gsize length = strlen(word);
    guint least = length > 4 ? 3 : 2; /* a name is near with fewer errors */
    const char *nearest;

    if (length < 2 || length > NAME_MAX_LENGTH)
        return NULL;
    nearest = only_completion(word, known);
    if (nearest != NULL)
        return nearest;
    for (; *known != NULL; known++) {
        guint errors = strlen(*known) <= NAME_MAX_LENGTH ? count_errors(word, *known) : least;

        if (errors < least) {
            least = errors;
            nearest = *known;
        }
    }
    return nearest;
}
