/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cli: what every verb needs: its arguments, the service, waiting, and one way to report errors.
 *
 * Calls are asynchronous, and the main context runs while a verb waits for a reply. So SIGINT,
 * SIGTERM and SIGHUP can be handled in the meantime: a verb that created a sandbox removes it
 * before the program ends. A second signal ends the program at once.
 */
#pragma once

#include <stdio.h>

#include "client.h"
#include "exit-status.h"
#include "json.h"

/* Exit statuses. As in a shell, 126 and 127 mean that the command could not be started. */
enum {
    CLI_OK = 0,
    CLI_CODE_RAISED = 1,
    CLI_PROBLEM = 1, /* doctor found a problem */
    CLI_USAGE = 2,
    CLI_TIMED_OUT = EXIT_STATUS_TIMED_OUT,
    CLI_FAILED = 125,
    CLI_NOT_EXECUTABLE = 126,
    CLI_NOT_FOUND = 127,
    CLI_READER_LEFT = 128 + 13, /* as of a program that SIGPIPE has ended */
};

typedef struct Cli Cli;

typedef struct {
    const char *name;
    const char *synopsis; /* the arguments */
    const char *summary;
    const char *description; /* with an example */
    gboolean takes_command;  /* the arguments after "--" are a command */
    gboolean command_is_optional;
    gboolean has_command_after_id; /* without "--" it begins after the first argument */
    const char *when_missing;      /* added to the error for missing arguments; may be NULL */
    const char *when_too_many;     /* added to the error for surplus arguments; may be NULL */
    int (*run)(Cli *cli, char **argv);
} Verb;

struct Cli {
    const Verb *verb;
    GBusType bus;
    gboolean json, no_ask_password;
    /* Set by cli_parse(): the arguments that are not options, and those after "--" of a verb that
     * takes a command. */
    char **arguments;
    char **command;
    gboolean has_user;      /* set by cli_parse(): the verb has an option --user */
    const char *user;       /* its value, or NULL */
    ClocheManager *manager; /* set by cli_connect() */
    GCancellable *interrupted;
    int signal; /* the signal that was received, or 0 */
    /* While it is set, SIGINT calls this function instead. */
    void (*on_interrupt)(gpointer interrupt_data);
    gpointer interrupt_data;
    GSubprocess *agent; /* of polkit, or NULL */
};

/*
 * Parses a verb's arguments. Returns FALSE if the verb has ended with *ret_status: the help text
 * was printed, or the arguments are wrong. The caller frees the strings that entries point to.
 */
gboolean cli_parse(Cli *cli, const GOptionEntry *entries, char **argv, int *ret_status);

/* Also checks the number of arguments that are not options. max: G_MAXUINT for no limit. */
gboolean cli_parse_arguments(Cli *cli, const GOptionEntry *entries, char **argv, guint min,
                             guint max, int *ret_status);

/* Connects to the service, and handles signals from then on. */
gboolean cli_connect(Cli *cli, GError **error);

/*
 * To wait for a call, pass cli_on_reply and the address of a GAsyncResult pointer that is NULL,
 * call cli_await(), and finish the call with the result.
 */
void cli_on_reply(GObject *source, GAsyncResult *result, gpointer reply);
void cli_await(GAsyncResult **reply);

/* Prints what is wrong with the arguments. Returns CLI_USAGE. */
int cli_usage(Cli *cli, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Prints an error and a hint about it. Returns the exit status. */
int cli_fail(Cli *cli, GError *error);

/* The error as {"error": …}. */
JsonNode *cli_error_node(const GError *error);

/* Prints a line on standard error, "cloche: …", with control characters escaped. */
void cli_note(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Prints the node, which is taken, as a line. */
void cli_print_json(JsonNode *node);

/* The same for an object. */
void cli_print_object(JsonObject *object);

/* Returns the exit status of the program: that of the verb, or CLI_READER_LEFT if the reader of the
 * output has closed it. */
int cli_end_status(int status);

/* Flushes standard output. Returns FALSE if that failed, and has printed why, except for a closed
 * pipe. */
gboolean cli_flush(void);
