/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * confine: prevents all processes of the guest, root included, from loading modules or another
 * kernel.
 *
 * It protects nothing outside the machine; it keeps the guest's kernel as the template has it. It
 * does not set no_new_privs, because sudo must work, so installing the filter needs CAP_SYS_ADMIN.
 */
#pragma once

/* Confines the agent and all processes that it starts. 0 or -errno. */
int confine_all(void);
