/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main: cloche-egress, the network of sandboxes.
 *
 * As a service it listens on the socket that systemd passes, and serves the user of cloched. As a
 * child of cloched it serves the socket that it inherits, and ends with it. With --resolver it is
 * the part that asks name servers, for the workers of another instance.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <grp.h>
#include <locale.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "error.h"
#include "master.h"
#include "packet-socket.h"
#include "resolver.h"
#include "service-listener.h"
#include "spawner.h"
#include "util.h"

typedef struct {
    GMainLoop *loop;
    gboolean is_resolver;
    int child_fd; /* socket to the parent; -1: a service */
    char *peer;   /* user who may connect to a service */
    char *user;   /* to become, or NULL */
    char *run;    /* folder of a child, or NULL */
    char *resolver_socket;
    uid_t peer_uid;
    int listening;
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

static gboolean
find_socket(Program *program, GError **error)
{
    if (program->child_fd >= 0)
        return TRUE;
    program->listening = service_listener_find_socket("cloche-egress", error);
    return program->listening >= 0;
}

static void
on_connection_ended(gpointer data)
{
    Program *program = data;

    if (program->child_fd >= 0)
        g_main_loop_quit(program->loop);
}

static void
on_workers_lost(gpointer data)
{
    Program *program = data;

    g_warning("The process that starts workers has ended");
    program->status = 1;
    g_main_loop_quit(program->loop);
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
    if (!service_listener_find_user(program->peer, &program->peer_uid, error) ||
        !become_user(program, error) || !find_socket(program, error))
        return FALSE;
    if (!program->is_resolver)
        return build_master(program, error);
    prctl(PR_SET_NAME, "egress-resolver", 0, 0, 0);
    program->resolver = resolver_new(error);
    return program->resolver != NULL;
}

/* --- connections --- */

static void
on_accepted(int fd, gpointer data)
{
    Program *program = data;

    if (program->is_resolver)
        resolver_accept(program->resolver, fd);
    else
        master_accept(program->master, fd);
}

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
    g_main_loop_quit(((Program *)data)->loop);
}

static void
serve_parent(Program *program)
{
    static const PacketSocketEvents events = {on_parent_packet, on_parent_closed};

    fcntl(program->child_fd, F_SETFD, FD_CLOEXEC);
    g_unix_set_fd_nonblocking(program->child_fd, TRUE, /* error= */ NULL);
    if (program->is_resolver)
        program->parent =
            packet_socket_new(program->child_fd, /* packet_max= */ 1, &events, program);
    else
        master_accept(program->master, program->child_fd);
}

/* --- run --- */

static gboolean
on_signal(int fd, GIOCondition condition, gpointer data)
{
    g_main_loop_quit(((Program *)data)->loop);
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
    if (program->child_fd < 0)
        g_unix_fd_add(signalfd(-1, &set, SFD_CLOEXEC), G_IO_IN, on_signal, program);
}

static void
serve(Program *program)
{
    watch_signals(program);
    if (program->child_fd >= 0)
        serve_parent(program);
    else
        service_listener_serve(program->listening, program->peer_uid, on_accepted, program);
    sd_notify(/* unset_environment= */ 0, "READY=1");
    g_main_loop_run(program->loop);
}

static void
clean_up(Program *program)
{
    g_clear_pointer(&program->master, master_free);
    g_clear_pointer(&program->link, resolver_link_free);
    g_clear_pointer(&program->store, store_free);
    g_clear_pointer(&program->parent, packet_socket_free);
    g_clear_pointer(&program->resolver, resolver_free);
    g_main_loop_unref(program->loop);
    g_free(program->peer);
    g_free(program->user);
    g_free(program->run);
    g_free(program->resolver_socket);
}

/* FALSE: the program ends with status 2. */
static gboolean
parse_options(Program *program, int argc, char **argv)
{
    const GOptionEntry entries[] = {
        {"child", 0, 0, G_OPTION_ARG_INT, &program->child_fd, "Serve this socket, and end with it",
         "FD"},
        {"run", 0, 0, G_OPTION_ARG_FILENAME, &program->run,
         "Keep secrets in this folder, instead of that of the service", "DIR"},
        {"user", 0, 0, G_OPTION_ARG_STRING, &program->user, "If started as root, become USER",
         "USER"},
        {"peer", 0, 0, G_OPTION_ARG_STRING, &program->peer,
         "Serve only USER on the socket that systemd passes", "USER"},
        {"resolver-socket", 0, 0, G_OPTION_ARG_FILENAME, &program->resolver_socket,
         "Ask the resolver that listens there, instead of starting one", "PATH"},
        {"resolver", 0, 0, G_OPTION_ARG_NONE, &program->is_resolver, "Be the resolver", NULL},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- connects sandboxes for cloched");
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (g_option_context_parse(context, &argc, &argv, &error) && argc == 1)
        return TRUE;
    g_printerr("cloche-egress: %s\n", error ? error->message : "unexpected argument");
    return FALSE;
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
    Program program = {.child_fd = -1, .listening = -1, .spawner = -1};
    g_autoptr(GError) error = NULL;

    setlocale(LC_ALL, "");
    if (!parse_options(&program, argc, argv))
        return 2;
    signal(SIGPIPE, SIG_IGN);
    protect_memory();
    program.loop = g_main_loop_new(NULL, FALSE);
    if (build(&program, &error)) {
        serve(&program);
    } else {
        g_printerr("cloche-egress: %s\n", error->message);
        program.status = 1;
    }
    clean_up(&program);
    return program.status;
}
