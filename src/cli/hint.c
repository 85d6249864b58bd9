/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hint: a table of hints by error code, and those for errors of the bus. */
#include "hint.h"

#include <string.h>

#include "text.h"

static const char *const hints[] = {
    [CLOCHE_ERROR_FAILED] = "see the journal of the service: journalctl -u cloched",
    [CLOCHE_ERROR_NO_SUCH_SANDBOX] = "'cloche list' shows the existing sandboxes",
    [CLOCHE_ERROR_TEMPLATE_NOT_READY] =
        "'cloche status' shows the state of each template, 'cloche doctor' what is wrong here",
    [CLOCHE_ERROR_TEMPLATE_DAMAGED] = "see the journal of the service: journalctl -u cloched",
    [CLOCHE_ERROR_BUSY] = "try again in a moment",
    [CLOCHE_ERROR_GUEST_LOST] =
        "the data of the sandbox is lost; 'cloche create' creates a new sandbox",
    [CLOCHE_ERROR_TIMED_OUT] = "try again, or end the sandbox: cloche kill ID",
    [CLOCHE_ERROR_NO_SUCH_PROCESS] = "'cloche ps ID' shows the processes and their numbers",
    [CLOCHE_ERROR_NO_SUCH_CONTEXT] = "'cloche context list ID' shows the contexts of a sandbox",
    [CLOCHE_ERROR_NO_SUCH_DIRECTORY] =
        "the directory must exist in the sandbox, not on this machine",
    [CLOCHE_ERROR_NO_SUCH_USER] = "the user must exist in the sandbox, not on this machine",
    [CLOCHE_ERROR_OUT_OF_RESOURCES] =
        "free resources in the sandbox, or create a new one: cloche create",
    [CLOCHE_ERROR_NO_SUCH_FILE] = "'cloche ls ID:DIRECTORY' shows the files of the sandbox",
    [CLOCHE_ERROR_IS_A_DIRECTORY] =
        "name a file in it ('cloche ls ID:PATH' shows them); 'cloche cp' copies directories",
    [CLOCHE_ERROR_CONNECTION_REFUSED] = "'cloche ports ID' shows what listens in the sandbox",
    [CLOCHE_ERROR_SERVICE_STOPPING] = "sandboxes continue to run; try again in a moment",
    [CLOCHE_ERROR_TOO_LARGE] = "write the data to a file, and copy it with 'cloche cp'",
    [CLOCHE_ERROR_NO_SUCH_SNAPSHOT] = "'cloche snapshots' shows the existing snapshots",
    [CLOCHE_ERROR_RUNNER_LOST] = "its variables are lost",
    [CLOCHE_ERROR_PAUSED] = "'cloche resume ID' continues it",
    [_CLOCHE_ERROR_MAX] = NULL,
};
G_STATIC_ASSERT(G_N_ELEMENTS(hints) == _CLOCHE_ERROR_MAX + 1);

/* --- a limit --- */

/* In the message about the limit lifetime, the remaining seconds follow this text. */
#define LEFT "at most "

/* In full minutes, and one minute less than remain, because the user needs time to type. */
static char *
extension_hint(const Cli *cli, const GError *error)
{
    const char *left = strstr(error->message, LEFT);
    guint64 minutes = left ? g_ascii_strtoull(left + strlen(LEFT), NULL, 10) / 60 : 0;

    if (left == NULL)
        return NULL;
    if (minutes < 2)
        return g_strdup("copy out what you need ('cloche cp'), and create a new sandbox");
    return g_strdup_printf("it may live for another %" G_GUINT64_FORMAT
                           "m: 'cloche %s %s %s%" G_GUINT64_FORMAT "m'",
                           minutes - 1, cli->verb->name, cli->arguments[0],
                           g_str_equal(cli->verb->name, "resume") ? "--timeout " : "", minutes - 1);
}

static char *
lifetime_hint(Cli *cli)
{
    GVariant *limits = cloche_manager_get_limits(cli->manager);
    g_autofree char *longest = NULL;
    guint64 seconds;

    if (limits == NULL || !g_variant_lookup(limits, "lifetime", "t", &seconds))
        return NULL;
    longest = text_to_duration(seconds);
    return g_strdup_printf("the longest is %s: '--timeout %s'", longest, longest);
}

/* The message names the limit, as GetQuota() and the property Limits do. */
static char *
quota_hint(Cli *cli, const GError *error)
{
    if (g_str_has_prefix(error->message, "The limit lifetime "))
        return g_str_equal(cli->verb->name, "extend") || g_str_equal(cli->verb->name, "resume")
                   ? extension_hint(cli, error)
                   : lifetime_hint(cli);
    if (g_str_has_prefix(error->message, "The limit processes "))
        return g_strdup(
            "'cloche ps ID' shows what runs in a sandbox, 'cloche signal ID NUMBER KILL' ends it");
    if (g_str_has_prefix(error->message, "The limit buffer-size "))
        return g_strdup("try again when a call or a process has ended; 'cloche ps ID' shows what "
                        "runs in a sandbox");
    if (g_str_has_prefix(error->message, "The limit connections ") ||
        g_str_has_prefix(error->message, "The limit traffic-mib "))
        return g_strdup(
            "--connections and --traffic ask for less; 'cloche list' shows your "
            "sandboxes, 'cloche network ID off' or 'cloche kill ID' frees what one has");
    if (g_str_has_suffix(error->message, " needs the option traffic"))
        return g_strdup("--traffic SIZE is the most bytes that it may send and receive: 500M, 2G");
    if (g_str_has_prefix(error->message, "The limit creates "))
        return g_strdup("try again in a moment");
    if (g_str_has_prefix(error->message, "The limit "))
        return g_strdup("'cloche list' shows your sandboxes, 'cloche kill ID' frees what one uses");
    return NULL; /* the message itself says what to do */
}

/* The network needs another program, and a machine that this version has started. */
static char *
unsupported_hint(const Cli *cli, const GError *error)
{
    if (strstr(error->message, "cloche-egress") != NULL)
        return g_strdup("'cloche doctor' says what is missing");
    if (g_str_has_suffix(error->message, " has no network"))
        return g_strdup_printf("'cloche network %s --mode internet' gives it one",
                               cli->arguments[0]);
    if (strstr(error->message, " is closed") != NULL)
        return g_strdup_printf("'cloche network %s MODE' sets it anew", cli->arguments[0]);
    if (g_str_equal(cli->verb->name, "network"))
        return g_strdup("a new sandbox can have a network: cloche create --network MODE");
    if (g_str_has_prefix(error->message, "network: "))
        return NULL;
    return g_strdup("'cloche status' shows the languages of each template");
}

/* --- a command --- */

static char *
as_shell_line(char *const *command)
{
    g_autofree char *line = g_strjoinv(" ", (char **)command);
    g_autofree char *quoted = g_shell_quote(line);

    return g_strdup_printf("a shell command needs a shell: -- sh -c %s", quoted);
}

static gboolean
is_shell_builtin(const char *word)
{
    static const char *const builtins[] = {"cd",    "export", "source", ".",       "alias", "unset",
                                           "umask", "ulimit", "exit",   "eval",    "set",   "exec",
                                           "if",    "for",    "while",  "history", NULL};

    return g_strv_contains(builtins, word);
}

static char *
program_hint(const Cli *cli)
{
    const char *program = cli->command != NULL ? cli->command[0] : "";

    if (strpbrk(program, " \t\n|&;<>()$`\"'*?~=") != NULL || is_shell_builtin(program))
        return as_shell_line(cli->command);
    if (strchr(program, '/') != NULL)
        return g_strdup("the program must exist in the sandbox, not on this machine; a script also "
                        "needs the program that its first line names");
    return g_strdup("the program must exist in the sandbox, not on this machine");
}

static char *
permission_hint(const Cli *cli, const GError *error)
{
    gboolean is_root = g_strcmp0(cli->user, "root") == 0 || g_strcmp0(cli->user, "0") == 0;

    if (g_str_has_prefix(error->message, "program "))
        return g_strdup_printf("'chmod +x FILE' makes a file executable, 'sh FILE' runs a script "
                               "that is not executable; a directory is not a program%s",
                               is_root ? "" : "; root may have the permission: '--user root'");
    if (is_root || !cli->has_user)
        return NULL;
    return g_strdup("root of the sandbox may have the permission: '--user root'");
}

/* --- the service --- */

static char *
refusal_hint(const GError *error)
{
    if (g_str_has_prefix(error->message, "network: "))
        return g_strdup("an administrator can permit it in [Network] of cloched.conf(5), or in the "
                        "recipe of the template");
    return g_strdup("an administrator can permit it by a polkit rule: see cloched(8)");
}

static char *
bus_hint(Cli *cli, const GError *error)
{
    gboolean is_system = cli->bus == G_BUS_TYPE_SYSTEM;

    if (client_service_is_missing(error))
        return g_strdup(is_system ? "start it: systemctl start cloched (as root; 'cloche doctor' "
                                    "finds problems); or start a service of your own: " CLOCHED
                                    " --user, then cloche --user"
                                  : "start it: " CLOCHED " --user");
    if (client_service_was_lost(error))
        return g_strdup(
            "the service ended during the call; see its journal: journalctl -u cloched");
    if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED))
        return g_strdup(
            "the bus refuses your calls to the service; an administrator can permit them");
    if (cli->manager == NULL)
        return g_strdup(
            is_system ? "DBUS_SYSTEM_BUS_ADDRESS selects another system bus, --user the session bus"
                      : "'dbus-run-session' starts a session bus");
    return NULL;
}

char *
hint_for_error(Cli *cli, const GError *error)
{
    if (error->domain == G_FILE_ERROR ||
        g_error_matches(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED)) /* about the input */
        return NULL;
    if (g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT) &&
        g_str_has_prefix(error->message, "file "))
        return NULL; /* the arguments are valid, but not for this file */
    if (error->domain == G_OPTION_ERROR ||
        g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT))
        return g_strdup_printf("see cloche %s --help", cli->verb->name);
    if (error->domain != CLOCHE_ERROR)
        return bus_hint(cli, error);
    switch (error->code) {
    case CLOCHE_ERROR_QUOTA_EXCEEDED:
        return quota_hint(cli, error);
    case CLOCHE_ERROR_NOT_PERMITTED:
        return refusal_hint(error);
    case CLOCHE_ERROR_UNSUPPORTED:
        return unsupported_hint(cli, error);
    case CLOCHE_ERROR_NO_SUCH_PROGRAM:
        return program_hint(cli);
    case CLOCHE_ERROR_PERMISSION_DENIED:
        return permission_hint(cli, error);
    default:
        return g_strdup(hints[error->code]);
    }
}
