/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * journal: the story of each sandbox, a line per event.
 *
 * Where the journal listens, lines have the fields SANDBOX_ID=, OWNER_UID=, TEMPLATE= and
 * MESSAGE_ID= (units/cloche.catalog explains each): `journalctl SANDBOX_ID=…` tells it all. Nothing
 * that a guest or its owner says goes there.
 */
#pragma once

#include "sandbox.h"

#define JOURNAL_CREATED "ef2fbe35743144f486429b19fcae994b"
#define JOURNAL_EXTENDED "6d19a211a6174fcbbbdd57624c6d3575"
#define JOURNAL_ENDED "8a26b411e2fc4428a23577eb19ac08fc"
#define JOURNAL_ADOPTED "e2952fb4a1144d788ca908063b3554e1"
#define JOURNAL_LEFT "44a10d4f754046b0b287fe6c6e453041"
#define JOURNAL_STALLED "7e0865fd1e154194b0f56fbddcdb2ff5"
#define JOURNAL_RESUMED "79ffa294545a49c5b483402a13704a57"
#define JOURNAL_CLAIM_LOST "efb7865cb4a343299f04af1b0b565b29"
#define JOURNAL_REFUSED "a88ce9a7bf6a4b4eb1521d188df4a270"

void journal_created(const Sandbox *sandbox);
/* Found again after a restart of the service. */
void journal_adopted(const Sandbox *sandbox);
void journal_extended(const Sandbox *sandbox, guint64 timeout_s);
/* Left running by a service that stops. */
void journal_left(const Sandbox *sandbox);
void journal_stalled(const Sandbox *sandbox, gboolean is_stalled);
/* Its state and end reason are the last ones; `detail` or NULL. */
void journal_ended(const Sandbox *sandbox, const char *detail);
/* Its machine was lost in the moment when it was to become the sandbox, which nobody has heard of.
 */
void journal_claim_lost(const Sandbox *sandbox, const char *why);
/* A limit kept a user from getting something. */
void journal_refused(guint32 owner, const char *why);
