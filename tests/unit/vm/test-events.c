/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-events: the owner of a machine is informed of its end and of its stalls, and only once. */
#include "vm-events.h"

#define UUID "b0a3e1c4-5f0e-4c39-9a51-2f2f8d6f8c11"

typedef struct {
    MachineTable table;
    LibvirtMachine *machine;
    guint ends, stalls, resumes;
    MachineEnd how;
} Fixture;

static void
on_ended(Machine *machine, MachineEnd how, gpointer data)
{
    Fixture *f = data;

    f->ends++;
    f->how = how;
}

static void
on_stalled(Machine *machine, gboolean is_stalled, gpointer data)
{
    Fixture *f = data;

    if (is_stalled)
        f->stalls++;
    else
        f->resumes++;
}

static const MachineEvents events = {on_ended, on_stalled};

static void
set_up(Fixture *f, gconstpointer data)
{
    const MachineSpec spec = {.name = "cloche-test", .disk = "/nonexistent/disk"};

    f->table.by_uuid = g_hash_table_new(g_str_hash, g_str_equal);
    f->machine = vm_machine_new(&f->table, &spec, &events, f);
    vm_machine_set_uuid(f->machine, UUID);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    vm_machine_free(f->machine);
    g_assert_cmpuint(g_hash_table_size(f->table.by_uuid), ==, 0);
    g_hash_table_unref(f->table.by_uuid);
    g_assert_false(g_main_context_pending(/* context= */ NULL));
}

static void
apply(Fixture *f, int event, int detail)
{
    vm_apply_event(&f->table, UUID, event, detail);
}

static void
run_main_loop(void)
{
    while (g_main_context_iteration(/* context= */ NULL, /* may_block= */ FALSE))
        ;
}

static void
assert_ended(Fixture *f, MachineEnd how)
{
    g_assert_cmpuint(f->ends, ==, 0); /* the owner is never called from inside the event */
    run_main_loop();
    g_assert_cmpuint(f->ends, ==, 1);
    g_assert_cmpint(f->how, ==, how);
    g_assert_true(f->machine->has_ended);
}

static void
test_power_off(Fixture *f, gconstpointer data)
{
    vm_machine_give(f->machine, 1);
    apply(f, VIR_DOMAIN_EVENT_SHUTDOWN, VIR_DOMAIN_EVENT_SHUTDOWN_GUEST);
    run_main_loop();
    g_assert_cmpuint(f->ends, ==, 0); /* QEMU still runs */
    apply(f, VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED);
    assert_ended(f, MACHINE_SHUT_DOWN);
}

static void
test_panic(Fixture *f, gconstpointer data)
{
    vm_machine_give(f->machine, 1);
    apply(f, VIR_DOMAIN_EVENT_CRASHED, VIR_DOMAIN_EVENT_CRASHED_PANICKED);
    apply(f, VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_CRASHED);
    assert_ended(f, MACHINE_PANICKED);
}

static void
test_signal(Fixture *f, gconstpointer data)
{
    vm_machine_give(f->machine, 1);
    apply(f, VIR_DOMAIN_EVENT_SHUTDOWN, VIR_DOMAIN_EVENT_SHUTDOWN_HOST);
    apply(f, VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN);
    assert_ended(f, MACHINE_DIED);
}

static void
test_kill(Fixture *f, gconstpointer data)
{
    vm_machine_give(f->machine, 1);
    apply(f, VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_FAILED);
    apply(f, VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN);
    assert_ended(f, MACHINE_DIED);
}

/* A machine that ends while it is started reports it as soon as it has an owner. */
static void
test_early_end(Fixture *f, gconstpointer data)
{
    apply(f, VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_FAILED);
    run_main_loop();
    g_assert_cmpuint(f->ends, ==, 0);
    vm_machine_give(f->machine, 1);
    assert_ended(f, MACHINE_DIED);
}

static void
test_stall(Fixture *f, gconstpointer data)
{
    vm_machine_give(f->machine, 1);
    apply(f, VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED);
    g_assert_cmpuint(f->stalls, ==, 0); /* somebody else paused it */
    apply(f, VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_IOERROR);
    apply(f, VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_IOERROR);
    g_assert_cmpuint(f->stalls, ==, 1);
    g_assert_cmpuint(f->machine->stall_timer, !=, 0);
    apply(f, VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_UNPAUSED);
    g_assert_cmpuint(f->resumes, ==, 1);
    g_assert_cmpuint(f->machine->stall_timer, ==, 0);
    g_assert_cmpuint(f->machine->changes, ==, 4);
}

static void
test_early_stall(Fixture *f, gconstpointer data)
{
    apply(f, VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_IOERROR);
    g_assert_cmpuint(f->stalls, ==, 0);
    vm_machine_give(f->machine, 1);
    run_main_loop();
    g_assert_cmpuint(f->stalls, ==, 1);
}

/* A machine that its owner holds has stalled when libvirt has suspended it. */
static void
test_held(Fixture *f, gconstpointer data)
{
    vm_machine_give(f->machine, 1);
    f->machine->is_held = TRUE;
    apply(f, VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED);
    g_assert_cmpuint(f->stalls, ==, 1);
    g_assert_cmpuint(f->machine->stall_timer, ==, 0); /* nothing is to be changed */
    f->machine->is_held = FALSE;
    apply(f, VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_UNPAUSED);
    g_assert_cmpuint(f->resumes, ==, 1);
}

/* A stalled machine that ends is not resumed any more. */
static void
test_stall_then_end(Fixture *f, gconstpointer data)
{
    vm_machine_give(f->machine, 1);
    apply(f, VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_IOERROR);
    apply(f, VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED);
    g_assert_cmpuint(f->machine->stall_timer, ==, 0);
    apply(f, VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_UNPAUSED);
    g_assert_cmpuint(f->resumes, ==, 0);
    assert_ended(f, MACHINE_DIED);
}

static void
test_unknown(Fixture *f, gconstpointer data)
{
    vm_machine_give(f->machine, 1);
    vm_apply_event(&f->table, "another uuid", VIR_DOMAIN_EVENT_STOPPED, 0);
    run_main_loop();
    g_assert_cmpuint(f->ends, ==, 0);
}

/* --- resuming a stalled machine --- */

static guint failed_resumes;

static void
on_resume_failed(Vm *vm)
{
    failed_resumes++;
}

/* A machine whose disk has room again, so that it is resumed after a second; libvirt refuses. */
static void
begin_resume(Fixture *f)
{
    static const ConnectionEvents none = {0};

    failed_resumes = 0;
    f->table.resume_failed = on_resume_failed;
    f->table.connection = connection_new("no-such-driver:///", /* is_embedded= */ FALSE, &none, f);
    f->table.workers = workers_new(/* starts_qemu= */ FALSE);
    vm_machine_give(f->machine, 1);
    vm_machine_set_stalled(f->machine, TRUE);
    while (!f->machine->order)
        g_main_context_iteration(/* context= */ NULL, /* may_block= */ TRUE);
}

/* The worker has answered, and its answer was delivered. */
static void
end_resume(Fixture *f)
{
    workers_free(f->table.workers);
    run_main_loop();
    connection_free(f->table.connection);
}

static void
test_resume_that_fails(Fixture *f, gconstpointer data)
{
    begin_resume(f);
    end_resume(f);
    g_assert_cmpuint(failed_resumes, ==, 1);
    g_assert_null(f->machine->order);
    vm_machine_end(f->machine);
    assert_ended(f, MACHINE_SHUT_DOWN);
}

static void
test_end_during_resume(Fixture *f, gconstpointer data)
{
    begin_resume(f);
    vm_machine_note_end(f->machine, MACHINE_DIED);
    vm_machine_end(f->machine);
    end_resume(f);
    g_assert_cmpuint(failed_resumes, ==, 0);
    g_assert_cmpuint(f->ends, ==, 1);
}

/* Its owner destroys the machine: the answer finds no machine. */
static void
test_free_during_resume(Fixture *f, gconstpointer data)
{
    begin_resume(f);
    vm_machine_free(f->machine);
    end_resume(f);
    g_assert_cmpuint(failed_resumes, ==, 0);
    g_hash_table_unref(f->table.by_uuid);
    set_up(f, data); /* for tear_down() */
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, test) g_test_add("/vm/events/" path, Fixture, NULL, set_up, test, tear_down)
    ADD("power-off", test_power_off);
    ADD("panic", test_panic);
    ADD("signal", test_signal);
    ADD("kill", test_kill);
    ADD("early-end", test_early_end);
    ADD("stall", test_stall);
    ADD("held", test_held);
    ADD("early-stall", test_early_stall);
    ADD("stall-then-end", test_stall_then_end);
    ADD("unknown", test_unknown);
    ADD("resume-that-fails", test_resume_that_fails);
    ADD("end-during-resume", test_end_during_resume);
    ADD("free-during-resume", test_free_during_resume);
    return g_test_run();
}
