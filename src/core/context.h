/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * context: a namespace in which code of a language is executed, and the interpreter that keeps it.
 *
 * A machine has a default one for each language, whose id is the language's name, and those that
 * somebody created. All that a later life of the service has to know of one is in the tag by which
 * the guest's agent knows its runner, and in the environment that this was started with.
 */
#pragma once

#include "interpreter.h"

/* Of a machine, those that were created. */
#define CONTEXTS_MAX 32u
/* Among a template's languages: every other kernel that is installed in the guest. */
#define CONTEXT_ANY_KERNEL "jupyter"

typedef struct {
    char *id, *language;
    char *cwd; /* "": the user's home */
    gboolean is_default;
    GuestInterpreter *interpreter;
} Context;

/* The default one, whose runner may be there or not. `user` NULL: the claim's. */
Context *context_new_default(GuestLink *link, const char *language, const char *user,
                             gboolean is_warm);
/* One more, "LANGUAGE-NUMBER". `cwd` "": the user's home. */
Context *context_new(GuestLink *link, const char *language, guint number, const char *cwd,
                     const char *const *environment);
/* That of a runner with this tag, whose guest is hostile; NULL: it is none. */
Context *context_from_tag(GuestLink *link, const char *tag, const char *const *environment);
void context_free(Context *context);
/* That of an id which context_new() made for this language; 0: it did not. */
guint context_number(const char *id, const char *language);

/* Whether a template with these languages can execute it. */
gboolean context_has_language(char **languages, const char *language);
