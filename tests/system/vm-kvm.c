/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-kvm: the emulator runs the description of a KVM machine.
 *
 * Without KVM, no other test uses what only KVM machines have. This one shows that libvirt and QEMU
 * accept it and that the guest's kernel boots with its parameters. libvirt supports a host-model
 * CPU for the emulator, too.
 */
#include <string.h>

#include "vm-guest.h"
#include "vm-libvirt.h"
#include "vm-start.h"

static void
on_power_off(Machine *machine, MachineEnd how, gpointer data)
{
    g_assert_cmpint(how, ==, MACHINE_SHUT_DOWN);
    *(gboolean *)data = TRUE;
}

static char *
command_line(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", (int)pid);
    char *line;
    gsize size;

    g_assert_true(g_file_get_contents(path, &line, &size, /* error= */ NULL));
    for (gsize i = 0; i + 1 < size; i++)
        if (line[i] == '\0')
            line[i] = ' ';
    return line;
}

static void
assert_words(pid_t pid)
{
    static const char *const words[] = {"vmx=off", "svm=off", "pmu=off", " tsc=reliable ",
                                        "clocksource=kvm-clock"};
    g_autofree char *line = command_line(pid);

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        if (!strstr(line, words[i]))
            g_error("'%s' is not in: %s", words[i], line);
    g_assert_null(strstr(line, "mitigations=off"));
    g_assert_null(strstr(line, "norandmaps"));
}

/* In a process of its own, which talks to libvirt itself. */
void
run_kvm_machine(void)
{
    static const MachineEvents events = {.ended = on_power_off};
    g_autofree char *kernel = image_part("kernel"), *initrd = image_part("initrd");
    g_autofree char *console = path_of("kvm-console");
    const MachineUser user = {.uid = GUEST_UID, .gid = run.gid};
    VmFacts facts;
    MachineSpec spec = {.name = "cloche-test-kvm",
                        .kernel = kernel,
                        .initrd = initrd,
                        .console = console,
                        .user = {.uid = GUEST_UID, .gid = run.gid},
                        .vcpus = 1,
                        .memory_mib = GUEST_MEMORY_MIB};
    gboolean is_off = FALSE;
    gint64 begin = g_get_monotonic_time();
    Call call = {0};
    GError *error = NULL;
    Machine *machine;
    int fd;

    run.vm = libvirt_vm_open(run.uri, run.directory, &error);
    g_assert_no_error(error);
    vm_probe_async(run.vm, kernel, initrd, run.directory, &user, /* cancellable= */ NULL, on_done,
                   &call);
    wait_for(&call.done, "the probe");
    facts = *vm_probe_finish(run.vm, call.result, &error);
    g_object_unref(call.result);
    call = (Call){0};
    facts.emulated = FALSE; /* in all but the accelerator */
    vm_start_with((LibvirtVm *)run.vm, &spec, &facts, "cloche.probe", &events, &is_off,
                  /* cancellable= */ NULL, on_done, &call);
    wait_for(&call.done, "a start");
    machine = vm_start_finish(run.vm, call.result, &fd, &error);
    g_assert_no_error(error);
    g_object_unref(call.result);
    assert_words(machine_pid(machine));
    wait_for(&is_off, "its agent to power it off");
    told("boot and power-off", begin);

    call = (Call){0};
    machine_destroy_async(machine, on_done, &call);
    wait_for(&call.done, "its end");
    g_assert_true(machine_destroy_finish(run.vm, call.result, &error));
    g_object_unref(call.result);
    close_vm();
}

static void
test_description(void)
{
    g_autoptr(GSubprocess) process = run_again("--kvm", "", G_SUBPROCESS_FLAGS_NONE);
    GError *error = NULL;

    g_subprocess_wait_check(process, /* cancellable= */ NULL, &error);
    g_assert_no_error(error);
}

void
add_tests_of_kvm(void)
{
    g_test_add_func("/vm/kvm/description", test_description);
}
