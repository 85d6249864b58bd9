/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* deadline: one queue of moments on CLOCK_BOOTTIME, one timer for the earliest. */
#include "deadline.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "util.h"

struct Deadlines {
    int timer;
    guint source;
    GSequence *queue; /* of Deadline, the earliest first */
};

struct Deadline {
    Deadlines *owner;
    GSequenceIter *place;
    gint64 when_us;
    DeadlineReached reached;
    gpointer data;
};

static Deadline *
earliest(Deadlines *queue)
{
    GSequenceIter *first = g_sequence_get_begin_iter(queue->queue);

    return g_sequence_iter_is_end(first) ? NULL : g_sequence_get(first);
}

static void
arm(Deadlines *queue)
{
    Deadline *next = earliest(queue);
    struct itimerspec spec = {0};

    if (next) {
        gint64 when_us = MAX(next->when_us, 1); /* zero would disarm it */

        spec.it_value.tv_sec = when_us / G_USEC_PER_SEC;
        spec.it_value.tv_nsec = when_us % G_USEC_PER_SEC * 1000;
    }
    timerfd_settime(queue->timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

static gboolean
on_timer(int fd, GIOCondition condition, gpointer data)
{
    Deadlines *queue = data;
    Deadline *next;
    guint64 expirations;

    if (read(fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
        g_error("timerfd: %s", g_strerror(errno));
    while ((next = earliest(queue)) && next->when_us <= util_boottime_us()) {
        DeadlineReached reached = next->reached;
        gpointer reached_data = next->data;

        g_sequence_remove(next->place);
        g_free(next);
        reached(reached_data);
    }
    arm(queue);
    return G_SOURCE_CONTINUE;
}

static int
compare(gconstpointer a, gconstpointer b, gpointer data)
{
    const Deadline *x = a, *y = b;

    return (x->when_us > y->when_us) - (x->when_us < y->when_us);
}

Deadlines *
deadlines_new(GError **error)
{
    int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    Deadlines *queue;

    if (timer < 0) {
        util_set_errno(error, errno, "Cannot make a timer");
        return NULL;
    }
    queue = g_new0(Deadlines, 1);
    queue->timer = timer;
    queue->queue = g_sequence_new(NULL);
    queue->source = g_unix_fd_add(timer, G_IO_IN, on_timer, queue);
    return queue;
}

void
deadlines_free(Deadlines *queue)
{
    if (!queue)
        return;
    g_source_remove(queue->source);
    close(queue->timer);
    g_sequence_foreach(queue->queue, (GFunc)(void (*)(void))g_free, NULL);
    g_sequence_free(queue->queue);
    g_free(queue);
}

Deadline *
deadline_add(Deadlines *queue, gint64 when_us, DeadlineReached reached, gpointer data)
{
    Deadline *deadline = g_new0(Deadline, 1);

    deadline->owner = queue;
    deadline->when_us = when_us;
    deadline->reached = reached;
    deadline->data = data;
    deadline->place = g_sequence_insert_sorted(queue->queue, deadline, compare, NULL);
    if (earliest(queue) == deadline)
        arm(queue);
    return deadline;
}

void
deadline_remove(Deadline *deadline)
{
    Deadlines *queue = deadline->owner;
    gboolean was_first = earliest(queue) == deadline;

    g_sequence_remove(deadline->place);
    g_free(deadline);
    if (was_first)
        arm(queue);
}
