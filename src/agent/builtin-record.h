/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* builtin-record: parses arguments of file tasks, and writes the record of a file. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* The maximum depth of a list, which bounds the length of paths. */
#define BUILTIN_DEPTH_MAX 64u
#define BUILTIN_FILE_RECORD_MAX (BUILTIN_DEPTH_MAX * (NAME_MAX + 1u) + PATH_MAX + 1024u)

/* The value of a flag ("1" or "0") or of a mode (octal; "": `preset`). */
bool builtin_flag(const char *argument);
mode_t builtin_mode(const char *argument, mode_t preset);
/* Writes the record of a file (builtin.h) and returns its size. */
size_t builtin_write_file(const char *path, const char *target, const struct stat *st);
