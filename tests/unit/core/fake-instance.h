/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-instance: instances without machines, for tests of the code above them.
 *
 * The linker puts these functions in place of instance_… and guest_link_claim_… (--wrap). A test
 * decides when a start succeeds or fails, and whether a claim does.
 */
#pragma once

#include "instance.h"

extern GQueue fake_starts;        /* of GTask: restores that are under way, the oldest first */
extern guint fake_living;         /* instances that have not ended */
extern guint fake_ended;          /* instances that have ended */
extern guint fake_failing_claims; /* how many claims fail from now on */

/* What belongs to the owner that an instance got last. */
extern Budget *fake_last_buffers;
extern Slots *fake_last_large_frames;

/* Resets the state that an earlier test left. */
void fake_reset(void);
/* The oldest start succeeds, or fails. */
void fake_complete_start(void);
void fake_fail_start(void);
/* All starts succeed, including those that follow. */
void fake_complete_all_starts(void);
/* Runs all callbacks that are due. */
void fake_run_due(void);
/* The machine that became ready last is lost, or stalls. */
void fake_lose_last(void);
void fake_stall_last(void);
