/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-privilege: the right to read the memory of machines.
 *
 * A QEMU runs as another user. The unit gives this program CAP_SYS_PTRACE, to open its memory, and
 * CAP_DAC_READ_SEARCH, to open the map of its pages, which only its user may open. The second one
 * would also let the program open any file of the host, so both are in effect only while a thread
 * opens these files. Root needs neither, and a QEMU of the same user and group needs no right.
 */
#pragma once

#include <glib.h>

/* Takes the capabilities out of effect. Call it before threads start. */
gboolean privilege_set_aside(GError **error);
/* Puts them into effect (TRUE) or takes them out again, for the thread that calls it. */
void privilege_use(gboolean is_in_effect);
/* Whether this process may read the memory of processes of other users. */
gboolean privilege_exists(void);
