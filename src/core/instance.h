/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * instance: a machine, its connection and its files, as one.
 *
 * It belongs to the pool until somebody claims it, and to one sandbox from then on; it never goes
 * back. Whoever has it ends it with instance_end(), which is immediate for the caller: QEMU and the
 * files go away behind that, and Host counts them until they are gone.
 */
#pragma once

#include "interpreter.h"
#include "link.h"
#include "store.h"
#include "vm.h"

/* What all instances share. */
typedef struct {
    Vm *vm;
    const Store *store;
    guint64 memory_mib; /* of all machines that there are, starting and ending ones too */
    guint64 ending_mib; /* of those that are ending */
    guint64 wanted_mib; /* of those that are somebody's, or that somebody waits for */
    guint waiting;      /* callers, in all pools */
    guint count;        /* of instances, and of other work that uses images and templates */
    void (*on_change)(gpointer data); /* count became less, or a machine is ready */
    gpointer on_change_data;
} Host;

/* Counts work that must be over before images and templates may be freed. */
void host_hold(Host *host);
void host_release(Host *host);
void host_changed(Host *host);

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
/* Called at most once, when it was lost by itself; it is to be ended then. */
typedef void (*InstanceLost)(Instance *instance, EndReason why, gpointer data);

/* Boots an image for a template that is being made (template_stage() was called). */
void instance_boot_async(Host *host, const Image *image, const Template *template,
                         GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
/* Restores a machine from a template, and exercises its runners. */
void instance_restore_async(Host *host, const Image *image, const Template *template,
                            GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
/* For both: running, and its agent and runners answer. */
Instance *instance_start_finish(GAsyncResult *result, GError **error);

/* Who hears of its loss: nobody (NULL) until this is called. */
void instance_watch(Instance *instance, InstanceLost lost, gpointer data);
/* It is somebody's: its memory, counted in wanted_mib by the caller, counts there until it ends. */
void instance_give(Instance *instance);
const char *instance_id(const Instance *instance);
GuestLink *instance_link(Instance *instance);
/* NULL when its image has no runner for the language. */
GuestInterpreter *instance_interpreter(Instance *instance, const char *language);
/* Calls it for the interpreter of each language. */
void instance_reseed(Instance *instance, const char *const *environment);

/* Closes the connection and writes the state of a booted machine to `path`. */
void instance_save_async(Instance *instance, const char *path, GAsyncReadyCallback callback,
                         gpointer data);
gboolean instance_save_finish(Instance *instance, GAsyncResult *result, GError **error);

/* Ends and frees it. What is under way in it ends with CLOCHE_ERROR_GUEST_LOST and the message
 * `why`. */
void instance_end(Instance *instance, const char *why);
