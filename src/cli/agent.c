/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * agent: polkit's agent on the terminal, as systemctl starts it.
 *
 * The agent closes its descriptor when it is registered with polkit. It ends with this program in
 * any case, because the shell gets the terminal back then.
 */
#include "agent.h"

#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#define AGENT "pkttyagent"
#define NOTIFY_FD 3
#define PATIENCE_MS 5000

static void
die_with_parent(gpointer data)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static gboolean
has_somebody_to_ask(const Cli *cli)
{
    return cli->bus == G_BUS_TYPE_SYSTEM && geteuid() != 0 && !cli->json && !cli->no_ask_password &&
           isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

void
agent_start(Cli *cli)
{
    g_autoptr(GSubprocessLauncher) launcher = NULL;
    g_autofree char *notify = g_strdup_printf("--notify-fd=%d", NOTIFY_FD);
    int fds[2];

    if (!has_somebody_to_ask(cli) || !g_unix_open_pipe(fds, FD_CLOEXEC, /* error= */ NULL))
        return;
    launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDIN_INHERIT);
    g_subprocess_launcher_take_fd(launcher, fds[1], NOTIFY_FD);
    g_subprocess_launcher_set_child_setup(launcher, die_with_parent, NULL, NULL);
    cli->agent =
        g_subprocess_launcher_spawn(launcher, /* error= */ NULL, AGENT, "--fallback", notify, NULL);
    g_subprocess_launcher_close(launcher);
    if (cli->agent != NULL) {
        struct pollfd ready = {.fd = fds[0], .events = POLLIN};

        poll(&ready, 1, PATIENCE_MS);
    }
    close(fds[0]);
}

void
agent_stop(Cli *cli)
{
    if (cli->agent == NULL)
        return;
    g_subprocess_send_signal(cli->agent, SIGTERM);
    g_subprocess_wait(cli->agent, /* cancellable= */ NULL, /* error= */ NULL);
    g_clear_object(&cli->agent);
}
