/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* random-payloads: what random-agent.c writes in its frames. */
#include "random-payloads.h"

#include "frames.h"

GRand *dice;

guint32
below(guint32 limit)
{
    return (guint32)g_rand_int_range(dice, 0, (gint32)limit);
}

gboolean
one_in(guint32 n)
{
    return below(n) == 0;
}

GByteArray *
random_bytes(guint32 max)
{
    GByteArray *bytes = g_byte_array_new();

    g_byte_array_set_size(bytes, below(max + 1));
    for (guint i = 0; i < bytes->len; i++)
        bytes->data[i] = (guint8)g_rand_int(dice);
    return bytes;
}

const char *
random_text(void)
{
    static const char *const texts[] = {"",     "a",    "/",     "../..",     "text/plain",
                                        "\xff", "\033", "x y z", "image/png", "KeyboardInterrupt"};

    return texts[below(G_N_ELEMENTS(texts))];
}

guint32
random_number(void)
{
    static const guint32 numbers[] = {0, 1, 2, 7, 255, 65536, G_MAXINT32, G_MAXUINT32};

    return one_in(3) ? g_rand_int(dice) : numbers[below(G_N_ELEMENTS(numbers))];
}

/* --- what runners send --- */

static void
add_result(GByteArray *out, guint32 number)
{
    g_autoptr(GByteArray) payload = g_byte_array_new(), data = random_bytes(100);
    guint32 parts = below(3), saved = below(3);

    put_u32(payload, below(8));
    put_text(payload, one_in(2) ? "" : "display");
    put_u32(payload, parts);
    for (; parts > 0; parts--) {
        put_text(payload, one_in(2) ? "text/plain" : "image/png");
        put_bytes(payload, data->data, data->len);
    }
    put_u32(payload, saved);
    for (; saved > 0; saved--) {
        put_text(payload, "text/html");
        put_text(payload, "/tmp/saved");
    }
    put_frame(out, number, RUNNER_RESULT, g_steal_pointer(&payload));
}

static void
add_message(GByteArray *out, Exchange *runner)
{
    guint32 number = one_in(20) ? random_number() : runner->request;

    switch (below(8)) {
    case 0:
        put_error(out, number, "Error", one_in(2) ? "value" : "");
        break;
    case 1:
        put_clear(out, number, below(2));
        break;
    case 2:
        put_completeness(out, number, below(4), "  ");
        break;
    case 3:
    case 4:
        add_result(out, number);
        break;
    default:
        put_done(out, number, below(3));
        if (number == runner->request)
            runner->request = 0;
    }
}

/* Messages of a runner that knows its requests, or garbage. */
GByteArray *
runner_bytes(Exchange *runner)
{
    GByteArray *out = g_byte_array_new();

    if (one_in(100)) {
        g_byte_array_unref(out);
        return random_bytes(DATA_MAX);
    }
    if (runner->must_sync && one_in(2)) {
        g_byte_array_append(out, runner->sync, sizeof runner->sync);
        runner->must_sync = FALSE;
        runner->is_ready = TRUE;
    } else if (!runner->is_ready || one_in(200)) {
        put_ready(out);
        runner->is_ready = TRUE;
    } else if (runner->request != 0 || one_in(50)) {
        add_message(out, runner);
    }
    return out;
}

/* --- what built-in tasks write --- */

static void
put_kept(GByteArray *fields)
{
    g_autofree char *long_directory = g_strnfill(3000, 'd');
    g_autofree char *tag = NULL;

    switch (below(5)) {
    case 0:
        tag = g_strdup_printf("process %u p tag", random_number());
        break;
    case 1:
        tag = g_strdup_printf("process %u t ", below(20));
        break;
    case 2:
        tag = g_strdup_printf("runner:python-%u python /%s", below(8) + 1,
                              one_in(2) ? long_directory : "tmp");
        break;
    case 3:
        tag = g_strdup("runner:python");
        break;
    default:
        tag = g_strdup(random_text());
    }
    put_text(fields, tag);
    put_u32(fields, random_number());
    put_u32(fields, random_number());
    put_u32(fields, one_in(2) ? 0 : random_number()); /* with the one before: a time */
    for (guint i = 0; i < 2; i++) {
        put_u32(fields, 1);
        put_text(fields, "NAME=value");
    }
}

GByteArray *
task_bytes(const Exchange *task)
{
    GByteArray *out = g_byte_array_new();
    g_autoptr(GByteArray) fields = g_byte_array_new();

    if (one_in(10)) {
        g_byte_array_unref(out);
        return random_bytes(DATA_MAX);
    }
    if (g_str_equal(task->task, "kept"))
        put_kept(fields);
    else
        for (guint i = below(20); i > 0; i--)
            put_u32(fields, one_in(2) ? 0 : random_number());
    put_bytes(out, fields->data, fields->len);
    return out;
}
