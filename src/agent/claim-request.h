/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* claim-request: the fields of a WIRE_CLAIM. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CLAIM_HOSTNAME_MAX 63u
#define CLAIM_MACHINE_ID_SIZE 16u
#define CLAIM_ENTROPY_MIN 32u
#define CLAIM_ENTROPY_MAX 256u

typedef struct {
    char *id, *hostname, *user;
    const uint8_t *machine_id, *entropy; /* in the payload */
    size_t machine_id_size, entropy_size;
    uint64_t realtime_ns;
    char **environment;
} ClaimRequest;

/* 0 or -errno; claim_request_clear() must follow in either case. */
int claim_request_parse(ClaimRequest *claim, const uint8_t *payload, size_t size);
void claim_request_clear(ClaimRequest *claim);
/* The name of the invalid field, or NULL. */
const char *claim_request_find_fault(const ClaimRequest *claim);
