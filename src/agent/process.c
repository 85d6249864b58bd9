/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * process: start, deadline, end.
 *
 * The agent never waits for a child. A pipe reports whether the program runs: the child writes an
 * error to it, or exec closes it. A StartedProcess is freed when its first process was reaped, its
 * cgroup was removed and its stream has ended.
 */
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "builtin.h"
#include "cgroup.h"
#include "child.h"
#include "host-port.h"
#include "launch.h"
#include "stream.h"

#define TIMEOUT_MAX_MS (UINT64_C(1000) * 3600 * 24 * 365 * 10)

typedef struct StartedProcess StartedProcess;
struct StartedProcess {
    StartedProcess *previous, *next;
    ProcessStream stream;
    StartRequest request;
    uint64_t number; /* of its cgroup */
    pid_t pid;       /* of its first process; 0 once reaped */
    bool has_cgroup;
    Source launch;       /* closes when the program runs */
    Source emptied;      /* cgroup.events, if others outlive the first process */
    uint64_t started_ms; /* since 1970 */
    uint64_t deadline_ms;
    bool has_timed_out;
};

static StartedProcess *processes;
static unsigned n_processes;
static uint64_t last_number;
static Source timer = {.fd = -1};

static void on_timer(Source *source, uint32_t events);

void
start_request_free(StartRequest *request)
{
    free(request->user);
    free(request->cwd);
    free(request->tag);
    wire_strv_free(request->argv);
    wire_strv_free(request->environment);
    *request = (StartRequest){.flags = 0};
}

int
process_open(const char *cgroup_directory)
{
    int r = launch_open();
    if (r == 0)
        r = cgroup_open(cgroup_directory);
    if (r < 0)
        return r;
    int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    return fd < 0 ? -errno : source_open(&timer, fd, EPOLLIN, on_timer);
}

/* --- finding --- */

static StartedProcess *
find_stream(uint32_t stream)
{
    for (StartedProcess *p = processes; p; p = p->next)
        if (p->stream.number == stream)
            return p;
    return NULL;
}

static bool
is_kept(const StartedProcess *p)
{
    return p->request.flags & START_KEEP;
}

static StartedProcess *
find_tag(const char *tag)
{
    for (StartedProcess *p = processes; p; p = p->next)
        if (p->pid != 0 && is_kept(p) && strcmp(p->request.tag, tag) == 0)
            return p;
    return NULL;
}

bool
process_has_stream(uint32_t stream)
{
    return find_stream(stream) != NULL;
}

unsigned
process_count_streams(void)
{
    unsigned n = 0;
    for (StartedProcess *p = processes; p; p = p->next)
        n += p->stream.number != 0;
    return n;
}

/* --- deadlines --- */

static uint64_t
now_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void
arm_timer(void)
{
    uint64_t first = 0;
    for (StartedProcess *p = processes; p; p = p->next)
        if (p->deadline_ms != 0 && (first == 0 || p->deadline_ms < first))
            first = p->deadline_ms;

    struct itimerspec at = {
        .it_value.tv_sec = (time_t)(first / 1000),
        .it_value.tv_nsec = (long)(first % 1000) * 1000000,
    };
    timerfd_settime(timer.fd, TFD_TIMER_ABSTIME, &at, /* old= */ NULL);
}

static void
kill_all_of(StartedProcess *p)
{
    cgroup_kill(p->number);
    /* A process of root may have left its cgroup. */
    if (p->pid != 0)
        kill(p->pid, SIGKILL);
}

static void
on_timer(Source *source, uint32_t events)
{
    uint64_t now = now_ms(CLOCK_BOOTTIME);

    for (StartedProcess *p = processes; p; p = p->next)
        if (p->deadline_ms != 0 && p->deadline_ms <= now) {
            p->deadline_ms = 0;
            p->has_timed_out = p->pid != 0;
            kill_all_of(p);
        }
    arm_timer();
}

/* --- the end --- */

static void
free_process(StartedProcess *p)
{
    if (p->previous)
        p->previous->next = p->next;
    else
        processes = p->next;
    if (p->next)
        p->next->previous = p->previous;
    n_processes--;

    stream_clear(&p->stream);
    source_close(&p->launch);
    source_close(&p->emptied);
    start_request_free(&p->request);
    free(p);
}

static void
free_if_over(StartedProcess *p)
{
    if (p->pid == 0 && !p->has_cgroup && p->stream.number == 0)
        free_process(p);
}

static void
on_emptied(Source *source, uint32_t events)
{
    StartedProcess *p = CONTAINER_OF(source, StartedProcess, emptied);

    cgroup_watch_again(source->fd);
    if (cgroup_remove(p->number) == -EBUSY)
        return;
    source_close(source);
    p->has_cgroup = false;
    free_if_over(p);
}

static void
remove_cgroup_when_empty(StartedProcess *p)
{
    if (cgroup_remove(p->number) == 0) {
        p->has_cgroup = false;
        return;
    }
    int fd = cgroup_watch(p->number);
    if (fd >= 0 && source_open(&p->emptied, fd, EPOLLPRI, on_emptied) == 0) {
        /* The cgroup may have become empty before it was watched. */
        cgroup_watch_again(fd);
        if (cgroup_remove(p->number) == -EBUSY)
            return;
        source_close(&p->emptied);
    }
    p->has_cgroup = false;
}

static void
on_stream_ended(ProcessStream *stream)
{
    StartedProcess *p = CONTAINER_OF(stream, StartedProcess, stream);

    if (p->pid == 0 && p->has_cgroup)
        stream_drain(stream);
    free_if_over(p);
}

static void
on_stream_overrun(ProcessStream *stream)
{
    kill_all_of(CONTAINER_OF(stream, StartedProcess, stream));
}

static const StreamHandlers stream_handlers = {
    .overrun = on_stream_overrun,
    .ended = on_stream_ended,
};

/* --- the start --- */

static const char *
name_of(const StartedProcess *p, const ChildError *report)
{
    if (*report->name)
        return report->name;
    switch (report->about) {
    case WIRE_ABOUT_PROGRAM:
        return p->request.argv[0];
    case WIRE_ABOUT_DIRECTORY:
        return p->request.cwd;
    case WIRE_ABOUT_USER:
        return p->request.user;
    case WIRE_ABOUT_FILE:
    case WIRE_ABOUT_PORT:
        return p->request.argv[1];
    default:
        return launch_resource(report->error);
    }
}

static void
on_launched(Source *source, uint32_t events)
{
    StartedProcess *p = CONTAINER_OF(source, StartedProcess, launch);
    ChildError report;

    ssize_t n = read(source->fd, &report, sizeof report);
    if (n < 0 && errno == EAGAIN)
        return;
    source_close(source);
    if (p->stream.number == 0)
        return;
    if (n == sizeof report)
        stream_failed(&p->stream, report.error, report.about, name_of(p, &report));
    else
        stream_started(&p->stream, (uint32_t)p->pid);
}

static bool
stays_awake(const StartRequest *request)
{
    return request->flags & START_BUILTIN && builtin_stays_awake(request->argv[0]);
}

static StartedProcess *
new_process(StartRequest *request)
{
    StartedProcess *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;

    p->number = ++last_number | (stays_awake(request) ? CGROUP_AWAKE : 0);
    p->request = *request;
    *request = (StartRequest){.flags = 0};
    p->launch.fd = p->emptied.fd = -1;
    stream_init(&p->stream, &stream_handlers);
    p->next = processes;
    if (processes)
        processes->previous = p;
    processes = p;
    n_processes++;
    return p;
}

static void
start(uint32_t stream, StartedProcess *p, char *const *environment)
{
    Child child = {
        .user = p->request.user,
        .cwd = p->request.cwd,
        .argv = p->request.argv,
        .environment = {environment, p->request.environment},
        .task = p->request.flags & START_BUILTIN ? builtin_run : NULL,
    };
    Launch launch = {
        .stream = &p->stream,
        .flags = p->request.flags,
        .columns = p->request.columns,
        .rows = p->request.rows,
        .number = p->number,
        .report = &p->launch,
        .on_report = on_launched,
    };

    int r = launch_child(&launch, &child);
    if (r < 0) {
        port_send_error(stream, -r, WIRE_ABOUT_SYSTEM, launch_resource(-r));
        free_process(p);
        return;
    }
    p->pid = r;
    p->has_cgroup = true;
    p->started_ms = now_ms(CLOCK_REALTIME);
    stream_attach(&p->stream, stream);
    if (p->request.timeout_ms != 0) {
        uint64_t timeout =
            p->request.timeout_ms < TIMEOUT_MAX_MS ? p->request.timeout_ms : TIMEOUT_MAX_MS;
        p->deadline_ms = now_ms(CLOCK_BOOTTIME) + timeout;
        arm_timer();
    }
}

void
process_start(uint32_t stream, StartRequest *request, char *const *environment)
{
    if (request->flags & START_KEEP && find_tag(request->tag)) {
        port_send_error(stream, EEXIST, WIRE_ABOUT_TAG, request->tag);
        start_request_free(request);
        return;
    }
    StartedProcess *p = n_processes < PROCESSES_MAX ? new_process(request) : NULL;
    if (!p) {
        port_send_error(stream, EAGAIN, WIRE_ABOUT_SYSTEM, launch_resource(EAGAIN));
        start_request_free(request);
        return;
    }
    start(stream, p, environment);
}

int
process_attach(uint32_t stream, const char *tag)
{
    StartedProcess *p = find_tag(tag);
    if (!p)
        return -ENOENT;
    if (p->stream.number != 0)
        return -EBUSY;
    stream_attach(&p->stream, stream);
    if (p->launch.fd < 0)
        stream_started(&p->stream, (uint32_t)p->pid);
    return 0;
}

/* --- frames for a stream --- */

int
process_data(uint32_t stream, WireChannel channel, const uint8_t *data, size_t size)
{
    StartedProcess *p = find_stream(stream);
    return p ? stream_data(&p->stream, channel, data, size) : 0;
}

int
process_eof(uint32_t stream, WireChannel channel)
{
    StartedProcess *p = find_stream(stream);
    return p ? stream_eof(&p->stream, channel) : 0;
}

int
process_credit(uint32_t stream, WireChannel channel, uint32_t bytes)
{
    StartedProcess *p = find_stream(stream);
    return p ? stream_credit(&p->stream, channel, bytes) : 0;
}

void
process_signal(uint32_t stream, int signal_number)
{
    StartedProcess *p = find_stream(stream);
    if (p && p->pid != 0)
        kill(p->pid, signal_number);
}

void
process_resize(uint32_t stream, uint32_t columns, uint32_t rows)
{
    StartedProcess *p = find_stream(stream);
    if (p)
        stream_resize(&p->stream, columns, rows);
}

void
process_kill(uint32_t stream)
{
    StartedProcess *p = find_stream(stream);
    if (p)
        kill_all_of(p);
}

static void
close_stream(StartedProcess *p)
{
    if (!is_kept(p)) {
        kill_all_of(p);
        stream_clear(&p->stream);
    } else {
        stream_detach(&p->stream);
        if (p->pid == 0)
            stream_drain(&p->stream);
    }
    free_if_over(p);
}

void
process_close(uint32_t stream)
{
    StartedProcess *p = find_stream(stream);
    if (p)
        close_stream(p);
}

void
process_close_all(void)
{
    for (StartedProcess *p = processes, *next; p; p = next) {
        next = p->next;
        if (p->stream.number != 0)
            close_stream(p);
    }
}

/* --- reaping --- */

static uint64_t
microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

static StreamExit
describe_exit(const StartedProcess *p, int status, const struct rusage *usage)
{
    StreamExit how = {
        .how = WIRE_EXIT_STATUS,
        .status = (uint32_t)WEXITSTATUS(status),
        .user_us = microseconds(usage->ru_utime),
        .system_us = microseconds(usage->ru_stime),
        .peak_rss_kib = (uint64_t)usage->ru_maxrss,
    };

    if (!WIFSIGNALED(status))
        return how;
    how.status = (uint32_t)WTERMSIG(status);
    how.how = WIRE_EXIT_SIGNAL;
    if (how.status == SIGKILL && p->has_timed_out)
        how.how = WIRE_EXIT_TIMEOUT;
    else if (how.status == SIGKILL && cgroup_ran_out_of_memory(p->number))
        how.how = WIRE_EXIT_OUT_OF_MEMORY;
    return how;
}

static void
first_process_ended(StartedProcess *p, int status, const struct rusage *usage)
{
    /* Its report about the start was written before it ended. */
    if (p->launch.fd >= 0)
        on_launched(&p->launch, EPOLLIN);

    StreamExit how = describe_exit(p, status, usage);
    p->pid = 0;
    remove_cgroup_when_empty(p);
    if (p->stream.number != 0)
        stream_exited(&p->stream, &how);
    else if (p->has_cgroup)
        stream_drain(&p->stream);
    free_if_over(p);
}

bool
process_reaped(pid_t pid, int status, const struct rusage *usage)
{
    for (StartedProcess *p = processes; p; p = p->next)
        if (p->pid == pid) {
            first_process_ended(p, status, usage);
            return true;
        }
    return false;
}

/* --- in a child, which has a copy of the list --- */

void
builtin_kept(char *const *argv)
{
    static uint8_t fields[WIRE_PAYLOAD_MAX];

    for (const StartedProcess *p = processes; p; p = p->next) {
        WireWriter w = {.data = fields, .size = sizeof fields};

        if (p->pid == 0 || !is_kept(p))
            continue;
        wire_put_string(&w, p->request.tag);
        wire_put_u32(&w, (uint32_t)p->pid);
        wire_put_u64(&w, p->started_ms);
        wire_put_strv(&w, (const char *const *)p->request.argv);
        wire_put_strv(&w, (const char *const *)p->request.environment);
        builtin_write_record(&w);
    }
}
