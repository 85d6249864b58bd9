/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-protocol: packs and checks the messages between cloched and cloche-vm. */
#include "vm-protocol.h"

#include <gio/gio.h>
#include <string.h>

#include "error.h"

/* Without holes, no byte of a message is left undefined. */
G_STATIC_ASSERT(sizeof(VmRequest) == 40 + VM_NAME_SIZE + 2 * VM_KEY_SIZE);
G_STATIC_ASSERT(sizeof(VmAnswer) == 16 + VM_NAME_SIZE + VM_TEXT_SIZE);
G_STATIC_ASSERT(sizeof(VmFactsAnswer) == sizeof(VmAnswer) + 16 + 512 + 128 + 8192 + 512 + 2048);

#define KEY_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-"

/* --- texts --- */

gboolean
vm_field_set(char *field, gsize size, const char *text)
{
    gsize length = strlen(text);

    if (length >= size || !g_utf8_validate(text, (gssize)length, NULL))
        return FALSE;
    memset(field, 0, size);
    memcpy(field, text, length);
    return TRUE;
}

/* Whether the text ends within its field, and all bytes after it are zero. */
static gboolean
field_is_text(const char *field, gsize size)
{
    gsize length = strnlen(field, size);

    if (length == size || !g_utf8_validate(field, (gssize)length, NULL))
        return FALSE;
    for (gsize i = length; i < size; i++)
        if (field[i] != '\0')
            return FALSE;
    return TRUE;
}

static gboolean
consists_of_key_characters(const char *text, gsize size)
{
    gsize length = strlen(text);

    return length < size && strspn(text, KEY_CHARACTERS) == length;
}

gboolean
vm_name_is_valid(const char *name)
{
    return g_str_has_prefix(name, VM_NAME_PREFIX) && consists_of_key_characters(name, VM_NAME_SIZE);
}

gboolean
vm_key_is_valid(const char *key)
{
    return g_ascii_isalnum(key[0]) && consists_of_key_characters(key, VM_KEY_SIZE);
}

/* --- requests --- */

enum {
    USES_UID = 1 << 0,
    USES_SIZE = 1 << 1, /* vcpus and memory_mib */
    USES_TARGET = 1 << 2,
    USES_EMULATION = 1 << 3,
    USES_NAME = 1 << 4,
    USES_IMAGE = 1 << 5,
    USES_VERSION = 1 << 6,
    USES_HOLD = 1 << 7,
    USES_ALL_OF_A_START = USES_UID | USES_SIZE | USES_NAME | USES_IMAGE | USES_VERSION,
};

static const struct {
    guint uses;
    guint fds;
    gboolean is_answered;
} forms[_VM_REQUEST_MAX] = {
    [VM_REQUEST_PROBE] = {USES_IMAGE | USES_UID, 0, TRUE},
    [VM_REQUEST_RECALL] = {USES_EMULATION, 0, TRUE},
    [VM_REQUEST_BOOT] = {USES_ALL_OF_A_START, 0, TRUE},
    [VM_REQUEST_RESTORE] = {USES_ALL_OF_A_START, 1, TRUE},
    [VM_REQUEST_ADOPT] = {USES_NAME | USES_HOLD, 0, TRUE},
    [VM_REQUEST_REJOIN] = {USES_NAME | USES_HOLD, 0, TRUE},
    [VM_REQUEST_SAVE] = {USES_NAME, 1, TRUE},
    [VM_REQUEST_DESTROY] = {USES_NAME, 0, TRUE},
    [VM_REQUEST_LEAVE] = {USES_NAME, 0, FALSE},
    [VM_REQUEST_SWEEP] = {USES_NAME, 0, TRUE},
    [VM_REQUEST_STAND_STILL] = {USES_NAME, 0, FALSE},
    [VM_REQUEST_GO_ON] = {USES_NAME, 0, FALSE},
    [VM_REQUEST_CANCEL] = {USES_TARGET, 0, FALSE},
    [VM_REQUEST_STOP_TRYING] = {0, 0, FALSE},
    [VM_REQUEST_OPEN_NET] = {USES_NAME, 0, TRUE},
    [VM_REQUEST_CAPTURE] = {USES_NAME, 1, TRUE},
    [VM_REQUEST_RELEASE] = {USES_NAME, 0, TRUE},
};

void
vm_request_init(VmRequest *request, VmRequestType type, guint32 serial)
{
    *request =
        (VmRequest){.version = VM_PROTOCOL_VERSION, .type = (uint16_t)type, .serial = serial};
}

guint
vm_request_count_fds(VmRequestType type)
{
    return forms[type].fds;
}

gboolean
vm_request_is_answered(VmRequestType type)
{
    return forms[type].is_answered;
}

static gboolean
texts_are_valid(const VmRequest *request, guint uses)
{
    if (!field_is_text(request->name, VM_NAME_SIZE) ||
        !field_is_text(request->image, VM_KEY_SIZE) ||
        !field_is_text(request->version_key, VM_KEY_SIZE))
        return FALSE;
    return (uses & USES_NAME ? vm_name_is_valid(request->name) : !*request->name) &&
           (uses & USES_IMAGE ? vm_key_is_valid(request->image) : !*request->image) &&
           (uses & USES_VERSION ? vm_key_is_valid(request->version_key) : !*request->version_key);
}

static gboolean
numbers_are_valid(const VmRequest *request, guint uses)
{
    if (!(uses & USES_UID) && request->uid != 0)
        return FALSE;
    if (!(uses & USES_SIZE) && (request->vcpus != 0 || request->memory_mib != 0))
        return FALSE;
    if ((uses & USES_SIZE) && (request->vcpus == 0 || request->memory_mib == 0))
        return FALSE;
    if (!(uses & USES_TARGET) != (request->target == 0))
        return FALSE;
    if (request->is_held > (uses & USES_HOLD ? 1u : 0u) || request->padding != 0)
        return FALSE;
    return request->is_emulated <= (uses & USES_EMULATION ? 1u : 0u);
}

gboolean
vm_request_unpack(const void *packet, gsize size, guint n_fds, VmRequest *ret)
{
    VmRequest request;

    if (size != sizeof request)
        return FALSE;
    memcpy(&request, packet, sizeof request);
    if (request.version != VM_PROTOCOL_VERSION || request.type == 0 ||
        request.type >= _VM_REQUEST_MAX || request.serial == 0)
        return FALSE;
    if (n_fds != forms[request.type].fds || !texts_are_valid(&request, forms[request.type].uses) ||
        !numbers_are_valid(&request, forms[request.type].uses))
        return FALSE;
    *ret = request;
    return TRUE;
}

/* --- answers --- */

void
vm_answer_init(VmAnswer *answer, VmAnswerType type, guint32 serial)
{
    *answer = (VmAnswer){.version = VM_PROTOCOL_VERSION, .type = (uint16_t)type, .serial = serial};
}

void
vm_answer_set_error(VmAnswer *answer, const GError *error)
{
    g_autofree char *valid = g_utf8_make_valid(error->message, /* len= */ -1);

    if (strlen(valid) >= VM_TEXT_SIZE)
        *g_utf8_find_prev_char(valid, valid + VM_TEXT_SIZE) = '\0';
    vm_field_set(answer->text, VM_TEXT_SIZE, valid);
    answer->type = g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ? VM_ANSWER_CANCELLED
                                                                            : VM_ANSWER_FAILED;
    answer->number = error->domain == CLOCHE_ERROR ? error->code : CLOCHE_ERROR_FAILED;
    if (answer->type == VM_ANSWER_CANCELLED)
        answer->number = 0;
}

GError *
vm_answer_get_error(const VmAnswer *answer)
{
    if (answer->type == VM_ANSWER_CANCELLED)
        return g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED, answer->text);
    return g_error_new_literal(CLOCHE_ERROR, answer->number, answer->text);
}

gboolean
vm_answer_set_facts(VmFactsAnswer *answer, guint32 serial, const VmFacts *facts)
{
    *answer = (VmFactsAnswer){
        .is_emulated = facts->emulated ? 1 : 0,
        .has_virtualization = facts->has_virtualization ? 1 : 0,
        .has_kvm_error = facts->kvm_error ? 1 : 0,
    };
    vm_answer_init(&answer->head, VM_ANSWER_FACTS, serial);
    return vm_field_set(answer->hypervisor, sizeof answer->hypervisor, facts->hypervisor) &&
           vm_field_set(answer->machine_type, sizeof answer->machine_type, facts->machine_type) &&
           vm_field_set(answer->definition, sizeof answer->definition, facts->definition) &&
           vm_field_set(answer->cpu_model, sizeof answer->cpu_model, facts->cpu_model) &&
           vm_field_set(answer->host, sizeof answer->host, facts->host) &&
           vm_field_set(answer->kvm_error, sizeof answer->kvm_error,
                        facts->kvm_error ? facts->kvm_error : "");
}

void
vm_answer_get_facts(const VmFactsAnswer *answer, VmFacts *ret_facts)
{
    *ret_facts = (VmFacts){
        .hypervisor = answer->hypervisor,
        .machine_type = answer->machine_type,
        .definition = answer->definition,
        .cpu_model = answer->cpu_model,
        .host = answer->host,
        .accelerator = answer->is_emulated ? "tcg" : "kvm",
        .emulated = answer->is_emulated != 0,
        .has_virtualization = answer->has_virtualization != 0,
        .kvm_error = answer->has_kvm_error ? answer->kvm_error : NULL,
    };
}

gsize
vm_answer_size(VmAnswerType type)
{
    return type == VM_ANSWER_FACTS ? sizeof(VmFactsAnswer) : sizeof(VmAnswer);
}

/* The bounds of `number`. */
static const struct {
    gint32 min, max;
} numbers[_VM_ANSWER_MAX] = {
    [VM_ANSWER_FAILED] = {0, _CLOCHE_ERROR_MAX - 1},
    [VM_ANSWER_DONE] = {0, G_MAXINT32},
    [VM_ANSWER_MACHINE] = {0, 1},
    [VM_ANSWER_REJOINED] = {0, 1},
    [VM_ANSWER_ENDED] = {0, MACHINE_DIED},
    [VM_ANSWER_STALLED] = {0, 1},
    [VM_ANSWER_LIBVIRT] = {0, 1},
};

static gboolean
is_about_machine(const VmAnswer *answer)
{
    return answer->type == VM_ANSWER_ENDED || answer->type == VM_ANSWER_STALLED;
}

static gboolean
is_event(const VmAnswer *answer)
{
    return is_about_machine(answer) || answer->type == VM_ANSWER_LIBVIRT;
}

static guint
count_fds(guint type)
{
    return type == VM_ANSWER_MACHINE || type == VM_ANSWER_NET ? 1 : 0;
}

static gboolean
head_is_valid(const VmAnswer *head, guint n_fds)
{
    if (head->version != VM_PROTOCOL_VERSION || head->type == 0 || head->type >= _VM_ANSWER_MAX)
        return FALSE;
    if (n_fds != count_fds(head->type) || (is_event(head) && head->serial != 0))
        return FALSE;
    if (head->number < numbers[head->type].min || head->number > numbers[head->type].max ||
        head->pid < 0)
        return FALSE;
    return field_is_text(head->name, VM_NAME_SIZE) && field_is_text(head->text, VM_TEXT_SIZE) &&
           (is_about_machine(head) ? vm_name_is_valid(head->name) : !*head->name);
}

static gboolean
facts_are_valid(const VmFactsAnswer *answer)
{
    return answer->is_emulated <= 1 && answer->has_virtualization <= 1 &&
           answer->has_kvm_error <= 1 && answer->padding == 0 &&
           field_is_text(answer->hypervisor, sizeof answer->hypervisor) &&
           field_is_text(answer->machine_type, sizeof answer->machine_type) &&
           field_is_text(answer->definition, sizeof answer->definition) &&
           field_is_text(answer->cpu_model, sizeof answer->cpu_model) &&
           field_is_text(answer->host, sizeof answer->host) &&
           field_is_text(answer->kvm_error, sizeof answer->kvm_error);
}

gboolean
vm_answer_unpack(const void *packet, gsize size, guint n_fds, VmFactsAnswer *ret)
{
    if (size < sizeof ret->head)
        return FALSE;
    memcpy(&ret->head, packet, sizeof ret->head);
    if (!head_is_valid(&ret->head, n_fds) || size != vm_answer_size(ret->head.type))
        return FALSE;
    if (ret->head.type != VM_ANSWER_FACTS)
        return TRUE;
    memcpy(ret, packet, sizeof *ret);
    return facts_are_valid(ret);
}
