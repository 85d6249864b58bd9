/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fixture: a bus, a store and cloched-fake of a test's own.
 *
 * The service serves the system, on a bus where anybody may do anything, so that what keeps users
 * apart is the service alone. Its end is part of each test: fixture_stop() fails when it leaves
 * anything.
 */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

typedef struct {
    gboolean has_python; /* a template "python", beside "minimal" */
    gboolean has_other;  /* and another like "minimal" */
    guint target;        /* machines to keep ready */
    guint sandboxes;     /* limits; 0: 100 sandboxes, 4096 MiB, a day */
    guint memory_mib;
    guint timeout_s;
    const char *default_template; /* NULL: minimal */
} FixtureOptions;

typedef struct {
    FixtureOptions options;
    char *dir;                         /* of everything below */
    char *state, *run, *ram, *control; /* control: for vm-fake.h's files */
    char *config;                      /* the file */
    char *address;                     /* of the bus */
    GSubprocess *bus_daemon, *service; /* NULL: not running */
    GDBusConnection *bus;              /* this process's uid: root */
} Fixture;

#define MEMORY_MIB 64 /* of the templates' machines */
#define OTHER_UID 65534

/* Starts all of it. */
Fixture *fixture_new(const FixtureOptions *options);
/* Stops all of it and removes it. */
void fixture_free(Fixture *fixture);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fixture, fixture_free)

/* The service alone. */
void fixture_start(Fixture *fixture);
void fixture_stop(Fixture *fixture);

/* Another connection, of a user. */
GDBusConnection *fixture_connect(Fixture *fixture, uid_t uid);
/* Closes and frees it: the caller leaves. */
void fixture_leave(GDBusConnection *bus);

/* Installs an image, in place of an older one of that name. `runner` may be NULL. */
void fixture_add_image(Fixture *fixture, const char *name, const char *digest, const char *runner);

/* The agent of a sandbox's machine, or with NULL of any. */
pid_t fixture_find_agent(Fixture *fixture, const char *id);
/* A FIFO for what runs in a machine, which sees this machine's files: its path. */
char *fixture_add_fifo(Fixture *fixture, const char *name);

/* Files of vm-fake.h. */
void fixture_set_control(Fixture *fixture, const char *name, const char *text);
void fixture_hold(Fixture *fixture);
/* Waits until a start is held, and lets all go on. */
void fixture_release(Fixture *fixture);
