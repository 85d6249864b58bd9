/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sandbox: a claimed machine: an id, an owner, a template, a deadline, metadata. */
#pragma once

#include "core-base.h"
#include "deadline.h"
#include "instance.h"

#define SANDBOX_TIMEOUT_DEFAULT_S 300
#define SANDBOX_TIMEOUT_MAX_S (10 * 365 * 86400ull) /* where the lifetime has no limit, too */
#define SANDBOX_NAME_MAX 64                         /* characters */
#define SANDBOX_METADATA_MAX 64                     /* entries */
#define SANDBOX_METADATA_KEY_MAX 128                /* bytes */
#define SANDBOX_METADATA_VALUE_MAX 4096
#define SANDBOX_IDEMPOTENCY_KEY_MAX 128

typedef enum {
    SANDBOX_CLAIMING, /* its machine is being made its own; nobody has heard of it */
    SANDBOX_RUNNING,
    SANDBOX_ENDED,
    _SANDBOX_STATE_MAX,
} SandboxState;

typedef enum {
    SANDBOX_CLAIMED,
    SANDBOX_STOP,
    SANDBOX_DEADLINE,
    SANDBOX_LOST,
    _SANDBOX_EVENT_MAX,
} SandboxEvent;

const char *sandbox_state_name(SandboxState state);

struct Sandbox {
    Core *core; /* once it is registered */
    char *id, *name, *template;
    guint32 owner;
    SandboxState state;
    EndReason end_reason;
    gint64 created_us;  /* time of day */
    gint64 born_us;     /* the same, CLOCK_BOOTTIME; no two are equal */
    gint64 deadline_us; /* CLOCK_BOOTTIME */
    char **metadata;    /* key, value, …, sorted by key */
    guint vcpus;
    guint64 memory_mib, disk_mib;
    char **languages;      /* of the template */
    char *user;            /* in the guest */
    char *idempotency_key; /* NULL: none */
    gboolean is_one_shot;  /* it ends with the call that made it */
    char *request;      /* what it was asked for, to compare with a second call of the same key */
    Instance *instance; /* NULL once it has ended */
    GHashTable *processes; /* number → Process; of process.c */
    GQueue operations;     /* of Operation: what is under way in it */
    guint32 last_process;
    guint last_context;
    Deadline *deadline; /* NULL unless it runs, as the next */
    Deadline *clock;    /* when the guest's is set again */
};

/* Nothing but empty. */
Sandbox *sandbox_new(void);
void sandbox_free(Sandbox *sandbox);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sandbox, sandbox_free)

/* What its owner is charged with for as long as there is one. */
QuotaAmounts sandbox_amounts(const Sandbox *sandbox);

/* The one place where a state changes. FALSE when the event means nothing in this state. */
gboolean sandbox_change(Sandbox *sandbox, SandboxEvent event);

/* The time of day at which it expires, as the clocks stand now. */
gint64 sandbox_expires_us(const Sandbox *sandbox);
/* NULL when it has no such entry. */
const char *sandbox_metadata(const Sandbox *sandbox, const char *key);
/* CLOCHE_ERROR_UNSUPPORTED unless the template's languages have it. */
gboolean sandbox_check_language(const char *template, char **languages, const char *language,
                                GError **error);
