/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmd-work: a request under way, and its answer. */
#include "closer.h"
#include "error.h"
#include "vm-facts-value.h"
#include "vmd-private.h"

void
vmd_answer(VmdServer *server, const VmAnswer *answer, int fd)
{
    if (server->socket)
        packet_socket_send(server->socket, answer, vm_answer_size(answer->type), fd);
}

VmdWork *
vmd_work_new(VmdServer *server, VmdBegin begin, const VmRequest *request, int fd)
{
    VmdWork *work = g_new0(VmdWork, 1);

    work->server = server;
    work->begin = begin;
    work->connection = server->connection;
    work->request = *request;
    work->fd = fd;
    server->works++;
    return work;
}

gboolean
vmd_work_is_wanted(const VmdWork *work)
{
    return work->server->socket && work->connection == work->server->connection;
}

void
vmd_work_free(VmdWork *work)
{
    gpointer serial = GUINT_TO_POINTER(work->request.serial);

    if (g_hash_table_lookup(work->server->requests, serial) == work)
        g_hash_table_remove(work->server->requests, serial);
    work->server->works--;
    if (work->fd >= 0)
        closer_close(work->fd);
    g_clear_object(&work->cancellable);
    vmd_paths_clear(&work->paths);
    facts_clear(&work->facts);
    g_free(work);
}

void
vmd_work_finish(VmdWork *work, VmAnswerType type, gint32 number)
{
    VmAnswer answer;

    vm_answer_init(&answer, type, work->request.serial);
    answer.number = number;
    if (vmd_work_is_wanted(work))
        vmd_answer(work->server, &answer, /* fd= */ -1);
    vmd_work_free(work);
}

void
vmd_work_fail(VmdWork *work, GError *error)
{
    VmAnswer answer;

    vm_answer_init(&answer, VM_ANSWER_FAILED, work->request.serial);
    vm_answer_set_error(&answer, error);
    if (vmd_work_is_wanted(work))
        vmd_answer(work->server, &answer, /* fd= */ -1);
    g_error_free(error);
    vmd_work_free(work);
}
