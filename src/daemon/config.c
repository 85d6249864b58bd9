/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config: from the texts of the settings to a Config, each within its bounds. */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "error.h"
#include "settings.h"

#define UIDS_DEFAULT_FIRST 1900000000u /* of no range that Debian or systemd give away */
#define UIDS_DEFAULT_COUNT 65536u
#define UIDS_LOWEST 1000u
#define LIFETIME_LONGEST_S (10u * 365 * 86400) /* an infinite one, too */

static const char *const known[][2] = {
    {"Machines", "Connection"}, {"Machines", "Group"},
    {"Machines", "Uids"},       {"Machines", "AllowEmulation"},
    {"Pool", "Target"},         {"Limits", "LifetimeSec"},
    {"Templates", "Default"},   {"Folders", "State"},
    {"Folders", "Run"},         {"Folders", "Ram"},
};

typedef struct {
    const Settings *settings;
    GError **error;
    gboolean failed;
} Reader;

static void
invalid(Reader *reader, const Setting *setting, const char *what)
{
    if (!reader->failed)
        g_set_error(reader->error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "%s:%u: [%s] %s: %s", setting->path, setting->line, setting->section,
                    setting->key, what);
    reader->failed = TRUE;
}

static void
read_text(Reader *reader, const char *section, const char *key, char **value)
{
    const Setting *setting = settings_find(reader->settings, section, key);

    if (!setting)
        return;
    g_free(*value);
    *value = g_strdup(setting->text);
}

static void
read_folder(Reader *reader, const char *key, char **value)
{
    const Setting *setting = settings_find(reader->settings, "Folders", key);

    read_text(reader, "Folders", key, value);
    if (setting && !g_path_is_absolute(setting->text))
        invalid(reader, setting, "it must be an absolute path");
}

/* `may_be_infinite`: "infinity" is G_MAXUINT64. */
static void
read_number(Reader *reader, const char *section, const char *key, gboolean may_be_infinite,
            guint64 min, guint64 max, guint64 *value)
{
    const Setting *setting = settings_find(reader->settings, section, key);
    g_autoptr(GError) error = NULL;

    if (!setting)
        return;
    if (may_be_infinite && g_str_equal(setting->text, "infinity"))
        *value = G_MAXUINT64;
    else if (!g_ascii_string_to_unsigned(setting->text, 10, min, max, value, &error))
        invalid(reader, setting, error->message);
}

static void
read_boolean(Reader *reader, const char *section, const char *key, gboolean *value)
{
    static const char *const yes[] = {"yes", "true", "on", "1", NULL};
    static const char *const no[] = {"no", "false", "off", "0", NULL};
    const Setting *setting = settings_find(reader->settings, section, key);

    if (!setting)
        return;
    if (g_strv_contains(yes, setting->text) || g_strv_contains(no, setting->text))
        *value = g_strv_contains(yes, setting->text);
    else
        invalid(reader, setting, "it must be 'yes' or 'no'");
}

static void
read_uids(Reader *reader, CoreConfig *core)
{
    const Setting *setting = settings_find(reader->settings, "Machines", "Uids");
    g_auto(GStrv) words = setting ? g_strsplit(setting->text, "-", 2) : NULL;
    guint64 first, last;

    if (!setting)
        return;
    if (g_strv_length(words) != 2 ||
        !g_ascii_string_to_unsigned(words[0], 10, UIDS_LOWEST, G_MAXINT32, &first, NULL) ||
        !g_ascii_string_to_unsigned(words[1], 10, UIDS_LOWEST, G_MAXINT32, &last, NULL) ||
        last < first || last - first + 1 < HOST_UIDS_MIN) {
        invalid(reader, setting, "it must be FIRST-LAST, at least 16 uids from 1000 to 2147483647");
        return;
    }
    core->uid_first = (guint32)first;
    core->uid_count = (guint32)(last - first + 1);
}

/* --- limits --- */

static guint64
three_quarters(guint64 amount)
{
    return amount == G_MAXUINT64 ? amount : amount / 4 * 3 + amount % 4 * 3 / 4;
}

static guint64
host_memory_mib(void)
{
    guint64 pages = (guint64)sysconf(_SC_PHYS_PAGES), size = (guint64)sysconf(_SC_PAGESIZE);

    return pages * size / 1024 / 1024;
}

static QuotaAmounts
default_limits(void)
{
    return (QuotaAmounts){{
        [QUOTA_SANDBOXES] = 100,
        [QUOTA_MEMORY_MIB] = three_quarters(host_memory_mib()),
        [QUOTA_VCPUS] = 16 * (guint64)g_get_num_processors(),
        [QUOTA_DISK_MIB] = G_MAXUINT64,
        [QUOTA_PROCESSES] = 1024,
        [QUOTA_CREATES] = 32,
    }};
}

/* A user alone cannot take everything. */
static QuotaAmounts
limits_of_one(const QuotaAmounts *all)
{
    QuotaAmounts one;

    for (QuotaResource r = 0; r < _QUOTA_MAX; r++)
        one.amount[r] = MAX(1, three_quarters(all->amount[r]));
    return one;
}

static void
read_limits(Reader *reader, const char *section, QuotaAmounts *limits)
{
    for (QuotaResource r = 0; r < _QUOTA_MAX; r++)
        read_number(reader, section, quota_resource_key(r), /* may_be_infinite= */ TRUE,
                    /* min= */ 0, G_MAXUINT32, &limits->amount[r]);
}

/* --- all of it --- */

static gboolean
is_known(const Setting *setting)
{
    for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
        if (g_str_equal(known[i][0], setting->section) && g_str_equal(known[i][1], setting->key))
            return TRUE;
    if (!g_str_equal(setting->section, "Limits") && !g_str_equal(setting->section, "UserLimits"))
        return FALSE;
    for (QuotaResource r = 0; r < _QUOTA_MAX; r++)
        if (g_str_equal(quota_resource_key(r), setting->key))
            return TRUE;
    return FALSE;
}

static void
check_keys(Reader *reader)
{
    g_autoptr(GPtrArray) all = settings_list(reader->settings);

    for (guint i = 0; i < all->len; i++)
        if (!is_known(all->pdata[i]))
            invalid(reader, all->pdata[i], "there is no such setting");
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

static void
read_machines(Config *config, Reader *reader)
{
    CoreConfig *core = &config->core;

    core->uid_first = UIDS_DEFAULT_FIRST;
    core->uid_count = UIDS_DEFAULT_COUNT;
    read_text(reader, "Machines", "Connection", &config->connection);
    read_text(reader, "Machines", "Group", &config->group);
    read_uids(reader, core);
    read_boolean(reader, "Machines", "AllowEmulation", &core->allow_emulation);
    if (config->group && *config->group == '\0')
        g_clear_pointer(&config->group, g_free);
    if (!config->group)
        core->uid_first = core->uid_count = 0;
}

static void
read_core(Config *config, Reader *reader)
{
    CoreConfig *core = &config->core;
    guint64 target = 2;

    core->lifetime_max_s = 86400;
    core->limits_of_all = default_limits();
    read_number(reader, "Pool", "Target", FALSE, 0, 1000, &target);
    read_number(reader, "Limits", "LifetimeSec", TRUE, 1, LIFETIME_LONGEST_S,
                &core->lifetime_max_s);
    core->lifetime_max_s = MIN(core->lifetime_max_s, LIFETIME_LONGEST_S);
    read_limits(reader, "Limits", &core->limits_of_all);
    core->limits_of_each = limits_of_one(&core->limits_of_all);
    read_limits(reader, "UserLimits", &core->limits_of_each);
    read_text(reader, "Templates", "Default", &config->default_template);
    core->pool_target = (guint)target;
    core->memory_max_mib = core->limits_of_all.amount[QUOTA_MEMORY_MIB];
    core->default_template = config->default_template;
}

static Config *
config_read(const Settings *settings, gboolean user_mode, GError **error)
{
    g_autoptr(Config) config = config_new(user_mode);
    Reader reader = {.settings = settings, .error = error};

    check_keys(&reader);
    read_machines(config, &reader);
    read_core(config, &reader);
    read_folder(&reader, "State", &config->state);
    read_folder(&reader, "Run", &config->run);
    read_folder(&reader, "Ram", &config->ram);
    if (reader.failed)
        return NULL;
    if (!config->connection)
        config->connection = g_strdup_printf("qemu:///embed?root=%s/libvirt", config->run);
    return g_steal_pointer(&config);
}

Config *
config_load(const char *path, gboolean user_mode, GError **error)
{
    g_autoptr(Settings) settings = user_mode && !path ? settings_new() : settings_load(path, error);

    return settings ? config_read(settings, user_mode, error) : NULL;
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

const char *
config_find_fixed(const Config *now, const Config *fresh)
{
    const CoreConfig *a = &now->core, *b = &fresh->core;

    if (g_strcmp0(now->connection, fresh->connection) != 0)
        return "[Machines] Connection";
    if (g_strcmp0(now->group, fresh->group) != 0)
        return "[Machines] Group";
    if (a->uid_first != b->uid_first || a->uid_count != b->uid_count)
        return "[Machines] Uids";
    if (a->allow_emulation != b->allow_emulation)
        return "[Machines] AllowEmulation";
    if (g_strcmp0(now->state, fresh->state) != 0)
        return "[Folders] State";
    if (g_strcmp0(now->run, fresh->run) != 0)
        return "[Folders] Run";
    return g_strcmp0(now->ram, fresh->ram) != 0 ? "[Folders] Ram" : NULL;
}
