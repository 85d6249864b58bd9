/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config: cloched.conf, and what holds where it says nothing.
 *
 *   [Machines]  Connection=  Group=  AllowEmulation=
 *   [Pool]      Target=
 *   [Limits]    Sandboxes=  MemoryMiB=  TimeoutSec=
 *   [Templates] Default=
 *   [Folders]   State=  Run=  Ram=
 */
#include "config.h"

#include <unistd.h>

#include "error.h"

static const char *const known[][2] = {
    {"Machines", "Connection"}, {"Machines", "Group"},    {"Machines", "AllowEmulation"},
    {"Pool", "Target"},         {"Limits", "Sandboxes"},  {"Limits", "MemoryMiB"},
    {"Limits", "TimeoutSec"},   {"Templates", "Default"}, {"Folders", "State"},
    {"Folders", "Run"},         {"Folders", "Ram"},
};

typedef struct {
    GKeyFile *file; /* NULL: there is none */
    const char *path;
    GError **error;
    gboolean failed;
} Reader;

static void
invalid(Reader *reader, const char *section, const char *key, const char *what)
{
    if (!reader->failed)
        g_set_error(reader->error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT, "%s: [%s] %s: %s",
                    reader->path, section, key, what);
    reader->failed = TRUE;
}

static void
read_text(Reader *reader, const char *section, const char *key, char **value)
{
    char *text = reader->file ? g_key_file_get_string(reader->file, section, key, NULL) : NULL;

    if (!text)
        return;
    g_free(*value);
    *value = text;
}

static void
read_number(Reader *reader, const char *section, const char *key, guint64 min, guint64 max,
            guint64 *value)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    read_text(reader, section, key, &text);
    if (text && !g_ascii_string_to_unsigned(text, 10, min, max, value, &error))
        invalid(reader, section, key, error->message);
}

static void
read_boolean(Reader *reader, const char *section, const char *key, gboolean *value)
{
    static const char *const yes[] = {"yes", "true", "on", "1", NULL};
    static const char *const no[] = {"no", "false", "off", "0", NULL};
    g_autofree char *text = NULL;

    read_text(reader, section, key, &text);
    if (!text)
        return;
    if (g_strv_contains(yes, text) || g_strv_contains(no, text))
        *value = g_strv_contains(yes, text);
    else
        invalid(reader, section, key, "it must be 'yes' or 'no'");
}

static gboolean
is_known(const char *section, const char *key)
{
    for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
        if (g_str_equal(known[i][0], section) && g_str_equal(known[i][1], key))
            return TRUE;
    return FALSE;
}

static void
check_keys(Reader *reader)
{
    g_auto(GStrv) sections = g_key_file_get_groups(reader->file, NULL);

    for (char **section = sections; *section; section++) {
        g_auto(GStrv) keys = g_key_file_get_keys(reader->file, *section, NULL, NULL);

        for (char **key = keys; key && *key; key++)
            if (!is_known(*section, *key))
                invalid(reader, *section, *key, "there is no such setting");
    }
}

/* Three quarters of the host's memory. */
static guint64
default_memory_mib(void)
{
    guint64 pages = (guint64)sysconf(_SC_PHYS_PAGES), size = (guint64)sysconf(_SC_PAGESIZE);

    return pages * size / 1024 / 1024 * 3 / 4;
}

static Config *
config_new(gboolean user_mode)
{
    Config *config = g_new0(Config, 1);
    const char *runtime = g_get_user_runtime_dir();

    config->default_template = g_strdup("python");
    config->core.allow_emulation = TRUE;
    if (!user_mode) {
        config->connection = g_strdup("qemu:///system");
        config->group = g_strdup("libvirt-qemu");
        config->state = g_strdup("/var/lib/cloche");
        config->run = g_strdup("/run/cloche");
        config->ram = g_strdup("/dev/shm/cloche");
        return config;
    }
    config->state = g_build_filename(g_get_user_data_dir(), "cloche", NULL);
    config->run = g_build_filename(runtime, "cloche", NULL);
    config->ram = g_strdup_printf("/dev/shm/cloche-%u", getuid());
    return config;
}

static gboolean
read_all(Config *config, Reader *reader)
{
    guint64 target = 2, sandboxes = 100, memory_mib = default_memory_mib(), timeout_s = 86400;

    read_text(reader, "Machines", "Connection", &config->connection);
    read_text(reader, "Machines", "Group", &config->group);
    read_boolean(reader, "Machines", "AllowEmulation", &config->core.allow_emulation);
    read_number(reader, "Pool", "Target", 0, 1000, &target);
    read_number(reader, "Limits", "Sandboxes", 1, 100000, &sandboxes);
    read_number(reader, "Limits", "MemoryMiB", 64, G_MAXUINT32, &memory_mib);
    read_number(reader, "Limits", "TimeoutSec", 1, 365 * 86400, &timeout_s);
    read_text(reader, "Templates", "Default", &config->default_template);
    read_text(reader, "Folders", "State", &config->state);
    read_text(reader, "Folders", "Run", &config->run);
    read_text(reader, "Folders", "Ram", &config->ram);
    if (reader->failed)
        return FALSE;
    if (!config->connection)
        config->connection = g_strdup_printf("qemu:///embed?root=%s/libvirt", config->run);
    config->core.pool_target = (guint)target;
    config->core.sandboxes_max = (guint)sandboxes;
    config->core.memory_max_mib = memory_mib;
    config->core.timeout_max_s = timeout_s;
    config->core.default_template = config->default_template;
    return TRUE;
}

Config *
config_load(const char *path, gboolean user_mode, GError **error)
{
    g_autoptr(Config) config = config_new(user_mode);
    g_autoptr(GKeyFile) file = path ? g_key_file_new() : NULL;
    g_autoptr(GError) cause = NULL;
    Reader reader = {.file = file, .path = path, .error = error};

    if (file && !g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &cause)) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT, "%s: %s", path,
                    cause->message);
        return NULL;
    }
    if (file)
        check_keys(&reader);
    return read_all(config, &reader) ? g_steal_pointer(&config) : NULL;
}

void
config_free(Config *config)
{
    if (!config)
        return;
    g_free(config->connection);
    g_free(config->state);
    g_free(config->run);
    g_free(config->ram);
    g_free(config->group);
    g_free(config->default_template);
    g_free(config);
}
