/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-protocol: the messages between cloched and cloche-vm.
 *
 * Each message is one packet of a SOCK_SEQPACKET socket, a structure of fixed size, with at most
 * one descriptor. A request names files by keys, never by paths, and cloche-vm makes the paths
 * itself. A field that a message does not use is zero. Both programs are of the same build, so the
 * structures are copied as they are. All functions are pure.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "vm.h"

#define VM_PROTOCOL_VERSION 3u

/* Sizes of texts, with the zero byte that ends them. */
#define VM_NAME_SIZE 64u
#define VM_KEY_SIZE 112u
#define VM_TEXT_SIZE 2048u

/* Each machine's name begins with it. */
#define VM_NAME_PREFIX "cloche-"

typedef enum {
    VM_REQUEST_PROBE = 1,   /* image, uid: which accelerator works? */
    VM_REQUEST_RECALL,      /* is_emulated: the facts of an accelerator that a probe has chosen */
    VM_REQUEST_BOOT,        /* name, image, version, uid, vcpus, memory_mib */
    VM_REQUEST_RESTORE,     /* the same; with the device state */
    VM_REQUEST_ADOPT,       /* name: of a machine that runs; its channel is connected anew;
                               is_held: it shall stand still, as after STAND_STILL */
    VM_REQUEST_REJOIN,      /* name: the same, but the caller has the channel */
    VM_REQUEST_SAVE,        /* name; with the file to write */
    VM_REQUEST_DESTROY,     /* name; whether it is held or not */
    VM_REQUEST_LEAVE,       /* name; no answer */
    VM_REQUEST_SWEEP,       /* name: a prefix */
    VM_REQUEST_STAND_STILL, /* name; no answer: an event follows when its processors have stopped */
    VM_REQUEST_GO_ON,       /* the same, when they run again */
    VM_REQUEST_CANCEL,      /* target: of a request; no answer of its own */
    VM_REQUEST_STOP_TRYING, /* no answer */
    VM_REQUEST_OPEN_NET,    /* name: its port for connections is connected */
    VM_REQUEST_CAPTURE,     /* name; with the file to write: its processors stop */
    VM_REQUEST_RELEASE,     /* name: of a captured machine, whose processors run again */
    _VM_REQUEST_MAX,
} VmRequestType;

typedef struct {
    uint16_t version;
    uint16_t type;
    uint32_t serial; /* not 0 */
    uint32_t uid;    /* of QEMU; 0: libvirt chooses */
    uint32_t vcpus;
    uint64_t memory_mib;
    uint32_t target;
    uint32_t is_emulated; /* 0 or 1 */
    uint32_t is_held;     /* 0 or 1 */
    uint32_t padding;
    char name[VM_NAME_SIZE];       /* cloche-[a-z0-9-]* */
    char image[VM_KEY_SIZE];       /* [a-z0-9][a-z0-9-]*, a folder below STATE/images */
    char version_key[VM_KEY_SIZE]; /* the same, a folder below STATE/templates, a file in RAM */
} VmRequest;

typedef enum {
    VM_ANSWER_READY = 1, /* the first message; serial 0 */
    VM_ANSWER_FAILED,    /* number: a ClocheError; text */
    VM_ANSWER_CANCELLED, /* text */
    VM_ANSWER_DONE,      /* number: of machines that were swept */
    VM_ANSWER_MACHINE,   /* pid; number: whether it is stalled; with its channel */
    VM_ANSWER_REJOINED,  /* the same without the channel */
    VM_ANSWER_FACTS,     /* a VmFactsAnswer */
    VM_ANSWER_ENDED,     /* an event, serial 0: name; number: a MachineEnd */
    VM_ANSWER_STALLED,   /* an event, serial 0: name; number: whether it is */
    VM_ANSWER_LIBVIRT,   /* an event, serial 0; number: whether libvirt answers */
    VM_ANSWER_NET,       /* with the port of a machine */
    _VM_ANSWER_MAX,
} VmAnswerType;

typedef struct {
    uint16_t version;
    uint16_t type;
    uint32_t serial; /* of the request; 0: an event */
    int32_t pid;
    int32_t number;
    char name[VM_NAME_SIZE];
    char text[VM_TEXT_SIZE]; /* UTF-8 */
} VmAnswer;

typedef struct {
    VmAnswer head;
    uint32_t is_emulated;
    uint32_t has_virtualization;
    uint32_t has_kvm_error;
    uint32_t padding;
    char hypervisor[512]; /* all texts are UTF-8 */
    char machine_type[128];
    char definition[8192];
    char cpu_model[512];
    char host[1024];
    char kvm_error[1024];
} VmFactsAnswer;

/* --- for both sides --- */

/* Copies a text into a field. FALSE: it is too long or not UTF-8, and the field is unchanged. */
gboolean vm_field_set(char *field, gsize size, const char *text);
/* Whether it can be the name of a machine. */
gboolean vm_name_is_valid(const char *name);
/* Whether it can be the key of an image or of a version of a template. */
gboolean vm_key_is_valid(const char *key);

/* --- requests --- */

void vm_request_init(VmRequest *request, VmRequestType type, guint32 serial);
/* How many descriptors a request of this type has. */
guint vm_request_count_fds(VmRequestType type);
/* Whether an answer follows. */
gboolean vm_request_is_answered(VmRequestType type);
/* FALSE: the packet is no request. Otherwise each field has the form that is documented above. */
gboolean vm_request_unpack(const void *packet, gsize size, guint n_fds, VmRequest *ret);

/* --- answers --- */

void vm_answer_init(VmAnswer *answer, VmAnswerType type, guint32 serial);
/* An answer that says why the request failed. A text that is too long is cut. */
void vm_answer_set_error(VmAnswer *answer, const GError *error);
/* The error of an answer of the types VM_ANSWER_FAILED and VM_ANSWER_CANCELLED. */
GError *vm_answer_get_error(const VmAnswer *answer);
/* FALSE: a text is too long. */
gboolean vm_answer_set_facts(VmFactsAnswer *answer, guint32 serial, const VmFacts *facts);
/* The strings of *ret_facts are those of `answer`, or constant. */
void vm_answer_get_facts(const VmFactsAnswer *answer, VmFacts *ret_facts);
/* The size of a message of this type. */
gsize vm_answer_size(VmAnswerType type);
/* FALSE: the packet is no answer. Of *ret, only what vm_answer_size() counts is set. */
gboolean vm_answer_unpack(const void *packet, gsize size, guint n_fds, VmFactsAnswer *ret);
