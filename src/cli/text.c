/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* text: durations, KEY=VALUE, sizes, and escaping for terminals. */
#include "text.h"

#include <signal.h>
#include <string.h>

/* The kernel's last signal. */
#define SIGNAL_MAX 64

gboolean
text_refuse(GError **error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_propagate_error(
        error, g_error_new_valist(G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, format, arguments));
    va_end(arguments);
    return FALSE;
}

/* --- durations --- */

static gboolean
find_unit(const char *name, gsize length, guint64 *ret_us)
{
    static const struct {
        const char *names;
        guint64 us;
    } units[] = {
        {"ms msec", G_TIME_SPAN_MILLISECOND},
        {"s sec second seconds", G_TIME_SPAN_SECOND},
        {"m min minute minutes", G_TIME_SPAN_MINUTE},
        {"h hr hour hours", G_TIME_SPAN_HOUR},
        {"d day days", G_TIME_SPAN_DAY},
        {"w week weeks", 7 * G_TIME_SPAN_DAY},
    };
    g_autofree char *unit = g_strndup(name, length);

    for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
        g_auto(GStrv) names = g_strsplit(units[i].names, " ", /* max= */ -1);

        if (g_strv_contains((const char *const *)names, unit)) {
            *ret_us = units[i].us;
            return TRUE;
        }
    }
    return FALSE;
}

typedef struct {
    const char *at;
    guint64 us; /* the sum; G_MAXUINT64 if it would overflow */
} Span;

static void
add_us(Span *span, guint64 count, guint64 unit)
{
    guint64 more;

    if (!g_uint64_checked_mul(&more, count, unit) ||
        !g_uint64_checked_add(&span->us, span->us, more))
        span->us = G_MAXUINT64;
}

/* Digits after the point are millionths of the unit; digits after the sixth are ignored. */
static guint64
read_millionths(const char **at)
{
    guint64 millionths = 0, place = 100000;

    for (; g_ascii_isdigit(**at); (*at)++, place /= 10)
        millionths += (**at - '0') * place;
    return millionths;
}

static guint64
read_count(const char **at)
{
    guint64 count = 0;

    for (; g_ascii_isdigit(**at); (*at)++) {
        if (!g_uint64_checked_mul(&count, count, 10) ||
            !g_uint64_checked_add(&count, count, **at - '0'))
            count = G_MAXUINT64;
    }
    return count;
}

static gboolean
fail_duration(const char *text, const char *unit, GError **error)
{
    g_autofree char *why = unit != NULL ? g_strdup_printf(": unknown unit '%s'", unit) : NULL;

    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "'%s' is not a duration%s: use seconds, or numbers with ms, s, min, h, d or w (90, "
                "1.5h, 1h30min, 2d)",
                text, why != NULL ? why : "");
    return FALSE;
}

/* Reads a number and its unit. The unit may be omitted if the number is the complete text. */
static gboolean
read_part(Span *span, const char *text, GError **error)
{
    const char *begin = span->at;
    guint64 count = read_count(&span->at), millionths = 0, unit = G_TIME_SPAN_SECOND;
    gsize length;

    if (*span->at == '.') {
        span->at++;
        millionths = read_millionths(&span->at);
    }
    if (span->at == begin || !g_ascii_isdigit(span->at[-1]))
        return fail_duration(text, /* unit= */ NULL, error);
    span->at += strspn(span->at, " ");
    length = strcspn(span->at, "0123456789. ");
    if (length == 0 && (begin != text || *span->at != '\0'))
        return fail_duration(text, /* unit= */ NULL, error);
    if (length > 0 && !find_unit(span->at, length, &unit)) {
        g_autofree char *name = g_strndup(span->at, length);

        return fail_duration(text, name, error);
    }
    span->at += length;
    span->at += strspn(span->at, " ");
    add_us(span, count, unit);
    add_us(span, millionths * unit / 1000000, 1);
    return TRUE;
}

gboolean
text_to_seconds(const char *text, guint64 *ret_seconds, GError **error)
{
    Span span = {.at = text};

    if (g_str_equal(text, "inf") || g_str_equal(text, "infinity")) {
        *ret_seconds = TEXT_FOREVER;
        return TRUE;
    }
    do {
        if (!read_part(&span, text, error))
            return FALSE;
    } while (*span.at != '\0');
    if (span.us < G_TIME_SPAN_SECOND || span.us > G_MAXINT64) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "the duration '%s' is too %s",
                    text,
                    span.us < G_TIME_SPAN_SECOND ? "short: the minimum is one second" : "long");
        return FALSE;
    }
    *ret_seconds = (span.us + G_TIME_SPAN_SECOND - 1) / G_TIME_SPAN_SECOND;
    return TRUE;
}

/* --- other values --- */

gboolean
text_to_size(const char *text, guint64 *ret_bytes, GError **error)
{
    static const char units[] = "KMGT";
    gsize digits = strspn(text, "0123456789");
    g_autofree char *number = g_strndup(text, digits);
    const char *unit = text[digits] != '\0' ? strchr(units, text[digits]) : NULL;
    guint64 factor = 1, count;

    for (gssize i = 0; unit != NULL && i <= unit - units; i++)
        factor *= 1000;
    if ((unit != NULL ? text[digits + 1] : text[digits]) != '\0' ||
        !g_ascii_string_to_unsigned(number, 10, 1, G_MAXINT64 / factor, &count,
                                    /* error= */ NULL)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "'%s' is not a size: use a number of bytes, or one with K, M, G or T, as in "
                    "10M",
                    text);
        return FALSE;
    }
    *ret_bytes = count * factor;
    return TRUE;
}

static int
signal_of_name(const char *name)
{
    if (g_ascii_strncasecmp(name, "SIG", 3) == 0)
        name += 3;
    for (int number = 1; number < NSIG; number++) {
        const char *known = sigabbrev_np(number);

        if (known != NULL && g_ascii_strcasecmp(known, name) == 0)
            return number;
    }
    return 0;
}

gboolean
text_to_signal(const char *text, int *ret_number, GError **error)
{
    guint64 number = 0;

    if (!g_ascii_string_to_unsigned(text, 10, 1, SIGNAL_MAX, &number, /* error= */ NULL))
        number = signal_of_name(text);
    if (number == 0) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "'%s' is not a signal: use a name or a number from 1 to %d (TERM, SIGTERM, 15)",
                    text, SIGNAL_MAX);
        return FALSE;
    }
    *ret_number = number;
    return TRUE;
}

/* Returns the key of KEY=VALUE, or NULL if the word does not have this form. */
static char *
pair_key(const char *word)
{
    const char *equals = strchr(word, '=');

    return equals != NULL && equals != word ? g_strndup(word, equals - word) : NULL;
}

GVariant *
text_to_pairs(const char *const *texts, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_auto(GVariantBuilder) pairs = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a{ss}"));

    if (!text_check_utf8(texts, "", error))
        return NULL;
    for (gsize i = 0; texts != NULL && texts[i] != NULL; i++) {
        char *key = pair_key(texts[i]);

        if (key == NULL) {
            g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                        "'%s' is not of the form KEY=VALUE", texts[i]);
            return NULL;
        }
        g_variant_builder_add(&pairs, "{ss}", key, texts[i] + strlen(key) + 1);
        if (!g_hash_table_add(seen, key)) {
            g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                        "'%s': the key is given twice", texts[i]);
            return NULL;
        }
    }
    return g_variant_builder_end(&pairs);
}

gboolean
text_check_utf8(const char *const *texts, const char *what, GError **error)
{
    for (gsize i = 0; texts != NULL && texts[i] != NULL; i++) {
        g_autofree char *shown = NULL;

        if (g_utf8_validate(texts[i], -1, /* end= */ NULL))
            continue;
        shown = g_utf8_make_valid(texts[i], -1);
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s'%s' is not UTF-8 text",
                    what, shown);
        return FALSE;
    }
    return TRUE;
}

char *
text_from_seconds(guint64 seconds)
{
    guint64 minutes = seconds / 60, hours = minutes / 60, days = hours / 24;

    if (days > 0)
        return g_strdup_printf("%" G_GUINT64_FORMAT "d %" G_GUINT64_FORMAT "h", days, hours % 24);
    if (hours > 0)
        return g_strdup_printf("%" G_GUINT64_FORMAT "h %" G_GUINT64_FORMAT "m", hours,
                               minutes % 60);
    if (minutes > 0)
        return g_strdup_printf("%" G_GUINT64_FORMAT "m %" G_GUINT64_FORMAT "s", minutes,
                               seconds % 60);
    return g_strdup_printf("%" G_GUINT64_FORMAT "s", seconds);
}

char *
text_to_duration(guint64 seconds)
{
    if (seconds % (24 * 60 * 60) == 0)
        return g_strdup_printf("%" G_GUINT64_FORMAT "d", seconds / (24 * 60 * 60));
    if (seconds % (60 * 60) == 0)
        return g_strdup_printf("%" G_GUINT64_FORMAT "h", seconds / (60 * 60));
    if (seconds % 60 == 0)
        return g_strdup_printf("%" G_GUINT64_FORMAT "m", seconds / 60);
    return g_strdup_printf("%" G_GUINT64_FORMAT "s", seconds);
}

char *
text_from_size(guint64 bytes)
{
    if (bytes == 1)
        return g_strdup("1 byte");
    if (bytes < 1000)
        return g_strdup_printf("%" G_GUINT64_FORMAT " bytes", bytes);
    if (bytes < 999500)
        return g_strdup_printf("%.0f KB", bytes / 1e3);
    if (bytes < 999950000)
        return g_strdup_printf("%.1f MB", bytes / 1e6);
    return g_strdup_printf("%.1f GB", bytes / 1e9);
}

static gboolean
is_harmless(gunichar c)
{
    switch (g_unichar_type(c)) {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_SURROGATE:
        return FALSE;
    default:
        return TRUE;
    }
}

/* Returns the length of the colour or style that begins here, such as "\x1b[0;31m", or 0. */
static gsize
style_length(const char *text)
{
    gsize length;

    if (!g_str_has_prefix(text, "\x1b["))
        return 0;
    length = 2 + strspn(text + 2, G_CSET_DIGITS ";:");
    return text[length] == 'm' ? length + 1 : 0;
}

typedef enum {
    KEEP_BREAKS = 1 << 0,
    KEEP_TABS = 1 << 1,
    KEEP_STYLES = 1 << 2,
} Keep;

static gboolean
is_kept(gunichar c, Keep keep)
{
    return is_harmless(c) || (c == '\n' && keep & KEEP_BREAKS) || (c == '\t' && keep & KEEP_TABS);
}

static char *
escape(const char *text, Keep keep)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *escaped = g_string_new(NULL);
    const char *p = valid;

    while (*p != '\0') {
        gunichar c = g_utf8_get_char(p);
        gsize style = keep & KEEP_STYLES ? style_length(p) : 0;

        if (style > 0)
            g_string_append_len(escaped, p, style);
        else if (is_kept(c, keep))
            g_string_append_unichar(escaped, c);
        else
            g_string_append_printf(escaped, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
        p = style > 0 ? p + style : g_utf8_next_char(p);
    }
    return g_string_free(escaped, FALSE);
}

char *
text_escape(const char *text)
{
    return escape(text, /* keep= */ 0);
}

char *
text_escape_lines(const char *text)
{
    g_autofree char *escaped = escape(text, KEEP_BREAKS);
    g_auto(GStrv) lines = g_strsplit(escaped, "\n", /* max= */ -1);

    return g_strjoinv("\n  ", lines);
}

char *
text_escape_styled(const char *text)
{
    return escape(text, KEEP_BREAKS | KEEP_TABS | KEEP_STYLES);
}

gsize
text_width(const char *text)
{
    gsize width = 0;

    for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        if (!g_unichar_iszerowidth(c))
            width += g_unichar_iswide(c) ? 2 : 1;
    }
    return width;
}
