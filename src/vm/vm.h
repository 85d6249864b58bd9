/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm: machines, made by libvirt (vm-libvirt.c) or, in tests, by a fake that runs the real agent.
 *
 * A machine is one running guest; it knows nothing of users. All calls return at once and finish in
 * the main context that was the thread's default when the call was made. libvirt's types do not
 * leave this folder.
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
    const char *name;   /* [a-z0-9-]+, unique */
    const char *kernel; /* absolute paths, here and below */
    const char *initrd;
    const char *disk;   /* qcow2, used by this machine only */
    const char *ram;    /* file of exactly memory_mib */
    const char *state;  /* device state to restore; NULL: boot, and share the RAM file (template) */
    const char *socket; /* where the agent's channel is bound, at most 107 bytes */
    const char *console; /* file for the serial console of a machine that boots, or NULL; a restored
                            machine has none, because its guest could fill the disk */
    MachineUser user;
    guint vcpus;
    guint64 memory_mib;
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
    /* The host's disk is full, so the machine's processors are stopped (TRUE); there is room again,
     * and they run (FALSE). */
    void (*stalled)(Machine *machine, gboolean is_stalled, gpointer data);
} MachineEvents;

/*
 * Opens `uri` (qemu:///system, or qemu:///embed?root=/absolute/dir). Blocks: for start-up only.
 * The default GMainContext must run, for libvirt's events.
 *
 * QEMU's user must be able to search the directories of a machine's files, to read kernel and
 * initrd, and to write disk and ram; no file changes its owner.
 */
Vm *vm_open(const char *uri, GError **error);
void vm_close(Vm *vm);

/*
 * Finds out which accelerator works: boots `kernel` with `initrd` and the kernel option
 * cloche.probe (the agent then powers off at once) under KVM. The console file is in `directory`.
 * If the guest does not power off within 30 s, the facts are those of emulation, with the reason.
 * Finishes with the facts, which every vm_start_async() needs; they are valid until the next probe.
 * The caller decides whether machines may be emulated, and whether to probe again. It must not
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
 * Adopts a machine that the previous instance of the daemon started. Uses name, socket and disk of
 * the spec. Finishes like vm_start_async(), or with CLOCHE_ERROR_GUEST_LOST when no machine of this
 * name runs. For a stalled machine, `stalled` is called inside the finish.
 */
void vm_adopt_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                    gpointer events_data, GAsyncReadyCallback callback, gpointer data);
Machine *vm_adopt_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error);

/* Stops the vCPUs of a machine that was booted and writes its device state to the new file `path`.
 * spec->ram then contains all of its RAM. The only call allowed afterwards is
 * machine_destroy_async(). */
void machine_save_async(Machine *machine, const char *path, GAsyncReadyCallback callback,
                        gpointer data);
gboolean machine_save_finish(Machine *machine, GAsyncResult *result, GError **error);

/* Ends the machine in any state, and frees it. No event is called from now on. Finishes when QEMU
 * is gone and its files can be removed. If libvirt cannot end the machine, cloche tries again until
 * it can or vm_stop_trying() is called. */
void machine_destroy_async(Machine *machine, GAsyncReadyCallback callback, gpointer data);
gboolean machine_destroy_finish(Vm *vm, GAsyncResult *result, GError **error);

/* Frees the machine but does not end it: the next instance of the daemon adopts it. */
void machine_leave(Machine *machine);

/* From now on, a machine that libvirt cannot destroy at once is an error. vm_sweep_async() of the
 * next instance of the daemon destroys it. */
void vm_stop_trying(Vm *vm);

/* The process id of QEMU; 0: it has ended. */
pid_t machine_pid(const Machine *machine);

/* Destroys each machine whose name begins with `prefix` and which this Vm neither started nor
 * adopted: the previous instance of the daemon left it. Finishes with their number, or -1 with an
 * error. */
void vm_sweep_async(Vm *vm, const char *prefix, GAsyncReadyCallback callback, gpointer data);
int vm_sweep_finish(Vm *vm, GAsyncResult *result, GError **error);

/*
 * Creates `path`, a qcow2 overlay of the disk image `backing` (format "qcow2" or "raw"). Blocks for
 * about 10 ms, so call it in a worker thread.
 */
gboolean vm_create_overlay(const char *path, const char *backing, const char *format,
                           GError **error);
