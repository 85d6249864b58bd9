/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * journal: one line per event in the life of a sandbox.
 *
 * In the journal, lines have the fields SANDBOX_ID=, OWNER_UID=, TEMPLATE= and MESSAGE_ID=
 * (units/cloche.catalog explains each); `journalctl SANDBOX_ID=…` shows all events of a sandbox.
 * Lines contain no text from a guest or its owner. A user causes at most JOURNAL_LIFE_MAX lines
 * about beginnings and ends of sandboxes in a minute, and JOURNAL_OTHER_MAX others; one more line
 * reports how many were left out.
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
#define JOURNAL_PAUSED "0b6f5d2c9a7e4c318d5e7f90a1c24b36"
#define JOURNAL_CONTINUED "e41c7a58b3d94f0c96a25d8f7b1e03c9"
#define JOURNAL_DISK_HELD "5d0c4c1be8514c7c8a2fd1b4a7c1e6d9"
#define JOURNAL_DISK_RELEASED "c1a3f0b5be234f5fa9d4a1b6f0e27c38"
#define JOURNAL_CLAIM_LOST "efb7865cb4a343299f04af1b0b565b29"
#define JOURNAL_REFUSED "a88ce9a7bf6a4b4eb1521d188df4a270"
#define JOURNAL_NETWORK_SET "3f1b0a7c52d84e6b9d0e8c4f6a217b95"
#define JOURNAL_NETWORK_LOST "b7d92e1f04c6483aa85e3c1d7f90e264"
#define JOURNAL_SNAPSHOT_TAKEN "6c1f0bb5d1cb4f0fb0a3a4c6fd1b8f57"
#define JOURNAL_SNAPSHOT_REMOVED "0a7a7d2f8f5c4c1c9a3d5be1a6f2c940"
#define JOURNAL_LEFT_OUT "5d0d3d5b1c0e4f6c9a58c1f6b1a7e2d4"

#define JOURNAL_LIFE_MAX 1200u
#define JOURNAL_OTHER_MAX 60u

void journal_created(const Sandbox *sandbox);
/* The service found it after a restart. */
void journal_adopted(const Sandbox *sandbox);
void journal_extended(const Sandbox *sandbox, guint64 timeout_s);
/* The service stops and leaves it running. */
void journal_left(const Sandbox *sandbox);
/* It was paused or resumed by a call, or paused by its deadline. */
void journal_paused(const Sandbox *sandbox, gboolean is_paused);
void journal_stalled(const Sandbox *sandbox, gboolean is_stalled);
/* The sandboxes of a user stop, or go on, because their disks take `used` bytes while `left` are
 * free. */
void journal_disk_held(guint32 owner, gboolean is_held, guint64 used, guint64 left);
/* Its state and end reason are final; `detail` or NULL. */
void journal_ended(const Sandbox *sandbox, const char *detail);
/* The machine was lost during the claim, before the sandbox was announced. */
void journal_claim_lost(const Sandbox *sandbox, const char *why);
/* Its network has another policy. */
void journal_network_set(const Sandbox *sandbox);
/* Its network is closed until it is set again. `why` is a line of cloche-egress. */
void journal_network_lost(const Sandbox *sandbox, const char *why);
/* All files of the snapshot are on disk. */
void journal_snapshot_taken(const Snapshot *snapshot);
/* Its owner has removed it. */
void journal_snapshot_removed(const Snapshot *snapshot);
/* A limit refused something to a user. */
void journal_refused(guint32 owner, const char *why);

/* Reports what was left out until now: the service stops. */
void journal_flush(void);
