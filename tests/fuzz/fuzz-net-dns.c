/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-net-dns: the agent's parser of DNS queries survives hostile packets.
 *
 * A query that was understood has a name within the bounds of net.h, and its answers have the
 * question as it was sent.
 */
#include <stdlib.h>
#include <string.h>

#include "net-dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
    if (!holds)
        abort();
}

static void
check_name(const DnsQuery *query)
{
    size_t size = strlen(query->name);

    require(size <= NET_NAME_MAX);
    if (!query->is_hostname || query->question_size == 0)
        return;
    require(strspn(query->name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == size);
    require(size == 0 || (query->name[0] != '.' && query->name[size - 1] != '.'));
    require(!strstr(query->name, ".."));
    require(query->question_size == size + (size > 0 ? 2 : 1) + 4);
}

static void
check_answer(const DnsQuery *query, DnsStatus status, size_t address_size)
{
    static const uint8_t address[16];
    uint8_t *answer = malloc(DNS_ANSWER_MAX);
    DnsStatus again_status;
    DnsQuery again;

    if (!answer)
        abort();
    size_t size = dns_write(answer, query, status, address, address_size);
    require(size <= DNS_ANSWER_MAX && size >= DNS_HEADER_SIZE + query->question_size);
    require(memcmp(answer + DNS_HEADER_SIZE, query->question, query->question_size) == 0);
    require(dns_read(answer, size, &again, &again_status) < 0); /* never an answer to an answer */
    free(answer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DnsStatus status;
    DnsQuery query;

    if (dns_read(data, size, &query, &status) < 0)
        return 0;
    require(query.question_size <= DNS_QUESTION_MAX &&
            DNS_HEADER_SIZE + query.question_size <= size);
    require(memcmp(query.question, data + DNS_HEADER_SIZE, query.question_size) == 0);
    require(status != DNS_NO_ERROR || query.question_size > 0);
    check_name(&query);
    check_answer(&query, status, 0);
    if (status == DNS_NO_ERROR) {
        check_answer(&query, DNS_NO_ERROR, 4);
        check_answer(&query, DNS_NO_ERROR, 16);
    }
    return 0;
}
