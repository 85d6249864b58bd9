/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* link-requests: the requests of a link that start no process, and wait for OK or ERROR. */
#include "link-requests.h"

#include "error.h"
#include "guest-error.h"

void
link_requests_init(LinkRequests *requests)
{
    requests->tasks = g_hash_table_new_full(NULL, NULL, NULL, g_object_unref);
}

void
link_requests_clear(LinkRequests *requests)
{
    g_hash_table_unref(requests->tasks);
}

void
link_requests_add(LinkRequests *requests, guint32 number, GTask *task)
{
    g_hash_table_insert(requests->tasks, GUINT_TO_POINTER(number), task);
}

GTask *
link_requests_steal(LinkRequests *requests, guint32 number)
{
    GTask *task = NULL;

    g_hash_table_steal_extended(requests->tasks, GUINT_TO_POINTER(number), NULL, (gpointer *)&task);
    return task;
}

void
link_requests_fail_all(LinkRequests *requests, const GError *error)
{
    g_autoptr(GHashTable) failing = g_steal_pointer(&requests->tasks);
    g_autoptr(GList) tasks = g_hash_table_get_values(failing);

    link_requests_init(requests);
    for (GList *l = tasks; l; l = l->next)
        g_task_return_error(l->data, g_error_copy(error));
}

gboolean
link_requests_answer(GTask *task, const WireHeader *header, const guint8 *payload)
{
    g_autoptr(GTask) answered = task;
    GError *error;

    if (header->type == WIRE_OK && header->length == 0) {
        g_task_return_boolean(answered, TRUE);
        return TRUE;
    }
    error = header->type == WIRE_ERROR ? guest_error_read(payload, header->length) : NULL;
    g_task_return_error(answered, error ? error
                                        : g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST,
                                                      "The agent's answer was malformed"));
    return error != NULL;
}
