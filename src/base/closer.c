/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * closer: closes descriptors that others have passed.
 *
 * A thread with an empty table of descriptors starts a thread for each batch of sockets, which
 * receives them over a channel, has the last reference to them, and exits. Files are closed by
 * other threads: each close of a file, not only the last one, waits for a file system in user
 * space. So no thread may have copies of the files of others either.
 */
#include "closer.h"

#include <errno.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BATCH_MAX 64u
#define THREADS_MAX 64 /* of each pool */
#define PAUSE_US 1000  /* before another attempt, when memory or the channel's buffer is full */

typedef union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * CLOSER_RECEIVED_MAX)];
} Control;

static struct {
    int in, out;   /* the channel */
    sem_t batches; /* that are in the channel, and closed in the table of the process */
    sem_t is_ready;
    GMutex lock;        /* batches are sent in the order of the semaphore */
    GAsyncQueue *queue; /* of what the first pool closes */
    GThreadPool *pool, *files;
} closer;

/* --- threads with a table of their own --- */

static void
wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) < 0)
        ;
}

/* Gives the thread its own table, which has only the end of the channel. */
static gboolean
leave_table(void)
{
    return syscall(SYS_close_range, closer.out + 1, G_MAXINT, CLOSE_RANGE_UNSHARE) == 0 &&
           (closer.out == 0 || syscall(SYS_close_range, 0, closer.out - 1, 0) == 0);
}

static void
try_again(void)
{
    g_usleep(PAUSE_US);
    sem_post(&closer.batches);
}

/* Receives the oldest batch, and exits. */
static void *
hold(void *data)
{
    char byte;
    Control control;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};

    if (!leave_table() || recvmsg(closer.out, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
        try_again();
    return NULL;
}

/* Handlers of signals write to descriptors of the process, which these threads do not have. So no
 * handler runs in them, except for a crash. */
static void
block_signals(sigset_t *ret_before)
{
    static const int crashes[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
    sigset_t all;

    sigfillset(&all);
    for (gsize i = 0; i < G_N_ELEMENTS(crashes); i++)
        sigdelset(&all, crashes[i]);
    pthread_sigmask(SIG_SETMASK, &all, ret_before);
}

static void *
start_holders(void *data)
{
    pthread_t thread;

    if (!leave_table())
        g_error("Cannot copy the table of descriptors: %s", g_strerror(errno));
    sem_post(&closer.is_ready);
    for (;;) {
        wait_for(&closer.batches);
        if (pthread_create(&thread, /* attr= */ NULL, hold, /* arg= */ NULL) == 0)
            pthread_detach(thread);
        else
            try_again();
    }
    return NULL;
}

/* --- threads of the pools --- */

static gboolean
is_socket(int fd)
{
    int type;
    socklen_t size = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
}

static gboolean
send_batch(const int *fds, guint count)
{
    Control control = {.align = {CMSG_LEN(sizeof(int) * count), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec part = {(char *)"", 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE(sizeof(int) * count)};

    memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * count);
    return sendmsg(closer.in, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

static void
close_all(const int *fds, guint count)
{
    for (guint i = 0; i < count; i++)
        close(fds[i]);
}

/* The kernel may refuse to pass sockets with other sockets in their queues. */
static void
close_sockets(const int *fds, guint count)
{
    gboolean is_sent, is_full;

    for (;;) {
        g_mutex_lock(&closer.lock);
        is_sent = send_batch(fds, count);
        is_full = !is_sent && errno == EAGAIN;
        if (is_sent) {
            close_all(fds, count); /* not for the last time */
            sem_post(&closer.batches);
        }
        g_mutex_unlock(&closer.lock);
        if (!is_full)
            break;
        g_usleep(PAUSE_US);
    }
    if (!is_sent)
        close_all(fds, count);
}

static void
close_file(gpointer item, gpointer data)
{
    close(GPOINTER_TO_INT(item) - 1);
}

/* Closes the sockets that wait: often another thread was first, and there is none. */
static void
close_waiting(gpointer item, gpointer data)
{
    int sockets[BATCH_MAX];
    guint count = 0;

    while (count < BATCH_MAX && (item = g_async_queue_try_pop(closer.queue))) {
        int fd = GPOINTER_TO_INT(item) - 1;

        if (is_socket(fd))
            sockets[count++] = fd;
        else
            g_thread_pool_push(closer.files, item, /* error= */ NULL);
    }
    if (count > 0)
        close_sockets(sockets, count);
}

static GThreadPool *
new_pool(GFunc function)
{
    return g_thread_pool_new(function, /* user_data= */ NULL, THREADS_MAX, /* exclusive= */ FALSE,
                             /* error= */ NULL);
}

void
closer_init(void)
{
    static gsize is_initialized;
    pthread_t thread;
    sigset_t before;
    int channel[2];

    if (!g_once_init_enter(&is_initialized))
        return;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0)
        g_error("Cannot make a socket: %s", g_strerror(errno));
    closer.in = channel[0];
    closer.out = channel[1];
    sem_init(&closer.batches, /* pshared= */ 0, /* value= */ 0);
    sem_init(&closer.is_ready, /* pshared= */ 0, /* value= */ 0);
    closer.queue = g_async_queue_new();
    closer.pool = new_pool(close_waiting);
    closer.files = new_pool(close_file);
    block_signals(&before); /* for the thread, and those that it starts */
    if (pthread_create(&thread, /* attr= */ NULL, start_holders, /* arg= */ NULL) != 0)
        g_error("Cannot start a thread");
    pthread_sigmask(SIG_SETMASK, &before, /* oldset= */ NULL);
    pthread_detach(thread);
    wait_for(&closer.is_ready);
    g_once_init_leave(&is_initialized, 1);
}

void
closer_close(int fd)
{
    closer_init();
    g_async_queue_push(closer.queue, GINT_TO_POINTER(fd + 1));
    g_thread_pool_push(closer.pool, closer.queue, /* error= */ NULL);
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
    Control control;
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
