/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-addresses: keeps net-steer's list of the guest's own addresses up to date.
 *
 * Users of the guest add addresses, for example docker that of its bridge.
 */
#pragma once

/* Needs the loop. The list contains all present addresses when this function returns. 0 or -errno.
 */
int net_addresses_open(void);
