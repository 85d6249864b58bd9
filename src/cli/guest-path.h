/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest-path: ID:PATH on the command line, a path in a sandbox.
 *
 * As with docker cp and scp, a word with a colon names a path in a sandbox, unless a slash comes
 * before the colon: "./a:b" is a file of this machine. The object path of a sandbox stands for its
 * id.
 */
#pragma once

#include <glib.h>

typedef struct {
    char *id;
    char *path; /* never "": the home directory is "." */
} GuestPath;

void guest_path_clear(GuestPath *path);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(GuestPath, guest_path_clear)

/* Whether the word has the form ID:PATH. */
gboolean guest_path_is(const char *word);

/* Errors are of G_OPTION_ERROR. */
gboolean guest_path_parse(const char *word, GuestPath *ret_path, GError **error);

/* Returns the last name in a path; NULL if that is not a name: "/", ".", "..", "a/.". */
char *guest_path_base_name(const char *path);
