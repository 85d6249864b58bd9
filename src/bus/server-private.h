/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* server-private: the state of a server, which server.c, dispatch.c and signals.c share. */
#pragma once

#include "authority.h"
#include "server.h"

#define MANAGER_PATH "/org/cloche1"
#define MANAGER_INTERFACE "org.cloche1.Manager"
#define SANDBOX_INTERFACE "org.cloche1.Sandbox"
#define PROCESS_INTERFACE "org.cloche1.Process"
#define OBJECTS_INTERFACE "org.freedesktop.DBus.ObjectManager"
#define PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"

struct Server {
    GDBusConnection *connection;
    Core *core;
    Peers *peers;
    Authority *authority; /* NULL: the bus is its user's own */
    gboolean is_private;
    GHashTable *asking; /* calls that wait for polkit */
    guint manager_id, objects_id, sandboxes_id, processes_id;
    GDBusNodeInfo *objects_info;
};

/* The core's news become signals; their data is the server. */
extern const CoreEvents server_events;
