/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* random-payloads: what random-agent.c writes in its frames. */
#pragma once

#include <glib.h>

#include "runner.h"
#include "wire.h"

#define RUNNER_HEADER_SIZE 12u
#define DATA_MAX 3000

typedef struct {
    guint32 number;
    enum { REQUEST, PING, OPENING, RUNNING } stage;
    gboolean is_runner, is_reaped, is_ready;
    gboolean has[_WIRE_CHANNELS];
    char *task; /* argv[0] of a built-in task, or NULL */
    guint32 window[_WIRE_CHANNELS], owed[_WIRE_CHANNELS];
    gboolean has_ended[_WIRE_CHANNELS];
    GByteArray *requests; /* to a runner: bytes that were not read yet */
    guint32 request;      /* that the runner got last; 0: none */
    guint8 sync[RUNNER_HEADER_SIZE + 4 + RUNNER_NONCE_SIZE]; /* the answer that is expected */
    gboolean must_sync;
} Exchange;

extern GRand *dice;

/* A number below the limit. */
guint32 below(guint32 limit);
/* TRUE once in n times. */
gboolean one_in(guint32 n);
/* At most max bytes. */
GByteArray *random_bytes(guint32 max);
const char *random_text(void);
guint32 random_number(void);

/* Messages of a runner that knows its requests, or garbage. */
GByteArray *runner_bytes(Exchange *runner);
/* What a built-in task writes to its standard output, or garbage. */
GByteArray *task_bytes(const Exchange *task);
