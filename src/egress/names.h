/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * names: the addresses of names, from the resolver and from the memory of earlier answers.
 *
 * Answers are kept as long as they are valid, but at least 5 and at most 300 seconds; that a name
 * does not exist, for 5.
 */
#pragma once

#include "resolver-protocol.h"

typedef struct Names Names;

typedef struct {
    int status; /* 0, -ENOENT or -EAGAIN */
    guint count;
    NetAddress addresses[RESOLVER_ADDRESSES_MAX];
} NamesAnswer;

typedef void (*NamesDone)(const NamesAnswer *answer, gpointer data);

/* Without a connection to a resolver, questions are answered by -EAGAIN. */
Names *names_new(void);
/* NULL is fine. Questions in progress get no answer. */
void names_free(Names *names);

/* Takes `fd`, a connection to a resolver, or -1. Questions in progress are answered by -EAGAIN. */
void names_connect(Names *names, int fd);
int names_fd(const Names *names);
/* Reads answers. FALSE: the connection has ended, and there is none now. */
gboolean names_receive(Names *names, gint64 now);

/* Asks for a canonical name, and calls `done` once: at once, or from names_receive(),
 * names_expire() or names_connect(). */
void names_ask(Names *names, const char *name, gint64 now, NamesDone done, gpointer data);
/* The question with this data gets no answer. */
void names_forget(Names *names, gconstpointer data);
/* Answers questions that have waited too long. Returns when to call it again, 0: no need. */
gint64 names_expire(Names *names, gint64 now);
