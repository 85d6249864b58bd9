/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* closer: closes descriptors that others have passed. */
#include "closer.h"

#include <errno.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BATCH_MAX 64u
/* A close of a file of a file system in user space can still block. */
#define THREADS_MAX 64

/* A thread with a table of descriptors of its own. */
typedef struct {
    int fds[BATCH_MAX]; /* ascending */
    guint count;
    sem_t has_copies, may_exit;
} Holder;

/* --- the thread that exits --- */

static gboolean
close_between(int first, int last, guint flags)
{
    return first > last || syscall(SYS_close_range, first, last, flags) == 0;
}

/* FALSE: it still shares the table with the process. */
static gboolean
keep_only(const Holder *holder)
{
    int first = 0;

    if (!close_between(holder->fds[holder->count - 1] + 1, G_MAXINT, CLOSE_RANGE_UNSHARE))
        return FALSE;
    for (guint i = 0; i < holder->count; i++) {
        close_between(first, holder->fds[i] - 1, 0);
        first = holder->fds[i] + 1;
    }
    return TRUE;
}

static void
wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) < 0)
        ;
}

static void *
hold(void *data)
{
    Holder *holder = data;

    if (!keep_only(holder))
        g_warning_once("Cannot copy the table of descriptors: %s", g_strerror(errno));
    sem_post(&holder->has_copies);
    wait_for(&holder->may_exit);
    sem_destroy(&holder->has_copies);
    sem_destroy(&holder->may_exit);
    g_free(holder);
    return NULL;
}

/* --- the thread that closes --- */

static int
compare_fds(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* FALSE: the holder is freed. */
static gboolean
start(Holder *holder)
{
    pthread_t thread;

    sem_init(&holder->has_copies, /* pshared= */ 0, /* value= */ 0);
    sem_init(&holder->may_exit, /* pshared= */ 0, /* value= */ 0);
    if (pthread_create(&thread, /* attr= */ NULL, hold, holder) != 0) {
        g_free(holder);
        return FALSE;
    }
    pthread_detach(thread);
    return TRUE;
}

/* The holder's copies are closed last. */
static void
close_batch(const int *fds, guint count)
{
    Holder *holder = g_new0(Holder, 1);
    gboolean has_started;

    memcpy(holder->fds, fds, count * sizeof *fds);
    holder->count = count;
    qsort(holder->fds, count, sizeof *fds, compare_fds);
    has_started = start(holder);
    if (has_started)
        wait_for(&holder->has_copies);
    for (guint i = 0; i < count; i++)
        close(fds[i]);
    if (has_started)
        sem_post(&holder->may_exit);
}

/* Closes all descriptors that wait: often another thread was first, and there is none. */
static void
run(gpointer item, gpointer queue)
{
    int fds[BATCH_MAX];
    guint count = 0;

    while (count < BATCH_MAX && (item = g_async_queue_try_pop(queue)))
        fds[count++] = GPOINTER_TO_INT(item) - 1;
    if (count > 0)
        close_batch(fds, count);
}

void
closer_close(int fd)
{
    static GAsyncQueue *queue;
    static GThreadPool *pool;

    if (g_once_init_enter(&pool)) {
        queue = g_async_queue_new();
        g_once_init_leave(&pool, g_thread_pool_new(run, queue, THREADS_MAX,
                                                   /* exclusive= */ FALSE, NULL));
    }
    g_async_queue_push(queue, GINT_TO_POINTER(fd + 1));
    g_thread_pool_push(pool, queue, /* error= */ NULL);
}

/* --- sockets --- */

/* Returns how many there were. */
static guint
close_received(struct msghdr *message)
{
    guint count = 0;

    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        int fds[CLOSER_RECEIVED_MAX];
        guint n = (guint)((part->cmsg_len - CMSG_LEN(0)) / sizeof(int));

        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        memcpy(fds, CMSG_DATA(part), n * sizeof(int));
        for (guint i = 0; i < n; i++)
            closer_close(fds[i]);
        count += n;
    }
    return count;
}

gssize
closer_receive(int socket, void *bytes, gsize size)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * CLOSER_RECEIVED_MAX)];
    } control;
    struct iovec part = {bytes, size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    gssize n = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    gboolean has_fds;

    if (n < 0)
        return n;
    has_fds = close_received(&message) > 0;
    if (!has_fds && !(message.msg_flags & MSG_CTRUNC)) /* that: this process can have no more */
        return n;
    errno = EPROTO;
    return -1;
}
