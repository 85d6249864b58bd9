/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmd-requests: carries out requests, after it has checked them.
 *
 * While a request changes a machine, other requests about the same machine wait. When the
 * connection that a request came from has ended, nobody knows of a machine that it has started, so
 * that machine is destroyed.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "vm-facts-value.h"
#include "vm-files.h"
#include "vmd-files.h"
#include "vmd-private.h"

static void
fail(VmdWork *work, ClocheError code, const char *message)
{
    vmd_work_fail(work,
                  g_error_new(CLOCHE_ERROR, code, "machine '%s': %s", work->request.name, message));
}

static gboolean
is_start(const VmdWork *work)
{
    return work->request.type == VM_REQUEST_BOOT || work->request.type == VM_REQUEST_RESTORE;
}

static void
make_cancellable(VmdWork *work)
{
    work->cancellable = g_cancellable_new();
    g_hash_table_insert(work->server->requests, GUINT_TO_POINTER(work->request.serial), work);
}

gboolean
vmd_work_reserve(VmdWork *work, gboolean must_be_held)
{
    VmdMachine *machine = vmd_machine_find(work->server, work->request.name);

    if (machine && machine->is_busy) {
        g_queue_push_tail(&machine->queue, work);
        return FALSE;
    }
    if (must_be_held && !(machine && machine->machine)) {
        fail(work, CLOCHE_ERROR_GUEST_LOST, "it is not held");
        return FALSE;
    }
    work->machine = vmd_machine_get(work->server, work->request.name);
    work->machine->is_busy = TRUE;
    return TRUE;
}

/* --- destroy --- */

/* Takes the error (NULL: it is gone). */
static void
finish_destroy(VmdWork *work, GError *error)
{
    VmdMachine *machine = work->machine;
    gboolean is_gone = !error;

    if (error)
        vmd_work_fail(work, error);
    else
        vmd_work_finish(work, VM_ANSWER_DONE, 0);
    vmd_machine_release(machine, is_gone);
}

static void
on_destroyed(GObject *source, GAsyncResult *result, gpointer data)
{
    VmdWork *work = data;
    GError *error = NULL;

    machine_destroy_finish(work->server->vm, result, &error);
    finish_destroy(work, error);
}

static void
on_stray_destroyed(GObject *source, GAsyncResult *result, gpointer data)
{
    VmdWork *work = data;
    GError *error = NULL;

    vm_sweep_finish(work->server->vm, result, &error);
    finish_destroy(work, error);
}

/* Destroys a machine that nobody holds by its name: no other name begins with it. */
static void
destroy(VmdWork *work)
{
    VmdMachine *machine = work->machine;

    if (machine->machine)
        machine_destroy_async(g_steal_pointer(&machine->machine), on_destroyed, work);
    else
        vm_sweep_async(work->server->vm, work->request.name, on_stray_destroyed, work);
}

static void
begin_destroy(VmdWork *work, const VmRequest *request)
{
    if (vmd_work_reserve(work, /* must_be_held= */ FALSE))
        destroy(work);
}

/* --- what has become of a machine --- */

static void
send_machine(VmdWork *work, int fd)
{
    gboolean is_held = work->request.type == VM_REQUEST_REJOIN;
    VmAnswer answer;

    vm_answer_init(&answer, is_held ? VM_ANSWER_REJOINED : VM_ANSWER_MACHINE, work->request.serial);
    answer.pid = machine_pid(work->machine->machine);
    answer.number = work->machine->is_stalled ? 1 : 0;
    vmd_answer(work->server, &answer, fd);
}

/* The machine is held from now on, if the caller is there still. Takes `fd`. */
static void
give(VmdWork *work, Machine *base, int fd)
{
    VmdMachine *machine = work->machine;
    gboolean is_wanted = vmd_work_is_wanted(work);

    machine->machine = base;
    if (is_wanted)
        send_machine(work, fd);
    if (fd >= 0)
        close(fd);
    if (!is_wanted && is_start(work)) {
        destroy(work);
        return;
    }
    if (!is_wanted)
        vmd_machine_leave(machine);
    vmd_work_free(work);
    vmd_machine_release(machine, /* is_gone= */ FALSE);
}

/* --- start --- */

static void
on_started(GObject *source, GAsyncResult *result, gpointer data)
{
    VmdWork *work = data;
    GError *error = NULL;
    int fd = -1;
    Machine *base = vm_start_finish(work->server->vm, result, &fd, &error);

    VmdMachine *machine = work->machine;

    if (base) {
        give(work, base, fd);
        return;
    }
    vmd_work_fail(work, error);
    vmd_machine_release(machine, /* is_gone= */ TRUE);
}

static gboolean
check_free(const VmdServer *server, const VmRequest *request, GError **error)
{
    const char *reason = NULL;

    if (vmd_machine_find((VmdServer *)server, request->name))
        reason = "it exists already";
    else if (!server->has_facts)
        reason = "no accelerator was chosen";
    else if (vmd_machines_use_uid(server, request->uid))
        reason = "another machine runs as its user";
    if (!reason)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED, "%s", reason);
    return FALSE;
}

static gboolean
check_start(const VmdWork *work, const VmRequest *request, GError **error)
{
    const VmdConfig *config = work->server->config;

    return check_free(work->server, request, error) &&
           vmd_check_start(config, request, &work->paths, error) &&
           (work->request.type == VM_REQUEST_RESTORE
                ? vmd_check_fd(config, work->fd, O_RDONLY, error)
                : vmd_files_make_console(config->own, work->request.name, request->uid, error));
}

static void
begin_start(VmdWork *work, const VmRequest *request)
{
    const VmdConfig *config = work->server->config;
    g_autofree char *socket = vmd_files_path(config->own, "agent", work->request.name);
    g_autofree char *net = vmd_files_path(config->own, "net", work->request.name);
    g_autofree char *console = vmd_files_path(config->own, "console", work->request.name);
    GError *error = NULL;

    vmd_paths_init(&work->paths, config, request);
    if (!check_start(work, request, &error)) {
        g_prefix_error(&error, "machine '%s' did not start: ", work->request.name);
        vmd_work_fail(work, error);
        return;
    }
    work->machine = vmd_machine_get(work->server, work->request.name);
    work->machine->uid = request->uid;
    work->machine->is_busy = TRUE;
    make_cancellable(work);
    const MachineSpec spec = {
        .name = work->request.name,
        .kernel = work->paths.kernel,
        .initrd = work->paths.initrd,
        .disk = work->paths.disk,
        .ram = work->paths.ram,
        .state = work->request.type == VM_REQUEST_RESTORE ? "the state" : NULL,
        .state_fd = work->request.type == VM_REQUEST_RESTORE ? work->fd : 0,
        .socket = socket,
        .net_socket = net,
        .console = work->request.type == VM_REQUEST_BOOT ? console : NULL,
        .user = {.uid = request->uid, .gid = request->uid ? config->gid : 0},
        .vcpus = request->vcpus,
        .memory_mib = request->memory_mib,
    };
    vm_start_async(work->server->vm, &spec, &vmd_machine_events, work->machine, work->cancellable,
                   on_started, work);
}

/* --- adoption --- */

static void
on_adopted(GObject *source, GAsyncResult *result, gpointer data)
{
    VmdWork *work = data;
    GError *error = NULL;
    int fd = -1;
    Machine *base = vm_adopt_finish(work->server->vm, result, &fd, &error);

    VmdMachine *machine = work->machine;
    gboolean is_gone;

    if (base) {
        give(work, base, fd);
        return;
    }
    /* Other errors say nothing about the machine. */
    is_gone = g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST) ||
              g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_TIMED_OUT);
    vmd_work_fail(work, error);
    machine->may_live = !is_gone;
    vmd_machine_release(machine, is_gone);
}

/* Whoever held it has left it, without a message that would say so. */
static void
begin_adopt(VmdWork *work, const VmRequest *request)
{
    const VmdConfig *config = work->server->config;
    g_autofree char *socket = vmd_files_path(config->own, "agent", work->request.name);
    g_autofree char *disk = vmd_disk_path(config, work->request.name);
    const MachineSpec spec = {.name = work->request.name,
                              .socket = work->request.type == VM_REQUEST_REJOIN ? NULL : socket,
                              .disk = disk,
                              .is_held = request->is_held != 0};

    if (!vmd_work_reserve(work, /* must_be_held= */ FALSE))
        return;
    vmd_machine_leave(work->machine);
    vm_adopt_async(work->server->vm, &spec, &vmd_machine_events, work->machine, on_adopted, work);
}

/* --- the port for connections --- */

static int
open_net(const VmdWork *work, GError **error)
{
    const VmdMachine *machine = vmd_machine_find(work->server, work->request.name);
    g_autofree char *path = vmd_files_path(work->server->config->own, "net", work->request.name);

    if (!machine || !machine->machine)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST, "machine '%s': it is not held",
                    work->request.name);
    else if (access(path, F_OK) < 0)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                    "the machine has no port for connections, because an earlier version of "
                    "cloche started it");
    else
        return vm_connect_socket(path, error);
    return -1;
}

static void
begin_open_net(VmdWork *work, const VmRequest *request)
{
    GError *error = NULL;
    VmAnswer answer;
    int fd = open_net(work, &error);

    if (fd < 0) {
        vmd_work_fail(work, error);
        return;
    }
    vm_answer_init(&answer, VM_ANSWER_NET, request->serial);
    vmd_answer(work->server, &answer, fd);
    close(fd);
    vmd_work_free(work);
}

/* --- save --- */

static void
on_saved(GObject *source, GAsyncResult *result, gpointer data)
{
    VmdWork *work = data;
    VmdMachine *machine = work->machine;
    GError *error = NULL;
    gboolean saved = machine_save_finish(machine->machine, result, &error);

    if (!vmd_work_is_wanted(work))
        vmd_machine_leave(machine);
    if (saved)
        vmd_work_finish(work, VM_ANSWER_DONE, 0);
    else
        vmd_work_fail(work, error);
    vmd_machine_release(machine, /* is_gone= */ FALSE);
}

static void
begin_save(VmdWork *work, const VmRequest *request)
{
    GError *error = NULL;

    if (!vmd_check_fd(work->server->config, work->fd, O_WRONLY, &error)) {
        g_prefix_error(&error, "machine '%s' was not saved: ", work->request.name);
        vmd_work_fail(work, error);
    } else if (vmd_work_reserve(work, /* must_be_held= */ TRUE)) {
        machine_save_async(work->machine->machine, work->fd, on_saved, work);
    }
}

/* --- sweep --- */

static void
on_swept(GObject *source, GAsyncResult *result, gpointer data)
{
    VmdWork *work = data;
    GError *error = NULL;
    int swept = vm_sweep_finish(work->server->vm, result, &error);

    if (error) {
        vmd_work_fail(work, error);
        return;
    }
    if (vmd_work_is_wanted(work))
        vmd_machines_forget_strays(work->server, work->request.name);
    vmd_work_finish(work, VM_ANSWER_DONE, swept);
}

static void
begin_sweep(VmdWork *work, const VmRequest *request)
{
    vmd_machines_begin_sweep(work->server);
    vm_sweep_async(work->server->vm, work->request.name, on_swept, work);
}

/* --- facts --- */

static void
send_facts(VmdWork *work)
{
    VmFactsAnswer answer;

    if (!vm_answer_set_facts(&answer, work->request.serial, &work->facts)) {
        vmd_work_fail(work, g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                                        "what libvirt or QEMU says about itself is too long"));
        return;
    }
    work->server->has_facts = TRUE;
    if (vmd_work_is_wanted(work))
        vmd_answer(work->server, &answer.head, /* fd= */ -1);
    vmd_work_free(work);
}

static void
note_machines(VmdServer *server, const GPtrArray *all)
{
    for (guint i = 0; i < all->len; i++) {
        const VmListed *listed = all->pdata[i];

        if (vm_name_is_valid(listed->name))
            vmd_machine_get(server, listed->name)->uid = listed->uid;
    }
    server->has_list = TRUE;
}

static void
on_listed(GObject *source, GAsyncResult *result, gpointer data)
{
    VmdWork *work = data;
    GError *error = NULL;
    g_autoptr(GPtrArray) all = work->server->vm->ops->list_finish(work->server->vm, result, &error);

    if (!all) {
        vmd_work_fail(work, error);
        return;
    }
    if (!work->server->has_list)
        note_machines(work->server, all);
    send_facts(work);
}

/* No machine is started before it is known which uids are in use. */
static void
take_facts(VmdWork *work, const VmFacts *facts)
{
    VmdServer *server = work->server;

    facts_copy(&work->facts, facts);
    if (server->has_list)
        send_facts(work);
    else
        server->vm->ops->list_async(server->vm, VM_NAME_PREFIX, on_listed, work);
}

static void
on_probed(GObject *source, GAsyncResult *result, gpointer data)
{
    VmdWork *work = data;
    GError *error = NULL;
    const VmFacts *facts = vm_probe_finish(work->server->vm, result, &error);

    work->server->is_probing = FALSE;
    if (facts)
        take_facts(work, facts);
    else
        vmd_work_fail(work, error);
}

static gboolean
check_probe(const VmdWork *work, const VmRequest *request, GError **error)
{
    const VmdConfig *config = work->server->config;

    if (work->server->is_probing || vmd_machines_use_uid(work->server, request->uid)) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY, "another machine runs as its user");
        return FALSE;
    }
    return vmd_check_uid(config, request->uid, error) &&
           vmd_check_file(config->state, work->paths.kernel, (uid_t)-1, error) &&
           vmd_check_file(config->state, work->paths.initrd, (uid_t)-1, error) &&
           vmd_files_make_console(config->own, "probe-console.log", request->uid, error);
}

static void
begin_probe(VmdWork *work, const VmRequest *request)
{
    const VmdConfig *config = work->server->config;
    const MachineUser user = {.uid = request->uid, .gid = request->uid ? config->gid : 0};
    g_autofree char *console = vmd_files_path(config->own, "console", NULL);
    GError *error = NULL;

    vmd_paths_init(&work->paths, config, request);
    if (!check_probe(work, request, &error)) {
        g_prefix_error(&error, "the probe did not start: ");
        vmd_work_fail(work, error);
        return;
    }
    work->server->is_probing = TRUE;
    work->server->probe_uid = request->uid;
    make_cancellable(work);
    vm_probe_async(work->server->vm, work->paths.kernel, work->paths.initrd, console, &user,
                   work->cancellable, on_probed, work);
}

static void
on_recalled(GObject *source, GAsyncResult *result, gpointer data)
{
    VmdWork *work = data;
    GError *error = NULL;
    const VmFacts *facts = vm_probe_finish(work->server->vm, result, &error);

    if (facts)
        take_facts(work, facts);
    else
        vmd_work_fail(work, error);
}

static void
begin_recall(VmdWork *work, const VmRequest *request)
{
    if (request->is_emulated && !work->server->config->may_emulate)
        vmd_work_fail(work, g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED,
                                        "[Machines] AllowEmulation forbids emulation"));
    else
        work->server->vm->ops->recall_async(work->server->vm, request->is_emulated != 0,
                                            on_recalled, work);
}

/* --- requests without an answer --- */

static void
begin_leave(VmdWork *work, const VmRequest *request)
{
    VmdMachine *machine = vmd_machine_find(work->server, work->request.name);

    if (machine && !machine->is_busy)
        vmd_machine_leave(machine);
    vmd_work_free(work);
}

static void
begin_stand_still(VmdWork *work, const VmRequest *request)
{
    VmdMachine *machine = vmd_machine_find(work->server, work->request.name);

    if (machine && machine->machine)
        machine_hold(machine->machine, request->type == VM_REQUEST_STAND_STILL);
    vmd_work_free(work);
}

static void
begin_cancel(VmdWork *work, const VmRequest *request)
{
    const VmdWork *target =
        g_hash_table_lookup(work->server->requests, GUINT_TO_POINTER(request->target));

    if (target)
        g_cancellable_cancel(target->cancellable);
    vmd_work_free(work);
}

static void
begin_stop_trying(VmdWork *work, const VmRequest *request)
{
    vm_stop_trying(work->server->vm);
    vmd_work_free(work);
}

void
vmd_request(VmdServer *server, const VmRequest *request, int fd)
{
    static const VmdBegin begins[_VM_REQUEST_MAX] = {
        [VM_REQUEST_PROBE] = begin_probe,
        [VM_REQUEST_RECALL] = begin_recall,
        [VM_REQUEST_BOOT] = begin_start,
        [VM_REQUEST_RESTORE] = begin_start,
        [VM_REQUEST_ADOPT] = begin_adopt,
        [VM_REQUEST_REJOIN] = begin_adopt,
        [VM_REQUEST_SAVE] = begin_save,
        [VM_REQUEST_DESTROY] = begin_destroy,
        [VM_REQUEST_LEAVE] = begin_leave,
        [VM_REQUEST_SWEEP] = begin_sweep,
        [VM_REQUEST_STAND_STILL] = begin_stand_still,
        [VM_REQUEST_GO_ON] = begin_stand_still,
        [VM_REQUEST_CANCEL] = begin_cancel,
        [VM_REQUEST_STOP_TRYING] = begin_stop_trying,
        [VM_REQUEST_OPEN_NET] = begin_open_net,
        [VM_REQUEST_CAPTURE] = vmd_begin_capture,
        [VM_REQUEST_RELEASE] = vmd_begin_release,
    };
    VmdWork *work = vmd_work_new(server, begins[request->type], request, fd);

    work->begin(work, &work->request);
}
