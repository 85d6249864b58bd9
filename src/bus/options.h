/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * options: checks and reads the a{sv} of a call.
 *
 * Every failure is CLOCHE_ERROR_INVALID_ARGUMENT and names the key.
 */
#pragma once

#include <gio/gio.h>

#define OPTION_ENVIRONMENT_MAX 256u              /* entries */
#define OPTION_ENVIRONMENT_SIZE_MAX (64u * 1024) /* bytes in all */
#define OPTION_ARGV_MAX 1024u
#define OPTION_ARGV_SIZE_MAX (128u * 1024)
#define OPTION_STDIN_MAX (1024u * 1024)
#define OPTION_CODE_MAX (1024u * 1024)

typedef struct {
    const char *key;
    const char *type; /* a D-Bus signature, or two alternatives: "s|ay" */
} Option;

/* Checks that each key is in `known` (which ends with a NULL key), is given once, and has its type.
 */
gboolean options_check(GVariant *options, const Option *known, GError **error);

/* Returns the a{ss} under `key` as NAME=value, sorted; empty when the key is missing. Checks the
 * bounds of an environment. */
char **options_environment(GVariant *options, const char *key, GError **error);
/* Returns the a{ss} under `key` as key, value, …, sorted by key; empty when the key is missing.
 * Checks the bounds of metadata. */
char **options_metadata(GVariant *options, const char *key, GError **error);
/* Checks that a name has at most SANDBOX_NAME_MAX characters, none of which is a control
 * character. */
gboolean name_check(const char *key, const char *name, GError **error);
/* Returns the text under `key`, or "" when the key is missing. At most SANDBOX_NAME_MAX characters,
 * without control characters. */
char *options_name(GVariant *options, const char *key, GError **error);

#define OPTION_PATH_MAX 4095u /* bytes: the limit of the guest's kernel */
#define OPTION_MODE_MAX 07777u

/* Returns a path of the guest: the argument, or the option `bytes_key` when the argument is "". */
char *options_path(const char *name, const char *argument, GVariant *options, const char *bytes_key,
                   GError **error);
/* Returns the option under `key`, or the argument, as octal text; "" when there is no option. */
char *options_mode(GVariant *options, const char *key, GError **error);
char *mode_text(const char *name, guint32 mode, GError **error);
/* Returns "1" or "0". */
const char *options_flag(GVariant *options, const char *key, gboolean preset);
/* Returns the option as decimal text; "" when there is none. */
char *options_number(GVariant *options, const char *key);

/* Checks the arguments of a command: there is a program, and the bounds hold. */
gboolean argv_check(const char *const *argv, GError **error);
gboolean code_check(const char *code, GError **error);
