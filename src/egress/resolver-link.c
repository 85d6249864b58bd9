/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resolver-link: the master's way to the resolver. */
#include "resolver-link.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "resolver-protocol.h"
#include "util.h"

#define PROGRAM "/proc/self/exe"
#define CHILD_FD 3

struct ResolverLink {
    char *path; /* NULL: a child */
    int child;  /* socket to it, -1: it does not run */
    pid_t pid;
};

ResolverLink *
resolver_link_new(const char *path)
{
    ResolverLink *link = g_new0(ResolverLink, 1);

    link->path = g_strdup(path);
    link->child = -1;
    return link;
}

static void
end_child(ResolverLink *link)
{
    if (link->child < 0)
        return;
    close(link->child);
    kill(link->pid, SIGKILL);
    waitpid(link->pid, NULL, 0);
    link->child = -1;
}

void
resolver_link_free(ResolverLink *link)
{
    end_child(link);
    g_free(link->path);
    g_free(link);
}

/* --- a service --- */

static int
connect_to_service(const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    util_set_errno(error, errno, "Cannot connect to the resolver at %s", path);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* --- a child --- */

static int
spawn(ResolverLink *link, int socket)
{
    char *argv[] = {(char *)"cloche-egress", (char *)"--resolver", (char *)"--child",
                    (char *)G_STRINGIFY(CHILD_FD), NULL};
    posix_spawn_file_actions_t actions;
    int r;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, socket, CHILD_FD);
    posix_spawn_file_actions_addchdir_np(&actions, "/");
    r = posix_spawn(&link->pid, PROGRAM, &actions, /* attr= */ NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return r;
}

static gboolean
start_child(ResolverLink *link, GError **error)
{
    int pair[2], r;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return util_set_errno(error, errno, "Cannot make a socket");
    r = spawn(link, pair[1]);
    close(pair[1]);
    if (r == 0) {
        link->child = pair[0];
        return TRUE;
    }
    close(pair[0]);
    return util_set_errno(error, r, "Cannot start the resolver");
}

static gboolean
pass(int socket, int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec part = {.iov_base = (char *)"", .iov_len = 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};

    control.align.cmsg_level = SOL_SOCKET;
    control.align.cmsg_type = SCM_RIGHTS;
    control.align.cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(&control.align), &fd, sizeof fd);
    return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

/* A child that has ended is replaced, but not one that has no room for a descriptor now. */
static gboolean
pass_to_child(ResolverLink *link, int fd, GError **error)
{
    if (link->child >= 0 && pass(link->child, fd))
        return TRUE;
    if (link->child >= 0 && (errno == EAGAIN || errno == ETOOMANYREFS))
        return util_set_errno(error, errno, "The resolver cannot get a connection");
    end_child(link);
    if (!start_child(link, error))
        return FALSE;
    return pass(link->child, fd) || util_set_errno(error, errno, "The resolver does not answer");
}

static int
connect_to_child(ResolverLink *link, GError **error)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        util_set_errno(error, errno, "Cannot make a socket");
        return -1;
    }
    if (!pass_to_child(link, pair[1], error)) {
        close(pair[0]);
        pair[0] = -1;
    }
    close(pair[1]);
    return pair[0];
}

int
resolver_link_connect(ResolverLink *link, guint32 owner, GError **error)
{
    const ResolverGreeting greeting = {.owner = owner};
    int fd = link->path ? connect_to_service(link->path, error) : connect_to_child(link, error);

    if (fd < 0 || send(fd, &greeting, sizeof greeting, MSG_DONTWAIT | MSG_NOSIGNAL) ==
                      (gssize)sizeof greeting)
        return fd;
    util_set_errno(error, errno, "The resolver does not answer");
    close(fd);
    return -1;
}
