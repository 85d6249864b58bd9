/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmd-capture: captures of machines.
 *
 * Between a capture and its release, the machine is held and not busy: it can be destroyed. When
 * the connection ends, it is left, and so runs again.
 */
#include <fcntl.h>

#include "vmd-private.h"

/* Takes the error (NULL: it succeeded). */
static void
finish(VmdWork *work, GError *error)
{
    VmdMachine *machine = work->machine;

    if (!vmd_work_is_wanted(work))
        vmd_machine_leave(machine);
    if (error)
        vmd_work_fail(work, error);
    else
        vmd_work_finish(work, VM_ANSWER_DONE, 0);
    vmd_machine_release(machine, /* is_gone= */ FALSE);
}

static void
on_captured(GObject *source, GAsyncResult *result, gpointer data)
{
    VmdWork *work = data;
    GError *error = NULL;

    machine_capture_finish(work->machine->machine, result, &error);
    finish(work, error);
}

static void
on_released(GObject *source, GAsyncResult *result, gpointer data)
{
    VmdWork *work = data;
    GError *error = NULL;

    machine_release_finish(work->machine->machine, result, &error);
    finish(work, error);
}

/* The memory of a process of another user is not read, whatever an earlier configuration allowed.
 */
static gboolean
check(const VmdWork *work, GError **error)
{
    const VmdConfig *config = work->server->config;
    const VmdMachine *machine = vmd_machine_find(work->server, work->request.name);

    return vmd_check_fd(config, work->fd, O_WRONLY, error) &&
           (!machine || vmd_check_uid(config, machine->uid, error));
}

void
vmd_begin_capture(VmdWork *work, const VmRequest *request)
{
    GError *error = NULL;

    if (!check(work, &error)) {
        g_prefix_error(&error, "machine '%s' was not captured: ", work->request.name);
        vmd_work_fail(work, error);
    } else if (vmd_work_reserve(work, /* must_be_held= */ TRUE)) {
        machine_capture_async(work->machine->machine, work->fd, on_captured, work);
    }
}

void
vmd_begin_release(VmdWork *work, const VmRequest *request)
{
    if (vmd_work_reserve(work, /* must_be_held= */ TRUE))
        machine_release_async(work->machine->machine, on_released, work);
}
