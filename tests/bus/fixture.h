/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fixture: a private bus, a store and cloched-fake for one test program.
 *
 * The service believes that this is the system bus. The bus permits everything, so only the service
 * separates users. The end of the service is part of each test: fixture_stop() fails if anything is
 * left. After any other end of the service, its machines continue to run, at most until the end of
 * the test.
 */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

typedef struct {
    gboolean has_python;             /* a template "python", beside "minimal" */
    gboolean has_interpreter;        /* a template of all languages */
    const char *python_runners;      /* runners that its machines have started; NULL: python */
    const char *interpreter_runners; /* as above */
    gboolean has_other;              /* a second template like "minimal" */
    gboolean has_log;                /* for fixture_log_has() */
    gboolean no_polkit;
    gboolean has_egress;         /* the socket of egress.h, where nobody listens yet */
    gboolean has_virtualization; /* of the processor */
    const char *kvm;             /* of vm-fake.h; NULL: it does not work */
    guint target;                /* machines to keep ready */
    guint sandboxes;             /* limits; 0: 100 sandboxes, 4096 MiB, a day */
    guint memory_mib;
    guint lifetime_s;
    guint disk_mib;               /* size of a file system for the state folder; 0: that of /tmp */
    const char *default_template; /* NULL: minimal */
    const char *config;           /* for fixture_configure(), or NULL */
    guint clock_ms;               /* interval at which clocks are set; 0: that of cloched */
} FixtureOptions;

typedef struct {
    FixtureOptions options;
    char *dir;                                  /* parent of all folders and files below */
    char *state, *run, *ram, *control;          /* control: for vm-fake.h's files */
    char *config, *log;                         /* files */
    char *address;                              /* of the bus */
    GSubprocess *bus_daemon, *polkit, *service; /* NULL: not running */
    GDBusConnection *bus;                       /* this process's uid: root */
    int alive;                                  /* machines end when it is closed */
    GSocket *notify;                            /* receives the service's notices to systemd: */
    GCancellable *closing;
    GThread *reader;
    gboolean is_ready, is_reloading, has_reloaded;
    char *status;        /* STATUS=, or NULL */
    gboolean has_status; /* a new one has arrived */
} Fixture;

#define MEMORY_MIB 64 /* of the templates' machines */
#define OTHER_UID 65534

/* Starts the bus, polkit and the service. */
Fixture *fixture_new(const FixtureOptions *options);
/* Stops them, and removes all files. */
void fixture_free(Fixture *fixture);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fixture, fixture_free)

/* For main(): runs all tests with one fixture. Sets *ret_fixture, and *ret_bus to its bus, while
 * the tests run. */
int fixture_run_tests(const FixtureOptions *options, Fixture **ret_fixture,
                      GDBusConnection **ret_bus);

/* --- the service --- */

void fixture_start(Fixture *fixture);
/* Does not wait until the service accepts calls. */
void fixture_launch(Fixture *fixture);
/* Sends SIGINT, on which the service ends everything; the test fails if anything is left. */
void fixture_stop(Fixture *fixture);
/* Ends the service with this signal, and waits until its bus name is free. */
void fixture_end(Fixture *fixture, int signal);
/* Waits until the service ends by itself; returns its exit status. */
int fixture_wait_for_exit(Fixture *fixture);
/* fixture_end(), then fixture_start(). */
void fixture_restart(Fixture *fixture, int signal);

/* Makes this text the only drop-in of the configuration. */
void fixture_configure(Fixture *fixture, const char *text);
/* Returns when the service has read its configuration again, or refused it. */
void fixture_reload(Fixture *fixture);
/* Whether any instance of the service has logged this text; needs options.has_log. */
gboolean fixture_log_has(Fixture *fixture, const char *text);

/* The fake of polkit.h; fixture_new() starts it unless options.no_polkit. */
void fixture_start_polkit(Fixture *fixture);
void fixture_stop_polkit(Fixture *fixture);

/* Opens another connection, as this user. */
GDBusConnection *fixture_connect(Fixture *fixture, uid_t uid);
/* Closes and frees a connection. */
void fixture_leave(GDBusConnection *bus);

/* --- files --- */

/* Installs an image, in place of an older one of that name. `runner` may be NULL. */
void fixture_add_image(Fixture *fixture, const char *name, const char *digest,
                       const char *languages, const char *runners);
/* Changes a value in a sandbox's record, or removes it (NULL), while the service does not run. */
void fixture_edit_record(Fixture *fixture, const char *id, const char *key, const char *value);
/* Makes a record of another sandbox with the same contents. */
void fixture_copy_record(Fixture *fixture, const char *from, const char *to);
guint fixture_count_files(const Fixture *fixture, const char *parent, const char *folder);
guint fixture_count_processes(const Fixture *fixture);
guint fixture_count_cgroups(const Fixture *fixture);
/* The test fails unless there are this many machines, of all users, and only the files, processes
 * and cgroups that they need. */
void fixture_assert_counts(const Fixture *fixture, guint machines);
/* Waits until fixture_assert_counts() would succeed. */
void fixture_wait_for_counts(Fixture *fixture, guint machines);

/* --- machines; `id` is the sandbox's id, or NULL for any --- */

pid_t fixture_find_machine(Fixture *fixture, const char *id);
/* The id of another machine: a new string. */
char *fixture_find_other(Fixture *fixture, const char *id);
/* The uid as which the machine should run. */
guint32 fixture_find_uid(Fixture *fixture, const char *id);
pid_t fixture_find_agent(Fixture *fixture, const char *id);
/* Stops all processes of the machine, or continues them. */
void fixture_freeze(Fixture *fixture, const char *id, gboolean is_frozen);
/* Sets the state that libvirt reports: "paused", "running" or "stalled". */
void fixture_set_state(Fixture *fixture, const char *id, const char *state);
/* Makes the host's disk full for this machine, or no longer full. */
void fixture_stall(Fixture *fixture, const char *id, gboolean is_stalled);
/* Waits until there are this many machines, ready or not. */
void fixture_wait_for_machines(Fixture *fixture, guint count);
/* Waits until there are this many records of sandboxes. */
void fixture_wait_for_records(Fixture *fixture, guint count);
/* Creates a FIFO for programs in a machine, which sees the files of the host; returns its path. */
char *fixture_add_fifo(Fixture *fixture, const char *name);

/* Writes a file of vm-fake.h; NULL removes it. */
void fixture_set_control(Fixture *fixture, const char *name, const char *text);
void fixture_hold(Fixture *fixture);
/* Waits until a start is held, and releases all starts. A start must be in progress. */
void fixture_release(Fixture *fixture);
