/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm: machines. cloched asks cloche-vm for them (vm-client.c), cloche-vm asks libvirt (src/vmd),
 * and tests make them of processes that run the real agent.
 *
 * A machine is one running guest; it knows nothing of users. All calls return at once and finish in
 * the main context.
 */
#pragma once

#include <gio/gio.h>

typedef struct Vm Vm;           /* a connection to the hypervisor */
typedef struct Machine Machine; /* one guest; owned by whoever started or adopted it */

/* What a template's state depends on; part of its key. The strings live as long as the Vm. */
typedef struct {
    const char *hypervisor; /* e.g. "QEMU 7.2.17 (Debian 1:7.2+dfsg-7+deb12u13)": the exact build */
    const char *machine_type; /* the versioned one, e.g. "pc-q35-7.2" */
    const char *definition;   /* all that machines have in common: devices, kernel options */
    const char *cpu_model;    /* the guest's CPU; for emulation also the host's, for its clock */
    const char *host; /* the host's kernel and microcode, which determine the mitigations that a
                         guest's kernel enables at boot; "" for emulation: the guest sees neither */
    const char *accelerator;     /* "kvm" or "tcg" */
    gboolean emulated;           /* without hardware virtualization: not a security boundary */
    gboolean has_virtualization; /* the processor has the flag vmx or svm */
    const char *kvm_error;       /* one line: why KVM does not work; NULL: it works */
} VmFacts;

/* The user of a QEMU process. */
typedef struct {
    uid_t uid; /* 0: libvirt chooses */
    gid_t gid;
} MachineUser;

typedef struct {
    const char *name;   /* cloche-[a-z0-9-]+, unique */
    const char *kernel; /* STATE/images/IMAGE/kernel; absolute paths, here and below */
    const char *initrd;
    const char *disk;   /* qcow2, used by this machine only */
    const char *ram;    /* RAM/VERSION, a file of exactly memory_mib */
    const char *state;  /* device state to restore; NULL: boot, and share the RAM file (template) */
    int state_fd;       /* an open descriptor of it, which is borrowed; 0: `state` is opened */
    const char *socket; /* where the agent's channel is bound, at most 107 bytes. cloche-vm chooses
                           this path and the next one itself. */
    const char *net_socket; /* the same for the port of the guest's connections (net.h); NULL: it
                               has none. cloche-vm chooses this path, too */
    const char *console; /* file for the serial console of a machine that boots, or NULL; a restored
                            machine has none, because its guest could fill the disk */
    MachineUser user;
    guint vcpus;
    guint64 memory_mib;
    gboolean is_held; /* for an adoption: see machine_hold() */
} MachineSpec;

typedef enum {
    MACHINE_SHUT_DOWN, /* the guest powered off or rebooted */
    MACHINE_PANICKED,  /* the guest's kernel panicked */
    MACHINE_DIED,      /* QEMU ended, or another program destroyed the machine */
} MachineEnd;

/* Events that the owner of a machine did not cause; called in the main context. */
typedef struct {
    /* Called once, when the machine ended by other means than machine_destroy_async(). */
    void (*ended)(Machine *machine, MachineEnd how, gpointer data);
    /* The host's disk is full or the machine is held, so its processors are stopped (TRUE); there
     * is room again, and they run (FALSE). */
    void (*stalled)(Machine *machine, gboolean is_stalled, gpointer data);
} MachineEvents;

/* How cloche-vm is reached. */
typedef struct {
    const char *socket;      /* of the service; NULL: it is started as a child of this process */
    const char *const *argv; /* of the child */
} VmAccess;

/*
 * Starts cloche-vm as a child and waits until it is ready, or connects to the service in the
 * background. Blocks for a child only. Does not wait for libvirtd. When the connection is lost, it
 * is opened again, or the child is started again. Machines continue meanwhile, and no event of
 * theirs is lost.
 *
 * A machine's files are where store.h says, and cloche-vm reads State=, Run= and Ram= from the
 * configuration itself. QEMU's user must be able to search the directories of a machine's files, to
 * read kernel and initrd, and to write disk and ram; no file changes its owner.
 */
Vm *vm_open(const VmAccess *access, GError **error);
void vm_close(Vm *vm);

/* Calls `answers` in the main context whenever libvirt turned out to answer (again), with TRUE, or
 * not to answer, with FALSE; several times in a row with the same value. After TRUE, calls that
 * failed may succeed. One watcher; NULL: none. */
void vm_watch(Vm *vm, void (*answers)(gboolean does, gpointer data), gpointer data);

/*
 * Finds out which accelerator works: boots `kernel` with `initrd` and the kernel option
 * cloche.probe (the agent then powers off at once) under KVM. The console file is in `directory`,
 * if cloche-vm has no folder of its own.
 * If the guest does not power off within 30 s, the facts are those of emulation, with the reason.
 * Finishes with the facts, which every vm_start_async() needs; they are valid until the next probe.
 * Fails if libvirt was away meanwhile: a start that libvirt did not finish proves nothing about
 * KVM. The caller decides whether machines may be emulated, and whether to probe again. It must not
 * probe while a machine is starting.
 */
void vm_probe_async(Vm *vm, const char *kernel, const char *initrd, const char *directory,
                    const MachineUser *user, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer data);
const VmFacts *vm_probe_finish(Vm *vm, GAsyncResult *result, GError **error);
/* The pause before the next probe after `failures` probes in a row (at least one) that failed: 1, 5
 * and 30 seconds, then a minute. */
guint vm_probe_pause_ms(Vm *vm, guint failures);

/*
 * Starts a machine: boots it, or restores it when spec->state is set (`kernel` is then the one that
 * its template booted, and `initrd` is not used). Finishes when its vCPUs run and its agent's
 * channel is connected: *ret_fd is a non-blocking stream socket, owned by the caller. On failure
 * nothing of the machine is left but the files that the caller made. The functions of `events` may
 * be called any time after the finish; `events` must live as long as the machine.
 */
void vm_start_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                    gpointer events_data, GCancellable *cancellable, GAsyncReadyCallback callback,
                    gpointer data);
Machine *vm_start_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error);

/*
 * Adopts a machine that the previous instance of the daemon started. Uses name, socket, disk and
 * is_held of the spec: a machine that is held does not run for a moment. Finishes like
 * vm_start_async(), with CLOCHE_ERROR_GUEST_LOST when libvirt says that no machine of this name
 * runs, or with CLOCHE_ERROR_TIMED_OUT when its QEMU accepts no connection for VM_ADOPT_TIMEOUT_S;
 * nothing of the machine is left then but its files. While libvirt does not answer, it waits; any
 * other error means that vm_stop_trying() was called, and that nothing is known of the machine. For
 * a stalled machine, `stalled` is called inside the finish.
 */
#define VM_ADOPT_TIMEOUT_S 20
void vm_adopt_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                    gpointer events_data, GAsyncReadyCallback callback, gpointer data);
Machine *vm_adopt_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error);

/* Stops the vCPUs of a machine that was booted and writes its device state to `fd`, a new file that
 * is open for writing only; it is borrowed until the finish. spec->ram then contains all of its
 * RAM. The only call allowed afterwards is machine_destroy_async(). */
void machine_save_async(Machine *machine, int fd, GAsyncReadyCallback callback, gpointer data);
gboolean machine_save_finish(Machine *machine, GAsyncResult *result, GError **error);

/*
 * Stops the processors and writes to `fd` what the machine has changed since it was restored, in
 * the form of capture.h. `fd` is a new regular file, which is open for writing only and is borrowed
 * until the finish. After a finish without an error the processors stay stopped until
 * machine_release_async(), at most MACHINE_CAPTURE_TIMEOUT_S seconds after they were stopped, so
 * the disk of the machine can be copied: it is of the same moment. After an error they run, and
 * `fd` has no defined content. `stalled` is not called for any of this.
 *
 * CLOCHE_ERROR_BUSY: the machine is stalled, held or being captured. CLOCHE_ERROR_UNSUPPORTED: the
 * machine was booted, or cloche-vm may not read the memory of machines; the message says what to
 * do. CLOCHE_ERROR_TIMED_OUT: the memory could not be written within the time.
 * CLOCHE_ERROR_GUEST_LOST: the machine is gone.
 */
#define MACHINE_CAPTURE_TIMEOUT_S 10
void machine_capture_async(Machine *machine, int fd, GAsyncReadyCallback callback, gpointer data);
gboolean machine_capture_finish(Machine *machine, GAsyncResult *result, GError **error);

/* Lets the processors of a captured machine run again; a machine that is held by now stands still,
 * and `stalled` is called. An error means that what was copied meanwhile is of no single moment:
 * the processors ran before (CLOCHE_ERROR_TIMED_OUT), or the machine is gone. Should libvirt be
 * unable to resume the machine, `stalled` is called, and it is resumed as after a full disk. */
void machine_release_async(Machine *machine, GAsyncReadyCallback callback, gpointer data);
gboolean machine_release_finish(Machine *machine, GAsyncResult *result, GError **error);

/* Ends the machine in any state, and frees it. No event is called from now on. Finishes when QEMU
 * is gone and its files can be removed. If libvirt cannot end the machine, cloche tries again until
 * it can or vm_stop_trying() is called. */
void machine_destroy_async(Machine *machine, GAsyncReadyCallback callback, gpointer data);
gboolean machine_destroy_finish(Vm *vm, GAsyncResult *result, GError **error);

/* Frees the machine but does not end it: the next instance of the daemon adopts it. */
void machine_leave(Machine *machine);

/* From now on, a machine that libvirt cannot destroy or adopt at once is an error. The next
 * instance of the daemon adopts it, or destroys it by vm_sweep_async(). */
void vm_stop_trying(Vm *vm);

/* Stops the machine's processors (TRUE), as if the host's disk were full, or lets them run again
 * (FALSE), at once if there is space on the disk. `stalled` is called when it has happened. While
 * libvirt does not answer, it is tried again. */
void machine_hold(Machine *machine, gboolean holds);

/*
 * Connects to the port of the guest's connections. Finishes with a non-blocking stream socket,
 * which is owned by the caller, or with -1: CLOCHE_ERROR_UNSUPPORTED when the machine has no such
 * port, because an earlier version started it; CLOCHE_ERROR_BUSY when it cannot be connected now.
 * QEMU serves one connection at a time: another one waits until the earlier one is closed.
 */
void machine_open_net_async(Machine *machine, GAsyncReadyCallback callback, gpointer data);
int machine_open_net_finish(Vm *vm, GAsyncResult *result, GError **error);

/* The process id of QEMU; 0: it has ended. */
pid_t machine_pid(const Machine *machine);

/* Destroys each machine whose name begins with `prefix` and which this Vm neither started nor
 * adopted nor is adopting: the previous instance of the daemon left it. While libvirt does not
 * answer, it tries again. Finishes with their number, or with -1 and an error after
 * vm_stop_trying(). A machine that libvirt cannot destroy within some seconds is not counted, and
 * is tried again in the background. */
void vm_sweep_async(Vm *vm, const char *prefix, GAsyncReadyCallback callback, gpointer data);
int vm_sweep_finish(Vm *vm, GAsyncResult *result, GError **error);

/*
 * Creates `path`, a qcow2 overlay of the disk image `backing` (format "qcow2" or "raw"). Blocks for
 * about 10 ms, so call it in a worker thread.
 */
gboolean vm_create_overlay(const char *path, const char *backing, const char *format,
                           GError **error);
