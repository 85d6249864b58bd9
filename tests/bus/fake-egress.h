/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fake-egress: starts the fake of cloche-egress, and talks to it. */
#pragma once

#include "fixture.h"

#define CERTIFICATE "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"

/* Returns when it listens. It is killed when this process ends. */
void egress_start_fake(Fixture *fixture);
void egress_kill_fake(void);
/* Sends a command of fake-egress.c, and returns when it has been carried out. */
void egress_command(Fixture *fixture, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Waits until its log contains this line `count` times in all. */
void egress_wait_for(Fixture *fixture, guint count, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* How many lines of its log begin with this text. */
guint egress_count(Fixture *fixture, const char *format, ...) G_GNUC_PRINTF(2, 3);
void egress_forget_log(Fixture *fixture);
