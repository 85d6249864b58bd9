/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * claim: what makes a machine somebody's, once in its life.
 *
 * Its caller waits for it, so nothing here forks, syncs or waits. It reads /etc/passwd, which is
 * the image's own as long as no user's code has run.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is mounted over the kernel's boot id, when the agent owns the kernel. */
#define CLAIM_BOOT_ID_FILE "/run/cloche/boot-id"

/* `owns_kernel`: the entropy pool and the boot id are the machine's own. */
void claim_open(bool owns_kernel);

/* Handles a WIRE_CLAIM and answers it. */
void claim_make(uint32_t stream, const uint8_t *payload, size_t size);

/* Before a claim: "", NULL and NULL. */
const char *claim_id(void);
const char *claim_user(void);
char *const *claim_environment(void);
