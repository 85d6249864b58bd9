/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stranger: reads a descriptor that a caller passed. */
#include "stranger.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "closer.h"
#include "complete-stream.h"
#include "error.h"
#include "inlet.h"
#include "util.h"

/* After poll() reported bytes that were not there. */
#define PAUSE_MS 20

typedef enum { STRANGER_OTHER, STRANGER_SOCKET, STRANGER_PIPE } StrangerKind;

struct Stranger {
    StrangerKind kind;
    int from, to;
    int between[2]; /* our own pipe, if `from` is a pipe; else -1 */
    void (*gone)(gpointer data);
    gpointer data;
};

static void
close_ours(const Stranger *stranger)
{
    const int ours[] = {stranger->to, stranger->between[0], stranger->between[1]};

    for (gsize i = 0; i < G_N_ELEMENTS(ours); i++)
        if (ours[i] >= 0)
            close(ours[i]);
}

/* --- in the thread --- */

/* FALSE: the reader has closed its end. */
static gboolean
wait_readable(const Stranger *stranger)
{
    struct pollfd fds[] = {{.fd = stranger->from, .events = POLLIN}, {.fd = stranger->to}};

    while (poll(fds, G_N_ELEMENTS(fds), -1) < 0)
        if (errno != EINTR)
            return FALSE;
    return fds[1].revents == 0;
}

/* So that a descriptor that always seems readable does not keep a processor busy. */
static void
pause_reading(const Stranger *stranger)
{
    struct pollfd reader = {.fd = stranger->to};

    poll(&reader, 1, PAUSE_MS);
}

/* Moves the bytes to our own pipe first: that call never blocks, and read() of a pipe does. */
static gssize
read_pipe(const Stranger *stranger, guint8 *bytes)
{
    gssize n =
        splice(stranger->from, NULL, stranger->between[1], NULL, INLET_SIZE, SPLICE_F_NONBLOCK);

    return n > 0 ? read(stranger->between[0], bytes, (gsize)n) : n;
}

static gssize
read_some(const Stranger *stranger, guint8 *bytes)
{
    switch (stranger->kind) {
    case STRANGER_SOCKET:
        return recv(stranger->from, bytes, INLET_SIZE, MSG_DONTWAIT);
    case STRANGER_PIPE:
        return read_pipe(stranger, bytes);
    default:
        return read(stranger->from, bytes, INLET_SIZE);
    }
}

static gboolean
send_all(const Stranger *stranger, const guint8 *bytes, gsize size)
{
    while (size > 0) {
        gssize n = send(stranger->to, bytes, size, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return FALSE;
        bytes += MAX(n, 0);
        size -= (gsize)MAX(n, 0);
    }
    return TRUE;
}

/* Returns TRUE if the descriptor has ended, and everything was sent. */
static gboolean
copy_all(const Stranger *stranger)
{
    guint8 bytes[INLET_SIZE];

    while (wait_readable(stranger)) {
        gssize n = read_some(stranger, bytes);

        if (n == 0)
            return TRUE;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return FALSE;
        if (n < 0)
            pause_reading(stranger);
        else if (!send_all(stranger, bytes, (gsize)n))
            return FALSE;
    }
    return FALSE;
}

static gboolean
on_thread_ended(gpointer data)
{
    Stranger *stranger = data;

    if (stranger->gone)
        stranger->gone(stranger->data);
    g_free(stranger);
    return G_SOURCE_REMOVE;
}

/* The closer has few threads for all users, and the close of a file can block for as long as its
 * owner wants. This thread is charged to the caller. */
static void
close_theirs(const Stranger *stranger)
{
    if (stranger->kind == STRANGER_SOCKET)
        closer_close(stranger->from);
    else
        close(stranger->from);
}

static gpointer
copy_in_thread(gpointer data)
{
    Stranger *stranger = data;

    if (copy_all(stranger))
        complete_stream_finish(stranger->to);
    close_ours(stranger);
    close_theirs(stranger);
    g_idle_add(on_thread_ended, stranger);
    return NULL;
}

/* --- in the main context --- */

/* The kernel shows the addresses of a process in its files of /proc to the process itself, also
 * when another one has opened them. */
static gboolean
is_about_service(int fd, const struct stat *st)
{
    struct statfs fs;

    return geteuid() != 0 && st->st_uid == geteuid() && fstatfs(fd, &fs) == 0 &&
           fs.f_type == PROC_SUPER_MAGIC;
}

/* Descriptors that are no file of any kind include signalfds, whose reader takes the signals of its
 * own process. */
static gboolean
check_kind(int fd, const struct stat *st, GError **error)
{
    if ((st->st_mode & S_IFMT) != 0 && !is_about_service(fd, st))
        return TRUE;
    g_set_error_literal(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                        "the descriptor must be a pipe, a socket or a file, and not a file of "
                        "the service");
    return FALSE;
}

/* Finds out how to read it. */
static gboolean
examine(Stranger *stranger, GError **error)
{
    struct stat st;

    if (fstat(stranger->from, &st) < 0)
        return util_set_errno(error, errno, "Cannot examine a descriptor");
    if (!check_kind(stranger->from, &st, error))
        return FALSE;
    if (S_ISSOCK(st.st_mode))
        stranger->kind = STRANGER_SOCKET;
    else if (S_ISFIFO(st.st_mode))
        stranger->kind = STRANGER_PIPE;
    if (stranger->kind == STRANGER_PIPE && pipe2(stranger->between, O_CLOEXEC) < 0)
        return util_set_errno(error, errno, "Cannot make a pipe");
    return TRUE;
}

static gboolean
start(Stranger *stranger, int *ret_fd, GError **error)
{
    GThread *thread;
    int ours;

    if (!examine(stranger, error) || !complete_stream_open(&stranger->to, &ours, error))
        return FALSE;
    g_unix_set_fd_nonblocking(ours, TRUE, NULL);
    thread = g_thread_try_new("stranger", copy_in_thread, stranger, error);
    if (!thread) {
        close(ours);
        return FALSE;
    }
    g_thread_unref(thread);
    *ret_fd = ours;
    return TRUE;
}

Stranger *
stranger_new(int fd, int *ret_fd, void (*gone)(gpointer data), gpointer data, GError **error)
{
    Stranger *stranger = g_new0(Stranger, 1);

    stranger->from = fd;
    stranger->to = stranger->between[0] = stranger->between[1] = -1;
    stranger->gone = gone;
    stranger->data = data;
    if (start(stranger, ret_fd, error))
        return stranger;
    close_ours(stranger);
    closer_close(stranger->from);
    g_free(stranger);
    return NULL;
}

void
stranger_leave(Stranger *stranger)
{
    stranger->gone = NULL;
}
