/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-ends: each end of a machine is reported with its reason, even if libvirtd is restarted. */
#include <signal.h>
#include <unistd.h>

#include "access.h"
#include "vm-guest.h"

static void
test_killed(void)
{
    Guest guest;

    guest_restore(&guest, "cloche-test-killed", 0);
    guest_kill(&guest);
    guest_await_end(&guest, MACHINE_DIED);
    guest_destroy(&guest);
}

static void
end_from_inside(const char *name, const char *command, MachineEnd how)
{
    Guest guest;

    guest_restore(&guest, name, 0);
    guest_run(&guest, command);
    guest_await_end(&guest, how);
    guest_destroy(&guest);
}

static void
test_power_off(void)
{
    end_from_inside("cloche-test-off", "echo o > /proc/sysrq-trigger # poweroff",
                    MACHINE_SHUT_DOWN);
}

static void
test_reboot(void)
{
    end_from_inside("cloche-test-reboot", "echo b > /proc/sysrq-trigger # doreboot",
                    MACHINE_SHUT_DOWN);
}

static void
test_panic(void)
{
    end_from_inside("cloche-test-panic", "echo c > /proc/sysrq-trigger", MACHINE_PANICKED);
}

/* A cancelled start leaves nothing, however far it has progressed: its name can be used again. */
static void
test_cancelled(void)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autofree char *frozen = path_of(GUEST_DISK), *state = path_of("state-file");
    Guest guest;
    MachineSpec spec;
    Call call = {0};
    GError *error = NULL;
    int fd = -1;

    guest_init(&guest, "cloche-test-cancelled", 0);
    guest_make_disk(&guest, frozen, "qcow2");
    spec = guest_spec(&guest, state);
    g_assert_true(access_grant(spec.ram, guest.uid, "rw", &error));
    vm_start_async(run.vm, &spec, &guest_events, &guest, cancellable, on_done, &call);
    g_usleep(50000); /* libvirt is starting the machine then */
    g_cancellable_cancel(cancellable);
    wait_for(&call.done, "a cancelled start");
    g_assert_null(vm_start_finish(run.vm, call.result, &fd, &error));
    g_test_message("the expected error: %s", error->message);
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_clear_error(&error);
    g_object_unref(call.result);
    g_assert_false(g_file_test(spec.socket, G_FILE_TEST_EXISTS));
    g_assert_cmpint(unlink(spec.disk), ==, 0);
    spec_clear(&spec);

    guest_start(&guest, state);
    guest_destroy(&guest);
}

/* --- libvirtd --- */

/* Machines continue when libvirtd stops. When it runs again, the end of a machine that ended
 * meanwhile is reported without a request. */
static void
test_libvirtd_restart(void)
{
    Guest victim, survivor;

    guest_restore(&victim, "cloche-test-victim", 0);
    guest_restore(&survivor, "cloche-test-survivor", 1);
    libvirtd("stop");
    guest_kill(&victim);
    guest_ping(&survivor);
    g_assert_cmpuint(victim.news, ==, 0);
    libvirtd("start");
    guest_await_end(&victim, MACHINE_DIED);
    g_assert_cmpuint(survivor.news, ==, 0);
    guest_ping(&survivor);
    guest_destroy(&victim);

    guest_kill(&survivor);
    guest_await_end(&survivor, MACHINE_DIED);
    guest_destroy(&survivor);
}

/* Its socket starts libvirtd again, while the connection still seems to be open. */
static void
test_libvirtd_killed(void)
{
    const char *const show[] = {"systemctl", "show",     "--property=MainPID",
                                "--value",   "libvirtd", NULL};
    g_autofree char *pid = program(show);
    Guest guest, next;

    guest_restore(&guest, "cloche-test-before", 0);
    g_assert_cmpint(kill((pid_t)g_ascii_strtoll(pid, NULL, 10), SIGKILL), ==, 0);
    guest_restore(&next, "cloche-test-behind", 1);
    guest_ping(&guest);
    guest_destroy(&next);
    guest_kill(&guest);
    guest_await_end(&guest, MACHINE_DIED);
    guest_destroy(&guest);
}

static gboolean
start_libvirtd(gpointer data)
{
    libvirtd("start");
    return G_SOURCE_REMOVE;
}

/* Only libvirt can destroy a machine, so the call waits until libvirt runs. */
static void
test_destroy_waits(void)
{
    Guest guest;
    pid_t pid;

    guest_restore(&guest, "cloche-test-waits", 0);
    pid = machine_pid(guest.machine);
    libvirtd("stop");
    g_timeout_add_seconds(3, start_libvirtd, NULL);
    g_assert_cmpint(kill(pid, 0), ==, 0);
    guest_destroy(&guest);
}

/* The call gives up when the service ends. systemd has ended the machine, because libvirtd could
 * not. */
static void
test_destroy_gives_up(void)
{
    Guest guest;
    Call call = {0};
    GError *error = NULL;

    guest_restore(&guest, "cloche-test-given-up", 0);
    libvirtd("stop");
    machine_destroy_async(guest.machine, on_done, &call);
    g_assert_false(call.done);
    vm_stop_trying(run.vm);
    wait_for(&call.done, "a destroy that must fail");
    g_assert_false(machine_destroy_finish(run.vm, call.result, &error));
    g_assert_nonnull(error);
    g_test_message("the expected error: %s", error->message);
    g_clear_error(&error);
    g_object_unref(call.result);
    close_vm();
    libvirtd("start");

    open_vm();
    g_assert_false(guest_adopt(&guest));
    guest_clear(&guest);
}

void
add_tests_of_ends(void)
{
    g_test_add_func("/vm/ends/killed", test_killed);
    g_test_add_func("/vm/ends/power-off", test_power_off);
    g_test_add_func("/vm/ends/reboot", test_reboot);
    g_test_add_func("/vm/ends/panic", test_panic);
    g_test_add_func("/vm/ends/cancelled", test_cancelled);
    if (!run.is_system)
        return;
    g_test_add_func("/vm/ends/libvirtd-restart", test_libvirtd_restart);
    g_test_add_func("/vm/ends/libvirtd-killed", test_libvirtd_killed);
    g_test_add_func("/vm/ends/destroy-waits", test_destroy_waits);
    g_test_add_func("/vm/ends/destroy-gives-up", test_destroy_gives_up);
}
