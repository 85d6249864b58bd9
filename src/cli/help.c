/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* help: the help texts of the program and of each verb, and the version. */
#include "verbs.h"

void
verbs_print_help(void)
{
    fputs("Usage:\n"
          "  cloche [--user] [--json] [--no-ask-password] VERB [ARGUMENT...]\n"
          "\n"
          "Run untrusted code in microVMs of this machine.\n"
          "\n"
          "Verbs:\n",
          stdout);
    for (gsize i = 0; verbs[i] != NULL; i++)
        printf("  %-11s %-22s %s\n", verbs[i]->name, verbs[i]->synopsis, verbs[i]->summary);
    fputs(
        "\n"
        "Options:\n"
        "  --user     Use the service on the session bus (cloched --user), not the system's\n"
        "  --json     Print the reply of the service as JSON, on one line. Keys are those of the\n"
        "             D-Bus API, and bytes are base64. An error is\n"
        "             {\"error\": {\"name\": ..., \"message\": ...}}\n"
        "  --no-ask-password\n"
        "             Do not ask for a password if polkit requires one\n"
        "  --help     Show this help; cloche VERB --help shows that of a verb\n"
        "  --version  Show the version\n"
        "\n"
        "Exit status:\n"
        "  run, exec, shell and attach exit with the status of the command. Otherwise 0: success;\n"
        "  1: the code raised an error, or doctor found a problem; 2: the command line is wrong;\n"
        "  124: a --timeout expired; 125: the service failed; 126, 127: the command could not be\n"
        "  executed, or was not found in the sandbox; 130: interrupted by Ctrl-C; 141: the reader\n"
        "  of the output has closed it.\n"
        "\n"
        "Examples:\n"
        "  cloche run -- uname -a\n"
        "  cloche code -c 'print(6 * 7)'\n"
        "  id=$(cloche create --timeout 1h); cloche exec $id -- ls -l; cloche kill $id\n",
        stdout);
}

static int
show_help(Cli *cli, char **argv)
{
    g_auto(GStrv) arguments = NULL;
    int status;

    if (!cli_parse_arguments(cli, /* entries= */ NULL, argv, /* min= */ 0, /* max= */ 1, &status))
        return status;
    arguments = g_steal_pointer(&cli->arguments);
    if (arguments[0] == NULL) {
        verbs_print_help();
        return cli_flush() ? CLI_OK : CLI_FAILED;
    }
    cli->verb = verbs_find(arguments[0]);
    if (cli->verb == NULL)
        return verbs_fail(cli, arguments[0]);
    return cli->verb->run(cli, (char *[]){arguments[0], "--help", NULL});
}

static int
show_version(Cli *cli, char **argv)
{
    JsonNode *node;
    int status;

    if (!cli_parse_arguments(cli, /* entries= */ NULL, argv, /* min= */ 0, /* max= */ 0, &status))
        return status;
    if (cli->json) {
        node = json_node_new(JSON_NODE_OBJECT);
        json_node_take_object(node, json_object_new());
        json_object_set_string_member(json_node_get_object(node), "version", CLOCHE_VERSION);
        cli_print_json(node);
    } else {
        puts("cloche " CLOCHE_VERSION);
    }
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

const Verb verb_help = {
    .name = "help",
    .synopsis = "[VERB]",
    .summary = "Show the verbs, or the help text of one.",
    .description = "Example:\n"
                   "  cloche help exec",
    .run = show_help,
};

const Verb verb_version = {
    .name = "version",
    .synopsis = "",
    .summary = "Show the version of this program.",
    .description = "'cloche status' shows the version of the service.\n"
                   "\n"
                   "Example:\n"
                   "  cloche version",
    .run = show_version,
};
