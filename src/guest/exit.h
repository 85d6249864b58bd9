/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exit: how a program of the guest ended, in words. */
#pragma once

#include "link.h"

/* "exit status 3", "killed by SIGSEGV", "out of memory" or "time limit"; a new string. */
char *guest_exit_words(const GuestExit *end);
