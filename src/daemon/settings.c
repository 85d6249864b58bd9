/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* settings: GKeyFile reads each file; it does not tell lines, so they are looked up beside it. */
#include "settings.h"

#include <errno.h>
#include <string.h>

#include "error.h"

#define MAIN_FILE "cloched.conf"
#define DROP_INS MAIN_FILE ".d"

struct Settings {
    GHashTable *values; /* "Section\nKey" → Setting */
};

static const char *const system_folders[] = {"/etc/cloche", "/run/cloche", CLOCHE_LIB_DIR, NULL};

static void
setting_free(gpointer data)
{
    Setting *setting = data;

    g_free((char *)setting->section);
    g_free((char *)setting->key);
    g_free((char *)setting->text);
    g_free((char *)setting->path);
    g_free(setting);
}

Settings *
settings_new(void)
{
    Settings *settings = g_new0(Settings, 1);

    settings->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, setting_free);
    return settings;
}

void
settings_free(Settings *settings)
{
    if (!settings)
        return;
    g_hash_table_unref(settings->values);
    g_free(settings);
}

const Setting *
settings_find(const Settings *settings, const char *section, const char *key)
{
    g_autofree char *name = g_strconcat(section, "\n", key, NULL);

    return g_hash_table_lookup(settings->values, name);
}

GPtrArray *
settings_list(const Settings *settings)
{
    GPtrArray *all = g_ptr_array_new();
    GHashTableIter iter;
    gpointer setting;

    g_hash_table_iter_init(&iter, settings->values);
    while (g_hash_table_iter_next(&iter, NULL, &setting))
        g_ptr_array_add(all, setting);
    return all;
}

/* --- lines --- */

static gboolean
fail(GError **error, const char *path, guint line, const char *what)
{
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT, "%s:%u: %s", path, line, what);
    return FALSE;
}

/* GKeyFile's own idea of a line: [Section], Key=text, a comment, or nothing. */
static gboolean
check_lines(char **lines, const char *path, GError **error)
{
    gboolean has_section = FALSE;

    for (guint i = 0; lines[i]; i++) {
        const char *line = g_strchug(lines[i]);

        g_strchomp(lines[i]);
        if (!g_utf8_validate(line, -1, NULL))
            return fail(error, path, i + 1, "this is no UTF-8");
        if (*line == '\0' || *line == '#')
            continue;
        if (*line == '[' && strlen(line) > 2 && g_str_has_suffix(line, "]")) {
            has_section = TRUE;
            continue;
        }
        if (!strchr(line, '=') || *line == '=' || *line == '[')
            return fail(error, path, i + 1, "this is neither [Section] nor Key=value");
        if (!has_section)
            return fail(error, path, i + 1, "a setting before the first [Section]");
    }
    return TRUE;
}

/* Of the last such setting, as GKeyFile has it. */
static guint
find_line(char **lines, const char *section, const char *key)
{
    g_autofree char *head = g_strdup_printf("[%s]", section);
    gboolean is_in = FALSE;
    guint found = 0;

    for (guint i = 0; lines[i]; i++) {
        gsize length = strcspn(lines[i], "= \t");

        if (*lines[i] == '[')
            is_in = g_str_equal(lines[i], head);
        else if (is_in && length == strlen(key) && strncmp(lines[i], key, length) == 0)
            found = i + 1;
    }
    return found;
}

/* --- files --- */

/* NULL with an error, or without one: the file is a link to /dev/null. */
static char *
read_file(const char *path, GError **error)
{
    g_autofree char *target = g_file_read_link(path, NULL);
    g_autoptr(GMappedFile) file = NULL;
    g_autoptr(GError) cause = NULL;

    if (g_strcmp0(target, "/dev/null") == 0)
        return NULL;
    if (!g_file_test(path, G_FILE_TEST_EXISTS) || g_file_test(path, G_FILE_TEST_IS_REGULAR))
        file = g_mapped_file_new(path, /* writable= */ FALSE, &cause);
    if (!file) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT, "%s: %s", path,
                    cause ? cause->message : "this is no regular file");
        return NULL;
    }
    if (g_mapped_file_get_length(file) > SETTINGS_FILE_MAX) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "%s: it has more than %d bytes", path, SETTINGS_FILE_MAX);
        return NULL;
    }
    return g_strndup(g_mapped_file_get_contents(file) ? g_mapped_file_get_contents(file) : "",
                     g_mapped_file_get_length(file));
}

static void
take_setting(Settings *settings, GKeyFile *file, const char *path, char **lines,
             const char *section, const char *key)
{
    Setting *setting = g_new0(Setting, 1);

    setting->section = g_strdup(section);
    setting->key = g_strdup(key);
    setting->text = g_key_file_get_string(file, section, key, NULL);
    if (!setting->text) /* a broken escape: as it stands */
        setting->text = g_key_file_get_value(file, section, key, NULL);
    setting->path = g_strdup(path);
    setting->line = find_line(lines, section, key);
    g_hash_table_replace(settings->values, g_strconcat(section, "\n", key, NULL), setting);
}

static gboolean
take_file(Settings *settings, const char *path, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autofree char *text = read_file(path, &cause);
    g_auto(GStrv) lines = text ? g_strsplit(text, "\n", -1) : NULL;
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_auto(GStrv) sections = NULL;

    if (!text) {
        if (!cause)
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    if (!check_lines(lines, path, error))
        return FALSE;
    if (*text && !g_key_file_load_from_data(file, text, -1, G_KEY_FILE_NONE, &cause)) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT, "%s: %s", path,
                    cause->message);
        return FALSE;
    }
    sections = g_key_file_get_groups(file, NULL);
    for (char **section = sections; *section; section++) {
        g_auto(GStrv) keys = g_key_file_get_keys(file, *section, NULL, NULL);

        for (char **key = keys; key && *key; key++)
            take_setting(settings, file, path, lines, *section, *key);
    }
    return TRUE;
}

/* --- which files --- */

/* Name → path, of those that no earlier folder has. */
static void
find_drop_ins(GTree *found, const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir)))
        if (g_str_has_suffix(name, ".conf") && *name != '.' && !g_tree_lookup(found, name))
            g_tree_insert(found, g_strdup(name), g_build_filename(folder, name, NULL));
}

typedef struct {
    Settings *settings;
    GError *error;
} Taking;

static gboolean
take_drop_in(gpointer name, gpointer path, gpointer data)
{
    Taking *taking = data;

    return !take_file(taking->settings, path, &taking->error);
}

static int
compare_names(gconstpointer a, gconstpointer b, gpointer data)
{
    return strcmp(a, b);
}

/* Takes the error's place when one of them is wrong. */
static gboolean
take_drop_ins(Settings *settings, const char *const *folders, GError **error)
{
    g_autoptr(GTree) found = g_tree_new_full(compare_names, NULL, g_free, g_free);
    Taking taking = {.settings = settings};

    for (; *folders; folders++)
        find_drop_ins(found, *folders);
    g_tree_foreach(found, take_drop_in, &taking);
    if (!taking.error)
        return TRUE;
    g_propagate_error(error, taking.error);
    return FALSE;
}

Settings *
settings_load_from(const char *const *folders, GError **error)
{
    g_autoptr(Settings) settings = settings_new();
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_auto(GStrv) drop_ins = NULL;
    gboolean has_main = FALSE;

    for (; *folders; folders++) {
        g_autofree char *path = g_build_filename(*folders, MAIN_FILE, NULL);
        g_autofree char *folder = g_build_filename(*folders, DROP_INS, NULL);

        g_strv_builder_add(builder, folder);
        if (has_main || !g_file_test(path, G_FILE_TEST_EXISTS))
            continue;
        has_main = TRUE;
        if (!take_file(settings, path, error))
            return NULL;
    }
    drop_ins = g_strv_builder_end(builder);
    return take_drop_ins(settings, (const char *const *)drop_ins, error)
               ? g_steal_pointer(&settings)
               : NULL;
}

Settings *
settings_load(const char *path, GError **error)
{
    g_autoptr(Settings) settings = NULL;
    g_autofree char *drop_ins = path ? g_strconcat(path, ".d", NULL) : NULL;
    const char *const folders[] = {drop_ins, NULL};

    if (!path)
        return settings_load_from(system_folders, error);
    settings = settings_new();
    return take_file(settings, path, error) && take_drop_ins(settings, folders, error)
               ? g_steal_pointer(&settings)
               : NULL;
}
