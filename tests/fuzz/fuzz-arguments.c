/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-arguments: the parsers of arguments and input return a value or an error for any bytes.
 *
 * Errors have the domain that the header names. Text for a terminal contains no control sequences.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "escape.h"
#include "event.h"
#include "forward-address.h"
#include "guest-path.h"
#include "network-message.h"
#include "network-text.h"
#include "secret-option.h"
#include "source.h"
#include "table.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require_error(gboolean is_good, GError *const *error)
{
    g_assert_true(is_good == (*error == NULL));
    g_assert_true(is_good || ((*error)->domain == G_OPTION_ERROR && *(*error)->message != '\0'));
}

static void
read_numbers(const char *word)
{
    g_autoptr(GError) no_duration = NULL, no_signal = NULL, no_size = NULL;
    guint64 seconds = 0, bytes = 0;
    int number = 0;

    require_error(text_to_seconds(word, &seconds, &no_duration), &no_duration);
    g_assert_true(no_duration != NULL || seconds >= 1);
    require_error(text_to_signal(word, &number, &no_signal), &no_signal);
    g_assert_true(no_signal != NULL || (number >= 1 && number <= 64));
    require_error(text_to_size(word, &bytes, &no_size), &no_size);
    g_assert_true(no_size != NULL || (bytes >= 1 && bytes <= G_MAXINT64));
}

static void
read_secret(const char *word)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Secret) secret = secret_parse(word, &error);

    require_error(secret != NULL, &error);
    if (secret == NULL)
        return;
    g_assert_true(*secret->host != '\0' && secret->port != 0 && *secret->header != '\0' &&
                  *secret->file != '\0');
    g_assert_true(strchr(secret->format, '%') != NULL && g_str_has_suffix(secret->format, "%s"));
}

static void
read_pairs(const char *word)
{
    g_auto(GStrv) words = g_strsplit(word, "\n", /* max= */ -1);
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) pairs = text_to_pairs((const char *const *)words, &error);

    require_error(pairs != NULL, &error);
    if (pairs != NULL)
        g_assert_cmpuint(g_variant_n_children(g_variant_ref_sink(pairs)), ==, g_strv_length(words));
}

static void
read_places(const char *word)
{
    g_auto(GuestPath) place = {0};
    g_auto(ForwardAddress) forward = {0};
    g_autoptr(GError) no_place = NULL, no_forward = NULL;
    g_autofree char *name = guest_path_base_name(word);

    require_error(guest_path_parse(word, &place, &no_place), &no_place);
    g_assert_true(no_place != NULL || (*place.id != '\0' && *place.path != '\0'));
    require_error(forward_address_parse(word, &forward, &no_forward), &no_forward);
    g_assert_true(no_forward != NULL || (forward.host != NULL && forward.guest_port != 0));
    g_assert_true(name == NULL || (*name != '\0' && strchr(name, '/') == NULL));
}

static void
read_code(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *code = source_text((const char *)data, size, "it", &error);

    require_error(code != NULL, &error);
    g_assert_true(code == NULL || g_utf8_validate(code, -1, /* end= */ NULL));
}

/* Nothing below space, and no DEL. */
static void
require_harmless(const char *shown)
{
    g_assert_true(g_utf8_validate(shown, -1, /* end= */ NULL));
    for (const char *p = shown; *p != '\0'; p++)
        g_assert_true((guchar)*p >= ' ' && *p != 0x7f);
}

static void
show(const char *text)
{
    static const char *const heads[] = {"ONE", "TWO", NULL};
    g_autoptr(Table) table = table_new(heads);
    g_autofree char *shown = text_escape(text), *lines = text_escape_lines(text),
                    *styled = text_escape_styled(text), *rendered = NULL;

    require_harmless(shown);
    g_strdelimit(lines, "\n", ' ');
    require_harmless(lines);
    g_assert_true(g_utf8_validate(styled, -1, /* end= */ NULL));
    g_assert_cmpuint(text_width(shown), <=, strlen(shown));
    table_add(table, text);
    table_add(table, "");
    rendered = table_render(table, "", "");
    g_strdelimit(rendered, "\n", ' ');
    require_harmless(rendered);
}

static void
read_event(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) event = event_parse((const char *)data, size, &error);
    g_autoptr(GPtrArray) found = NULL;
    g_autofree char *line = NULL;

    g_assert_true((event != NULL) == (error == NULL));
    if (event == NULL)
        return;
    event_text(event, "type");
    line = network_text_event(event);
    require_harmless(line);
    found = event_data(event);
    for (guint i = 0; i < found->len; i++)
        g_bytes_hash(((EventDatum *)found->pdata[i])->bytes);
}

static void
pass_keys(const uint8_t *data, size_t size)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    Escape escape = {0};

    escape_pass(&escape, data, size, out);
    g_assert_cmpuint(out->len, <=, size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *word = g_strndup((const char *)data, size);

    read_numbers(word);
    read_pairs(word);
    read_secret(word);
    read_places(word);
    read_code(data, size);
    show(word);
    read_event(data, size);
    pass_keys(data, size);
    network_message_find((const char *)data, size);
    return 0;
}
