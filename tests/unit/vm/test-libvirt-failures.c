/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-libvirt-failures: libvirtd goes away, or a QEMU stands still, at the worst moment of a start
 * of the service. That is never taken for the end of a machine, or for a host without KVM.
 */
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "error.h"
#include "fake-libvirt.h"
#include "vm-libvirt.h"

#define NAME "cloche-aaaa"
#define UUID "11111111-1111-1111-1111-111111111111"
#define STRAY "cloche-bbbb"
#define STRAY_UUID "22222222-2222-2222-2222-222222222222"

typedef struct {
    Vm *vm;
    char *dir, *socket;
    int listener;
    guint answers, no_answers;
} Fixture;

static void
on_answers(gboolean does, gpointer data)
{
    Fixture *f = data;

    if (does)
        f->answers++;
    else
        f->no_answers++;
}

static void
wait_for(const guint *counter, guint least)
{
    while (*counter < least)
        g_main_context_iteration(NULL, TRUE);
}

static void
open_vm(Fixture *f)
{
    g_autoptr(GError) error = NULL;

    f->vm = libvirt_vm_open("qemu:///system", "/run", &error);
    g_assert_no_error(error);
    vm_watch(f->vm, on_answers, f);
}

/* As QEMU listens: one connection may wait. */
static int
listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    return fd;
}

static int
try_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static void
set_up(Fixture *f, gconstpointer data)
{
    fake_libvirt_reset();
    f->dir = g_dir_make_tmp("test-libvirt-failures-XXXXXX", NULL);
    f->socket = g_build_filename(f->dir, "agent", NULL);
    f->listener = listen_at(f->socket);
    fake_libvirt.domains[0] = (FakeDomain){NAME, UUID, VIR_DOMAIN_RUNNING, 0};
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    vm_close(f->vm);
    close(f->listener);
    g_unlink(f->socket);
    g_rmdir(f->dir);
    g_free(f->socket);
    g_free(f->dir);
}

/* --- adoptions --- */

typedef struct {
    Fixture *fixture;
    guint done;
    Machine *machine;
    int swept;
    GError *error;
} Result;

static void
on_adopted(GObject *source, GAsyncResult *result, gpointer data)
{
    Result *adopted = data;
    int fd;

    adopted->machine = vm_adopt_finish(adopted->fixture->vm, result, &fd, &adopted->error);
    if (adopted->machine)
        close(fd);
    adopted->done++;
}

static void
on_swept(GObject *source, GAsyncResult *result, gpointer data)
{
    Result *swept = data;

    swept->swept = vm_sweep_finish(swept->fixture->vm, result, &swept->error);
    swept->done++;
}

static const MachineEvents no_events;

static void
on_stalled(Machine *machine, gboolean is_stalled, gpointer data)
{
    *(guint *)data += is_stalled;
}

static const MachineEvents stall_events = {.stalled = on_stalled};

/* Uses the connection, and waits until it was found dead and opened again. */
static void
look_again(Fixture *f)
{
    Result result = {.fixture = f};
    guint answers = f->answers;

    vm_sweep_async(f->vm, "none-", on_swept, &result);
    wait_for(&f->answers, answers + 1);
    wait_for(&result.done, 1);
}

static void
adopt(Fixture *f, Result *result)
{
    const MachineSpec spec = {.name = NAME, .socket = f->socket};

    result->fixture = f;
    vm_adopt_async(f->vm, &spec, &no_events, NULL, on_adopted, result);
}

static void
assert_adopted(Result *result)
{
    wait_for(&result->done, 1);
    g_assert_no_error(result->error);
    g_assert_nonnull(result->machine);
    machine_leave(result->machine);
}

/* Libvirtd goes away in each call that an adoption makes. */
static void
test_lost_in(Fixture *f, gconstpointer function)
{
    Result result = {0};

    open_vm(f);
    wait_for(&f->answers, 1);
    fake_libvirt_fail(function, VIR_ERR_SYSTEM_ERROR, /* closes= */ TRUE);
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*" NAME "*cannot be adopted yet*");
    adopt(f, &result);
    assert_adopted(&result);
    g_test_assert_expected_messages();
    g_assert_true(fake_libvirt_has_failed());
}

/* It is gone when libvirt says so, at whichever call. */
static void
test_gone_in(Fixture *f, gconstpointer function)
{
    Result result = {0};

    open_vm(f);
    wait_for(&f->answers, 1);
    fake_libvirt_fail(function, VIR_ERR_NO_DOMAIN, /* closes= */ FALSE);
    adopt(f, &result);
    wait_for(&result.done, 1);
    g_assert_error(result.error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST);
    g_error_free(result.error);
}

static void
wait_for_busy_answers(gint count)
{
    while (g_atomic_int_get(&fake_libvirt.busy_answers) < count)
        g_main_context_iteration(NULL, TRUE);
}

/* libvirtd was restarted, and has not asked QEMU yet: it reports the state of before, in which the
 * machine stood still. */
static void
test_busy(Fixture *f, gconstpointer data)
{
    FakeDomain *domain = &fake_libvirt.domains[0];
    Result result = {0};

    domain->is_busy = TRUE;
    domain->state = VIR_DOMAIN_PAUSED;
    domain->reason = VIR_DOMAIN_PAUSED_STARTING_UP;
    open_vm(f);
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*" NAME "*cannot be adopted yet*");
    adopt(f, &result);
    wait_for_busy_answers(2);
    g_assert_cmpuint(result.done, ==, 0);
    domain->state = VIR_DOMAIN_RUNNING;
    g_atomic_int_set(&domain->is_busy, FALSE);
    assert_adopted(&result);
    g_test_assert_expected_messages();
}

/* The same, and QEMU stands still because the disk is full: no event reports it. */
static void
test_busy_and_stalled(Fixture *f, gconstpointer data)
{
    FakeDomain *domain = &fake_libvirt.domains[0];
    const MachineSpec spec = {.name = NAME, .socket = f->socket};
    Result result = {.fixture = f};
    guint stalls = 0, answers;
    gint looks = 3;

    open_vm(f);
    wait_for(&f->answers, 1);
    vm_adopt_async(f->vm, &spec, &stall_events, &stalls, on_adopted, &result);
    wait_for(&result.done, 1);
    g_assert_no_error(result.error);
    g_atomic_int_set(&domain->is_busy, TRUE);
    fake_libvirt_fail("virConnectGetLibVersion", VIR_ERR_SYSTEM_ERROR, /* closes= */ TRUE);
    look_again(f);
    wait_for_busy_answers(looks);
    do { /* further looks report nothing: that would end the pauses of others */
        g_assert_cmpint(looks, <, 15);
        answers = f->answers;
        looks += 2;
        wait_for_busy_answers(looks);
    } while (f->answers != answers);
    g_assert_cmpuint(stalls, ==, 0);
    domain->state = VIR_DOMAIN_PAUSED;
    domain->reason = VIR_DOMAIN_PAUSED_IOERROR;
    g_atomic_int_set(&domain->is_busy, FALSE);
    wait_for(&stalls, 1);
    machine_leave(result.machine);
}

/* The service starts while libvirtd does not run. */
static void
test_away(Fixture *f, gconstpointer data)
{
    Result result = {0};

    fake_libvirt.is_away = TRUE;
    open_vm(f);
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*" NAME "*cannot be adopted yet*");
    adopt(f, &result);
    wait_for(&f->no_answers, 2);
    g_assert_cmpuint(f->answers, ==, 0);
    g_assert_cmpuint(result.done, ==, 0);
    fake_libvirt.is_away = FALSE;
    assert_adopted(&result);
    wait_for(&f->answers, 1);
    g_test_assert_expected_messages();
}

/* Nothing is known of the machine, so it is not said to be gone. */
static void
test_stopped(Fixture *f, gconstpointer data)
{
    Result adopted = {0}, swept = {.fixture = f};

    fake_libvirt.is_away = TRUE;
    open_vm(f);
    adopt(f, &adopted);
    vm_sweep_async(f->vm, "cloche-", on_swept, &swept);
    wait_for(&f->no_answers, 2);
    vm_stop_trying(f->vm);
    wait_for(&adopted.done, 1);
    wait_for(&swept.done, 1);
    g_assert_nonnull(adopted.error);
    g_assert_false(g_error_matches(adopted.error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST));
    g_assert_nonnull(swept.error);
    g_error_free(adopted.error);
    g_error_free(swept.error);
}

/* QEMU stands still, and connections of earlier instances of the service fill its queue. */
static void
test_full_queue(Fixture *f, gconstpointer data)
{
    g_autoptr(GArray) waiting = g_array_new(FALSE, FALSE, sizeof(int));
    Result result = {0};
    int fd;

    while ((fd = try_connect(f->socket)) >= 0)
        g_array_append_val(waiting, fd);
    open_vm(f);
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*" NAME "*its queue is full*");
    adopt(f, &result);
    wait_for(&f->answers, 1);
    for (guint i = 0; i < 1000; i++)
        g_main_context_iteration(NULL, FALSE);
    g_assert_cmpuint(result.done, ==, 0);
    close(accept(f->listener, NULL, NULL));
    assert_adopted(&result);
    g_test_assert_expected_messages();
    for (guint i = 0; i < waiting->len; i++)
        close(g_array_index(waiting, int, i));
}

/* Nobody listens: QEMU has ended, and libvirt has not noticed yet. */
static void
test_no_listener(Fixture *f, gconstpointer data)
{
    Result result = {0};

    g_unlink(f->socket);
    open_vm(f);
    adopt(f, &result);
    wait_for(&result.done, 1);
    g_assert_error(result.error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST);
    g_error_free(result.error);
}

/* --- sweeps --- */

/* Libvirtd goes away in a call of the sweep: what was left is removed nevertheless. */
static void
test_sweep_lost_in(Fixture *f, gconstpointer function)
{
    Result result = {.fixture = f};

    open_vm(f);
    wait_for(&f->answers, 1);
    fake_libvirt_fail(function, VIR_ERR_SYSTEM_ERROR, /* closes= */ TRUE);
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*the test wants this call to fail*");
    vm_sweep_async(f->vm, "cloche-", on_swept, &result);
    wait_for(&result.done, 1);
    g_test_assert_expected_messages();
    g_assert_no_error(result.error);
    g_assert_cmpint(result.swept, ==, 1);
    g_assert_null(fake_libvirt.domains[0].name);
}

/* libvirt cannot destroy a machine: others may start, and it is destroyed as soon as it can be. */
static void
test_sweep_refused(Fixture *f, gconstpointer data)
{
    Result result = {.fixture = f};

    open_vm(f);
    wait_for(&f->answers, 2);
    fake_libvirt.refuses_destroy = TRUE;
    vm_sweep_async(f->vm, "cloche-", on_swept, &result);
    wait_for(&result.done, 1);
    g_assert_no_error(result.error);
    g_assert_cmpint(result.swept, ==, 0);
    fake_libvirt.refuses_destroy = FALSE;
    while (fake_libvirt.domains[0].name)
        g_main_context_iteration(NULL, TRUE);
    vm_stop_trying(f->vm);
}

/* libvirtd was killed while it started a machine, and lists it for ever. */
static void
test_sweep_never_started(Fixture *f, gconstpointer data)
{
    Result result = {.fixture = f};

    fake_libvirt.domains[0].state = VIR_DOMAIN_PAUSED;
    fake_libvirt.domains[0].reason = VIR_DOMAIN_PAUSED_STARTING_UP;
    fake_libvirt.refuses_destroy = TRUE;
    open_vm(f);
    wait_for(&f->answers, 1);
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*" NAME "*has no QEMU*");
    vm_sweep_async(f->vm, "cloche-", on_swept, &result);
    wait_for(&result.done, 1);
    g_assert_no_error(result.error);
    g_assert_cmpint(result.swept, ==, 1);
    g_test_assert_expected_messages();
}

/* A machine whose adoption waits is no stray. */
static void
test_sweep_keeps(Fixture *f, gconstpointer data)
{
    g_autoptr(GArray) waiting = g_array_new(FALSE, FALSE, sizeof(int));
    Result adopted = {0}, swept = {.fixture = f};
    int fd;

    fake_libvirt.domains[1] = (FakeDomain){STRAY, STRAY_UUID, VIR_DOMAIN_RUNNING, 0};
    while ((fd = try_connect(f->socket)) >= 0)
        g_array_append_val(waiting, fd);
    open_vm(f);
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*" NAME "*its queue is full*");
    adopt(f, &adopted);
    vm_sweep_async(f->vm, "cloche-", on_swept, &swept);
    wait_for(&swept.done, 1);
    g_assert_cmpint(swept.swept, ==, 1);
    g_assert_cmpstr(fake_libvirt.domains[0].name, ==, NAME);
    g_assert_null(fake_libvirt.domains[1].name);
    g_assert_cmpuint(adopted.done, ==, 0);
    close(accept(f->listener, NULL, NULL));
    assert_adopted(&adopted);
    g_test_assert_expected_messages();
    for (guint i = 0; i < waiting->len; i++)
        close(g_array_index(waiting, int, i));
}

/* --- the rest --- */

typedef struct {
    Fixture *fixture;
    guint done;
    const VmFacts *facts;
    GError *error;
} Probed;

static void
on_probed(GObject *source, GAsyncResult *result, gpointer data)
{
    Probed *probed = data;

    probed->facts = vm_probe_finish(probed->fixture->vm, result, &probed->error);
    probed->done++;
}

static void
probe(Fixture *f, Probed *probed)
{
    const MachineUser user = {0};

    probed->fixture = f;
    vm_probe_async(f->vm, "/kernel", "/initrd", f->dir, &user, NULL, on_probed, probed);
    wait_for(&probed->done, 1);
}

/* A libvirtd that goes away while KVM is tried says nothing about KVM; one that refuses does. */
static void
test_probe(Fixture *f, gconstpointer function)
{
    g_autofree char *emulator = g_build_filename(f->dir, "qemu", NULL);
    Probed lost = {0}, refused = {0};

    g_assert_true(g_file_set_contents(emulator, "#!/bin/sh\necho 'QEMU emulator version 7.2.22'\n",
                                      -1, NULL));
    g_assert_cmpint(g_chmod(emulator, 0755), ==, 0);
    fake_libvirt.emulator = emulator;
    open_vm(f);
    wait_for(&f->answers, 1);
    fake_libvirt_fail(function, VIR_ERR_SYSTEM_ERROR, /* closes= */ TRUE);
    probe(f, &lost);
    g_assert_true(fake_libvirt_has_failed());
    g_assert_null(lost.facts);
    g_assert_error(lost.error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED);
    g_error_free(lost.error);

    probe(f, &refused);
    g_assert_no_error(refused.error);
    g_assert_true(refused.facts->emulated);
    g_assert_nonnull(strstr(refused.facts->kvm_error, "the test wants this call to fail"));
    g_unlink(emulator);
}

/* libvirt may find in the last call that the connection is dead, when the workers have ended. */
static void
test_close(Fixture *f, gconstpointer data)
{
    open_vm(f);
    wait_for(&f->answers, 2); /* the first look opens the connection, which causes the second */
    fake_libvirt.dies_silently = TRUE;
}

/* The owner learns that libvirt was restarted, so it need not wait for the end of a pause. */
static void
test_answers(Fixture *f, gconstpointer data)
{
    Result result = {.fixture = f};

    open_vm(f);
    wait_for(&f->answers, 1);
    fake_libvirt_fail("virConnectGetLibVersion", VIR_ERR_SYSTEM_ERROR, /* closes= */ TRUE);
    vm_sweep_async(f->vm, "none-", on_swept, &result);
    wait_for(&f->answers, 2);
    wait_for(&result.done, 1);
    g_assert_cmpuint(fake_libvirt.openings, ==, 2);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
#define ADD(name, function, data)                                                                  \
    g_test_add("/vm/libvirt-failures/" name, Fixture, data, set_up, function, tear_down)
    ADD("adopt/lost/look-up", test_lost_in, "virDomainLookupByName");
    ADD("adopt/lost/state", test_lost_in, "virDomainGetState");
    ADD("adopt/gone/look-up", test_gone_in, "virDomainLookupByName");
    ADD("adopt/gone/state", test_gone_in, "virDomainGetState");
    ADD("adopt/away", test_away, NULL);
    ADD("adopt/stopped", test_stopped, NULL);
    ADD("adopt/busy", test_busy, NULL);
    ADD("busy-and-stalled", test_busy_and_stalled, NULL);
    ADD("adopt/full-queue", test_full_queue, NULL);
    ADD("adopt/no-listener", test_no_listener, NULL);
    ADD("sweep/lost/list", test_sweep_lost_in, "virConnectListAllDomains");
    ADD("sweep/lost/destroy", test_sweep_lost_in, "virDomainDestroy");
    ADD("sweep/refused", test_sweep_refused, NULL);
    ADD("sweep/never-started", test_sweep_never_started, NULL);
    ADD("sweep/keeps", test_sweep_keeps, NULL);
    ADD("probe/lost/facts", test_probe, "virConnectGetDomainCapabilities");
    ADD("probe/lost/start", test_probe, "virDomainCreateXML");
    ADD("close", test_close, NULL);
    ADD("answers", test_answers, NULL);
    return g_test_run();
}
