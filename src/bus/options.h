/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * options: what a caller may say in an a{sv}, and its bounds.
 *
 * Every failure is CLOCHE_ERROR_INVALID_ARGUMENT and names the key.
 */
#pragma once

#include <gio/gio.h>

#define OPTION_ENVIRONMENT_MAX 256u              /* entries */
#define OPTION_ENVIRONMENT_SIZE_MAX (64u * 1024) /* bytes in all */
#define OPTION_ARGV_MAX 1024u
#define OPTION_ARGV_SIZE_MAX (128u * 1024)
#define OPTION_STDIN_MAX (16u * 1024 * 1024)
#define OPTION_CODE_MAX (1024u * 1024)

typedef struct {
    const char *key;
    const char *type; /* a D-Bus signature; two that are allowed: "s|ay" */
} Option;

/* Each key is known (the table ends with a NULL key), given once, and of its type. */
gboolean options_check(GVariant *options, const Option *known, GError **error);

/* The a{ss} under `key` as NAME=value, sorted; empty when it is not there. Environment's bounds. */
char **options_environment(GVariant *options, const char *key, GError **error);
/* The a{ss} under `key` as key, value, …, sorted by key; empty when it is not there. Metadata's
 * bounds. */
char **options_metadata(GVariant *options, const char *key, GError **error);
/* A text for people under `key`, "" when it is not there: SANDBOX_NAME_MAX characters, none of them
 * control. */
char *options_name(GVariant *options, const char *key, GError **error);

#define OPTION_PATH_MAX 4095u /* bytes: what the guest's kernel takes */
#define OPTION_MODE_MAX 07777u

/* A path of the guest: the argument, or the bytes of the option `bytes_key`, where it is "". */
char *options_path(const char *name, const char *argument, GVariant *options, const char *bytes_key,
                   GError **error);
/* The option or argument under `key`, in octal; "" when there is no such option. */
char *options_mode(GVariant *options, const char *key, GError **error);
char *mode_text(const char *name, guint32 mode, GError **error);
/* "1" or "0". */
const char *options_flag(GVariant *options, const char *key, gboolean preset);
/* In decimal; "" when there is none. */
char *options_number(GVariant *options, const char *key);

/* Words of a command: not empty, and neither is the first. */
gboolean argv_check(const char *const *argv, GError **error);
gboolean code_check(const char *code, GError **error);
