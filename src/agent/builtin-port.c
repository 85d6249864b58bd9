/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * builtin-port: connects to TCP ports of the guest, and lists listeners.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "builtin.h"

#define LISTENING 0x0A /* TCP_LISTEN */
#define LISTENERS_MAX 4096u
#define RELAY_SIZE (64u << 10)

typedef struct {
    int family;
    union {
        struct in_addr v4;
        struct in6_addr v6;
    } address;
    uint16_t port;
    unsigned long inode;
} Listener;

static Listener listeners[LISTENERS_MAX];
static size_t n_listeners;

/* --- listeners --- */

/* The kernel prints an address as 32-bit words in the machine's byte order. */
static bool
parse_address(const char *hex, Listener *listener)
{
    uint32_t *words =
        listener->family == AF_INET ? &listener->address.v4.s_addr : listener->address.v6.s6_addr32;
    size_t count = listener->family == AF_INET ? 1 : 4;

    for (size_t i = 0; i < count; i++)
        if (sscanf(hex + 8 * i, "%8x", &words[i]) != 1)
            return false;
    return true;
}

static void
read_table(const char *path, int family)
{
    FILE *file = fopen(path, "re");
    char line[512], hex[33];

    while (file && n_listeners < LISTENERS_MAX && fgets(line, sizeof line, file)) {
        Listener *listener = &listeners[n_listeners];
        unsigned port, state;

        if (sscanf(line, " %*d: %32[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s %*s %*d %*d %lu", hex,
                   &port, &state, &listener->inode) != 4 ||
            state != LISTENING || port > UINT16_MAX)
            continue;
        listener->family = family;
        listener->port = (uint16_t)port;
        n_listeners += parse_address(hex, listener);
    }
    if (file)
        fclose(file);
}

static void
read_listeners(void)
{
    read_table("/proc/net/tcp", AF_INET);
    read_table("/proc/net/tcp6", AF_INET6);
}

static int
compare_listeners(const void *a, const void *b)
{
    const Listener *first = a, *second = b;

    if (first->port != second->port)
        return first->port < second->port ? -1 : 1;
    return first->family - second->family;
}

/* The process that has the socket, if /proc shows it to this user; otherwise 0. */
static uint32_t
find_holder(unsigned long inode)
{
    char wanted[64], path[300], target[64];
    DIR *proc = opendir("/proc");
    uint32_t found = 0;

    snprintf(wanted, sizeof wanted, "socket:[%lu]", inode);
    for (struct dirent *entry; proc && found == 0 && (entry = readdir(proc));) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        snprintf(path, sizeof path, "/proc/%s/fd", entry->d_name);
        DIR *fds = opendir(path);
        for (struct dirent *fd; fds && found == 0 && (fd = readdir(fds));) {
            ssize_t n = readlinkat(dirfd(fds), fd->d_name, target, sizeof target - 1);

            target[n < 0 ? 0 : n] = '\0';
            if (strcmp(target, wanted) == 0)
                found = (uint32_t)strtoul(entry->d_name, NULL, 10);
        }
        if (fds)
            closedir(fds);
    }
    if (proc)
        closedir(proc);
    return found;
}

static void
read_name(uint32_t pid, char *out, size_t size)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%u/comm", pid);
    int fd = pid == 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, out, size - 1);
    if (fd >= 0)
        close(fd);
    out[n < 0 ? 0 : n] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

void
builtin_listeners(char *const *argv)
{
    read_listeners();
    qsort(listeners, n_listeners, sizeof *listeners, compare_listeners);
    builtin_ready();
    for (size_t i = 0; i < n_listeners; i++) {
        const Listener *listener = &listeners[i];
        char address[INET6_ADDRSTRLEN], name[64];
        uint8_t fields[256];
        WireWriter w = {.data = fields, .size = sizeof fields};
        uint32_t pid = find_holder(listener->inode);

        inet_ntop(listener->family, &listener->address, address, sizeof address);
        read_name(pid, name, sizeof name);
        wire_put_u32(&w, listener->port);
        wire_put_string(&w, address);
        wire_put_u32(&w, pid);
        wire_put_string(&w, name);
        builtin_write_record(&w);
    }
}

/* --- a connection --- */

/* The socket, or -errno. */
static int
try_address(int family, const void *address, uint16_t port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } to = {.any.sa_family = (sa_family_t)family};
    socklen_t size = family == AF_INET ? sizeof to.v4 : sizeof to.v6;

    if (family == AF_INET) {
        to.v4.sin_port = htons(port);
        memcpy(&to.v4.sin_addr, address, sizeof to.v4.sin_addr);
    } else {
        to.v6.sin6_port = htons(port);
        memcpy(&to.v6.sin6_addr, address, sizeof to.v6.sin6_addr);
    }
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, &to.any, size) == 0)
        return fd;
    int r = -errno;
    close(fd);
    return r;
}

static int
try_text(const char *text, uint16_t port)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, text, &v4) == 1)
        return try_address(AF_INET, &v4, port);
    if (inet_pton(AF_INET6, text, &v6) == 1)
        return try_address(AF_INET6, &v6, port);
    return -EINVAL;
}

/* Tries the loopback addresses, then the addresses of listeners. */
static int
try_all(uint16_t port)
{
    int fd = try_text("127.0.0.1", port);

    if (fd < 0)
        fd = try_text("::1", port);
    if (fd >= 0)
        return fd;
    read_listeners();
    for (size_t i = 0; fd < 0 && i < n_listeners; i++)
        if (listeners[i].port == port)
            fd = try_address(listeners[i].family, &listeners[i].address, port);
    return fd < 0 ? -ECONNREFUSED : fd;
}

/* --- relaying --- */

/* One direction of a connection. */
typedef struct {
    int from, to; /* -1: ended */
    char *data;
    size_t begin, end;
    bool to_is_socket;
} Pipe;

static void
end_pipe(Pipe *pipe, int socket_fd)
{
    if (pipe->to_is_socket)
        shutdown(socket_fd, SHUT_WR);
    else if (pipe->to >= 0)
        close(pipe->to);
    pipe->from = pipe->to = -1;
}

static void
fill(Pipe *pipe, int socket_fd)
{
    ssize_t n = read(pipe->from, pipe->data, RELAY_SIZE);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0 && !pipe->to_is_socket) /* the connection broke, which is not an end of file */
        _exit(errno);
    if (n <= 0) {
        end_pipe(pipe, socket_fd);
        return;
    }
    pipe->begin = 0;
    pipe->end = (size_t)n;
}

static void
reader_left(Pipe *pipe, int socket_fd)
{
    if (!pipe->to_is_socket)
        shutdown(socket_fd, SHUT_RD);
    end_pipe(pipe, socket_fd);
    pipe->begin = pipe->end = 0;
}

static void
drain(Pipe *pipe, int socket_fd)
{
    ssize_t n = write(pipe->to, pipe->data + pipe->begin, pipe->end - pipe->begin);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        reader_left(pipe, socket_fd);
        return;
    }
    pipe->begin += (size_t)n;
}

static bool
is_over(const Pipe *pipe)
{
    return pipe->to < 0;
}

static struct pollfd
wish_of(const Pipe *pipe)
{
    bool is_full = pipe->begin < pipe->end;

    if (is_over(pipe))
        return (struct pollfd){.fd = -1};
    return (struct pollfd){
        .fd = is_full ? pipe->to : pipe->from,
        .events = is_full ? POLLOUT : POLLIN,
    };
}

static void
relay(int socket_fd)
{
    static char up[RELAY_SIZE], down[RELAY_SIZE];
    Pipe pipes[] = {
        {.from = STDIN_FILENO, .to = socket_fd, .data = up, .to_is_socket = true},
        {.from = socket_fd, .to = STDOUT_FILENO, .data = down},
    };

    while (!is_over(&pipes[0]) || !is_over(&pipes[1])) {
        /* The third entry notices a reader that closes while no data arrives. */
        struct pollfd fds[] = {wish_of(&pipes[0]), wish_of(&pipes[1]), {.fd = pipes[1].to}};

        if (poll(fds, 3, -1) < 0 && errno != EINTR)
            _exit(errno);
        if (fds[2].revents & POLLERR && !is_over(&pipes[1]))
            reader_left(&pipes[1], socket_fd);
        for (int i = 0; i < 2; i++) {
            if (fds[i].revents == 0 || is_over(&pipes[i]))
                continue;
            if (pipes[i].begin < pipes[i].end)
                drain(&pipes[i], socket_fd);
            else
                fill(&pipes[i], socket_fd);
        }
    }
}

void
builtin_connect(char *const *argv)
{
    uint16_t port = (uint16_t)strtoul(argv[1], NULL, 10);
    int fd = *argv[2] ? try_text(argv[2], port) : try_all(port);

    if (fd == -EINVAL)
        builtin_fail(EINVAL, WIRE_ABOUT_PORT, argv[2]);
    if (fd < 0)
        builtin_fail(-fd, WIRE_ABOUT_PORT, argv[1]);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 2; i++)
        fcntl(i, F_SETFL, fcntl(i, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
    builtin_ready();
    relay(fd);
}
