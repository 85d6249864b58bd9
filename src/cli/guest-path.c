/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest-path: the part before the colon decides. */
#include "guest-path.h"

#include <gio/gio.h>
#include <string.h>

#include "client.h"

void
guest_path_clear(GuestPath *path)
{
    g_free(path->id);
    g_free(path->path);
}

gboolean
guest_path_is(const char *word)
{
    const char *id =
        g_str_has_prefix(word, CLIENT_SANDBOX_PATH) ? word + strlen(CLIENT_SANDBOX_PATH) : word;
    gsize before = strcspn(id, ":/");

    return before > 0 && id[before] == ':';
}

/* Suggests what a path or an id alone may mean. */
static char *
complete(const char *word)
{
    if (strchr(word, ':') != NULL || *word == '\0')
        return g_strdup("");
    return *word == '/' ? g_strdup_printf(": did you mean ID:%s?", word)
                        : g_strdup_printf(": did you mean %s: or %s:PATH?", word, word);
}

gboolean
guest_path_parse(const char *word, GuestPath *ret_path, GError **error)
{
    const char *colon;

    if (!guest_path_is(word)) {
        g_autofree char *meant = complete(word);

        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "'%s' is not of the form ID:PATH%s", word, meant);
        return FALSE;
    }
    colon = strchr(word, ':');
    ret_path->id = g_strndup(word, colon - word);
    ret_path->path = g_strdup(colon[1] != '\0' ? colon + 1 : ".");
    return TRUE;
}

char *
guest_path_base_name(const char *path)
{
    g_autofree char *name = g_path_get_basename(path);

    if (g_str_equal(name, "/") || g_str_equal(name, ".") || g_str_equal(name, ".."))
        return NULL;
    return g_steal_pointer(&name);
}
