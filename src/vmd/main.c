/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main: cloche-vm, the only program of cloche that talks to libvirt.
 *
 * As a service it listens on the socket that systemd passes, and serves the user of cloched. As a
 * child of cloched it serves the socket that it inherits, and ends with it. Its machines continue
 * when it ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <grp.h>
#include <locale.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "closer.h"
#include "config.h"
#include "error.h"
#include "service-program.h"
#include "util.h"
#include "vm-libvirt.h"
#include "vm-privilege.h"
#include "vmd-files.h"
#include "vmd-server.h"

#define STATUS_CONFIG 78 /* EX_CONFIG: a restart does not help */
/* The previous instance ends its work with libvirt. */
#define LOCK_TRIES 600u
#define LOCK_PAUSE_US (100 * 1000)

typedef struct {
    ServiceProgram service;
    char *path; /* of the configuration, or NULL */
    gboolean user_mode;
    int lock;
    Config *config;
    VmdConfig limits;
    Vm *vm;
    VmdServer *server;
} Program;

/* --- connections --- */

static void
on_connection_ended(gpointer data)
{
    service_program_connection_ended(&((const Program *)data)->service);
}

static void
on_accepted(int fd, gpointer data)
{
    vmd_server_accept(((Program *)data)->server, fd);
}

/* cloched waits for the first message. */
static void
report_failure(const Program *program, const GError *error)
{
    VmAnswer answer;

    if (program->service.child_fd < 0)
        return;
    vm_answer_init(&answer, VM_ANSWER_FAILED, /* serial= */ 0);
    vm_answer_set_error(&answer, error);
    send(program->service.child_fd, &answer, sizeof answer, MSG_NOSIGNAL);
}

/* --- start --- */

static void
set_limits(Program *program)
{
    const Config *config = program->config;
    VmdConfig *limits = &program->limits;
    const struct group *group = config->group ? getgrnam(config->group) : NULL;
    const char *own = g_getenv("RUNTIME_DIRECTORY"); /* of the unit */

    limits->state = config->state;
    limits->ram = config->ram;
    limits->own = own && program->service.child_fd < 0 ? g_strdup(own)
                                                       : g_build_filename(config->run, "vm", NULL);
    limits->uid_first = config->core.uid_first;
    limits->uid_count = config->core.uid_count;
    limits->gid = group ? group->gr_gid : (gid_t)-1;
    limits->vcpus_max = config->core.limits_of_all.amount[QUOTA_VCPUS];
    limits->memory_max_mib = config->core.limits_of_all.amount[QUOTA_MEMORY_MIB];
    limits->may_emulate = config->core.emulation != EMULATION_NO;
    limits->peer = program->service.peer_uid;
}

/* Only one instance may use the folder and libvirt's embedded driver. */
static gboolean
take_lock(Program *program, GError **error)
{
    program->lock = open(program->limits.own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (guint tries = 1; program->lock >= 0 && tries <= LOCK_TRIES; tries++) {
        if (flock(program->lock, LOCK_EX | LOCK_NB) == 0)
            return TRUE;
        g_usleep(LOCK_PAUSE_US);
    }
    return util_set_errno(error, errno, "Cannot lock the folder '%s'", program->limits.own);
}

static gboolean
open_libvirt(Program *program, GError **error)
{
    const VmdConfig *limits = &program->limits;
    g_autofree char *boot = vmd_files_path(limits->own, "boot", NULL);

    if (!vmd_files_open(limits->own, limits->uid_count > 0, error) || !take_lock(program, error))
        return FALSE;
    program->vm = libvirt_vm_open(program->config->connection, boot, error);
    if (!program->vm)
        return FALSE;
    program->server = vmd_server_new(limits, program->vm, on_connection_ended, program);
    return TRUE;
}

static gboolean
build(Program *program, GError **error)
{
    program->config = config_load(program->path, program->user_mode, error);
    if (!program->config || !privilege_set_aside(error) ||
        !service_program_find_peer(&program->service, error) ||
        !service_program_find_socket(&program->service, error))
        return FALSE;
    set_limits(program);
    return open_libvirt(program, error);
}

/* --- run --- */

static gboolean
on_terminate(gpointer data)
{
    g_main_loop_quit(((Program *)data)->service.loop);
    return G_SOURCE_REMOVE;
}

static void
serve(Program *program)
{
    closer_init();
    if (program->service.child_fd < 0) {
        g_unix_signal_add(SIGTERM, on_terminate, program);
        g_unix_signal_add(SIGINT, on_terminate, program);
    }
    service_program_serve(&program->service, on_accepted, program);
}

static gboolean
parse_options(Program *program, int argc, char **argv)
{
    const GOptionEntry entries[] = {
        {"user", 0, 0, G_OPTION_ARG_NONE, &program->user_mode, "Serve your own user", NULL},
        {"config", 0, 0, G_OPTION_ARG_FILENAME, &program->path,
         "Read FILE and FILE.d/*.conf instead of the system's cloched.conf", "FILE"},
        {"socket-fd", 0, 0, G_OPTION_ARG_INT, &program->service.child_fd,
         "Serve this socket, and end with it", "FD"},
        {"peer", 0, 0, G_OPTION_ARG_STRING, &program->service.peer,
         "Serve only USER on the socket that systemd passes", "USER"},
        G_OPTION_ENTRY_NULL,
    };

    return service_program_parse(&program->service, entries, "- talks to libvirt for cloched", argc,
                                 argv);
}

/* A terminal sends its signals to cloched's child as well, which has to end machines first. */
static void
set_signals(const Program *program)
{
    signal(SIGPIPE, SIG_IGN);
    if (program->service.child_fd < 0)
        return;
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

int
main(int argc, char **argv)
{
    Program program = {.lock = -1};
    g_autoptr(GError) error = NULL;
    int status = 0;

    setlocale(LC_ALL, "");
    service_program_init(&program.service, "cloche-vm");
    if (!parse_options(&program, argc, argv)) {
        service_program_clear(&program.service);
        return 2;
    }
    set_signals(&program);
    if (build(&program, &error)) {
        serve(&program);
    } else {
        g_printerr("cloche-vm: %s\n", error->message);
        report_failure(&program, error);
        status =
            g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT) ? STATUS_CONFIG : 1;
    }
    /* Machines continue. A call of libvirt may never return, so nothing waits for those that are in
     * progress: the next instance destroys machines that nobody adopts. */
    _exit(status);
}
