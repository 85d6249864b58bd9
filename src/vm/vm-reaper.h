/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-reaper: buries the QEMU processes of libvirt's embedded driver at once. */
#pragma once

/* Makes this process the parent of its orphans and starts the thread; once per process. */
void reaper_start(void);

/* Around whatever may start a QEMU: one that dies in between is missed by nobody. */
void reaper_expect(void);
void reaper_expect_no_more(void);
