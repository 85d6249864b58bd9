/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * context: a namespace in which code of a language is executed, and the interpreter that keeps it.
 *
 * A machine has a default context for each language, whose id is the language's name, and contexts
 * that callers created. The next instance of the service learns of a context from the tag of its
 * runner, and from the environment in which the runner was started; the agent keeps both.
 */
#pragma once

#include "interpreter.h"

/* Created contexts of a machine. */
#define CONTEXTS_MAX 32u
/* As a template's language: each kernel that is installed in the guest. */
#define CONTEXT_ANY_KERNEL "jupyter"

typedef struct {
    char *id, *language;
    char *cwd; /* "": the user's home */
    gboolean is_default;
    GuestInterpreter *interpreter;
} Context;

/* Makes a default context, whose runner may run already. `user` NULL: the claim's. */
Context *context_new_default(GuestLink *link, const char *language, const char *user,
                             gboolean is_warm);
/* Makes another context, "LANGUAGE-NUMBER". `cwd` "": the user's home. */
Context *context_new(GuestLink *link, const char *language, guint number, const char *cwd,
                     const char *const *environment);
/* Makes the context of a runner with this tag, which a hostile guest reports. NULL: the tag is not
 * one of a runner. */
Context *context_from_tag(GuestLink *link, const char *tag, const char *const *environment);
void context_free(Context *context);
/* Returns the number in an id that context_new() made for this language, or 0. */
guint context_number(const char *id, const char *language);

/* Whether a template with these languages can execute `language`. */
gboolean context_has_language(char **languages, const char *language);
