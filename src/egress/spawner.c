/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spawner: the process that workers are forked from. */
#include "spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"
#include "report.h"
#include "routes.h"
#include "util.h"
#include "worker-private.h"

#define FD_MASTER 3 /* of the spawner */
/* The file that GnuTLS of Debian 12 and 13 is built to load. GnuTLS does not tell its name. */
#define TRUST "/etc/ssl/certs/ca-certificates.crt"
#define OOM_SCORE "500" /* of workers */
#define FD_HIGH 64      /* beyond those that a worker begins with */
/* Larger pieces of memory are returned to the kernel when they are freed. */
#define MMAP_THRESHOLD (64 * 1024)

typedef struct {
    int master, signals;
    GHashTable *workers; /* pid → number */
    TlsTrust *trust;     /* NULL: this host has no usable certificates */
    struct stat trusted; /* of the file that it was loaded from */
} Spawner;

/* --- a worker's process --- */

/* Ends if the parent has ended already. */
static void
end_with_parent(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent)
        _exit(1);
}

/* When memory is short, the kernel ends a worker rather than the master, whose end is that of all
 * networks. A process whose memory is protected may not open its own files in /proc. */
static void
offer_to_end_first(void)
{
    int fd;

    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (fd < 0 || write(fd, OOM_SCORE, strlen(OOM_SCORE)) < 0)
        g_warning("The kernel may end another process first: %s", g_strerror(errno));
    if (fd >= 0)
        close(fd);
}

/* A terminal is no place for what a worker that was taken over may write. */
static gboolean
set_standard_fds(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    gboolean good = null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0;

    if (good && isatty(STDERR_FILENO))
        good = dup2(null, STDERR_FILENO) >= 0;
    return good;
}

/* Leaves the standard descriptors and those of confine.h. */
static gboolean
set_fds(int control, gboolean *ret_has_journal)
{
    int high = fcntl(control, F_DUPFD_CLOEXEC, FD_HIGH), journal, routes;
    gboolean good = high >= 0 && set_standard_fds();

    close_range(CONFINE_FD_CONTROL, FD_HIGH - 1, 0);
    journal = report_open_journal();
    routes = routes_open();
    good = good && routes >= 0 && dup2(routes, CONFINE_FD_ROUTES) == CONFINE_FD_ROUTES;
    if (journal >= 0)
        good = good && dup2(journal, CONFINE_FD_JOURNAL) == CONFINE_FD_JOURNAL;
    good = good && dup2(high, CONFINE_FD_CONTROL) == CONFINE_FD_CONTROL;
    *ret_has_journal = journal >= 0;
    if (journal < 0)
        close(CONFINE_FD_JOURNAL);
    return good && close_range(CONFINE_FD_FIRST, ~0u, 0) == 0;
}

static void
run_worker(const char *id, gboolean has_journal, TlsTrust *trust)
{
    WorkerWorld world = worker_world_new(routes_new(CONFINE_FD_ROUTES));
    Worker *worker =
        worker_new(id, CONFINE_FD_CONTROL, has_journal ? CONFINE_FD_JOURNAL : -1, &world, trust);

    while (worker_step(worker, /* timeout_ms= */ -1))
        ;
    worker_free(worker);
}

static void G_GNUC_NORETURN
become_worker(pid_t parent, const char *id, int control, TlsTrust *trust)
{
    gboolean has_journal = FALSE;
    sigset_t none;

    end_with_parent(parent);
    setsid();
    prctl(PR_SET_NAME, "egress-worker", 0, 0, 0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    offer_to_end_first();
    if (!set_fds(control, &has_journal) || !confine_apply())
        _exit(1);
    run_worker(id, has_journal, trust);
    _exit(0);
}

/* --- the spawner's process --- */

static void
report_end(const Spawner *spawner, guint32 number, int status)
{
    const SpawnerEnd end = {.number = number, .status = status};

    send(spawner->master, &end, sizeof end, MSG_NOSIGNAL);
}

/* The time of the content may be that of the package: the time of the change cannot be set. */
static gboolean
is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Loads the certificates again if they have changed. */
static void
load_trust(Spawner *spawner)
{
    g_autoptr(GError) error = NULL;
    struct stat status = {0};

    stat(TRUST, &status);
    if (spawner->trust && is_same_file(&status, &spawner->trusted))
        return;
    tls_trust_unref(spawner->trust);
    spawner->trust = tls_trust_new(/* pem= */ NULL, &error);
    spawner->trusted = status;
    if (!spawner->trust)
        g_warning("Requests cannot be inspected: %s", error->message);
}

static void
fork_worker(Spawner *spawner, const SpawnerRequest *request, int control)
{
    pid_t self = getpid(), pid;

    load_trust(spawner);
    pid = fork();
    if (pid == 0)
        become_worker(self, request->id, control, spawner->trust);
    if (pid < 0)
        report_end(spawner, request->number, -1);
    else
        g_hash_table_insert(spawner->workers, GINT_TO_POINTER(pid),
                            GUINT_TO_POINTER(request->number));
}

static void
kill_worker(Spawner *spawner, guint32 number)
{
    GHashTableIter iter;
    gpointer pid, value;

    g_hash_table_iter_init(&iter, spawner->workers);
    while (g_hash_table_iter_next(&iter, &pid, &value))
        if (GPOINTER_TO_UINT(value) == number)
            kill(GPOINTER_TO_INT(pid), SIGKILL);
}

static void
reap(Spawner *spawner)
{
    struct signalfd_siginfo info;
    pid_t pid;
    int status;

    while (read(spawner->signals, &info, sizeof info) > 0)
        ;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        gpointer number = NULL;

        if (g_hash_table_steal_extended(spawner->workers, GINT_TO_POINTER(pid), NULL, &number))
            report_end(spawner, GPOINTER_TO_UINT(number), status);
    }
}

/* FALSE: the master has ended. */
static gboolean
take_request(Spawner *spawner)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    SpawnerRequest request;
    struct iovec part = {.iov_base = &request, .iov_len = sizeof request};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    gssize size = recvmsg(spawner->master, &message, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *rights = size > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    int fd = -1;

    if (size < 0)
        return errno == EINTR;
    if (rights)
        memcpy(&fd, CMSG_DATA(rights), sizeof fd);
    if (size == (gssize)sizeof request && request.order == SPAWNER_FORK && fd >= 0)
        fork_worker(spawner, &request, fd);
    else if (size == (gssize)sizeof request && request.order == SPAWNER_KILL)
        kill_worker(spawner, request.number);
    if (fd >= 0)
        close(fd);
    return size > 0;
}

static int
watch_children(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Nothing of the master's but the socket remains open, nor does its working directory. */
static void G_GNUC_NORETURN
become_spawner(pid_t parent, int master)
{
    Spawner spawner = {.master = FD_MASTER};
    struct pollfd fds[2] = {{.fd = FD_MASTER, .events = POLLIN}, {.events = POLLIN}};

    end_with_parent(parent);
    if (dup2(master, FD_MASTER) < 0 || close_range(FD_MASTER + 1, ~0u, 0) < 0 || chdir("/") < 0)
        _exit(1);
    fds[1].fd = spawner.signals = watch_children();
    prctl(PR_SET_NAME, "egress-spawner", 0, 0, 0);
    spawner.workers = g_hash_table_new(NULL, NULL);
    load_trust(&spawner);
    mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
    for (;;) {
        poll(fds, G_N_ELEMENTS(fds), -1);
        if (fds[1].revents)
            reap(&spawner);
        if (fds[0].revents && !take_request(&spawner))
            _exit(0);
    }
}

int
spawner_start(GError **error)
{
    pid_t self = getpid(), pid;
    int pair[2];

    if (!confine_prepare(error))
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        util_set_errno(error, errno, "Cannot make a socket");
        return -1;
    }
    pid = fork();
    if (pid == 0) {
        close(pair[0]);
        become_spawner(self, pair[1]);
    }
    close(pair[1]);
    if (pid > 0)
        return pair[0];
    util_set_errno(error, errno, "Cannot start a process");
    close(pair[0]);
    return -1;
}
