/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-protocol: the messages between cloched and cloche-vm. */
#include <gio/gio.h>
#include <string.h>

#include "error.h"
#include "vm-protocol.h"

static VmRequest
good_request(VmRequestType type)
{
    VmRequest request;

    vm_request_init(&request, type, 7);
    switch (type) {
    case VM_REQUEST_PROBE:
        g_assert_true(vm_field_set(request.image, VM_KEY_SIZE, "python-0123abcd"));
        request.uid = 1900000000;
        break;
    case VM_REQUEST_RECALL:
        request.is_emulated = 1;
        break;
    case VM_REQUEST_CANCEL:
        request.target = 6;
        break;
    case VM_REQUEST_STOP_TRYING:
        break;
    case VM_REQUEST_ADOPT:
    case VM_REQUEST_REJOIN:
        g_assert_true(vm_field_set(request.name, VM_NAME_SIZE, "cloche-abc"));
        request.is_held = 1;
        break;
    case VM_REQUEST_BOOT:
    case VM_REQUEST_RESTORE:
        g_assert_true(vm_field_set(request.image, VM_KEY_SIZE, "python-0123abcd"));
        g_assert_true(vm_field_set(request.version_key, VM_KEY_SIZE, "python-89ef"));
        request.uid = 1900000000;
        request.vcpus = 2;
        request.memory_mib = 512;
        G_GNUC_FALLTHROUGH;
    default:
        g_assert_true(vm_field_set(request.name, VM_NAME_SIZE, "cloche-abc"));
    }
    return request;
}

static gboolean
is_accepted(const VmRequest *request)
{
    VmRequest unpacked;
    gboolean accepted =
        vm_request_unpack(request, sizeof *request, vm_request_count_fds(request->type), &unpacked);

    if (accepted)
        g_assert_cmpmem(&unpacked, sizeof unpacked, request, sizeof *request);
    return accepted;
}

static void
test_requests(void)
{
    for (VmRequestType type = 1; type < _VM_REQUEST_MAX; type++) {
        VmRequest request = good_request(type), unpacked;
        guint fds = vm_request_count_fds(type);

        g_assert_true(is_accepted(&request));
        g_assert_false(vm_request_unpack(&request, sizeof request - 1, fds, &unpacked));
        g_assert_false(vm_request_unpack(&request, sizeof request + 1, fds, &unpacked));
        g_assert_false(vm_request_unpack(&request, sizeof request, fds + 1, &unpacked));
        if (fds > 0)
            g_assert_false(vm_request_unpack(&request, sizeof request, fds - 1, &unpacked));
        request.serial = 0;
        g_assert_false(is_accepted(&request));
        request.serial = 7;
        request.version++;
        g_assert_false(is_accepted(&request));
    }
}

static void
test_types(void)
{
    const guint types[] = {0, _VM_REQUEST_MAX, 255, 65535};

    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        VmRequest request = good_request(VM_REQUEST_DESTROY), unpacked;

        request.type = (uint16_t)types[i];
        g_assert_false(vm_request_unpack(&request, sizeof request, 0, &unpacked));
    }
}

static void
test_unused_fields(void)
{
    for (VmRequestType type = 1; type < _VM_REQUEST_MAX; type++) {
        VmRequest request = good_request(type);
        gboolean has_size = request.vcpus != 0;

        request.vcpus = has_size ? 0 : 1;
        g_assert_false(is_accepted(&request));
        request = good_request(type);
        request.memory_mib = has_size ? 0 : 1;
        g_assert_false(is_accepted(&request));
        request = good_request(type);
        request.target = request.target == 0 ? 1 : 0;
        g_assert_false(is_accepted(&request));
        request = good_request(type);
        request.is_emulated = type == VM_REQUEST_RECALL ? 2 : 1;
        g_assert_false(is_accepted(&request));
        request = good_request(type);
        request.is_held = type == VM_REQUEST_ADOPT || type == VM_REQUEST_REJOIN ? 2 : 1;
        g_assert_false(is_accepted(&request));
        request = good_request(type);
        request.padding = 1;
        g_assert_false(is_accepted(&request));
        request = good_request(type);
        if (request.uid == 0) {
            request.uid = 1;
            g_assert_false(is_accepted(&request));
        }
        request = good_request(type);
        request.name[0] = request.name[0] ? '\0' : 'c';
        g_assert_false(is_accepted(&request));
        request = good_request(type);
        request.image[0] = request.image[0] ? '\0' : 'c';
        g_assert_false(is_accepted(&request));
        request = good_request(type);
        request.version_key[0] = request.version_key[0] ? '\0' : 'c';
        g_assert_false(is_accepted(&request));
    }
}

/* None of them is a path, or leads out of a folder. */
static void
test_names(void)
{
    static const char *const bad[] = {
        "",           "other-abc",  "cloche",          "cloche-a/b", "cloche-../x", "cloche-A",
        "cloche-a b", "cloche-a\n", "cloche-\xc3\xa4", "cloche-a.b", "/cloche-a",   "cloche-a'",
    };
    static const char *const bad_keys[] = {"", ".", "..", ".new-x", "-x", "a/b", "a.b", "A", "a'b"};

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        VmRequest request = good_request(VM_REQUEST_DESTROY);

        g_assert_true(vm_field_set(request.name, VM_NAME_SIZE, bad[i]));
        g_assert_false(is_accepted(&request));
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad_keys); i++) {
        VmRequest request = good_request(VM_REQUEST_BOOT);

        g_assert_true(vm_field_set(request.image, VM_KEY_SIZE, bad_keys[i]));
        g_assert_false(is_accepted(&request));
        request = good_request(VM_REQUEST_BOOT);
        g_assert_true(vm_field_set(request.version_key, VM_KEY_SIZE, bad_keys[i]));
        g_assert_false(is_accepted(&request));
    }
}

static void
test_unterminated(void)
{
    VmRequest request = good_request(VM_REQUEST_DESTROY);

    memset(request.name + strlen(VM_NAME_PREFIX), 'a', VM_NAME_SIZE - strlen(VM_NAME_PREFIX));
    g_assert_false(is_accepted(&request));
    request.name[VM_NAME_SIZE - 1] = '\0';
    g_assert_true(is_accepted(&request));
    request.name[20] = '\0'; /* bytes after the end */
    g_assert_false(is_accepted(&request));
}

static void
test_field(void)
{
    char field[4] = "abc";

    g_assert_false(vm_field_set(field, sizeof field, "abcd"));
    g_assert_false(vm_field_set(field, sizeof field, "\xff"));
    g_assert_cmpstr(field, ==, "abc");
    g_assert_true(vm_field_set(field, sizeof field, "x"));
    g_assert_cmpmem(field, sizeof field, "x\0\0\0", sizeof field);
}

/* --- answers --- */

static void
assert_error(GQuark domain, int code, GQuark expected_domain, int expected_code)
{
    g_autoptr(GError) error = g_error_new(domain, code, "why"), read = NULL;
    VmAnswer answer;
    VmFactsAnswer unpacked;

    vm_answer_init(&answer, VM_ANSWER_FAILED, 3);
    vm_answer_set_error(&answer, error);
    g_assert_true(vm_answer_unpack(&answer, sizeof answer, 0, &unpacked));
    g_assert_cmpuint(unpacked.head.serial, ==, 3);
    read = vm_answer_get_error(&unpacked.head);
    g_assert_error(read, expected_domain, expected_code);
    g_assert_cmpstr(read->message, ==, "why");
}

static void
test_errors(void)
{
    assert_error(CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST);
    assert_error(G_IO_ERROR, G_IO_ERROR_CANCELLED, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    assert_error(G_IO_ERROR, G_IO_ERROR_FAILED, CLOCHE_ERROR, CLOCHE_ERROR_FAILED);
}

/* It is cut between two characters. */
static void
test_long_error(void)
{
    g_autofree char *text = g_malloc0(2 * VM_TEXT_SIZE + 1);
    g_autoptr(GError) error = NULL;
    VmAnswer answer;

    for (guint i = 0; i < VM_TEXT_SIZE; i++)
        memcpy(text + 2 * i, "\xc3\xa4", 2);
    error = g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_FAILED, text);
    vm_answer_init(&answer, VM_ANSWER_FAILED, 1);
    vm_answer_set_error(&answer, error);
    g_assert_cmpuint(strlen(answer.text), ==, VM_TEXT_SIZE - 2);
    g_assert_true(g_utf8_validate(answer.text, -1, NULL));
}

static void
test_facts(void)
{
    const VmFacts facts = {.hypervisor = "QEMU 7",
                           .machine_type = "pc-q35-7.2",
                           .definition = "<domain/>",
                           .cpu_model = "EPYC",
                           .host = "Linux",
                           .accelerator = "kvm",
                           .has_virtualization = TRUE};
    VmFacts read, too_long = facts;
    VmFactsAnswer answer, unpacked;
    g_autofree char *text = g_strnfill(sizeof answer.hypervisor, 'x');

    g_assert_true(vm_answer_set_facts(&answer, 9, &facts));
    g_assert_true(vm_answer_unpack(&answer, sizeof answer, 0, &unpacked));
    vm_answer_get_facts(&unpacked, &read);
    g_assert_cmpstr(read.hypervisor, ==, "QEMU 7");
    g_assert_cmpstr(read.machine_type, ==, "pc-q35-7.2");
    g_assert_cmpstr(read.definition, ==, "<domain/>");
    g_assert_cmpstr(read.cpu_model, ==, "EPYC");
    g_assert_cmpstr(read.host, ==, "Linux");
    g_assert_cmpstr(read.accelerator, ==, "kvm");
    g_assert_null(read.kvm_error);
    g_assert_false(read.emulated);
    g_assert_true(read.has_virtualization);
    too_long.hypervisor = text;
    g_assert_false(vm_answer_set_facts(&answer, 9, &too_long));
}

static void
test_bad_answers(void)
{
    VmAnswer answer;
    VmFactsAnswer unpacked;

    vm_answer_init(&answer, VM_ANSWER_MACHINE, 1);
    answer.pid = 100;
    g_assert_true(vm_answer_unpack(&answer, sizeof answer, 1, &unpacked));
    g_assert_false(vm_answer_unpack(&answer, sizeof answer, 0, &unpacked));
    g_assert_false(vm_answer_unpack(&answer, sizeof answer - 1, 1, &unpacked));
    answer.pid = -1;
    g_assert_false(vm_answer_unpack(&answer, sizeof answer, 1, &unpacked));

    vm_answer_init(&answer, VM_ANSWER_NET, 1);
    g_assert_true(vm_answer_unpack(&answer, sizeof answer, 1, &unpacked));
    g_assert_false(vm_answer_unpack(&answer, sizeof answer, 0, &unpacked));
    answer.number = 1;
    g_assert_false(vm_answer_unpack(&answer, sizeof answer, 1, &unpacked));

    vm_answer_init(&answer, VM_ANSWER_ENDED, 0);
    g_assert_false(vm_answer_unpack(&answer, sizeof answer, 0, &unpacked)); /* no name */
    g_assert_true(vm_field_set(answer.name, VM_NAME_SIZE, "cloche-a"));
    g_assert_true(vm_answer_unpack(&answer, sizeof answer, 0, &unpacked));
    answer.number = MACHINE_DIED + 1;
    g_assert_false(vm_answer_unpack(&answer, sizeof answer, 0, &unpacked));
    answer.number = 0;
    answer.serial = 1;
    g_assert_false(vm_answer_unpack(&answer, sizeof answer, 0, &unpacked));

    vm_answer_init(&answer, VM_ANSWER_LIBVIRT, 0);
    answer.number = 1;
    g_assert_true(vm_answer_unpack(&answer, sizeof answer, 0, &unpacked));
    answer.number = 2;
    g_assert_false(vm_answer_unpack(&answer, sizeof answer, 0, &unpacked));

    vm_answer_init(&answer, VM_ANSWER_FACTS, 1);
    g_assert_false(vm_answer_unpack(&answer, sizeof answer, 0, &unpacked));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vm/protocol/requests", test_requests);
    g_test_add_func("/vm/protocol/types", test_types);
    g_test_add_func("/vm/protocol/unused-fields", test_unused_fields);
    g_test_add_func("/vm/protocol/names", test_names);
    g_test_add_func("/vm/protocol/unterminated", test_unterminated);
    g_test_add_func("/vm/protocol/field", test_field);
    g_test_add_func("/vm/protocol/errors", test_errors);
    g_test_add_func("/vm/protocol/long-error", test_long_error);
    g_test_add_func("/vm/protocol/facts", test_facts);
    g_test_add_func("/vm/protocol/bad-answers", test_bad_answers);
    return g_test_run();
}
