/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process-methods: Start, OpenTerminal and ListProcesses of org.cloche1.Sandbox, and the methods of
 * org.cloche1.Process. */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "call.h"
#include "error.h"
#include "options.h"
#include "reply.h"
#include "util.h"

#define TERMINAL_SIDE_MAX 4096
#define SIGNAL_MAX 64
#define DEFAULT_TERM "TERM=xterm-256color"

/* --- descriptors --- */

/* Ours do not block; theirs do. */
typedef struct {
    int ours[WIRE_STDERR + 1], theirs[WIRE_STDERR + 1];
} Ends;

#define NO_ENDS {{-1, -1, -1}, {-1, -1, -1}}

static void
ends_clear(Ends *ends)
{
    for (guint i = 0; i <= WIRE_STDERR; i++) {
        if (ends->ours[i] >= 0)
            close(ends->ours[i]);
        if (ends->theirs[i] >= 0)
            close(ends->theirs[i]);
    }
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Ends, ends_clear)

static gboolean
open_pipe(Ends *ends, WireChannel channel, GError **error)
{
    gboolean is_input = channel == WIRE_STDIN;
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return util_set_errno(error, errno, "Cannot make a pipe");
    ends->ours[channel] = fds[is_input ? 0 : 1];
    ends->theirs[channel] = fds[is_input ? 1 : 0];
    return g_unix_set_fd_nonblocking(ends->ours[channel], TRUE, error);
}

static gboolean
open_pipes(Ends *ends, GError **error)
{
    return open_pipe(ends, WIRE_STDIN, error) && open_pipe(ends, WIRE_STDOUT, error) &&
           open_pipe(ends, WIRE_STDERR, error);
}

/* One socket for input and output. */
static gboolean
open_socket(Ends *ends, GError **error)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return util_set_errno(error, errno, "Cannot make a socket");
    ends->ours[WIRE_STDOUT] = fds[0];
    ends->theirs[WIRE_STDIN] = fds[1];
    ends->ours[WIRE_STDIN] = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
    if (ends->ours[WIRE_STDIN] < 0)
        return util_set_errno(error, errno, "Cannot use a socket");
    return g_unix_set_fd_nonblocking(fds[0], TRUE, error);
}

/* --- Start and OpenTerminal --- */

typedef struct {
    Call *call;
    GUnixFDList *fds; /* theirs, in the order of the answer */
} Starting;

static void
on_started(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Starting *starting = data;
    g_autoptr(GUnixFDList) fds = starting->fds;
    GError *error = NULL;
    Process *process = core_start_process_finish(result, &error);
    g_autofree char *path = NULL;

    if (!process) {
        call_fail(starting->call, error);
        return;
    }
    path = reply_process_path(process);
    call_answer_with_fds(starting->call,
                         process->is_terminal ? g_variant_new("(oh)", path, 0)
                                              : g_variant_new("(ohhh)", path, 0, 1, 2),
                         g_steal_pointer(&fds));
}

/* Takes what is in `ends`. */
static void
start(Call *call, ProcessRequest *request, Ends *ends)
{
    Starting *starting = g_new0(Starting, 1);

    starting->call = call;
    starting->fds = g_unix_fd_list_new();
    for (guint i = 0; i <= WIRE_STDERR; i++) {
        request->fds[i] = ends->ours[i];
        if (ends->theirs[i] >= 0)
            g_unix_fd_list_append(starting->fds, ends->theirs[i], NULL);
        ends->ours[i] = -1;
    }
    core_start_process_async(call->core, call->sandbox, request, call->peer->left, on_started,
                             starting);
}

static gboolean
unpack_tag(GVariant *options, ProcessRequest *request, GError **error)
{
    g_variant_lookup(options, "tag", "&s", &request->tag);
    if (!request->tag || strlen(request->tag) <= PROCESS_TAG_MAX)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                "tag: at most %d bytes, not %zu", PROCESS_TAG_MAX, strlen(request->tag));
    return FALSE;
}

/* What both have; `argv` and the environment belong to the caller. */
static gboolean
unpack_common(Call *call, GVariant *options, ProcessRequest *request, char ***ret_environment,
              GError **error)
{
    g_variant_lookup(options, "cwd", "&s", &request->start.cwd);
    g_variant_lookup(options, "user", "&s", &request->start.user);
    g_variant_lookup(options, "keep", "b", &request->is_kept);
    if (!unpack_tag(options, request, error) ||
        !call_unpack_timeout(call, options, &request->start.timeout_ms, error))
        return FALSE;
    *ret_environment = options_environment(options, "environment", error);
    request->start.environment = (const char *const *)*ret_environment;
    return *ret_environment != NULL;
}

static guint32
flag(GVariant *options, const char *key, guint32 value)
{
    gboolean is_set = FALSE;

    g_variant_lookup(options, key, "b", &is_set);
    return is_set ? value : 0;
}

/* What nobody will read is kept from its first byte on: in a pipe it would go with its reader. */
static gboolean
detach(GVariant *options, const ProcessRequest *request, Ends *ends, GError **error)
{
    if (!flag(options, "detached", TRUE))
        return TRUE;
    if (!request->is_kept) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "detached: only together with keep");
        return FALSE;
    }
    for (WireChannel channel = WIRE_STDOUT; channel <= WIRE_STDERR; channel++) {
        if (ends->ours[channel] < 0)
            continue;
        shutdown(ends->ours[channel], SHUT_WR); /* of a terminal, the input goes on */
        close(g_steal_fd(&ends->ours[channel]));
    }
    return TRUE;
}

void
sandbox_start(Call *call, GVariant *parameters)
{
    static const Option known[] = {
        {"cwd", "s"},      {"environment", "a{ss}"},
        {"user", "s"},     {"timeout", "t"},
        {"tag", "s"},      {"merge-stderr", "b"},
        {"keep", "b"},     {"no-stdin", "b"},
        {"detached", "b"}, {NULL, NULL},
    };
    g_autofree const char **argv = NULL;
    g_autoptr(GVariant) options = NULL;
    g_auto(GStrv) environment = NULL;
    g_auto(Ends) ends = NO_ENDS;
    ProcessRequest request = {0};
    GError *error = NULL;

    g_variant_get(parameters, "(^a&s@a{sv})", &argv, &options);
    if (!options_check(options, known, &error) || !argv_check(argv, &error) ||
        !unpack_common(call, options, &request, &environment, &error) ||
        !open_pipes(&ends, &error) || !detach(options, &request, &ends, &error)) {
        call_fail(call, error);
        return;
    }
    request.start.argv = argv;
    request.start.flags = flag(options, "no-stdin", START_NO_STDIN) |
                          flag(options, "merge-stderr", START_MERGE_STDERR);
    start(call, &request, &ends);
}

static gboolean
check_side(const char *name, guint16 value, GError **error)
{
    if (value >= 1 && value <= TERMINAL_SIDE_MAX)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                "%s: it must be 1 to %d, not %u", name, TERMINAL_SIDE_MAX, value);
    return FALSE;
}

static gboolean
check_size(guint16 columns, guint16 rows, GError **error)
{
    return check_side("columns", columns, error) && check_side("rows", rows, error);
}

/* With TERM, which every terminal has. */
static void
add_term(char ***environment, GuestStart *start)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    gboolean has_term = FALSE;

    for (char **entry = *environment; *entry; entry++)
        has_term = has_term || g_str_has_prefix(*entry, "TERM=");
    if (has_term)
        return;
    g_strv_builder_addv(builder, (const char **)*environment);
    g_strv_builder_add(builder, DEFAULT_TERM);
    g_strfreev(*environment);
    *environment = g_strv_builder_end(builder);
    start->environment = (const char *const *)*environment;
}

void
sandbox_open_terminal(Call *call, GVariant *parameters)
{
    static const Option known[] = {
        {"argv", "as"}, {"cwd", "s"},  {"environment", "a{ss}"}, {"user", "s"}, {"timeout", "t"},
        {"tag", "s"},   {"keep", "b"}, {"detached", "b"},        {NULL, NULL},
    };
    /* The user's is known in the guest only. */
    static const char *const shell[] = {"/bin/sh", "-c", "exec \"${SHELL:-/bin/sh}\" -l", NULL};
    g_autofree const char **argv = NULL;
    g_autoptr(GVariant) options = NULL;
    g_auto(GStrv) environment = NULL;
    g_auto(Ends) ends = NO_ENDS;
    ProcessRequest request = {0};
    guint16 columns, rows;
    GError *error = NULL;

    g_variant_get(parameters, "(qq@a{sv})", &columns, &rows, &options);
    if (!options_check(options, known, &error) || !check_size(columns, rows, &error) ||
        (g_variant_lookup(options, "argv", "^a&s", &argv) && !argv_check(argv, &error)) ||
        !unpack_common(call, options, &request, &environment, &error) ||
        !open_socket(&ends, &error) || !detach(options, &request, &ends, &error)) {
        call_fail(call, error);
        return;
    }
    add_term(&environment, &request.start);
    request.start.argv = argv ? (const char *const *)argv : shell;
    request.start.flags = START_TERMINAL;
    request.start.columns = columns;
    request.start.rows = rows;
    start(call, &request, &ends);
}

/* --- ListProcesses --- */

/* The process object of a program: that of whose cgroup it is in. */
static const Process *
find_object(GHashTable *by_group, const GuestProgram *program)
{
    return program->group == 0 ? NULL : g_hash_table_lookup(by_group, &program->group);
}

static void
add_objects(GVariantBuilder *list, GArray *programs, GList *processes)
{
    g_autoptr(GHashTable) by_pid = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) by_group = g_hash_table_new(g_int64_hash, g_int64_equal);

    for (GList *l = processes; l; l = l->next) {
        Process *process = l->data;

        if (!process->has_ended)
            g_hash_table_insert(by_pid, GUINT_TO_POINTER(process->pid), process);
    }
    for (guint i = 0; i < programs->len; i++) {
        GuestProgram *program = &g_array_index(programs, GuestProgram, i);
        gpointer process = g_hash_table_lookup(by_pid, GUINT_TO_POINTER(program->pid));

        if (process && program->group != 0)
            g_hash_table_insert(by_group, &program->group, process);
    }
    for (guint i = 0; i < programs->len; i++) {
        const GuestProgram *program = &g_array_index(programs, GuestProgram, i);

        g_variant_builder_add_value(list, reply_program(program, find_object(by_group, program)));
    }
    for (GList *l = processes; l; l = l->next) {
        const Process *process = l->data;

        if (process->has_ended)
            g_variant_builder_add_value(list, reply_ended_process(process));
    }
}

static GArray *
read_programs(GBytes *answer)
{
    GArray *programs = g_array_new(FALSE, FALSE, sizeof(GuestProgram));
    GuestRecords records;
    GuestProgram program;

    g_array_set_clear_func(programs, (GDestroyNotify)guest_program_clear);
    guest_records_init(&records, answer);
    while (guest_records_next_program(&records, &program))
        g_array_append_val(programs, program);
    return programs;
}

static void
on_programs(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;
    g_autoptr(GBytes) answer = guest_task_finish(result, &error);
    g_autoptr(GArray) programs = NULL;
    g_autoptr(GList) processes = NULL;
    GVariantBuilder list;

    core_end_process(call->core, call->charged);
    call->sandbox = answer ? core_find(call->core, &call->viewer, call->id, &error) : NULL;
    if (!call->sandbox) {
        call_fail(call, error);
        return;
    }
    programs = read_programs(answer);
    processes = core_processes(call->sandbox);
    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    add_objects(&list, programs, processes);
    call_answer(call, g_variant_new("(aa{sv})", &list));
}

void
sandbox_list_processes(Call *call, GVariant *parameters)
{
    static const char *const argv[] = {"processes", NULL};
    GError *error = NULL;

    if (call_begin_process(call, &error))
        guest_task_async(instance_link(call->sandbox->instance), argv, "root", call->peer->left,
                         on_programs, call);
    else
        call_fail(call, error);
}

/* --- org.cloche1.Process --- */

void
process_signal(Call *call, GVariant *parameters)
{
    int number;

    g_variant_get(parameters, "(i)", &number);
    if (number < 1 || number > SIGNAL_MAX) {
        call_fail(call, g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                                    "signal: it must be 1 to %d, not %d", SIGNAL_MAX, number));
        return;
    }
    if (number == SIGKILL)
        guest_process_kill(call->process->guest);
    else
        guest_process_signal(call->process->guest, number);
    call_answer(call, NULL);
}

void
process_kill(Call *call, GVariant *parameters)
{
    guest_process_kill(call->process->guest);
    call_answer(call, NULL);
}

void
process_attach(Call *call, GVariant *parameters)
{
    GuestProcess *guest = call->process->guest;
    gboolean is_terminal = call->process->is_terminal;
    g_auto(Ends) ends = NO_ENDS;
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
    GError *error = NULL;

    if (!call->process->is_kept) {
        call_fail(call,
                  g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                              "process %u was not started with 'keep'", call->process->number));
        return;
    }
    if (!(is_terminal ? open_socket(&ends, &error) && open_pipe(&ends, WIRE_STDERR, &error)
                      : open_pipes(&ends, &error))) {
        call_fail(call, error);
        return;
    }
    /* Of a terminal, input and output are one socket. */
    g_unix_fd_list_append(fds, ends.theirs[WIRE_STDIN], NULL);
    g_unix_fd_list_append(fds, ends.theirs[is_terminal ? WIRE_STDIN : WIRE_STDOUT], NULL);
    g_unix_fd_list_append(fds, ends.theirs[WIRE_STDERR], NULL);
    guest_process_connect_input(guest, g_steal_fd(&ends.ours[WIRE_STDIN]));
    guest_process_connect_output(guest, WIRE_STDOUT, g_steal_fd(&ends.ours[WIRE_STDOUT]));
    guest_process_connect_output(guest, WIRE_STDERR, g_steal_fd(&ends.ours[WIRE_STDERR]));
    call_answer_with_fds(call, g_variant_new("(hhh)", 0, 1, 2), g_steal_pointer(&fds));
}

static void
on_waited(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;
    ProcessEnd end;

    if (core_wait_process_finish(result, &end, &error))
        call_answer(call, reply_end(&end));
    else
        call_fail(call, error);
}

void
process_wait(Call *call, GVariant *parameters)
{
    core_wait_process_async(call->process, on_waited, call);
}

void
process_close_input(Call *call, GVariant *parameters)
{
    guest_process_close_input(call->process->guest);
    call_answer(call, NULL);
}

void
process_resize(Call *call, GVariant *parameters)
{
    guint16 columns, rows;
    GError *error = NULL;

    g_variant_get(parameters, "(qq)", &columns, &rows);
    if (!call->process->is_terminal)
        g_set_error(&error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "process %u has no terminal", call->process->number);
    if (error || !check_size(columns, rows, &error)) {
        call_fail(call, error);
        return;
    }
    guest_process_resize(call->process->guest, columns, rows);
    call_answer(call, NULL);
}
