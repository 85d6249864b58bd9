/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* builtin-record: parses arguments of file tasks, and writes the record of a file. */
#include "builtin-record.h"

#include <stdlib.h>
#include <string.h>

#include "builtin.h"
#include "owner-names.h"

bool
builtin_flag(const char *argument)
{
    return strcmp(argument, "1") == 0;
}

mode_t
builtin_mode(const char *argument, mode_t preset)
{
    return *argument ? (mode_t)strtoul(argument, NULL, 8) & 07777 : preset;
}

/* Nanoseconds since WIRE_TIME_MIN_S. */
static uint64_t
nanoseconds(struct timespec time)
{
    int64_t seconds = time.tv_sec;

    if (seconds < WIRE_TIME_MIN_S)
        seconds = WIRE_TIME_MIN_S;
    if (seconds > WIRE_TIME_MAX_S)
        seconds = WIRE_TIME_MAX_S;
    return (uint64_t)seconds * 1000000000 + (uint64_t)time.tv_nsec;
}

size_t
builtin_write_file(const char *path, const char *target, const struct stat *st)
{
    static uint8_t fields[BUILTIN_FILE_RECORD_MAX];
    WireWriter w = {.data = fields, .size = sizeof fields};

    wire_put_bytes(&w, path, strlen(path));
    wire_put_bytes(&w, target, strlen(target));
    wire_put_u32(&w, st->st_mode);
    wire_put_u32(&w, st->st_uid);
    wire_put_u32(&w, st->st_gid);
    wire_put_string(&w, names_user(st->st_uid));
    wire_put_string(&w, names_group(st->st_gid));
    wire_put_u64(&w, (uint64_t)st->st_size);
    wire_put_u64(&w, st->st_nlink);
    wire_put_u64(&w, st->st_ino);
    wire_put_u64(&w, nanoseconds(st->st_mtim));
    wire_put_u64(&w, nanoseconds(st->st_atim));
    wire_put_u64(&w, nanoseconds(st->st_ctim));
    builtin_write_record(&w);
    return w.used;
}
