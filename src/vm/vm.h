/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm: machines, made by libvirt (vm-libvirt.c) or, in tests, by a fake that runs the real agent.
 *
 * A machine is one running guest; it knows nothing of users. All calls return at once and finish in
 * the main context that was the thread's default one when the call was made. libvirt's types stay
 * in this folder.
 */
#pragma once

#include <gio/gio.h>

typedef struct Vm Vm;           /* a connection to what runs machines */
typedef struct Machine Machine; /* one guest; owned by who started or adopted it */

/* What a template's state depends on; part of its key. Strings live as long as the Vm. */
typedef struct {
    const char *hypervisor; /* e.g. "QEMU 7.2.17 (Debian 1:7.2+dfsg-7+deb12u13)": the exact build */
    const char *machine_type; /* the versioned one, e.g. "pc-q35-7.2" */
    const char *definition;   /* of a machine, but for what is its own: devices, kernel's words */
    const char *cpu_model;    /* what the guest sees and, emulated too, whose clock it runs by */
    const char *host; /* the host's kernel and microcode, by which a guest's kernel chooses its
                         mitigations when it boots; "" where it is emulated and sees neither */
    const char *accelerator;     /* "kvm" or "tcg" */
    gboolean emulated;           /* no hardware virtualization: no security boundary */
    gboolean has_virtualization; /* the processor has the flag vmx or svm */
    const char *kvm_error;       /* why KVM does not work, in one line; NULL: it works */
} VmFacts;

/* Whom QEMU runs as, where that is ours to choose. */
typedef struct {
    uid_t uid; /* 0: libvirt chooses */
    gid_t gid;
} MachineUser;

typedef struct {
    const char *name;   /* of the machine, [a-z0-9-]+; unique */
    const char *kernel; /* absolute paths, here and below */
    const char *initrd;
    const char *disk; /* qcow2, the machine's own */
    const char *ram;  /* file of exactly memory_mib */
    const char
        *state; /* device state to restore; NULL: boot, and share the RAM file (a template) */
    const char *socket;  /* where the agent's channel is bound, at most 107 bytes */
    const char *console; /* file for the serial console of a machine that boots, or NULL; one that
                            is restored has none, since its guest could fill the disk */
    MachineUser user;
    guint vcpus;
    guint64 memory_mib;
} MachineSpec;

typedef enum {
    MACHINE_SHUT_DOWN, /* the guest powered off or rebooted */
    MACHINE_PANICKED,  /* the guest's kernel did */
    MACHINE_DIED,      /* QEMU ended, or somebody destroyed it from outside */
} MachineEnd;

/* What happens to a machine by itself; called in the main context. */
typedef struct {
    /* Once, when it has ended by other means than machine_destroy_async(). */
    void (*ended)(Machine *machine, MachineEnd how, gpointer data);
    /* The host's disk is full: its processors stand still until there is room (FALSE). */
    void (*stalled)(Machine *machine, gboolean is_stalled, gpointer data);
} MachineEvents;

/*
 * Opens `uri` (qemu:///system, or qemu:///embed?root=/absolute/dir). Blocks: for start-up only.
 * The default GMainContext must run, for libvirt's events.
 *
 * QEMU's user must be able to search the directories of a machine's files, to read kernel and
 * initrd, and to write disk and ram; nothing is made over to it.
 */
Vm *vm_open(const char *uri, GError **error);
void vm_close(Vm *vm);

/*
 * Finds out by a real try which accelerator works: boots `kernel` with `initrd` and the command
 * line word cloche.probe (the agent then powers off at once) under KVM, in `directory` (for its
 * console file). When that does not end in a power-off within 30 s, the facts are those of
 * emulation, with the reason. Finishes with the facts, which every vm_start_async() needs; they
 * hold until the next probe. The caller decides whether machines may be emulated, and whether to
 * probe again, which it must not while a machine is starting.
 */
void vm_probe_async(Vm *vm, const char *kernel, const char *initrd, const char *directory,
                    const MachineUser *user, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer data);
const VmFacts *vm_probe_finish(Vm *vm, GAsyncResult *result, GError **error);
/* How long to wait before the next probe, after so many in a row (at least one) that failed: 1, 5
 * and 30 seconds, then a minute. */
guint vm_probe_pause_ms(Vm *vm, guint failures);

/*
 * Starts a machine: boots it, or restores it when spec->state is set (`kernel` is then the one that
 * its template booted, and `initrd` is not used). Finishes when its vCPUs run and its agent's
 * channel is connected: *ret_fd is a non-blocking stream socket, owned by the caller. On failure
 * nothing of the machine is left but the files that the caller made. `events`, which stays where it
 * is, may be called any time after the finish.
 */
void vm_start_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                    gpointer events_data, GCancellable *cancellable, GAsyncReadyCallback callback,
                    gpointer data);
Machine *vm_start_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error);

/*
 * Takes up a machine that an earlier life of the daemon started; of the spec, name, socket and disk
 * are used. Finishes as vm_start_async(), or with CLOCHE_ERROR_GUEST_LOST when none of this name
 * runs. For one that stands still, `stalled` is called inside the finish.
 */
void vm_adopt_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                    gpointer events_data, GAsyncReadyCallback callback, gpointer data);
Machine *vm_adopt_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error);

/* Stops the vCPUs of a machine that was booted and writes its device state to the new file `path`.
 * Its RAM is then in spec->ram, whole. The machine is good for nothing but machine_destroy_async().
 */
void machine_save_async(Machine *machine, const char *path, GAsyncReadyCallback callback,
                        gpointer data);
gboolean machine_save_finish(Machine *machine, GAsyncResult *result, GError **error);

/* Ends the machine, whatever its state, and frees it. No event is called any more, from now on.
 * Finishes when QEMU is gone and its files can be removed: where libvirt cannot do it now, it is
 * asked again until it can, unless vm_stop_trying() says otherwise. */
void machine_destroy_async(Machine *machine, GAsyncReadyCallback callback, gpointer data);
gboolean machine_destroy_finish(Vm *vm, GAsyncResult *result, GError **error);

/* Forgets the machine, which goes on: for vm_adopt_async() of the next life of the daemon. */
void machine_leave(Machine *machine);

/* From now on what libvirt cannot destroy at once is an error; vm_sweep_async() of the next life of
 * the daemon finds it. */
void vm_stop_trying(Vm *vm);

/* The process id of QEMU, 0 when it has none. */
pid_t machine_pid(const Machine *machine);

/* Destroys every machine whose name begins with `prefix` and which this Vm neither started nor
 * adopted (left by an earlier life of the daemon). Finishes with how many, or -1 with an error. */
void vm_sweep_async(Vm *vm, const char *prefix, GAsyncReadyCallback callback, gpointer data);
int vm_sweep_finish(Vm *vm, GAsyncResult *result, GError **error);

/*
 * Copies a qcow2 overlay: creates `path` with `backing` (format "qcow2" or "raw") behind it.
 * Blocks for about 10 ms: for worker threads.
 */
gboolean vm_create_overlay(const char *path, const char *backing, const char *format,
                           GError **error);
