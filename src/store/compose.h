/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * compose: makes the state of a snapshot of what was captured of a machine.
 *
 * The result is a state that a machine is restored from like from its template's, over the same RAM
 * file. It consists of the head of the template's state (header, configuration, the blocks of RAM,
 * and the pages of ROM), a part with the pages that differ from the RAM file, and the device state
 * of the capture.
 */
#pragma once

#include <glib.h>

/* A template's state has 350 KB. */
#define COMPOSE_STATE_MAX (16u * 1024 * 1024)

/*
 * `base_state` and `base_ram` are the files of the template from which the machine was restored,
 * `capture` is the file of capture.h, all open for reading, and `out` is a new file, open for
 * writing. All are read or written from their beginning, whatever their positions are, and stay
 * open. Writes no page that is equal to that of base_ram, and a page of zeroes as 9 bytes. Blocks;
 * does not sync.
 *
 * Nothing in `capture` is trusted: the guest, or an attacker who has taken over its QEMU, may have
 * chosen it. A file that does not have the right form is CLOCHE_ERROR_FAILED, and `out` has no
 * defined content then.
 */
gboolean compose_state(int base_state, int base_ram, int capture, int out, GError **error);
