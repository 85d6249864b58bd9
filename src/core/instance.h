/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * instance: a machine with its connection and its files.
 *
 * An instance belongs to a pool until it is claimed, and then to one sandbox; it never goes back.
 * Its owner ends it with instance_end(), which returns at once. QEMU and the files are removed
 * afterwards, and Host counts them until they are gone.
 */
#pragma once

#include "context.h"
#include "host.h"
#include "link.h"
#include "record.h"
#include "template.h"

/* The name of a machine is this prefix and the id. */
#define INSTANCE_PREFIX "cloche-"
/* The time within which the agent of an adopted machine must answer. */
#define INSTANCE_ADOPT_TIMEOUT_S VM_ADOPT_TIMEOUT_S

typedef enum {
    END_NOT_YET,
    END_KILLED,
    END_TIMED_OUT,
    END_GUEST_SHUT_DOWN,
    END_GUEST_PANICKED,
    END_GUEST_HUNG,
    END_MACHINE_LOST,
    END_PROTOCOL_ERROR,
    END_SERVICE_STOPPED,
    END_CALLER_LEFT,
    _END_MAX,
} EndReason;

/* "" for END_NOT_YET, then as EndReason is documented in dbus/org.cloche1.xml. */
const char *end_reason_name(EndReason reason);

typedef struct Instance Instance;

typedef struct {
    /* The machine was lost: at most once. The watcher must end the instance. */
    void (*lost)(Instance *instance, EndReason why, gpointer data);
    /* The machine stopped because the host's disk is full or it is held, or continues. */
    void (*stalled)(Instance *instance, gboolean is_stalled, gpointer data);
} InstanceEvents;

/* All three keep a reference to the template until QEMU and the machine's files are gone. */

/* Boots a machine of a template that is being made: from a disk in its staging folder. */
void instance_boot_async(Host *host, Template *template, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer data);
/* Restores a machine from a template, and exercises its runners. */
void instance_restore_async(Host *host, Template *template, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer data);
/* For both: the machine runs, and its agent and its runners answer. */
Instance *instance_start_finish(GAsyncResult *result, GError **error);
/* Adopts the machine of a record that the previous instance of the service has left. Calls `heard`
 * when the guest sends its first byte, before anything reads it. */
void instance_adopt_async(Host *host, const Record *record, Template *template,
                          void (*heard)(gpointer data), GAsyncReadyCallback callback,
                          gpointer data);
/* NULL with an error and the reason why it cannot go on: the machine and its files are removed.
 * With END_NOT_YET the service stops, nothing is known, and the machine is left as it was. */
Instance *instance_adopt_finish(GAsyncResult *result, EndReason *ret_why, GError **error);

/* Sets the watcher; `events` NULL: none. A new instance has none. */
void instance_watch(Instance *instance, const InstanceEvents *events, gpointer data);
/* The uid that its QEMU runs as; 0: libvirt chooses it. */
guint32 instance_uid(const Instance *instance);
const char *instance_id(const Instance *instance);
const Template *instance_template(const Instance *instance);
GuestLink *instance_link(Instance *instance);
/* See guest_link_set_owner(). */
void instance_set_owner(Instance *instance, Budget *buffers, Slots *large_frames);
/* Whether the machine has stopped because the host's disk is full, or is held. */
gboolean instance_is_stalled(const Instance *instance);
/* Who does not want the machine to run: it runs when nobody holds it. */
typedef enum {
    INSTANCE_HELD_FOR_DISK = 1 << 0,
    INSTANCE_HELD_FOR_USER = 1 << 1,
} InstanceHold;
/* See machine_hold(). */
void instance_hold(Instance *instance, InstanceHold who, gboolean holds);
gboolean instance_is_held(const Instance *instance);
/* See machine_open_net_async(): finish with machine_open_net_finish(). */
void instance_open_net_async(Instance *instance, GAsyncReadyCallback callback, gpointer data);
/* Makes the programs of the guest trust these certificates (PEM) beside those of its image; "":
 * only those. */
void instance_trust_async(Instance *instance, const char *certificates,
                          GAsyncReadyCallback callback, gpointer data);
gboolean instance_trust_finish(GAsyncResult *result, GError **error);
/* The path of its disk's overlay, a new string. */
char *instance_disk(const Instance *instance);
/* Of Context: all contexts that were started or requested; owned by the instance. */
GPtrArray *instance_contexts(Instance *instance);
/* The default context of a language, whether its runner runs or not; NULL for "jupyter", which is
 * not one language. */
Context *instance_default_context(Instance *instance, const char *language);
/* Calls guest_interpreter_reseed() for all contexts. */
void instance_reseed(Instance *instance, const char *const *environment);

/* Closes the connection and writes the state of a booted machine to `fd`, a new file that is open
 * for writing only, and borrowed until the finish. */
void instance_save_async(Instance *instance, int fd, GAsyncReadyCallback callback, gpointer data);
gboolean instance_save_finish(Instance *instance, GAsyncResult *result, GError **error);

/* Ends and frees it. Operations in it fail with CLOCHE_ERROR_GUEST_LOST and the message `why`. */
void instance_end(Instance *instance, const char *why);
/* Frees it, and leaves the machine running for instance_adopt_async() of the next instance of the
 * service. Operations in it fail with CLOCHE_ERROR_SERVICE_STOPPING. */
void instance_leave(Instance *instance);
