/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* claim-request: the fields of a WIRE_CLAIM. */
#include "claim-request.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

#define ID_MAX 64u
#define USER_MAX 256u
#define ENVIRONMENT_MAX 4096u
#define LOWER_AND_DIGITS "abcdefghijklmnopqrstuvwxyz0123456789"

int
claim_request_parse(ClaimRequest *claim, const uint8_t *payload, size_t size)
{
    WireReader r;

    wire_reader_init(&r, payload, size);
    claim->id = wire_get_string(&r, ID_MAX);
    claim->hostname = wire_get_string(&r, CLAIM_HOSTNAME_MAX);
    claim->machine_id = wire_get_bytes(&r, &claim->machine_id_size);
    claim->entropy = wire_get_bytes(&r, &claim->entropy_size);
    claim->realtime_ns = wire_get_u64(&r);
    claim->user = wire_get_string(&r, USER_MAX);
    claim->environment = wire_get_strv(&r, ENVIRONMENT_MAX, WIRE_PAYLOAD_MAX);
    return wire_reader_end(&r);
}

void
claim_request_clear(ClaimRequest *claim)
{
    free(claim->id);
    free(claim->hostname);
    free(claim->user);
    wire_strv_free(claim->environment);
}

static bool
consists_of(const char *s, const char *characters)
{
    return *s && s[strspn(s, characters)] == '\0';
}

const char *
claim_request_find_fault(const ClaimRequest *claim)
{
    if (*claim->id && !consists_of(claim->id, LOWER_AND_DIGITS))
        return "id";
    if (!consists_of(claim->hostname, LOWER_AND_DIGITS "-") || *claim->hostname == '-')
        return "hostname";
    if (claim->machine_id_size != CLAIM_MACHINE_ID_SIZE)
        return "machine_id";
    if (claim->entropy_size < CLAIM_ENTROPY_MIN || claim->entropy_size > CLAIM_ENTROPY_MAX)
        return "entropy";
    for (char **entry = claim->environment; *entry; entry++)
        if (**entry == '=' || !strchr(*entry, '='))
            return "environment";
    return NULL;
}
