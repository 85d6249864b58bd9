/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * scripted-agent: the other end of a link, played by the test.
 *
 * The test states which frames it expects from the host, and sends the agent's frames itself. All
 * functions that wait run the default main context.
 */
#pragma once

#include "stream.h"

typedef struct {
    GuestLink *link;
    guint grace_s; /* 5, until the test changes it */
    int fd;
    GByteArray *received;
    GBytes *payload;         /* of the frame that was expected last */
    gboolean ignores_credit; /* agent_expect() skips CREDIT frames */
    gboolean is_greeted, is_lost;
    GError *greeting_error; /* NULL: the greeting succeeded */
    GuestLoss loss;
    char *loss_message;
} ScriptedAgent;

/* Makes a link and begins its greeting. */
void agent_set_up(ScriptedAgent *agent);
/* Frees the link, unless the test has. */
void agent_tear_down(ScriptedAgent *agent);
/* Reads the preamble, answers HELLO, and waits until the host has finished the greeting. */
void agent_greet(ScriptedAgent *agent, guint32 version);
/* Sends magic and nonce, to be called after the preamble was read; HELLO is not sent. */
void agent_read_preamble(ScriptedAgent *agent);
void agent_send_hello(ScriptedAgent *agent, guint32 version);

/* Runs the main context until *is_done. */
void agent_wait(const gboolean *is_done);
/* Waits for the next frame, which must be of this type. */
WireHeader agent_expect(ScriptedAgent *agent, WireType type);
/* The fields of the frame that was expected last. */
WireReader agent_fields(const ScriptedAgent *agent);
/* The host has sent nothing: it answers a request first. Uses QUIESCE. */
void agent_expect_nothing(ScriptedAgent *agent);

/* Sends a frame of the fields in `w`. */
void agent_send(ScriptedAgent *agent, WireWriter *w, guint32 stream, WireType type,
                WireChannel channel);
void agent_send_empty(ScriptedAgent *agent, guint32 stream, WireType type);
void agent_send_eof(ScriptedAgent *agent, guint32 stream, WireChannel channel);
void agent_send_started(ScriptedAgent *agent, guint32 stream);
void agent_send_exited(ScriptedAgent *agent, guint32 stream, WireExit how, guint32 status);
void agent_send_credit(ScriptedAgent *agent, guint32 stream, WireChannel channel, guint32 size);
void agent_send_data(ScriptedAgent *agent, guint32 stream, WireChannel channel, const void *data,
                     gsize size);
void agent_send_error(ScriptedAgent *agent, guint32 stream, guint32 errnum, WireObject about);
