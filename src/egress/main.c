/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main: cloche-egress, the network of sandboxes.
 *
 * As a service it listens on the socket that systemd passes, and serves the user of cloched. As a
 * child of cloched it serves the socket that it inherits, and ends with it. With --resolver it is
 * the part that asks name servers, for the workers of another instance.
 */
#include <errno.h>
#include <glib-unix.h>
#include <grp.h>
#include <locale.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "error.h"
#include "master.h"
#include "packet-socket.h"
#include "resolver.h"
#include "service-program.h"
#include "spawner.h"
#include "util.h"

typedef struct {
    ServiceProgram service;
    gboolean is_resolver;
    char *user; /* to become, or NULL */
    char *run;  /* folder of a child, or NULL */
    char *resolver_socket;
    int status;

    int spawner;
    Store *store;
    ResolverLink *link;
    Master *master;
    Resolver *resolver;
    PacketSocket *parent; /* of a resolver that is a child */
} Program;

/* --- the start --- */

static const struct passwd *
find_user(const char *name, GError **error)
{
    const struct passwd *user = getpwnam(name);

    if (!user)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "There is no user '%s'", name);
    return user;
}

/* The user cannot make a folder where only root can, nor find it below folders that only root can
 * search. So it becomes the working directory. */
static gboolean
hand_over_folder(Program *program, const struct passwd *user, GError **error)
{
    const char *run = program->run;

    if (!run)
        return TRUE;
    if (g_mkdir_with_parents(run, 0700) < 0 || lchown(run, user->pw_uid, user->pw_gid) < 0 ||
        chdir(run) < 0)
        return util_set_errno(error, errno, "Cannot use the folder '%s'", run);
    g_free(program->run);
    program->run = g_strdup(".");
    return TRUE;
}

/* The capabilities of root go with its uid. */
static gboolean
become_user(Program *program, GError **error)
{
    const struct passwd *user;

    if (!program->user || geteuid() != 0)
        return TRUE;
    user = find_user(program->user, error);
    if (!user || !hand_over_folder(program, user, error))
        return FALSE;
    if (setgroups(0, NULL) == 0 && setresgid(user->pw_gid, user->pw_gid, user->pw_gid) == 0 &&
        setresuid(user->pw_uid, user->pw_uid, user->pw_uid) == 0)
        return TRUE;
    return util_set_errno(error, errno, "Cannot become the user '%s'", program->user);
}

static void
on_connection_ended(gpointer data)
{
    service_program_connection_ended(&((const Program *)data)->service);
}

static void
on_workers_lost(gpointer data)
{
    Program *program = data;

    g_warning("The process that starts workers has ended");
    program->status = 1;
    g_main_loop_quit(program->service.loop);
}

/* The spawner comes first: it must not have what the master has. */
static gboolean
build_master(Program *program, GError **error)
{
    const char *run = program->run ? program->run : g_getenv("RUNTIME_DIRECTORY");

    program->spawner = spawner_start(error);
    if (program->spawner < 0)
        return FALSE;
    program->store = store_new(run, error);
    if (!program->store)
        return FALSE;
    program->link = resolver_link_new(program->resolver_socket);
    program->master = master_new(program->spawner, program->store, program->link,
                                 on_connection_ended, on_workers_lost, program);
    return TRUE;
}

static gboolean
build(Program *program, GError **error)
{
    if (!service_program_find_peer(&program->service, error) || !become_user(program, error) ||
        !service_program_find_socket(&program->service, error))
        return FALSE;
    if (!program->is_resolver)
        return build_master(program, error);
    prctl(PR_SET_NAME, "egress-resolver", 0, 0, 0);
    program->resolver = resolver_new(error);
    return program->resolver != NULL;
}

/* --- connections --- */

/* The master passes a connection of a worker. */
static gboolean
on_parent_packet(const void *packet, gsize size, int fd, gpointer data)
{
    Program *program = data;

    if (fd < 0)
        return FALSE;
    g_unix_set_fd_nonblocking(fd, TRUE, /* error= */ NULL);
    resolver_accept(program->resolver, fd);
    return TRUE;
}

static void
on_parent_closed(gpointer data)
{
    g_main_loop_quit(((Program *)data)->service.loop);
}

/* A resolver that is a child gets its connections from its parent. */
static void
on_accepted(int fd, gpointer data)
{
    static const PacketSocketEvents events = {on_parent_packet, on_parent_closed};
    Program *program = data;

    if (!program->is_resolver)
        master_accept(program->master, fd);
    else if (program->service.child_fd >= 0)
        program->parent = packet_socket_new(fd, /* packet_max= */ 1, &events, program);
    else
        resolver_accept(program->resolver, fd);
}

/* --- run --- */

static gboolean
on_signal(int fd, GIOCondition condition, gpointer data)
{
    g_main_loop_quit(((Program *)data)->service.loop);
    return G_SOURCE_REMOVE;
}

/* A descriptor instead of handlers: GLib's need a thread, and a process with threads should not
 * fork. */
static void
watch_signals(Program *program)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_SETMASK, &set, NULL);
    if (program->service.child_fd < 0)
        g_unix_fd_add(signalfd(-1, &set, SFD_CLOEXEC), G_IO_IN, on_signal, program);
}

static void
clean_up(Program *program)
{
    g_clear_pointer(&program->master, master_free);
    g_clear_pointer(&program->link, resolver_link_free);
    g_clear_pointer(&program->store, store_free);
    g_clear_pointer(&program->parent, packet_socket_free);
    g_clear_pointer(&program->resolver, resolver_free);
    service_program_clear(&program->service);
    g_free(program->user);
    g_free(program->run);
    g_free(program->resolver_socket);
}

static gboolean
parse_options(Program *program, int argc, char **argv)
{
    const GOptionEntry entries[] = {
        {"child", 0, 0, G_OPTION_ARG_INT, &program->service.child_fd,
         "Serve this socket, and end with it", "FD"},
        {"run", 0, 0, G_OPTION_ARG_FILENAME, &program->run,
         "Keep secrets in this folder, instead of that of the service", "DIR"},
        {"user", 0, 0, G_OPTION_ARG_STRING, &program->user, "If started as root, become USER",
         "USER"},
        {"peer", 0, 0, G_OPTION_ARG_STRING, &program->service.peer,
         "Serve only USER on the socket that systemd passes", "USER"},
        {"resolver-socket", 0, 0, G_OPTION_ARG_FILENAME, &program->resolver_socket,
         "Ask the resolver that listens there, instead of starting one", "PATH"},
        {"resolver", 0, 0, G_OPTION_ARG_NONE, &program->is_resolver, "Be the resolver", NULL},
        G_OPTION_ENTRY_NULL,
    };

    return service_program_parse(&program->service, entries, "- connects sandboxes for cloched",
                                 argc, argv);
}

/* The master has values of secrets. */
static void
protect_memory(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#ifndef __SANITIZE_ADDRESS__ /* which looks for leaks by ptrace() */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

int
main(int argc, char **argv)
{
    Program program = {.spawner = -1};
    g_autoptr(GError) error = NULL;

    setlocale(LC_ALL, "");
    service_program_init(&program.service, "cloche-egress");
    if (!parse_options(&program, argc, argv)) {
        clean_up(&program);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    protect_memory();
    if (build(&program, &error)) {
        watch_signals(&program);
        service_program_serve(&program.service, on_accepted, &program);
    } else {
        g_printerr("cloche-egress: %s\n", error->message);
        program.status = 1;
    }
    clean_up(&program);
    return program.status;
}
