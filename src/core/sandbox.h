/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sandbox: a claimed machine: an id, an owner, a template, a deadline, metadata. */
#pragma once

#include "core-base.h"
#include "deadline.h"
#include "instance.h"

#define SANDBOX_TIMEOUT_DEFAULT_S 300
#define SANDBOX_TIMEOUT_MAX_S (10 * 365 * 86400ull) /* even where the lifetime is unlimited */
#define SANDBOX_NAME_MAX 64                         /* characters */
#define SANDBOX_METADATA_MAX 64                     /* entries */
#define SANDBOX_METADATA_KEY_MAX 128                /* bytes */
#define SANDBOX_METADATA_VALUE_MAX 4096
#define SANDBOX_IDEMPOTENCY_KEY_MAX 128

typedef enum {
    SANDBOX_CLAIMING, /* the claim is under way; the sandbox is not announced yet */
    SANDBOX_ADOPTING, /* the previous instance of the service left it, and it has not answered yet
                       */
    SANDBOX_RUNNING,
    SANDBOX_PAUSED, /* its user does not want it to run; its machine may not be adopted yet */
    SANDBOX_ENDED,
    _SANDBOX_STATE_MAX,
} SandboxState;

typedef enum {
    SANDBOX_FOUND,        /* in a record */
    SANDBOX_FOUND_PAUSED, /* the same */
    SANDBOX_CLAIMED,
    SANDBOX_PAUSE,
    SANDBOX_RESUME,
    SANDBOX_STOP,
    SANDBOX_DEADLINE,
    SANDBOX_LOST,
    _SANDBOX_EVENT_MAX,
} SandboxEvent;

const char *sandbox_state_name(SandboxState state);

/* Until when it lives, and since when it is paused; all on CLOCK_BOOTTIME. */
typedef struct {
    gint64 deadline_us;     /* it ends, or is paused; if it is paused, it ends */
    guint64 timeout_s;      /* the last one that it was given */
    gint64 paused_since_us; /* 0: it is not paused */
    gint64 paused_us;       /* for how long it was paused before that */
} Lifespan;

struct Sandbox {
    Core *core; /* NULL before registry_add() */
    char *id, *name, *template;
    char *snapshot; /* id of the one that it began from; NULL: it began from the template */
    guint32 owner;
    SandboxState state;
    EndReason end_reason;
    gint64 created_us; /* time of day */
    gint64 born_us;    /* the same, CLOCK_BOOTTIME; unique */
    Lifespan life;
    Lifespan next_life;         /* while it is being recorded */
    gboolean is_changing;       /* next_life is */
    GQueue changes;             /* of lifespan.c: changes of its life that wait */
    gboolean pauses_on_timeout; /* it ends otherwise */
    gboolean resumes_for_calls; /* while it is paused, they fail otherwise */
    char **metadata;            /* key, value, …, sorted by key */
    guint vcpus;
    guint64 memory_mib, disk_mib;
    char **languages;      /* of the template */
    char *user;            /* in the guest */
    char *idempotency_key; /* NULL: none */
    gboolean is_one_shot;  /* it ends with the call that created it */
    char
        *request_digest; /* to compare with a second call that has the same key; NULL: see Record */
    Instance *instance;  /* NULL once it has ended, and while its machine is being adopted */
    Network *network;    /* NULL in tests of other parts */
    GHashTable *processes; /* number → Process; of process.c */
    GQueue operations;     /* of Operation: what is under way in it */
    guint32 last_process;
    guint last_context;
    Deadline *deadline;    /* NULL unless it lives */
    Deadline *clock;       /* when the guest's clock is set next */
    gboolean is_stalled;   /* the journal says that there is no space for it */
    gboolean is_waking;    /* it was resumed, and its machine stands still yet */
    gboolean is_beginning; /* from a snapshot: its processes stand still yet, and its call has no
                              answer */
    gboolean is_unheard;   /* it was adopted while it was paused: its agent has not answered yet */
};

/* Makes an empty one. */
Sandbox *sandbox_new(void);
void sandbox_free(Sandbox *sandbox);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sandbox, sandbox_free)

/* Returns what its owner is charged with while it exists. */
QuotaAmounts sandbox_amounts(const Sandbox *sandbox);

/* Changes the state: the one place. FALSE when the event means nothing in this state. */
gboolean sandbox_change(Sandbox *sandbox, SandboxEvent event);

/* Returns the time of day at which it expires, by the present clock. */
gint64 sandbox_expires_us(const Sandbox *sandbox);
/* Returns the value of an entry, or NULL. */
const char *sandbox_metadata(const Sandbox *sandbox, const char *key);
/* CLOCHE_ERROR_UNSUPPORTED unless `languages`, the template's, contain it. */
gboolean sandbox_check_language(const char *template, char **languages, const char *language,
                                GError **error);
