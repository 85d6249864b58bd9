/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core-base: the types that all parts of the core and those above it share. */
#pragma once

#include "policy.h"
#include "quota.h"

typedef struct Core Core;
typedef struct Network Network;
typedef struct Process Process;
typedef struct Sandbox Sandbox;

/* Whether machines are emulated where KVM does not work. */
typedef enum {
    EMULATION_AUTO, /* where the processor has no hardware virtualization */
    EMULATION_YES,
    EMULATION_NO,
} Emulation;

/* The interval at which the core sets a sandbox's clock by the host's. */
#define CORE_CLOCK_INTERVAL_US (10 * G_TIME_SPAN_MINUTE)

typedef struct {
    const char *default_template;
    guint pool_target;
    guint64 memory_max_mib;     /* of all machines, including those of pools */
    QuotaAmounts limits_of_all; /* of all users together */
    QuotaAmounts limits_of_each;
    guint64 disk_use_percent;     /* what one user's disks may take of the space that there is */
    guint64 lifetime_max_s;       /* of a sandbox, from its creation, without its pauses */
    guint64 paused_max_s;         /* of a pause; then the sandbox ends */
    guint32 uid_first, uid_count; /* of machines; 0: libvirt chooses the user */
    Emulation emulation;
    NetPolicy *network;       /* the most that any sandbox may reach */
    const char *proxy;        /* of cloche-egress; "": none */
    gint64 clock_interval_us; /* CORE_CLOCK_INTERVAL_US; tests set a shorter one */
} CoreConfig;

/* The user on whose behalf a call looks at sandboxes. */
typedef struct {
    guint32 uid;
    gboolean sees_all; /* may manage the sandboxes of other users */
} Viewer;

typedef struct {
    void (*sandbox_added)(const Sandbox *sandbox, gpointer data);
    /* Its deadline changed. */
    void (*sandbox_changed)(const Sandbox *sandbox, gpointer data);
    /* It was paused or resumed, and has another deadline. */
    void (*sandbox_state_changed)(const Sandbox *sandbox, gpointer data);
    /* Its network changed. */
    void (*network_changed)(const Sandbox *sandbox, gpointer data);
    /* Its state and end reason are final. */
    void (*sandbox_ended)(const Sandbox *sandbox, gpointer data);
    /* A process that had started ended by itself. */
    void (*process_ended)(const Process *process, gpointer data);
    /* The accelerator, or the reason why KVM does not work, became known. */
    void (*manager_changed)(gpointer data);
    /* It was installed or removed, or its state, step or progress changed. */
    void (*template_changed)(const char *name, gpointer data);
} CoreEvents;
