/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * confine: what no process of the guest may do, root included: load modules, or another kernel.
 *
 * It protects nothing outside the machine; it keeps the guest's kernel the one that was measured.
 * There is no no_new_privs, because sudo must work, so applying it takes CAP_SYS_ADMIN.
 */
#pragma once

/* Builds the filter, once. 0 or -errno. */
int confine_prepare(void);
/* In a child, still privileged. 0 or -errno. */
int confine_apply(void);
