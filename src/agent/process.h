/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * process: programs that the host started, each in a cgroup of its own.
 *
 * A Process lives until its cgroup is empty, which may be long after its first process ended and
 * its stream with it. Its deadline holds for all of that time.
 */
#pragma once

#include <sys/types.h>

#include "wire.h"

/* At once, those without a stream included. */
#define PROCESSES_MAX 4096u

typedef struct {
    uint32_t flags;
    uint64_t timeout_ms;
    char *user, *cwd, *tag;
    uint32_t columns, rows; /* of its terminal */
    char **argv, **environment;
} StartRequest;

void start_request_free(StartRequest *request);

/* Opens the directory below which processes get their cgroups, and makes what every start needs. */
int process_open(const char *cgroup_directory);

/*
 * Starts a program, whose stream gets the number `stream`; takes the request. `environment` is the
 * claim's and must outlive the call. Every outcome is sent as the stream's answer, most of them
 * later.
 */
void process_start(uint32_t stream, StartRequest *request, char *const *environment);
/* 0, or -ENOENT or -EBUSY. */
int process_attach(uint32_t stream, const char *tag);

/* Is this number in use? */
bool process_has_stream(uint32_t stream);
unsigned process_count_streams(void);

/* For the stream's process. Streams that ended meanwhile are no error; -EPROTO is. */
int process_data(uint32_t stream, WireChannel channel, const uint8_t *data, size_t size);
int process_eof(uint32_t stream, WireChannel channel);
int process_credit(uint32_t stream, WireChannel channel, uint32_t bytes);
void process_signal(uint32_t stream, int signal_number);
void process_kill(uint32_t stream);
void process_resize(uint32_t stream, uint32_t columns, uint32_t rows);
void process_close(uint32_t stream);

/* The connection is over: closes every stream. */
void process_close_all(void);

/* A child was reaped. False when it was none of ours. */
struct rusage;
bool process_reaped(pid_t pid, int status, const struct rusage *usage);
