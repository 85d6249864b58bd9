/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* acceleration: chooses the accelerator of all machines, and retries while KVM does not work. */
#pragma once

#include "core-base.h"

/* Finds an accelerator, and has all templates prepared for it. */
void acceleration_start(Core *core);
/* Stops trying. */
void acceleration_stop(Core *core);
/* Makes all templates fail with this error. */
void acceleration_fail(Core *core, const GError *error);
