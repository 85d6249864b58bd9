/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * confine: what no process of the guest may do, root included: load modules, or another kernel.
 *
 * It protects nothing outside the machine; it keeps the guest's kernel the one that was measured.
 * There is no no_new_privs, because sudo must work, so it takes CAP_SYS_ADMIN.
 */
#pragma once

/* For the agent, and so for all that it ever starts. 0 or -errno. */
int confine_all(void);
