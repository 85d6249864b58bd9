/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hint: one table by error, and the cases in which there is no service to ask. */
#include "hint.h"

#include "template.h"

static const char *const hints[] = {
    [CLOCHE_ERROR_FAILED] = "the service's journal tells more: journalctl -u cloched",
    [CLOCHE_ERROR_NO_SUCH_SANDBOX] = "'cloche list' shows the sandboxes that live",
    [CLOCHE_ERROR_TEMPLATE_NOT_READY] =
        "'cloche status' shows the state of each template, 'cloche doctor' what is wrong here",
    [CLOCHE_ERROR_TEMPLATE_DAMAGED] = "the service's journal tells more: journalctl -u cloched",
    [CLOCHE_ERROR_NOT_PERMITTED] =
        "an administrator can permit it by a polkit rule: see cloched(8)",
    [CLOCHE_ERROR_QUOTA_EXCEEDED] =
        "'cloche list' shows what you have, 'cloche kill ID' gives it back",
    [CLOCHE_ERROR_BUSY] = "try again in a moment; 'cloche status' shows the pool",
    [CLOCHE_ERROR_UNSUPPORTED] = "'cloche status' shows what each template has",
    [CLOCHE_ERROR_GUEST_LOST] = "'cloche create' makes a new sandbox",
    [CLOCHE_ERROR_TIMED_OUT] = "try again, or end the sandbox: cloche kill ID",
    [CLOCHE_ERROR_NO_SUCH_PROCESS] = "'cloche ps ID' shows the processes and their numbers",
    [CLOCHE_ERROR_NO_SUCH_CONTEXT] = "'cloche context list ID' shows the contexts of a sandbox",
    [CLOCHE_ERROR_NO_SUCH_PROGRAM] = "programs are looked for in the sandbox, not on this machine",
    [CLOCHE_ERROR_NO_SUCH_DIRECTORY] =
        "directories are looked for in the sandbox, not on this machine",
    [CLOCHE_ERROR_NO_SUCH_USER] = "users are those of the sandbox, not of this machine",
    [CLOCHE_ERROR_PERMISSION_DENIED] = "'--user root' does it as the sandbox's root",
    [CLOCHE_ERROR_OUT_OF_RESOURCES] = "free some in the sandbox, or make a new one: cloche create",
    [CLOCHE_ERROR_NO_SUCH_FILE] = "'cloche ls ID:PATH' shows what is in the sandbox",
    [CLOCHE_ERROR_CONNECTION_REFUSED] = "'cloche ports ID' shows what listens in the sandbox",
    [CLOCHE_ERROR_SERVICE_STOPPING] = "the sandbox goes on; call again in a moment",
    [CLOCHE_ERROR_RUNNER_LOST] = "its variables are gone; the next code starts a new interpreter",
    [_CLOCHE_ERROR_MAX] = NULL,
};
G_STATIC_ASSERT(G_N_ELEMENTS(hints) == _CLOCHE_ERROR_MAX + 1);

static gboolean
service_is_missing(const GError *error)
{
    return g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER);
}

static gboolean
service_went_away(const GError *error)
{
    return g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_DISCONNECTED) ||
           g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CLOSED);
}

static char *
bus_hint(Cli *cli, const GError *error)
{
    gboolean is_system = cli->bus == G_BUS_TYPE_SYSTEM;

    if (service_is_missing(error))
        return g_strdup(is_system ? "start it: systemctl start cloched (as root; 'cloche doctor' "
                                    "tells what is wrong); "
                                    "for one of your own: " CLOCHED " --user, then cloche --user"
                                  : "start it: " CLOCHED " --user");
    if (service_went_away(error))
        return g_strdup(
            "the service ended during the call; its journal tells why: journalctl -u cloched");
    if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED))
        return g_strdup(
            "the bus does not let you speak to the service; an administrator can permit it");
    if (cli->manager == NULL)
        return g_strdup(is_system ? "is there a system bus? Another one is used with "
                                    "DBUS_SYSTEM_BUS_ADDRESS, the session's with --user"
                                  : "is there a session bus? 'dbus-run-session' starts one");
    return NULL;
}

char *
hint_for_error(Cli *cli, const GError *error)
{
    if (error->domain == G_FILE_ERROR)
        return NULL;
    if (error->domain == G_OPTION_ERROR ||
        g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT))
        return g_strdup_printf("see cloche %s --help", cli->verb->name);
    if (error->domain != CLOCHE_ERROR)
        return bus_hint(cli, error);
    if (error->code == CLOCHE_ERROR_NO_SUCH_TEMPLATE)
        return template_names(cli);
    return g_strdup(hints[error->code]);
}

const char *
hint_error_name(const GError *error)
{
    if (error->domain == CLOCHE_ERROR)
        return cloche_error_name(error->code);
    if (service_is_missing(error))
        return "ServiceNotRunning";
    if (service_went_away(error))
        return "ServiceLost";
    if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED))
        return "AccessDenied";
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return "Interrupted";
    if (error->domain == G_FILE_ERROR)
        return "FileError";
    if (error->domain == G_OPTION_ERROR)
        return "Usage";
    return "Failed";
}
