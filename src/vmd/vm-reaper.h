/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-reaper: reaps the QEMU processes of libvirt's embedded driver at once. */
#pragma once

/* Makes this process a subreaper and starts the thread; only the first call counts. */
void reaper_start(void);

/* Call these before and after any work that may make a QEMU a child of this process. While the
 * process has no child, the thread sleeps until work is expected, so it would not reap an
 * unexpected QEMU, and libvirt (also in another process) would wait 40 s for its end. */
void reaper_expect(void);
void reaper_expect_no_more(void);
