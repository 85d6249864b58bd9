/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sandbox-clock: keeps the clock of a sandbox right for as long as it lives. */
#pragma once

#include "sandbox.h"

/* Schedules the next setting; the clock has just been set. */
void sandbox_clock_start(Sandbox *sandbox);
/* Sets the clock now, and schedules the next setting. */
void sandbox_clock_set(Sandbox *sandbox);
void sandbox_clock_stop(Sandbox *sandbox);
