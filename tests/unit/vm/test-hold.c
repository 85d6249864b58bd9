/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-hold: a machine stands still while its owner holds it, whatever happens meanwhile.
 *
 * The owner may change its mind while an order to libvirt is under way, libvirtd may be away, and
 * an event may be lost.
 */
#include <glib/gstdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake-libvirt.h"
#include "vm-libvirt.h"
#include "vm-machine.h"

#define NAME "cloche-aaaa"
#define UUID "11111111-1111-1111-1111-111111111111"

typedef struct {
    Vm *vm;
    char *dir, *socket, *disk;
    int listener;
    Machine *machine;
    GError *error;
    guint answers, sweeps;
    guint stops, starts; /* of the machine, as its owner is informed */
} Fixture;

static void
on_answers(gboolean does, gpointer data)
{
    ((Fixture *)data)->answers += does;
}

static void
on_stalled(Machine *machine, gboolean is_stalled, gpointer data)
{
    Fixture *f = data;

    if (is_stalled)
        f->stops++;
    else
        f->starts++;
}

static const MachineEvents events = {.stalled = on_stalled};

static void
wait_for(const guint *counter, guint value)
{
    while (*counter < value)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(*counter, ==, value);
}

/* The disk is where there is room. */
static void
set_up(Fixture *f, gconstpointer data)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    fake_libvirt_reset();
    f->dir = g_dir_make_tmp("test-hold-XXXXXX", NULL);
    f->socket = g_build_filename(f->dir, "agent", NULL);
    f->disk = g_strdup("/nonexistent/disk");
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_strlcpy(address.sun_path, f->socket, sizeof address.sun_path);
    g_assert_cmpint(bind(f->listener, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(f->listener, 1), ==, 0);
    fake_libvirt.domains[0] = (FakeDomain){NAME, UUID, VIR_DOMAIN_RUNNING, 0};
    f->vm = libvirt_vm_open("qemu:///system", "/run", &f->error);
    g_assert_no_error(f->error);
    vm_watch(f->vm, on_answers, f);
    wait_for(&f->answers, 1);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    machine_leave(f->machine);
    vm_close(f->vm);
    fake_libvirt_reset();
    while (g_main_context_iteration(NULL, FALSE)) /* drops events */
        ;
    close(f->listener);
    g_unlink(f->socket);
    g_rmdir(f->dir);
    g_free(f->socket);
    g_free(f->disk);
    g_free(f->dir);
}

static void
on_adopted(GObject *source, GAsyncResult *result, gpointer data)
{
    Fixture *f = data;
    int fd;

    f->machine = vm_adopt_finish(f->vm, result, &fd, &f->error);
    g_assert_no_error(f->error);
    close(fd);
}

static void
adopt(Fixture *f, gboolean is_held)
{
    const MachineSpec spec = {
        .name = NAME, .socket = f->socket, .disk = f->disk, .is_held = is_held};

    vm_adopt_async(f->vm, &spec, &events, f, on_adopted, f);
    while (!f->machine)
        g_main_context_iteration(NULL, TRUE);
    wait_for(&f->answers, 2); /* the look at its state is over */
}

/* An event that arrives late may cause one order more, which changes nothing. */
static void
assert_orders(gint suspends, gint resumes)
{
    g_assert_cmpint(g_atomic_int_get(&fake_libvirt.suspends), >=, suspends);
    g_assert_cmpint(g_atomic_int_get(&fake_libvirt.suspends), <=, suspends + 1);
    g_assert_cmpint(g_atomic_int_get(&fake_libvirt.resumes), >=, resumes);
    g_assert_cmpint(g_atomic_int_get(&fake_libvirt.resumes), <=, resumes + 1);
}

/* The answer to the order under way was delivered, too. */
static void
wait_for_order(Fixture *f)
{
    while (((LibvirtMachine *)f->machine)->order)
        g_main_context_iteration(NULL, TRUE);
}

/* No timer is involved, which would take a second. */
static void
test_at_once(Fixture *f, gconstpointer data)
{
    gint64 begin_us = g_get_monotonic_time();

    adopt(f, FALSE);
    machine_hold(f->machine, TRUE);
    wait_for(&f->stops, 1);
    machine_hold(f->machine, FALSE);
    wait_for(&f->starts, 1);
    g_assert_cmpint(g_get_monotonic_time() - begin_us, <, G_USEC_PER_SEC);
    assert_orders(1, 1);
}

/* The second decision is taken while the first order is under way. */
static void
test_short_hold(Fixture *f, gconstpointer data)
{
    adopt(f, FALSE);
    machine_hold(f->machine, TRUE);
    machine_hold(f->machine, FALSE);
    wait_for(&f->starts, 1);
    g_assert_cmpint(fake_libvirt.domains[0].state, ==, VIR_DOMAIN_RUNNING);
    assert_orders(1, 1);
}

static void
test_short_release(Fixture *f, gconstpointer data)
{
    adopt(f, FALSE);
    machine_hold(f->machine, TRUE);
    wait_for(&f->stops, 1);
    wait_for_order(f);
    machine_hold(f->machine, FALSE);
    machine_hold(f->machine, TRUE);
    wait_for(&f->stops, 2);
    g_assert_cmpint(fake_libvirt.domains[0].state, ==, VIR_DOMAIN_PAUSED);
    assert_orders(2, 1);
}

/* The owner need not repeat what it wants. */
static void
test_failure(Fixture *f, gconstpointer data)
{
    adopt(f, FALSE);
    fake_libvirt_fail("virDomainSuspend", VIR_ERR_SYSTEM_ERROR, /* closes= */ FALSE);
    machine_hold(f->machine, TRUE);
    wait_for(&f->stops, 1);
    assert_orders(2, 0);
    fake_libvirt_fail("virDomainResume", VIR_ERR_SYSTEM_ERROR, /* closes= */ FALSE);
    machine_hold(f->machine, FALSE);
    wait_for(&f->starts, 1);
    assert_orders(2, 2);
}

/* Somebody else lets the machine run. */
static void
test_foreign_resume(Fixture *f, gconstpointer data)
{
    adopt(f, FALSE);
    machine_hold(f->machine, TRUE);
    wait_for(&f->stops, 1);
    g_assert_cmpint(virDomainResume((virDomainPtr)&fake_libvirt.domains[0]), ==, 0);
    wait_for(&f->stops, 2);
    assert_orders(2, 1);
}

static void
on_swept(GObject *source, GAsyncResult *result, gpointer data)
{
    Fixture *f = data;

    vm_sweep_finish(f->vm, result, NULL);
    f->sweeps++;
}

/* libvirtd goes away after it has stopped the machine, and its next instance is asked. */
static void
test_lost_event(Fixture *f, gconstpointer data)
{
    adopt(f, FALSE);
    fake_libvirt.loses_events = TRUE;
    machine_hold(f->machine, TRUE);
    while (g_atomic_int_get(&fake_libvirt.suspends) == 0)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(f->stops, ==, 0);
    fake_libvirt_fail("virConnectGetLibVersion", VIR_ERR_SYSTEM_ERROR, /* closes= */ TRUE);
    vm_sweep_async(f->vm, "none-", on_swept, f);
    wait_for(&f->stops, 1);
    wait_for(&f->sweeps, 1);
}

/* The previous instance of the daemon may have died before libvirt was asked to stop it. */
static void
test_adopt_running(Fixture *f, gconstpointer data)
{
    adopt(f, TRUE);
    wait_for(&f->stops, 1);
    assert_orders(1, 0);
}

/* It does not run for a moment, for whatever reason libvirt believes that it has stopped. */
static void
test_adopt_stopped(Fixture *f, gconstpointer data)
{
    fake_libvirt.domains[0].state = VIR_DOMAIN_PAUSED;
    fake_libvirt.domains[0].reason = VIR_DOMAIN_PAUSED_UNKNOWN;
    adopt(f, TRUE);
    g_assert_cmpuint(f->stops, ==, 1);
    g_assert_cmpint(g_atomic_int_get(&fake_libvirt.resumes), ==, 0);
    machine_hold(f->machine, FALSE);
    wait_for(&f->starts, 1);
    assert_orders(0, 1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, test) g_test_add("/vm/hold/" path, Fixture, NULL, set_up, test, tear_down)
    ADD("at-once", test_at_once);
    ADD("short-hold", test_short_hold);
    ADD("short-release", test_short_release);
    ADD("failure", test_failure);
    ADD("foreign-resume", test_foreign_resume);
    ADD("lost-event", test_lost_event);
    ADD("adopt-running", test_adopt_running);
    ADD("adopt-stopped", test_adopt_stopped);
    return g_test_run();
}
