/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * prompt: the main context feeds readline through its callback interface, and handles signals.
 *
 * Errors of the history file are not reported, because code can be executed without a history.
 *
 * The terminal remains in readline's mode until the entry is complete, so that the terminal does
 * not echo what is typed while an entry is checked: readline reads and echoes it afterwards.
 */
#include "prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#define FIRST_PROMPT ">>> "
#define NEXT_PROMPT "... "
#define INDENT "    "
#define HISTORY_ENTRIES 5000

static struct {
    PromptCheck check;
    gpointer check_data;
    char *history; /* the file */
    GString *entry;
    gboolean has_line;
    gboolean has_ended; /* the input */
} prompt;

/* Reports SIGCONT to the main context from the thread that received it. */
static int continued = -1;

/* --- history --- */

/* The language may be the name of any kernel. */
static char *
history_path(const char *language)
{
    g_autofree char *name = g_strconcat("history-", language, NULL);

    g_strcanon(name, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "+-._", '_');
    return g_build_filename(g_get_user_state_dir(), "cloche", name, NULL);
}

/* Time stamps separate the entries, because an entry may have several lines. */
static void
read_history_file(void)
{
    g_autofree char *directory = g_path_get_dirname(prompt.history);
    int fd;

    history_comment_char = '#';
    history_write_timestamps = 1;
    using_history();
    stifle_history(HISTORY_ENTRIES);
    g_mkdir_with_parents(directory, 0700);
    fd = open(prompt.history, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    close(fd);
    read_history(prompt.history);
}

static void
remember(const char *entry)
{
    HIST_ENTRY *last = history_length > 0 ? history_get(history_base + history_length - 1) : NULL;
    g_autofree char *text = g_strchomp(g_strdup(entry));

    if (last != NULL && g_str_equal(last->line, text))
        return;
    add_history(text);
    append_history(1, prompt.history);
}

/* --- keys --- */

static int
type_tab(int count, int key)
{
    return rl_insert_text(INDENT);
}

static int
type_line_break(int count, int key)
{
    return rl_insert_text("\n");
}

/* There is no completion: names are in the sandbox, and readline would offer files of this machine.
 */
static int
prepare_keys(void)
{
    rl_variable_bind("enable-bracketed-paste", "on");
    rl_bind_key('\t', type_tab);
    rl_bind_keyseq("\\e\\C-m", type_line_break);
    return 0;
}

static void
on_line(char *line)
{
    prompt.has_ended = line == NULL;
    prompt.has_line = line != NULL;
    if (line != NULL) {
        if (prompt.entry->len > 0)
            g_string_append_c(prompt.entry, '\n');
        g_string_append(prompt.entry, line);
    }
    rl_callback_handler_remove();
    free(line);
}

static gboolean
on_key(int fd, GIOCondition condition, gpointer data)
{
    rl_callback_read_char();
    return G_SOURCE_CONTINUE;
}

/* --- signals --- */

static void
on_interrupt(gpointer data)
{
    g_string_truncate(prompt.entry, 0);
    rl_callback_sigcleanup();
    rl_free_line_state();
    fputs("^C\n", rl_outstream);
    rl_set_prompt(FIRST_PROMPT);
    rl_replace_line("", /* clear_undo= */ 1);
    rl_on_new_line();
    rl_redisplay();
}

static gboolean
on_resized(gpointer data)
{
    rl_resize_terminal();
    return G_SOURCE_CONTINUE;
}

static void
on_sigcont(int number)
{
    int error = errno;

    eventfd_write(continued, 1);
    errno = error;
}

/* The shell used the terminal in the meantime. */
static gboolean
on_continued(int fd, GIOCondition condition, gpointer data)
{
    eventfd_t count;

    eventfd_read(fd, &count);
    rl_prep_terminal(/* meta= */ 1);
    rl_forced_update_display();
    return G_SOURCE_CONTINUE;
}

/* --- an entry --- */

/* FALSE: the input has ended, or a signal came. */
static gboolean
read_line(Cli *cli, const char *text)
{
    guint on_keys, on_size, on_stop;

    prompt.has_line = prompt.has_ended = FALSE;
    rl_callback_handler_install(text, on_line);
    on_keys = g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, on_key, /* data= */ NULL);
    on_size = g_unix_signal_add(SIGWINCH, on_resized, /* data= */ NULL);
    on_stop = g_unix_fd_add(continued, G_IO_IN, on_continued, /* data= */ NULL);
    cli->on_interrupt = on_interrupt;
    while (!prompt.has_line && !prompt.has_ended && cli->signal == 0)
        g_main_context_iteration(/* context= */ NULL, /* may_block= */ TRUE);
    cli->on_interrupt = NULL;
    g_source_remove(on_keys);
    g_source_remove(on_size);
    g_source_remove(on_stop);
    rl_callback_handler_remove();
    return prompt.has_line;
}

static gboolean
entry_is_blank(void)
{
    return prompt.entry->str[strspn(prompt.entry->str, " \t\n")] == '\0';
}

static gboolean
read_lines(Cli *cli)
{
    const char *text = FIRST_PROMPT;

    g_string_truncate(prompt.entry, 0);
    while (read_line(cli, text)) {
        PromptAction action =
            entry_is_blank() ? PROMPT_DISCARD : prompt.check(prompt.entry->str, prompt.check_data);

        if (action == PROMPT_EXECUTE)
            return TRUE;
        if (action == PROMPT_DISCARD)
            g_string_truncate(prompt.entry, 0);
        text = action == PROMPT_DISCARD ? FIRST_PROMPT : NEXT_PROMPT;
    }
    return FALSE;
}

char *
prompt_read(Cli *cli)
{
    gboolean has_entry = read_lines(cli);

    rl_deprep_terminal();
    if (cli->signal != 0)
        fputs("\n", rl_outstream);
    if (!has_entry)
        return NULL;
    remember(prompt.entry->str);
    return g_strdup(prompt.entry->str);
}

static void
keep_terminal(void)
{
}

void
prompt_begin(const char *language, PromptCheck check, gpointer data)
{
    const struct sigaction action = {.sa_handler = on_sigcont, .sa_flags = SA_RESTART};

    prompt.check = check;
    prompt.check_data = data;
    prompt.history = history_path(language);
    prompt.entry = g_string_new(NULL);
    rl_readline_name = "cloche";
    rl_catch_signals = rl_catch_sigwinch = 0;
    rl_startup_hook = prepare_keys;
    rl_deprep_term_function = keep_terminal;
    read_history_file();
    continued = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sigaction(SIGCONT, &action, NULL);
    signal(SIGQUIT, SIG_IGN); /* it would leave the terminal in readline's mode */
}

void
prompt_end(void)
{
    history_truncate_file(prompt.history, HISTORY_ENTRIES);
    g_string_free(prompt.entry, TRUE);
    g_free(prompt.history);
}
