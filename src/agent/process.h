/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * process: the programs and tasks that the host started, each in its own cgroup.
 *
 * A process lives until its cgroup is empty, which may be long after its first process ended and
 * its stream with it. Its deadline holds for all of that time.
 */
#pragma once

#include <sys/types.h>

#include "wire.h"

/* The maximum at one time, including those without a stream. */
#define PROCESSES_MAX 4096u

typedef struct {
    uint32_t flags;
    uint64_t timeout_ms;
    char *user, *cwd, *tag;
    uint32_t columns, rows; /* of its terminal */
    char **argv, **environment;
} StartRequest;

void start_request_free(StartRequest *request);

/* Opens the directory of the processes' cgroups, and prepares for starts. */
int process_open(const char *cgroup_directory);

/*
 * Starts a program whose stream has the number `stream`. Takes ownership of the request.
 * `environment` is the claim's and must outlive the call. The result is always sent as an answer of
 * the stream, usually after the call has returned.
 */
void process_start(uint32_t stream, StartRequest *request, char *const *environment);
/* 0, or -ENOENT or -EBUSY. */
int process_attach(uint32_t stream, const char *tag);

/* Whether this number is in use. */
bool process_has_stream(uint32_t stream);
unsigned process_count_streams(void);

/* Frames for the stream's process. A stream that has ended is not an error; -EPROTO is one. */
int process_data(uint32_t stream, WireChannel channel, const uint8_t *data, size_t size);
int process_eof(uint32_t stream, WireChannel channel);
int process_credit(uint32_t stream, WireChannel channel, uint32_t bytes);
void process_signal(uint32_t stream, int signal_number);
void process_kill(uint32_t stream);
void process_resize(uint32_t stream, uint32_t columns, uint32_t rows);
void process_close(uint32_t stream);

/* Closes all streams, because the connection has ended. */
void process_close_all(void);

/* A child was reaped. False if it is not one of these processes. */
struct rusage;
bool process_reaped(pid_t pid, int status, const struct rusage *usage);
