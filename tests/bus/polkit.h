/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* polkit: what the polkit of a test answers, and what it was asked. */
#pragma once

#include "fixture.h"

/* "yes"; "no"; "auth": asks the user, if it may, until polkit_release(); "hold": makes everybody
 * wait for polkit_release(); "": what the policy's file says. */
void polkit_set_answer(Fixture *fixture, const char *action, const char *answer);
/* Answers all that wait. */
void polkit_release(Fixture *fixture, gboolean permit);
/* Tells that what it has said may not hold any more; returns when the service has heard it. */
void polkit_change(Fixture *fixture);

typedef struct {
    char *subject; /* unique name of who wants something */
    char *action;
    GVariant *details; /* a{ss} */
    gboolean is_interactive;
} PolkitQuestion;

/* The oldest question that was not taken yet; waits for one when there is none. */
PolkitQuestion *polkit_take_question(Fixture *fixture);
void polkit_question_free(PolkitQuestion *question);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PolkitQuestion, polkit_question_free)
/* How many there are to be taken. */
guint polkit_count_questions(Fixture *fixture);
void polkit_forget_questions(Fixture *fixture);
/* The action of the oldest question that was withdrawn; waits for one. */
char *polkit_take_cancelled(Fixture *fixture);
