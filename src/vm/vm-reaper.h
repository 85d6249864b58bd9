/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-reaper: buries the QEMU processes of libvirt's embedded driver at once. */
#pragma once

/* Makes this process the parent of its orphans and starts the thread; once per process. */
void reaper_start(void);

/* Around whatever may make a QEMU a child of this process: while there is no child at all, the
 * thread sleeps until something is expected, and a QEMU that comes unexpected is never reaped.
 * libvirt, also another process's, then waits 40 s for its end. */
void reaper_expect(void);
void reaper_expect_no_more(void);
