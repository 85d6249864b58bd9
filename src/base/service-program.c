/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* service-program: what cloche-vm and cloche-egress have in common as programs. */
#include "service-program.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <systemd/sd-daemon.h>

void
service_program_init(ServiceProgram *program, const char *name)
{
    *program = (ServiceProgram){.name = name, .child_fd = -1, .listening = -1};
    program->loop = g_main_loop_new(/* context= */ NULL, /* is_running= */ FALSE);
}

void
service_program_clear(ServiceProgram *program)
{
    g_main_loop_unref(program->loop);
    g_free(program->peer);
}

gboolean
service_program_parse(ServiceProgram *program, const GOptionEntry *entries, const char *summary,
                      int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new(summary);
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, /* translation_domain= */ NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc != 1) {
        g_printerr("%s: %s\n", program->name, error ? error->message : "unexpected argument");
        return FALSE;
    }
    if (program->child_fd >= 0) {
        fcntl(program->child_fd, F_SETFD, FD_CLOEXEC);
        g_unix_set_fd_nonblocking(program->child_fd, TRUE, /* error= */ NULL);
    }
    return TRUE;
}

gboolean
service_program_find_peer(ServiceProgram *program, GError **error)
{
    return service_listener_find_user(program->peer, &program->peer_uid, error);
}

gboolean
service_program_find_socket(ServiceProgram *program, GError **error)
{
    if (program->child_fd >= 0)
        return TRUE;
    program->listening = service_listener_find_socket(program->name, error);
    return program->listening >= 0;
}

void
service_program_serve(ServiceProgram *program, ServiceListenerAccept accept, gpointer data)
{
    if (program->child_fd >= 0)
        accept(program->child_fd, data);
    else
        service_listener_serve(program->listening, program->peer_uid, accept, data);
    sd_notify(/* unset_environment= */ 0, "READY=1");
    g_main_loop_run(program->loop);
}

void
service_program_connection_ended(const ServiceProgram *program)
{
    if (program->child_fd >= 0)
        g_main_loop_quit(program->loop);
}
