/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cli: what every verb needs: its words, the service, waiting, and one way to fail.
 *
 * Calls are asynchronous and waited for in the main context, so that SIGINT, SIGTERM and SIGHUP can
 * be acted upon meanwhile: a verb that made a sandbox takes it away before the program ends. A
 * second signal ends the program at once.
 */
#pragma once

#include <stdio.h>

#include "client.h"
#include "exit-status.h"
#include "json.h"

/* Exit statuses of our own; 126 and 127 are a shell's, for a command that could not be started. */
enum {
    CLI_OK = 0,
    CLI_CODE_RAISED = 1,
    CLI_PROBLEM = 1, /* doctor found one */
    CLI_USAGE = 2,
    CLI_TIMED_OUT = EXIT_STATUS_TIMED_OUT,
    CLI_FAILED = 125,
    CLI_NOT_EXECUTABLE = 126,
    CLI_NOT_FOUND = 127,
    CLI_READER_LEFT = 128 + 13, /* as of a program that SIGPIPE ended */
};

typedef struct Cli Cli;

typedef struct {
    const char *name;
    const char *synopsis; /* what follows the name */
    const char *summary;
    const char *description; /* with an example */
    gboolean takes_command;  /* words behind "--" are a program's */
    gboolean command_is_optional;
    gboolean has_command_after_id; /* without "--" it begins behind the first word */
    const char *when_missing;      /* what to do when words are missing; NULL: nothing more */
    const char *when_too_many;     /* and when there is one too many */
    int (*run)(Cli *cli, char **argv);
} Verb;

struct Cli {
    const Verb *verb;
    GBusType bus;
    gboolean json, no_ask_password;
    char **words; /* set by cli_parse(): what is no option */
    char *
        *command; /* set by cli_parse(): what stands behind "--"; of a verb that takes a command */
    gboolean has_user;      /* set by cli_parse(): the verb has an option --user, */
    const char *user;       /* which says this; NULL: it was not given */
    ClocheManager *manager; /* set by cli_connect() */
    GCancellable *interrupted;
    int signal; /* the one that came; 0 */
    /* What SIGINT does instead, while that is set. */
    void (*on_interrupt)(gpointer interrupt_data);
    gpointer interrupt_data;
    GSubprocess *agent; /* of polkit; NULL: none */
};

/*
 * Reads a verb's words. FALSE: the verb is done with *ret_status (help was shown, or the words are
 * wrong). Texts that entries point to are the caller's to free.
 */
gboolean cli_parse(Cli *cli, const GOptionEntry *entries, char **argv, int *ret_status);

/* Also checks the number of words. max: G_MAXUINT for no bound. */
gboolean cli_parse_words(Cli *cli, const GOptionEntry *entries, char **argv, guint min, guint max,
                         int *ret_status);

gboolean cli_connect(Cli *cli, GError **error);

/*
 * Waiting for a call: give cli_on_reply and the address of a GAsyncResult that is NULL, then
 * cli_await(), then finish with it.
 */
void cli_on_reply(GObject *source, GAsyncResult *result, gpointer reply);
void cli_await(GAsyncResult **reply);

/* FALSE when a signal came in that time. */
gboolean cli_pause(Cli *cli, guint milliseconds);

/* Tells what is wrong with the words; gives CLI_USAGE. */
int cli_usage(Cli *cli, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Tells an error and what to do about it; gives the exit status. */
int cli_fail(Cli *cli, GError *error);

/* The error as {"error": …}. */
JsonNode *cli_error_node(const GError *error);

/* A line on standard error, "cloche: …". Control characters in it are shown, not obeyed. */
void cli_note(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Prints the node (taken) as a line. */
void cli_print_json(JsonNode *node);

/* The status to end with: that of the verb, unless whoever read our output has left. */
int cli_end_status(int status);

/* Writes out what was printed. FALSE when it could not be written; that is told, but for a closed
 * pipe. */
gboolean cli_flush(void);
