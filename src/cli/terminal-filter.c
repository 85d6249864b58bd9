/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* terminal-filter: recognizes control sequences of ECMA-48, also when they arrive in pieces. */
#include "terminal-filter.h"

#include <string.h>

#define ESCAPE 0x1b
#define UTF8_OF_C1                                                                                 \
    0xc2 /* begins U+0080 to U+009F, which are control characters of one byte in other encodings   \
          */

typedef enum {
    SEQUENCE_UNFINISHED,
    SEQUENCE_PASSED,
    SEQUENCE_REFUSED,
} Sequence;

/* Whether the cursor is shown, and whether lines are wrapped. Other modes let the terminal send
 * input. */
static gboolean
is_harmless_mode(const guint8 *parameters, gsize size)
{
    return (size == 3 && memcmp(parameters, "?25", 3) == 0) ||
           (size == 2 && memcmp(parameters, "?7", 2) == 0);
}

static gboolean
is_harmless_control(const guint8 *parameters, gsize size, guint8 final)
{
    if (strchr("hl", final))
        return is_harmless_mode(parameters, size);
    for (gsize i = 0; i < size; i++) {
        if (parameters[i] > ';') /* a private sequence */
            return FALSE;
    }
    return strchr("@ABCDEFGHIJKLMPSTXZ`adefgmrsu", final) != NULL;
}

/* Control sequences: ESC [ parameters final. */
static Sequence
judge_control(const guint8 *held, gsize size)
{
    guint8 last = held[size - 1];

    if (size == 2 || (last >= '0' && last <= '?'))
        return SEQUENCE_UNFINISHED;
    return last >= '@' && last <= '~' && is_harmless_control(held + 2, size - 3, last)
               ? SEQUENCE_PASSED
               : SEQUENCE_REFUSED;
}

static Sequence
judge(const guint8 *held, gsize size)
{
    if (size == 1)
        return SEQUENCE_UNFINISHED;
    if (held[0] == UTF8_OF_C1)
        return held[1] >= 0xa0 && held[1] <= 0xbf ? SEQUENCE_PASSED : SEQUENCE_REFUSED;
    if (held[1] == '[')
        return judge_control(held, size);
    return strchr("78", held[1]) && held[1] != '\0' ? SEQUENCE_PASSED : SEQUENCE_REFUSED;
}

static void
show(guint8 control, GByteArray *out)
{
    char shown[sizeof "\\x1b"];

    g_snprintf(shown, sizeof shown, "\\x%02x", control);
    g_byte_array_append(out, (const guint8 *)shown, strlen(shown));
}

/* Control characters that move the cursor or ring the bell; terminals ignore NUL. */
static gboolean
is_harmless(guint8 byte)
{
    return byte >= ' ' ? byte != 0x7f : byte == '\0' || (byte >= '\a' && byte <= '\r');
}

static void take(TerminalFilter *filter, guint8 byte, GByteArray *out);

/* Passes or shows the first character, and returns its size. */
static gsize
take_first(const guint8 *held, gsize size, GByteArray *out)
{
    if (held[0] == ESCAPE) {
        show(ESCAPE, out);
        return 1;
    }
    if (size > 1 && held[1] >= 0x80 && held[1] <= 0x9f) {
        show(held[1], out);
        return 2;
    }
    g_byte_array_append(out, held, 1); /* not UTF-8 */
    return 1;
}

/* What follows the first character is text, or begins another sequence. */
static void
refuse(TerminalFilter *filter, GByteArray *out)
{
    guint8 held[TERMINAL_SEQUENCE_MAX];
    gsize size = filter->held_size;

    memcpy(held, filter->held, size);
    filter->held_size = 0;
    for (gsize i = take_first(held, size, out); i < size; i++)
        take(filter, held[i], out);
}

static void
hold(TerminalFilter *filter, guint8 byte, GByteArray *out)
{
    Sequence sequence;

    filter->held[filter->held_size++] = byte;
    sequence = judge(filter->held, filter->held_size);
    if (sequence == SEQUENCE_PASSED) {
        g_byte_array_append(out, filter->held, filter->held_size);
        filter->held_size = 0;
    } else if (sequence == SEQUENCE_REFUSED || filter->held_size == TERMINAL_SEQUENCE_MAX) {
        refuse(filter, out);
    }
}

static void
take(TerminalFilter *filter, guint8 byte, GByteArray *out)
{
    if (filter->held_size > 0 || byte == ESCAPE || byte == UTF8_OF_C1)
        hold(filter, byte, out);
    else if (is_harmless(byte))
        g_byte_array_append(out, &byte, 1);
    else
        show(byte, out);
}

void
terminal_filter(TerminalFilter *filter, const guint8 *bytes, gsize size, GByteArray *out)
{
    for (gsize i = 0; i < size; i++)
        take(filter, bytes[i], out);
    if (size == 0 && filter->held_size > 0)
        refuse(filter, out);
}
