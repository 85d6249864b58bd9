/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* polkit: sets the answers of the fake polkit, and reads its questions. */
#pragma once

#include "fixture.h"

/* "yes"; "no"; "auth": the user is asked, if the caller permits it, until polkit_release(); "hold":
 * every question waits for polkit_release(); "lost-once": the bus reports that polkit has left
 * before it answered, and then "yes"; "lose-once": no answer, and then "yes"; "": the answer of the
 * policy's file. */
void polkit_set_answer(Fixture *fixture, const char *action, const char *answer);
/* Answers all waiting questions. */
void polkit_release(Fixture *fixture, gboolean permit);
/* Sends polkit's signal Changed, after which earlier answers may be wrong; returns when the service
 * has received it.
 */
void polkit_change(Fixture *fixture);

typedef struct {
    char *subject; /* unique name of the caller */
    char *action;
    GVariant *details; /* a{ss} */
    gboolean is_interactive;
} PolkitQuestion;

/* Takes the oldest question; waits for one if there is none. */
PolkitQuestion *polkit_take_question(Fixture *fixture);
void polkit_question_free(PolkitQuestion *question);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PolkitQuestion, polkit_question_free)
/* The number of questions that were not taken. */
guint polkit_count_questions(Fixture *fixture);
void polkit_forget_questions(Fixture *fixture);
/* The number of questions that wait for polkit_release(). */
guint polkit_count_held(Fixture *fixture, gboolean is_interactive);
/* Takes the action of the oldest cancelled question; waits for one. */
char *polkit_take_cancelled(Fixture *fixture);
