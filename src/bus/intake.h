/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * intake: refuses messages before the main loop sees them, and counts what GDBus answers by itself.
 *
 * It works in GDBus' thread. A message whose arguments weigh more than its method can use, or that
 * brings descriptors which the method does not take, is refused there and its memory is freed.
 * GDBus answers most introspection, Ping, and calls of unknown objects without any code of the
 * service. Those answers count for the window of their connection (windows.h), and are dropped
 * while it is closed.
 */
#pragma once

#include "windows.h"

/* Bytes of such answers to one connection that are not counted for its window yet. */
#define INTAKE_UNCOUNTED_MAX (96u * 1024)

typedef struct Intake Intake;

/* `written`: so many messages were written that calls may be begun again (windows.h). */
Intake *intake_new(GDBusConnection *connection, Peers *peers, Windows *windows,
                   void (*written)(gpointer data), gpointer data);
/* NULL is fine. */
void intake_free(Intake *intake);
/* Windows have opened. */
void intake_resume(Intake *intake);
