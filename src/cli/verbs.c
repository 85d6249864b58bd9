/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* verbs: the table of verbs, and the error for unknown ones. */
#include "verbs.h"

#include "foreign.h"
#include "spelling.h"

const Verb *const verbs[] = {
    &verb_run,     &verb_code,    &verb_repl,     &verb_create,    &verb_exec,        &verb_shell,
    &verb_attach,  &verb_ps,      &verb_signal,   &verb_list,      &verb_kill,        &verb_extend,
    &verb_pause,   &verb_resume,  &verb_snapshot, &verb_snapshots, &verb_rm_snapshot, &verb_fork,
    &verb_status,  &verb_context, &verb_network,  &verb_journal,   &verb_ls,          &verb_cat,
    &verb_write,   &verb_cp,      &verb_forward,  &verb_ports,     &verb_doctor,      &verb_help,
    &verb_version, NULL,
};

static const Verb *
find_exactly(const char *name)
{
    for (gsize i = 0; verbs[i] != NULL; i++) {
        if (g_str_equal(verbs[i]->name, name))
            return verbs[i];
    }
    return NULL;
}

const Verb *
verbs_find(const char *name)
{
    const char *alias = foreign_alias(name);

    return find_exactly(alias != NULL ? alias : name);
}

/* --- unknown verbs --- */

static const char *
nearest_verb(const char *word)
{
    const char *names[G_N_ELEMENTS(verbs)] = {NULL};

    for (gsize i = 0; verbs[i] != NULL; i++)
        names[i] = verbs[i]->name;
    return spelling_nearest(word, names);
}

static char *
explain(const char *word)
{
    g_autofree char *valid = g_utf8_make_valid(word, -1);
    const char *hint = foreign_verb_hint(word);
    const char *nearest = hint == NULL ? nearest_verb(word) : NULL;

    if (*word == '\0')
        return g_strdup("the verb is missing");
    if (hint != NULL)
        return g_strdup_printf("unknown verb '%s': %s", valid, hint);
    if (client_is_sandbox_id(word))
        return g_strdup_printf(
            "unknown verb '%s': the verb comes first, as in 'cloche shell %s' or 'cloche status "
            "%s'",
            valid, valid, valid);
    if (nearest != NULL)
        return g_strdup_printf("unknown verb '%s': did you mean '%s'?", valid, nearest);
    return g_strdup_printf("unknown verb '%s'", valid);
}

int
verbs_fail(const Cli *cli, const char *word)
{
    g_autofree char *message = explain(word);

    if (cli->json)
        cli_print_json(json_from_error("Usage", message));
    else
        cli_note("%s\ncloche: see cloche --help", message);
    return CLI_USAGE;
}
