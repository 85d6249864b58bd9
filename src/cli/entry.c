/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* entry: one scanner for the languages whose brackets and quotes tell enough. */
#include "entry.h"

#include <string.h>

typedef struct {
    const char *quotes;      /* of strings that end with their line */
    const char *long_quotes; /* of those that do not */
    gboolean has_triple_quotes;
    const char *comment; /* up to the end of the line */
    gboolean has_block_comments, has_regexes;
    const char *operators; /* that something follows */
} Syntax;

static const Syntax python = {
    .quotes = "'\"", .long_quotes = "", .has_triple_quotes = TRUE, .comment = "#", .operators = ""};
static const Syntax javascript = {.quotes = "'\"",
                                  .long_quotes = "`",
                                  .comment = "//",
                                  .has_block_comments = TRUE,
                                  .has_regexes = TRUE,
                                  .operators = "=+-*%&|^,?:<>!~"};
static const Syntax r = {
    .quotes = "", .long_quotes = "'\"`", .comment = "#", .operators = "=+-*/%&|^,~:<>!@$"};

typedef struct {
    const Syntax *syntax;
    const char *at;
    int depth;        /* of brackets */
    gboolean is_open; /* the text ends inside of something */
    const char *last; /* what is no space and no comment; NULL: nothing */
    const char *line; /* where the last line begins that is not inside of something */
} Scan;

/* --- strings, comments, regular expressions --- */

static const char *
skip_line(const char *at)
{
    return at + strcspn(at, "\n");
}

/* Behind the closing quote. at: behind the opening one. */
static void
skip_string(Scan *scan, const char *at, const char *quote, gboolean is_long)
{
    while (*at != '\0' && !g_str_has_prefix(at, quote) && (is_long || *at != '\n')) {
        if (*at == '\\' && at[1] != '\0')
            at++;
        at++;
    }
    scan->is_open = *at == '\0' && is_long;
    if (g_str_has_prefix(at, quote))
        at += strlen(quote);
    scan->last = at - 1;
    scan->at = at;
}

static gboolean
take_string(Scan *scan)
{
    const char quote[] = {*scan->at, '\0'};
    const char triple[] = {*scan->at, *scan->at, *scan->at, '\0'};

    if (scan->syntax->has_triple_quotes && strchr(scan->syntax->quotes, *quote) != NULL &&
        g_str_has_prefix(scan->at, triple))
        skip_string(scan, scan->at + 3, triple, /* is_long= */ TRUE);
    else if (strchr(scan->syntax->quotes, *quote) != NULL)
        skip_string(scan, scan->at + 1, quote, /* is_long= */ FALSE);
    else if (strchr(scan->syntax->long_quotes, *quote) != NULL)
        skip_string(scan, scan->at + 1, quote, /* is_long= */ TRUE);
    else
        return FALSE;
    return TRUE;
}

static gboolean
take_comment(Scan *scan)
{
    const char *end;

    if (g_str_has_prefix(scan->at, scan->syntax->comment)) {
        scan->at = skip_line(scan->at);
    } else if (scan->syntax->has_block_comments && g_str_has_prefix(scan->at, "/*")) {
        end = strstr(scan->at + 2, "*/");
        scan->is_open = end == NULL;
        scan->at = end != NULL ? end + 2 : scan->at + strlen(scan->at);
    } else {
        return FALSE;
    }
    return TRUE;
}

/* A slash that divides stands behind a value. */
static gboolean
take_regex(Scan *scan)
{
    gboolean is_behind_value =
        scan->last != NULL && (g_ascii_isalnum(*scan->last) || strchr("_$)]}'\"`", *scan->last));
    gboolean is_in_class = FALSE;
    const char *at = scan->at + 1;

    if (!scan->syntax->has_regexes || *scan->at != '/' || is_behind_value)
        return FALSE;
    for (; *at != '\0' && *at != '\n' && (*at != '/' || is_in_class); at++) {
        if (*at == '\\' && at[1] != '\0')
            at++;
        else if (*at == '[' || *at == ']')
            is_in_class = *at == '[';
    }
    scan->last = at;
    scan->at = *at == '/' ? at + 1 : at;
    return TRUE;
}

/* --- the text --- */

static void
take_character(Scan *scan)
{
    char c = *scan->at;

    if (strchr("([{", c) != NULL)
        scan->depth++;
    else if (strchr(")]}", c) != NULL)
        scan->depth--;
    if (c == '\\' && scan->at[1] == '\n')
        scan->at++; /* the line goes on */
    else if (c == '\n' && scan->depth <= 0)
        scan->line = scan->at + 1;
    if (!g_ascii_isspace(c))
        scan->last = scan->at;
    scan->at++;
}

static void
scan_text(Scan *scan, const char *text)
{
    scan->at = scan->line = text;
    while (*scan->at != '\0') {
        if (!take_comment(scan) && !take_string(scan) && !take_regex(scan))
            take_character(scan);
    }
    scan->is_open = scan->is_open || scan->depth > 0;
}

static gboolean
ends_with_backslash(const char *text)
{
    gsize n = 0, size = strlen(text);

    while (n < size && text[size - 1 - n] == '\\')
        n++;
    return n % 2 == 1;
}

static gboolean
last_line_is_blank(const char *text)
{
    const char *line = strrchr(text, '\n');

    return line != NULL && line[strspn(line, " \t\n")] == '\0';
}

/* --- languages --- */

/* IPython's commands: "!ls (", "%timeit f(", and cells, which begin with "%%". */
static gboolean
command_is_complete(const char *text)
{
    return g_str_has_prefix(text, "%%") ? last_line_is_blank(text) : !ends_with_backslash(text);
}

/* A block goes on until an empty line. */
static gboolean
python_is_complete(const char *text)
{
    Scan scan = {.syntax = &python};
    gboolean is_in_block;

    if (*text == '!' || *text == '%')
        return command_is_complete(text);
    scan_text(&scan, text);
    if (scan.is_open || ends_with_backslash(text))
        return FALSE;
    is_in_block = (scan.last != NULL && *scan.last == ':') || *scan.line == '@' ||
                  ((*scan.line == ' ' || *scan.line == '\t') && scan.line != text);
    return !is_in_block || last_line_is_blank(text);
}

/* "i++" is whole. */
static gboolean
ends_with_operator(const Scan *scan, const char *text)
{
    char c = scan->last != NULL ? *scan->last : '\0';

    if (c == '\0' || strchr(scan->syntax->operators, c) == NULL)
        return FALSE;
    return !(scan->syntax == &javascript && (c == '+' || c == '-') && scan->last > text &&
             scan->last[-1] == c);
}

static gboolean
expression_is_complete(const Syntax *syntax, const char *text)
{
    Scan scan = {.syntax = syntax};

    scan_text(&scan, text);
    return !scan.is_open && (!ends_with_operator(&scan, text) || last_line_is_blank(text));
}

static char *
ask_bash(const char *text)
{
    char *argv[] = {"bash", "--norc", "--noprofile", "-n", "-c", (char *)text, NULL};
    char *environment[] = {"LC_ALL=C", NULL};
    char *said = NULL;

    g_spawn_sync(/* directory= */ NULL, argv, environment,
                 G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, /* setup= */ NULL,
                 /* data= */ NULL, /* out= */ NULL, &said, /* status= */ NULL, /* error= */ NULL);
    return said;
}

static gboolean
bash_is_complete(const char *text)
{
    g_autofree char *said = ask_bash(text);

    if (ends_with_backslash(text))
        return FALSE;
    return said == NULL || (strstr(said, "unexpected end of file") == NULL &&
                            strstr(said, "unexpected EOF") == NULL &&
                            strstr(said, "delimited by end-of-file") == NULL);
}

gboolean
entry_is_complete(const char *language, const char *text)
{
    if (g_str_equal(language, "python"))
        return python_is_complete(text);
    if (g_str_equal(language, "javascript") || g_str_equal(language, "typescript"))
        return expression_is_complete(&javascript, text);
    if (g_str_equal(language, "r"))
        return expression_is_complete(&r, text);
    if (g_str_equal(language, "bash"))
        return bash_is_complete(text);
    return TRUE;
}
