/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * claim: gives a machine its identity, once in the machine's life.
 *
 * The caller of CreateSandbox waits for it, so a claim does not fork, sync or wait. It reads
 * /etc/passwd, which is still the image's, because no user's code has run yet.
 *
 * A machine that was restored from the snapshot of a sandbox is claimed anew while it is frozen.
 * Then users' code may have changed each file. So the claim does not read /etc/passwd, and FIFOs in
 * the place of the files that it writes do not block it. A file system that root of the guest has
 * mounted over them can block it: the host gives up a guest that is silent.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file that is mounted over the kernel's boot id, if the agent owns the kernel. */
#define CLAIM_BOOT_ID_FILE "/run/cloche/boot-id"

/* `owns_kernel`: the agent may change the kernel's entropy pool and boot id. */
void claim_open(bool owns_kernel);

/* Handles a WIRE_CLAIM and answers it. */
void claim_make(uint32_t stream, const uint8_t *payload, size_t size);

/* Before the claim: "", NULL and NULL. */
const char *claim_id(void);
const char *claim_user(void);
char *const *claim_environment(void);
