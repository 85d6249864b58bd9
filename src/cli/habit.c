/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* habit: tables, and the number of typing errors between two words. */
#include "habit.h"

#include <string.h>

/* Longer words are not compared. */
#define NAME_MAX_LENGTH 24

typedef struct {
    const char *names; /* separated by spaces */
    const char *text;
    const char *verbs; /* for which the hint fits, separated by spaces; NULL: for all */
} Habit;

static const Habit aliases[] = {
    {"rm", "kill"},
    {"show inspect", "status"},
};

static const Habit verbs[] = {
    {"stop terminate shutdown poweroff halt destroy delete remove",
     "'cloche kill ID' ends a sandbox; nothing of it is kept"},
    {"start up launch new", "'cloche create' makes a sandbox, which runs until it ends"},
    {"restart reboot", "a sandbox is not started again: 'cloche create' makes a new one; "
                       "'cloche context restart ID CONTEXT' starts an interpreter anew"},
    {"pause unpause suspend resume freeze",
     "a sandbox cannot be paused; 'cloche extend ID 2h' has it end later"},
    {"logs log events",
     "'cloche journal ID' shows what happened to a sandbox, 'cloche attach ID NUMBER' what a "
     "process that was started with 'exec --keep' writes"},
    {"images image template templates", "'cloche status' shows the templates"},
    {"pull push build import commit save load image-import",
     "templates are made by the administrator, from recipes of vm-images; 'cloche status' shows "
     "them"},
    {"login ssh connect console enter sh bash su",
     "'cloche shell ID' opens a terminal in a sandbox"},
    {"python ipython python3 js node javascript r",
     "'cloche repl' opens a prompt for a language, 'cloche code FILE' executes a file"},
    {"eval execute", "'cloche code -c CODE' executes code"},
    {"top htop stats", "'cloche ps ID' shows the processes of a sandbox, with memory and time"},
    {"port port-forward publish expose tunnel",
     "'cloche ports ID' shows what listens in a sandbox, 'cloche forward ID PORT' makes it a port "
     "of this machine"},
    {"wait", "'cloche attach ID NUMBER' follows a process to its end, and passes its status on"},
    {"rename label set-property",
     "name and metadata are given once: 'cloche create --name NAME --metadata KEY=VALUE'"},
    {"export copy copy-from copy-to push-file download upload get put scp sftp rsync sync",
     "'cloche cp ID:PATH DIR' copies out of a sandbox, 'cloche cp FILE ID:PATH' into it"},
    {"diff", "no list is kept of what changed; 'cloche ls --recursive ID:PATH' shows the files"},
    {"info df quota limits", "'cloche status' shows the service and its limits"},
    {"enable disable",
     "the service is enabled with 'systemctl enable cloched'; a sandbox ends with its timeout"},
    {"renew timeout set-timeout", "'cloche extend ID TIME' sets when a sandbox ends"},
    {"prune clean gc", "ended sandboxes leave nothing behind; 'cloche kill --all' ends the others"},
    {"contexts kernel kernels", "'cloche context list ID' shows the contexts of a sandbox"},
    {"interrupt", "'cloche context interrupt ID CONTEXT' interrupts what a context executes"},
    {"mkdir rmdir mv touch chmod chown stat find grep head tail less more edit vi nano",
     "'cloche exec ID -- COMMAND' does it in a sandbox"},
    {"monitor subscribe", "'cloche journal --follow ID' shows what happens to a sandbox"},
    {"config configure set", "the service is configured in cloched.conf(5)"},
};

/* Verbs that create a sandbox or start a program. */
#define STARTERS "run exec shell create code"

static const Habit options[] = {
    {"-i", "'cloche repl' opens a prompt for a language", .verbs = "code"},
    {"-m", "'cloche exec ID -- python3 -m MODULE' runs a module of Python", .verbs = "code"},
    {"-v --volume --mount --bind --bind-ro --tmpfs",
     "a sandbox has no directory of this machine; 'cloche cp' copies files into it and out of it",
     .verbs = STARTERS},
    {"-p --publish -P --publish-all --expose",
     "'cloche forward ID PORT' makes a port of a sandbox one of this machine", .verbs = STARTERS},
    {"--network --net --link --dns --add-host", "a sandbox has no network"},
    {"-d --detach",
     "'cloche create' makes a sandbox that lives on, 'cloche exec --keep' leaves a command running "
     "in it"},
    {"--name", "'cloche create --name NAME' names a sandbox"},
    {"-m --memory --cpus --cpu-shares --memory-swap --shm-size",
     "memory and processors are the template's: 'cloche status' shows them", .verbs = STARTERS},
    {"--image", "--template names what a sandbox is made from"},
    {"--label -l --label-file", "'cloche create --metadata KEY=VALUE' adds a note",
     .verbs = STARTERS},
    {"--env-file", "each variable is given with --env KEY=VALUE"},
    {"--privileged --cap-add --cap-drop --security-opt",
     "the user of a sandbox may use sudo; --user root runs a command as root"},
    {"--entrypoint --init", "a sandbox runs nothing but the command that you give"},
    {"--restart", "a sandbox is not started again; 'cloche create' makes a new one"},
    {"-a --attach --sig-proxy", "output and error are always shown; --stdin gives input",
     .verbs = STARTERS},
    {"--uid", "--user names a user of the sandbox"},
    {"-E --setenv", "--env KEY=VALUE adds to the environment"},
    {"-f -o --format --output --filter", "--json prints all that the service answered, for jq(1)",
     .verbs = "list ps ports status ls context"},
    {"-t --timeout", "'cloche extend ID TIME' sets when a sandbox ends", .verbs = "extend"},
    {"-c", "a shell line is run by a shell: 'cloche exec ID -- sh -c LINE'",
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
look_up(const Habit *habits, gsize n, const char *word, const char *verb)
{
    for (gsize i = 0; i < n; i++) {
        if (is_among(habits[i].names, word) &&
            (habits[i].verbs == NULL || is_among(habits[i].verbs, verb)))
            return habits[i].text;
    }
    return NULL;
}

const char *
habit_alias(const char *word)
{
    return look_up(aliases, G_N_ELEMENTS(aliases), word, /* verb= */ "");
}

const char *
habit_verb_hint(const char *word)
{
    return look_up(verbs, G_N_ELEMENTS(verbs), word, /* verb= */ "");
}

const char *
habit_option_hint(const char *verb, const char *option)
{
    return look_up(options, G_N_ELEMENTS(options), option, verb);
}

/* --- spelling --- */

/* Letters left out, added or changed, or two neighbours that changed places. */
static guint
count_errors(const char *a, const char *b)
{
    guint d[NAME_MAX_LENGTH + 1][NAME_MAX_LENGTH + 1];
    gsize n = strlen(a), m = strlen(b);

    for (gsize i = 0; i <= n; i++) {
        for (gsize j = 0; j <= m; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            d[i][j] =
                MIN(MIN(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = MIN(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[n][m];
}

static const char *
only_completion(const char *word, const char *const *known)
{
    const char *found = NULL;

    for (; *known != NULL; known++) {
        if (!g_str_has_prefix(*known, word))
            continue;
        if (found != NULL)
            return NULL;
        found = *known;
    }
    return found;
}

const char *
habit_nearest(const char *word, const char *const *known)
{
    gsize length = strlen(word);
    guint least = length > 4 ? 3 : 2; /* fewer errors than that are near */
    const char *nearest;

    if (length < 2 || length > NAME_MAX_LENGTH)
        return NULL;
    nearest = only_completion(word, known);
    if (nearest != NULL)
        return nearest;
    for (; *known != NULL; known++) {
        guint errors = strlen(*known) <= NAME_MAX_LENGTH ? count_errors(word, *known) : least;

        if (errors < least) {
            least = errors;
            nearest = *known;
        }
    }
    return nearest;
}
