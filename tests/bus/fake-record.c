/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fake-record: facts about the machines of a test, in files of its control folder. */
#include "fake-record.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fake-agent.h"

static char *
path_of(const char *control, const char *name, const char *suffix)
{
    return g_strdup_printf("%s/machines/%s%s", control, name, suffix);
}

/* One folder per machine, without a common parent, which nothing would remove. */
char *
fake_record_cgroup(const char *control, const char *name)
{
    g_autofree char *dir = g_path_get_dirname(control), *test = g_path_get_basename(dir);

    return g_strdup_printf("%s/%s-%s", fake_agent_cgroup_root(), test, name);
}

void
fake_record_write(const char *control, const char *name, const char *suffix, const char *text)
{
    g_autofree char *path = path_of(control, name, suffix);
    g_autoptr(GError) error = NULL;

    if (!g_file_set_contents(path, text, -1, &error))
        g_warning("%s", error->message);
}

char *
fake_record_read(const char *control, const char *name, const char *suffix)
{
    g_autofree char *path = path_of(control, name, suffix);
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? g_strchomp(text) : NULL;
}

int
fake_record_open_process(const char *control, const char *name)
{
    g_autofree char *text = fake_record_read(control, name, "");

    return text ? (int)syscall(SYS_pidfd_open, atoi(text), 0) : -1;
}

void
fake_record_remove(const char *control, const char *name)
{
    static const char *const suffixes[] = {FAKE_STATE, FAKE_ENDED, FAKE_CAPTURED, ""};

    for (gsize i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        g_autofree char *path = path_of(control, name, suffixes[i]);

        g_unlink(path);
    }
}

char **
fake_record_names(const char *control)
{
    g_autofree char *path = g_build_filename(control, "machines", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();
    const char *name;

    /* Names have no dot; files that are being written have one. */
    while (dir && (name = g_dir_read_name(dir)))
        if (!strchr(name, '.'))
            g_strv_builder_add(names, name);
    return g_strv_builder_end(names);
}
