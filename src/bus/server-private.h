/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* server-private: the state of a server, which server.c, dispatch.c and signals.c share. */
#pragma once

#include "authority.h"
#include "intake.h"
#include "server.h"
#include "turns.h"
#include "windows.h"

#define MANAGER_PATH "/org/cloche1"
#define MANAGER_INTERFACE "org.cloche1.Manager"
#define SANDBOX_INTERFACE "org.cloche1.Sandbox"
#define PROCESS_INTERFACE "org.cloche1.Process"
#define OBJECTS_INTERFACE "org.freedesktop.DBus.ObjectManager"
#define INTROSPECTABLE_INTERFACE "org.freedesktop.DBus.Introspectable"
#define PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"

struct Server {
    GDBusConnection *connection;
    Core *core;
    Peers *peers;
    Authority *authority; /* NULL: the bus is its user's own */
    gboolean is_private;
    gboolean is_stopping;
    Intake *intake;
    Turns *turns;
    Windows *windows;
    GHashTable *lasting; /* uid → number of calls that are begun and not answered */
    GHashTable *asking;  /* calls that wait for polkit, or for a sandbox's machine */
    GHashTable *late;    /* of dispatch.c: calls that arrive in the next round of the main loop */
    guint manager_id, objects_id, introspectable_id, sandboxes_id, processes_id;
};

/* The core's news become signals; their data is the server. */
extern const CoreEvents server_events;
