/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* crash-mark: makes a file when the service crashes. */
#pragma once

/* Makes `path` an empty file when a fault, an assertion or the watchdog ends this process. The
 * process ends by the same signal. */
void crash_mark_install(const char *path);
