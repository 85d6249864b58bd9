/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-vm-protocol: what cloche-vm and cloched accept from each other.
 *
 * The first byte is the number of descriptors. A request that is accepted contains no path, and an
 * answer only UTF-8 texts.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "vm-protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require_word(const char *text)
{
    g_assert_true(g_utf8_validate(text, -1, NULL));
    g_assert_null(strpbrk(text, "/.<>&'\" "));
}

static void
take_request(const uint8_t *packet, size_t size, guint n_fds)
{
    VmRequest request;

    if (!vm_request_unpack(packet, size, n_fds, &request))
        return;
    g_assert_cmpuint(n_fds, <=, 1);
    g_assert_true(!*request.name || g_str_has_prefix(request.name, VM_NAME_PREFIX));
    require_word(request.name);
    require_word(request.image);
    require_word(request.version_key);
}

static void
take_answer(const uint8_t *packet, size_t size, guint n_fds)
{
    VmFactsAnswer answer;
    VmFacts facts;

    if (!vm_answer_unpack(packet, size, n_fds, &answer))
        return;
    require_word(answer.head.name);
    g_assert_true(g_utf8_validate(answer.head.text, -1, NULL));
    if (answer.head.type == VM_ANSWER_FAILED || answer.head.type == VM_ANSWER_CANCELLED) {
        g_autoptr(GError) error = vm_answer_get_error(&answer.head);

        g_assert_nonnull(error->message);
    }
    if (answer.head.type != VM_ANSWER_FACTS)
        return;
    vm_answer_get_facts(&answer, &facts);
    g_assert_true(g_utf8_validate(facts.definition, -1, NULL));
    g_assert_true(g_utf8_validate(facts.hypervisor, -1, NULL));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    take_request(data + 1, size - 1, data[0]);
    take_answer(data + 1, size - 1, data[0]);
    return 0;
}
