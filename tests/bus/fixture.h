/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fixture: a bus, a store and cloched-fake of a test's own.
 *
 * The service serves the system, on a bus where anybody may do anything, so that what keeps users
 * apart is the service alone. Its end is part of each test: fixture_stop() fails when it leaves
 * anything. Machines outlive it when it ends otherwise, and end with the test in any case.
 */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

typedef struct {
    gboolean has_python;      /* a template "python", beside "minimal" */
    gboolean has_interpreter; /* one of all languages */
    gboolean has_other;       /* and another like "minimal" */
    gboolean has_log;         /* for fixture_log_has() */
    gboolean no_polkit;
    gboolean has_virtualization; /* the processor */
    const char *kvm;             /* of vm-fake.h; NULL: it does not work */
    guint target;                /* machines to keep ready */
    guint sandboxes;             /* limits; 0: 100 sandboxes, 4096 MiB, a day */
    guint memory_mib;
    guint lifetime_s;
    const char *default_template; /* NULL: minimal */
    const char *config;           /* for fixture_configure(), or NULL */
    guint clock_ms; /* how often sandboxes' clocks are set; 0: as in the real service */
} FixtureOptions;

typedef struct {
    FixtureOptions options;
    char *dir;                                  /* of everything below */
    char *state, *run, *ram, *control;          /* control: for vm-fake.h's files */
    char *config, *log;                         /* files */
    char *address;                              /* of the bus */
    GSubprocess *bus_daemon, *polkit, *service; /* NULL: not running */
    GDBusConnection *bus;                       /* this process's uid: root */
    int alive;                                  /* machines end when it is closed */
    GSocket *notify; /* where the service tells what systemd would hear: */
    GCancellable *closing;
    GThread *reader;
    gboolean is_ready, is_reloading, has_reloaded;
    char *status;        /* STATUS=, or NULL */
    gboolean has_status; /* a new one came */
} Fixture;

#define MEMORY_MIB 64 /* of the templates' machines */
#define OTHER_UID 65534

/* Starts all of it. */
Fixture *fixture_new(const FixtureOptions *options);
/* Stops all of it and removes it. */
void fixture_free(Fixture *fixture);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fixture, fixture_free)

/* --- the service --- */

void fixture_start(Fixture *fixture);
/* Does not wait until it is there. */
void fixture_launch(Fixture *fixture);
/* Lets it end everything (SIGINT); the test fails when anything is left. */
void fixture_stop(Fixture *fixture);
/* Ends it with this signal, and waits until its name is free. */
void fixture_end(Fixture *fixture, int signal);
/* Waits until it ends by itself: its exit status. */
int fixture_wait_for_exit(Fixture *fixture);
/* fixture_end(), and starts the next life of it. */
void fixture_restart(Fixture *fixture, int signal);

/* Makes this text the only drop-in of its config. */
void fixture_configure(Fixture *fixture, const char *text);
/* Returns when it has read its config again, or refused it. */
void fixture_reload(Fixture *fixture);
/* Whether it has said that, in any of its lives; options.has_log. */
gboolean fixture_log_has(Fixture *fixture, const char *text);

/* The one of polkit.h; the fixture has started it unless options.no_polkit. */
void fixture_start_polkit(Fixture *fixture);
void fixture_stop_polkit(Fixture *fixture);

/* Another connection, of a user. */
GDBusConnection *fixture_connect(Fixture *fixture, uid_t uid);
/* Closes and frees it: the caller leaves. */
void fixture_leave(GDBusConnection *bus);

/* --- files --- */

/* Installs an image, in place of an older one of that name. `runner` may be NULL. */
void fixture_add_image(Fixture *fixture, const char *name, const char *digest,
                       const char *languages, const char *runners);
/* Sets a value that a sandbox's record has, or removes it (NULL), while the service is away. */
void fixture_edit_record(Fixture *fixture, const char *id, const char *key, const char *value);
/* Makes the same of another. */
void fixture_copy_record(Fixture *fixture, const char *from, const char *to);
guint fixture_count_files(const Fixture *fixture, const char *parent, const char *folder);
guint fixture_count_processes(const Fixture *fixture);
guint fixture_count_cgroups(const Fixture *fixture);
/* So many machines, of whom it may be, and not a file, process or cgroup more. */
void fixture_assert_counts(const Fixture *fixture, guint machines);
/* The same, once what is ending has ended. */
void fixture_wait_for_counts(Fixture *fixture, guint machines);

/* --- machines; `id` is the sandbox's, or NULL: any --- */

pid_t fixture_find_machine(Fixture *fixture, const char *id);
/* The id of a machine that is not this one's: a new string. */
char *fixture_find_other(Fixture *fixture, const char *id);
/* Whom it was to run as. */
guint32 fixture_find_uid(Fixture *fixture, const char *id);
pid_t fixture_find_agent(Fixture *fixture, const char *id);
/* All that is in it stands still. */
void fixture_freeze(Fixture *fixture, const char *id, gboolean is_frozen);
/* What libvirt says of it: "paused", "running" or "stalled". */
void fixture_set_state(Fixture *fixture, const char *id, const char *state);
/* The host's disk is full, for this one; or there is room again. */
void fixture_stall(Fixture *fixture, const char *id, gboolean is_stalled);
/* Waits until there are so many, ready or not. */
void fixture_wait_for_machines(Fixture *fixture, guint count);
/* The same, of sandboxes' records. */
void fixture_wait_for_records(Fixture *fixture, guint count);
/* A FIFO for what runs in a machine, which sees this machine's files: its path. */
char *fixture_add_fifo(Fixture *fixture, const char *name);

/* Files of vm-fake.h; `text` NULL removes it. */
void fixture_set_control(Fixture *fixture, const char *name, const char *text);
void fixture_hold(Fixture *fixture);
/* Waits until a start is held, and lets all go on. There must be one under way. */
void fixture_release(Fixture *fixture);
