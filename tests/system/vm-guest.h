/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-guest: functions that the tests of src/vm share: a machine, and the frames of its agent that
 * they need.
 *
 * Every wait ends the test after a limit. The time of each step is printed as a TAP comment.
 */
#pragma once

#include "error.h"
#include "vm.h"

#define GUEST_MEMORY_MIB 256
#define GUEST_UID 1900000000u /* of the first guest; the next ones follow it */
#define GUEST_TEMPLATE "cloche-test-template"
#define GUEST_DISK "state/templates/.new-test/disk.qcow2" /* of the template */

/* The state of one run, which main() sets. */
typedef struct {
    const char *image; /* folder with kernel, initrd and disk.ext4 */
    const char *uri;
    gboolean is_system; /* libvirtd, not the driver in this process */
    gid_t gid;
    const char *directory;
    const char *life;    /* name of this instance's configuration and Run folder */
    const char *program; /* cloche-vm */
    Vm *vm;              /* NULL: not open */
    const VmFacts *facts;
} Run;

extern Run run;

typedef struct {
    char *name;
    uid_t uid;
    Machine *machine;
    int fd; /* -1 if not connected */
    gboolean over;
    MachineEnd how;
    guint news; /* number of reports of the end */
    gboolean is_stalled;
    gboolean goes_on; /* it was stalled and runs again */
    guint stalls;     /* number of changes of is_stalled */
    guint32 streams;  /* the last number of a stream */
} Guest;

extern const MachineEvents guest_events;

typedef struct {
    gboolean done;
    GAsyncResult *result;
} Call;

/* A GAsyncReadyCallback whose data is a Call. */
void on_done(GObject *source, GAsyncResult *result, gpointer data);
void wait_for(const gboolean *flag, const char *what);
void pass_time(guint seconds);
void told(const char *what, gint64 begin);
/* Returns a path in the run's folder. */
char *path_of(const char *format, ...) G_GNUC_PRINTF(1, 2);
char *image_part(const char *name);

/* Makes the folders and the image of a store. */
void make_store(void);
/* Starts cloche-vm, and finds out what it can do. */
void open_vm(void);
void close_vm(void);

/* The process of cloche-vm. */
pid_t service_pid(void);

/* Names a guest, which has no machine yet. */
void guest_init(Guest *guest, const char *name, guint nth);
/* The folder of its disk. */
char *guest_folder(const char *name);
MachineSpec guest_spec(const Guest *guest, const char *state);
void spec_clear(MachineSpec *spec);
/* Makes its disk over the file `backing`, and permits the guest to use it. */
void guest_make_disk(const Guest *guest, const char *backing, const char *format);
/* Boots from the image's disk if `state` is NULL, otherwise restores this state. */
void guest_start(Guest *guest, const char *state);
/* The same, over the disk that guest_make_disk() has made. */
void guest_start_on_disk(Guest *guest, const char *state);
/* Restores a guest from the run's template, and waits until its agent answers. */
void guest_restore(Guest *guest, const char *name, guint nth);
/* Returns FALSE if no machine of its name runs. */
gboolean guest_adopt(Guest *guest);
void guest_destroy(Guest *guest);
void guest_clear(Guest *guest);

void guest_await_end(Guest *guest, MachineEnd how);
void guest_greet(Guest *guest);
void guest_ping(Guest *guest);
/* Runs a shell command as root in the guest, and does not wait for its end. */
void guest_run(Guest *guest, const char *command);
/* Runs a shell command as root in the guest, which goes on without a connection. */
void guest_keep(Guest *guest, const char *tag, const char *command);
/* Runs a shell command as root in the guest; returns its output, at most a window of it. */
char *guest_output(Guest *guest, const char *command);
/* It cannot be captured, for this reason. */
void guest_refuse_capture(Guest *guest, ClocheError code);
/* Kills its QEMU. */
void guest_kill(const Guest *guest);

/* Returns the text after `name` in the line of /proc/PID/FILE that begins with it, or NULL. */
char *proc_word(pid_t pid, const char *file, const char *name);
/* Runs a program, which must succeed; returns its output. */
char *program(const char *const *argv);
/* Starts or stops libvirtd and the sockets that activate it. */
void libvirtd(const char *verb);

void add_tests_of_captures(void);
void add_tests_of_kvm(void);
void run_kvm_machine(void);
void add_tests_of_freezing(void);
void add_tests_of_ends(void);
void add_tests_of_survival(void);
/* Runs this program anew. */
GSubprocess *run_again(const char *how, const char *words, GSubprocessFlags flags);
/* What a test of survival runs in programs of their own: one starts machines, and never ends them;
 * the next finds them. */
G_GNUC_NORETURN void leave_machines(void);
void adopt_machines(const char *pids);
