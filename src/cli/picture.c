/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* picture: choice of the protocol; kitty's and iTerm2's, which only carry bytes. */
#include "picture.h"

#include <string.h>

#include "picture-sixel.h"

/* base64 in one command of kitty; must be a multiple of 4, except in the last command. */
#define KITTY_CHUNK 4096

/* --- choice of the protocol --- */

static gboolean
variable_is(const char *name, const char *value)
{
    return g_strcmp0(g_getenv(name), value) == 0;
}

static gboolean
variable_begins(const char *name, const char *start)
{
    const char *value = g_getenv(name);

    return value != NULL && g_str_has_prefix(value, start);
}

static gboolean
variable_is_set(const char *name)
{
    const char *value = g_getenv(name);

    return value != NULL && *value != '\0';
}

PictureProtocol
picture_from_environment(gboolean *ret_may_ask)
{
    *ret_may_ask = variable_is_set("TERM") && !variable_is("TERM", "dumb");
    if (!*ret_may_ask || variable_is_set("TMUX") || variable_begins("TERM", "tmux") ||
        variable_begins("TERM", "screen"))
        return PICTURE_NONE;
    if (variable_is("TERM", "xterm-kitty") || variable_is_set("KITTY_WINDOW_ID") ||
        variable_is("TERM", "xterm-ghostty") || variable_is("TERM_PROGRAM", "ghostty"))
        return PICTURE_KITTY;
    if (variable_is("TERM_PROGRAM", "iTerm.app") || variable_is("LC_TERMINAL", "iTerm2") ||
        variable_is("TERM_PROGRAM", "WezTerm"))
        return PICTURE_ITERM;
    return PICTURE_NONE;
}

/* Returns the text between '?' and 'c' in "ESC [ ? 64 ; 4 ; 22 c"; NULL if the answer is
 * incomplete. */
static char *
attributes(const char *answer)
{
    const char *start = strstr(answer, "\033[?");
    gsize length;

    if (start == NULL)
        return NULL;
    start += strlen("\033[?");
    length = strspn(start, "0123456789;");
    return start[length] == 'c' ? g_strndup(start, length) : NULL;
}

gboolean
picture_is_answer(const char *answer)
{
    g_autofree char *found = attributes(answer);

    return found != NULL;
}

/* The first number is the terminal's class, not an attribute. */
gboolean
picture_answer_has_sixel(const char *answer)
{
    g_autofree char *found = attributes(answer);
    g_auto(GStrv) numbers = found != NULL ? g_strsplit(found, ";", /* max_tokens= */ 0) : NULL;

    return numbers != NULL && numbers[0] != NULL &&
           g_strv_contains((const char *const *)numbers + 1, "4");
}

/* --- kitty and iTerm2 --- */

static char *
base64(GBytes *bytes, gsize *ret_size)
{
    gsize size;
    const guchar *data = g_bytes_get_data(bytes, &size);
    char *text = g_base64_encode(data, size);

    *ret_size = strlen(text);
    return text;
}

/* q=2: the terminal must not reply, because nothing would read the reply. */
static GString *
encode_kitty(const char *mime, GBytes *bytes)
{
    g_autofree char *text = NULL;
    gsize size;
    GString *out;

    if (!g_str_equal(mime, "image/png"))
        return NULL;
    text = base64(bytes, &size);
    out = g_string_sized_new(size + size / KITTY_CHUNK * 16 + 64);
    for (gsize at = 0; at == 0 || at < size; at += KITTY_CHUNK) {
        gsize length = MIN(size - at, KITTY_CHUNK);

        g_string_append_printf(out, "\033_G%sm=%d;", at == 0 ? "a=T,f=100,q=2," : "q=2,",
                               at + length < size);
        g_string_append_len(out, text + at, (gssize)length);
        g_string_append(out, "\033\\");
    }
    g_string_append_c(out, '\n');
    return out;
}

static GString *
encode_iterm(const char *mime, GBytes *bytes)
{
    gsize size;
    g_autofree char *text = NULL;
    GString *out;

    if (!g_str_equal(mime, "image/png") && !g_str_equal(mime, "image/jpeg") &&
        !g_str_equal(mime, "image/gif"))
        return NULL;
    text = base64(bytes, &size);
    out = g_string_sized_new(size + 64);
    g_string_append_printf(out, "\033]1337;File=inline=1;size=%" G_GSIZE_FORMAT ":",
                           g_bytes_get_size(bytes));
    g_string_append_len(out, text, (gssize)size);
    g_string_append(out, "\a\n");
    return out;
}

GString *
picture_encode(PictureProtocol protocol, const char *mime, GBytes *bytes)
{
    switch (protocol) {
    case PICTURE_KITTY:
        return encode_kitty(mime, bytes);
    case PICTURE_ITERM:
        return encode_iterm(mime, bytes);
    case PICTURE_SIXEL:
        return g_str_equal(mime, "image/png") ? picture_sixel_from_png(bytes) : NULL;
    default:
        return NULL;
    }
}
