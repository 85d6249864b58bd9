/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-records: the parsers of the agent's records (src/guest/records.h) survive any bytes.
 *
 * Each parser must reach an end, and return only UTF-8 texts.
 */
#include "records.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require_text(const char *text)
{
    g_assert_true(g_utf8_validate(text, -1, NULL));
}

static void
require_words(char **words)
{
    for (; *words; words++)
        require_text(*words);
}

/* No more records than there are bytes for. */
static void
require_bound(gsize records, gsize size)
{
    g_assert_cmpuint(records * 4, <=, size);
}

static void
read_files(GBytes *answer)
{
    GuestRecords records;
    GuestFile file;
    gsize n = 0;

    guest_records_init(&records, answer);
    for (; guest_records_next_file(&records, &file); n++) {
        g_bytes_hash(file.path);
        g_bytes_hash(file.target);
        require_text(file.user);
        require_text(file.group);
        guest_file_clear(&file);
    }
    require_bound(n, g_bytes_get_size(answer));
}

static void
read_programs(GBytes *answer)
{
    GuestRecords records;
    GuestProgram program;
    gsize n = 0;

    guest_records_init(&records, answer);
    for (; guest_records_next_program(&records, &program); n++) {
        require_text(program.user);
        require_words(program.argv);
        g_assert_cmpuint(program.started_ms, <, G_MAXINT64 / 1000); /* it becomes microseconds */
        guest_program_clear(&program);
    }
    require_bound(n, g_bytes_get_size(answer));
}

static void
read_listeners(GBytes *answer)
{
    GuestRecords records;
    GuestListener listener;
    gsize n = 0;

    guest_records_init(&records, answer);
    for (; guest_records_next_listener(&records, &listener); n++) {
        g_assert_cmpuint(listener.port, <=, 65535);
        require_text(listener.address);
        require_text(listener.program);
        guest_listener_clear(&listener);
    }
    require_bound(n, g_bytes_get_size(answer));
}

static void
read_kept(GBytes *answer)
{
    GuestRecords records;
    GuestKept kept;
    gsize n = 0;

    guest_records_init(&records, answer);
    for (; guest_records_next_kept(&records, &kept); n++) {
        require_text(kept.tag);
        require_words(kept.argv);
        require_words(kept.environment);
        g_assert_cmpuint(kept.started_ms, <, G_MAXINT64 / 1000);
        guest_kept_clear(&kept);
    }
    require_bound(n, g_bytes_get_size(answer));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) answer = g_bytes_new(data, size);

    read_files(answer);
    read_programs(answer);
    read_listeners(answer);
    read_kept(answer);
    return 0;
}
