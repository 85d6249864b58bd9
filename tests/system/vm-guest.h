/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-guest: what the tests of src/vm share: a machine of theirs, and as much of its agent's
 * language as they speak.
 *
 * Whatever does not happen within a bound ends the test. How long each step took is printed as a
 * TAP comment.
 */
#pragma once

#include "vm.h"

#define GUEST_MEMORY_MIB 256
#define GUEST_UID 1900000000u /* of the first; the next ones follow */
#define GUEST_TEMPLATE "cloche-test-template"

/* All of one run; of main(). */
typedef struct {
    const char *image; /* folder with kernel, initrd and disk.ext4 */
    const char *uri;
    gboolean is_system; /* libvirtd's, not the driver in this process */
    gid_t gid;
    const char *directory;
    Vm *vm; /* NULL: not open */
    const VmFacts *facts;
} Run;

extern Run run;

typedef struct {
    char *name;
    char *folder; /* where its disk is */
    uid_t uid;
    Machine *machine;
    int fd; /* -1: none */
    gboolean over;
    MachineEnd how;
    guint news; /* how often the end was told */
    gboolean is_stalled;
    gboolean goes_on; /* it was stalled, and is not any more */
    guint stalls;     /* how often that changed */
} Guest;

extern const MachineEvents guest_events;

typedef struct {
    gboolean done;
    GAsyncResult *result;
} Call;

/* A GAsyncReadyCallback for a Call. */
void on_done(GObject *source, GAsyncResult *result, gpointer data);
void wait_for(const gboolean *flag, const char *what);
void pass_time(guint seconds);
void told(const char *what, gint64 begin);
/* A path in the run's folder. */
char *path_of(const char *format, ...) G_GNUC_PRINTF(1, 2);
char *image_part(const char *name);

/* Opens the Vm, and finds out what it can do. */
void open_vm(void);
void close_vm(void);

/* Names a guest, which has no machine yet; `folder` NULL: the run's. */
void guest_init(Guest *guest, const char *name, guint nth, const char *folder);
MachineSpec guest_spec(const Guest *guest, const char *state);
void spec_clear(MachineSpec *spec);
/* Its disk, which it may use, with `backing` behind it; fills in `spec`. */
void guest_make_disk(const Guest *guest, const char *backing, const char *format);
/* Boots from the image's disk when `state` is NULL, else restores. */
void guest_start(Guest *guest, const char *state);
/* From the run's template, until its agent answers. */
void guest_restore(Guest *guest, const char *name, guint nth);
/* FALSE when there is none of its name that runs. */
gboolean guest_adopt(Guest *guest);
void guest_destroy(Guest *guest);
void guest_clear(Guest *guest);

void guest_await_end(Guest *guest, MachineEnd how);
void guest_greet(Guest *guest);
void guest_ping(Guest *guest);
/* Has root run a shell command in the guest, and does not wait for it. */
void guest_run(Guest *guest, const char *command);
/* Kills its QEMU. */
void guest_kill(const Guest *guest);

/* The text behind `name` in the line of /proc/PID/FILE that begins with it, or NULL. */
char *proc_word(pid_t pid, const char *file, const char *name);
/* Runs a program to its end, which must be good; what it printed. */
char *program(const char *const *argv);
/* Starts or stops libvirtd, and what would start it again. */
void libvirtd(const char *verb);

void add_tests_of_kvm(void);
void add_tests_of_ends(void);
void add_tests_of_survival(void);
/* What a test of survival runs in programs of their own: one starts machines, and never ends them;
 * the next finds them. */
G_GNUC_NORETURN void leave_machines(void);
void adopt_machines(const char *pids);
