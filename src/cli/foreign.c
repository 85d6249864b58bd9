/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* foreign: tables of names. */
#include "foreign.h"

typedef struct {
    const char *names; /* separated by spaces */
    const char *text;
    const char *verbs; /* that the hint is for, separated by spaces; NULL: all */
} ForeignName;

static const ForeignName aliases[] = {
    {"rm", "kill"},
    {"show inspect", "status"},
};

static const ForeignName verbs[] = {
    {"stop terminate shutdown poweroff halt destroy delete remove",
     "'cloche kill ID' ends a sandbox and deletes its data"},
    {"start up launch new", "'cloche create' creates a sandbox, which runs until it ends"},
    {"restart reboot", "a sandbox cannot be restarted: 'cloche create' creates a new one; 'cloche "
                       "context restart ID CONTEXT' restarts an interpreter"},
    {"suspend freeze hibernate", "'cloche pause ID' pauses a sandbox"},
    {"unpause thaw wake", "'cloche resume ID' continues a paused sandbox"},
    {"logs log events", "'cloche journal ID' shows what happened to a sandbox, 'cloche attach ID "
                        "NUMBER' the output of a process that was started with 'exec --keep'"},
    {"images image template templates", "'cloche status' shows the templates"},
    {"pull push build import commit save load image-import",
     "the administrator builds templates from the recipes in vm-images; 'cloche status' shows "
     "them"},
    {"login ssh connect console enter sh bash su",
     "'cloche shell ID' opens a terminal in a sandbox"},
    {"python ipython python3 js node javascript r",
     "'cloche repl' opens a prompt for a language, 'cloche code FILE' executes a file"},
    {"eval execute", "'cloche code -c CODE' executes code"},
    {"net firewall egress proxy allow deny",
     "'cloche network ID' shows and changes the network of a sandbox"},
    {"top htop stats", "'cloche ps ID' shows the processes of a sandbox, with memory and time"},
    {"port port-forward publish expose tunnel",
     "'cloche ports ID' shows the listening ports of a sandbox, 'cloche forward ID PORT' forwards "
     "a port of this machine to one"},
    {"wait", "'cloche attach ID NUMBER' waits for the end of a process, and exits with its status"},
    {"rename label set-property",
     "name and metadata are set at the creation: 'cloche create --name NAME --metadata KEY=VALUE'"},
    {"export copy copy-from copy-to push-file download upload get put scp sftp rsync sync",
     "'cloche cp ID:PATH DIR' copies out of a sandbox, 'cloche cp FILE ID:PATH' into it"},
    {"diff", "changes are not recorded; 'cloche ls --recursive ID:PATH' shows the files"},
    {"info df quota limits", "'cloche status' shows the service and its limits"},
    {"enable disable",
     "'systemctl enable cloched' enables the service; a sandbox ends with its timeout"},
    {"renew timeout set-timeout", "'cloche extend ID TIME' sets when a sandbox ends"},
    {"prune clean gc", "ended sandboxes leave nothing behind; 'cloche kill --all' ends all others"},
    {"contexts kernel kernels", "'cloche context list ID' shows the contexts of a sandbox"},
    {"interrupt", "'cloche context interrupt ID CONTEXT' interrupts what a context executes"},
    {"mkdir rmdir mv touch chmod chown stat find grep head tail less more edit vi nano",
     "'cloche exec ID -- COMMAND' runs a command in a sandbox"},
    {"monitor subscribe", "'cloche journal --follow ID' shows what happens to a sandbox"},
    {"config configure set", "cloched.conf(5) configures the service"},
};

/* Verbs that create a sandbox or start a program. */
#define STARTERS "run exec shell create code"

static const ForeignName options[] = {
    {"-i", "'cloche repl' opens a prompt for a language", .verbs = "code"},
    {"-m", "'cloche exec ID -- python3 -m MODULE' runs a module of Python", .verbs = "code"},
    {"-v --volume --mount --bind --bind-ro --tmpfs",
     "a sandbox cannot use a directory of this machine; 'cloche cp' copies files into it and out "
     "of it",
     .verbs = STARTERS},
    {"-p --publish -P --publish-all --expose",
     "'cloche forward ID PORT' forwards a port of this machine to a sandbox", .verbs = STARTERS},
    {"--net --link --dns --add-host",
     "--network and --allow give a sandbox a network, without addresses of its own",
     .verbs = STARTERS},
    {"--network --allow --deny --private --secret --bandwidth --traffic --connections",
     "'cloche network ID' changes the network of a sandbox"},
    {"-d --detach", "'cloche create' creates a sandbox that continues to run, 'cloche exec --keep' "
                    "leaves a command running in it"},
    {"--name", "'cloche create --name NAME' names a sandbox"},
    {"-m --memory --cpus --cpu-shares --memory-swap --shm-size",
     "the template determines memory and processors: 'cloche status' shows them",
     .verbs = STARTERS},
    {"--image", "--template names the template of a sandbox"},
    {"--label -l --label-file", "'cloche create --metadata KEY=VALUE' adds a note",
     .verbs = STARTERS},
    {"--env-file", "--env KEY=VALUE sets one variable, and may be repeated"},
    {"--privileged --cap-add --cap-drop --security-opt",
     "the user of a sandbox may use sudo; --user root runs a command as root"},
    {"--entrypoint --init", "a sandbox runs only the command that you give"},
    {"--restart", "a sandbox cannot be restarted; 'cloche create' creates a new one"},
    {"-a --attach --sig-proxy", "output and errors are always shown; --stdin passes input",
     .verbs = STARTERS},
    {"--uid", "--user names a user of the sandbox"},
    {"-E --setenv", "--env KEY=VALUE sets an environment variable"},
    {"-f -o --format --output --filter",
     "--json prints the complete reply of the service, for jq(1)",
     .verbs = "list ps ports status ls context"},
    {"-t --timeout", "'cloche extend ID TIME' sets when a sandbox ends", .verbs = "extend"},
    {"-c", "a shell command needs a shell: 'cloche exec ID -- sh -c COMMAND'",
     .verbs = "shell exec run"},
    {"-s --signal -9 -1 -2 -15 -HUP -INT -TERM -KILL",
     "'cloche signal ID NUMBER KILL' sends a signal to a process of a sandbox",
     .verbs = "kill signal"},
    {"--workdir -w --cwd", "'cloche exec --cwd DIR' runs a command in that directory"},
};

static gboolean
is_among(const char *names, const char *word)
{
    g_auto(GStrv) list = g_strsplit(names, " ", /* max= */ -1);

    return g_strv_contains((const char *const *)list, word);
}

static const char *
look_up(const ForeignName *table, gsize n, const char *word, const char *verb)
{
    for (gsize i = 0; i < n; i++) {
        if (is_among(table[i].names, word) &&
            (table[i].verbs == NULL || is_among(table[i].verbs, verb)))
            return table[i].text;
    }
    return NULL;
}

const char *
foreign_alias(const char *word)
{
    return look_up(aliases, G_N_ELEMENTS(aliases), word, /* verb= */ "");
}

const char *
foreign_verb_hint(const char *word)
{
    return look_up(verbs, G_N_ELEMENTS(verbs), word, /* verb= */ "");
}

const char *
foreign_option_hint(const char *verb, const char *option)
{
    return look_up(options, G_N_ELEMENTS(options), option, verb);
}
