/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config: checks each setting against its bounds, then the settings that depend on others.
 *
 * A setting that a later file overrides is checked as well, so that the service still starts after
 * that file was removed.
 */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "conf-file.h"
#include "error.h"
#include "names.h"
#include "target.h"

#define NAME "cloched.conf"
#define EMBEDDED "qemu:///embed"

#define UIDS_DEFAULT_FIRST 1900000000u /* in no range that Debian or systemd assign */
#define UIDS_DEFAULT_COUNT 65536u

#define PATH_LENGTH_MAX 3000
/* The folder contains vm/agent/cloche-ID, and the path of a socket has at most 107 bytes. */
#define RUN_LENGTH_MAX 74
#define PROXY_LENGTH_MAX 500
#define SANDBOXES_DEFAULT 100
#define MIB (1024 * 1024)
/* Disks contain only changes, so their sizes say little. What a user's disks really take is bounded
 * by DiskUsePercent=. */
#define DISK_OVERCOMMIT 4u

static const char *const system_folders[] = {"/etc/cloche", "/run/cloche", CLOCHE_LIB_DIR, NULL};

/* --- parsing values --- */

typedef struct Setting Setting;

struct Setting {
    const char *section, *key;
    gboolean (*parse)(const Setting *setting, const char *text, gpointer value, GError **error);
    gsize offset; /* of the value, in Config */
    guint64 min, max;
};

static gboolean invalid(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean
invalid(GError **error, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    if (error)
        *error = g_error_new_valist(CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT, format, ap);
    va_end(ap);
    return FALSE;
}

static void
set_text(char **value, const char *text)
{
    g_free(*value);
    *value = g_strdup(text);
}

static gboolean
parse_text(const Setting *setting, const char *text, gpointer value, GError **error)
{
    if (*text == '\0')
        return invalid(error, "it must not be empty");
    set_text(value, text);
    return TRUE;
}

static gboolean
parse_folder(const Setting *setting, const char *text, gpointer value, GError **error)
{
    if (!g_path_is_absolute(text))
        return invalid(error, "'%s' is not an absolute path", text);
    if (strlen(text) > setting->max)
        return invalid(error, "the path is longer than %" G_GUINT64_FORMAT " bytes", setting->max);
    set_text(value, text);
    return TRUE;
}

static gboolean
parse_template(const Setting *setting, const char *text, gpointer value, GError **error)
{
    if (!image_name_is_valid(text))
        return invalid(error, "'%s' cannot be the name of a template", text);
    set_text(value, text);
    return TRUE;
}

/* An empty value means no group. */
static gboolean
parse_group(const Setting *setting, const char *text, gpointer value, GError **error)
{
    if (*text != '\0' && !getgrnam(text))
        return invalid(error, "there is no group '%s'", text);
    set_text(value, text);
    return TRUE;
}

static gboolean
parse_emulation(const Setting *setting, const char *text, gpointer value, GError **error)
{
    static const char *const yes[] = {"yes", "true", "on", "1", NULL};
    static const char *const no[] = {"no", "false", "off", "0", NULL};
    Emulation *emulation = value;

    if (g_str_equal(text, "auto"))
        *emulation = EMULATION_AUTO;
    else if (g_strv_contains(yes, text))
        *emulation = EMULATION_YES;
    else if (g_strv_contains(no, text))
        *emulation = EMULATION_NO;
    else
        return invalid(error, "'%s' is not 'auto', 'yes' or 'no'", text);
    return TRUE;
}

static gboolean
parse_number(const Setting *setting, const char *text, gpointer value, GError **error)
{
    if (g_ascii_string_to_unsigned(text, 10, setting->min, setting->max, value, NULL))
        return TRUE;
    return invalid(error, "'%s' is not a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT,
                   text, setting->min, setting->max);
}

/* G_MAXUINT64 means no limit. */
static gboolean
parse_limit(const Setting *setting, const char *text, gpointer value, GError **error)
{
    if (g_str_equal(text, "infinity")) {
        *(guint64 *)value = G_MAXUINT64;
        return TRUE;
    }
    if (parse_number(setting, text, value, NULL))
        return TRUE;
    return invalid(error,
                   "'%s' is neither 'infinity' nor a number from %" G_GUINT64_FORMAT
                   " to %" G_GUINT64_FORMAT,
                   text, setting->min, setting->max);
}

static gboolean
parse_target(const Setting *setting, const char *text, gpointer value, GError **error)
{
    guint64 target;

    if (!parse_number(setting, text, &target, error))
        return FALSE;
    *(guint *)value = (guint)target;
    return TRUE;
}

/* A machine's uid must not belong to a user of the host: the machine could access that user's
 * files.
 */
static gboolean
check_uids_unused(const CoreConfig *core, GError **error)
{
    const struct passwd *user;
    gboolean ok = TRUE;

    setpwent();
    while (ok && (user = getpwent()))
        if (user->pw_uid >= core->uid_first && user->pw_uid - core->uid_first < core->uid_count)
            ok = invalid(error, "%u is the uid of the user '%s'", user->pw_uid, user->pw_name);
    endpwent();
    return ok;
}

/* FIRST-LAST; an empty value means no uids. */
static gboolean
parse_uids(const Setting *setting, const char *text, gpointer value, GError **error)
{
    g_auto(GStrv) bounds = g_strsplit(text, "-", 2);
    CoreConfig *core = value;
    guint64 first, last;

    core->uid_first = core->uid_count = 0;
    if (*text == '\0')
        return TRUE;
    if (g_strv_length(bounds) != 2 ||
        !g_ascii_string_to_unsigned(bounds[0], 10, setting->min, setting->max, &first, NULL) ||
        !g_ascii_string_to_unsigned(bounds[1], 10, first, setting->max, &last, NULL))
        return invalid(error,
                       "'%s' is not FIRST-LAST within %" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT,
                       text, setting->min, setting->max);
    if (last - first + 1 < HOST_UIDS_MIN)
        return invalid(error, "'%s' are fewer than %u uids", text, HOST_UIDS_MIN);
    core->uid_first = (guint32)first;
    core->uid_count = (guint32)(last - first + 1);
    return check_uids_unused(core, error);
}

/* --- the network --- */

static gboolean
parse_mode(const Setting *setting, const char *text, gpointer value, GError **error)
{
    NetPolicy *policy = *(NetPolicy **)value;

    return net_mode_parse(text, &policy->mode) ||
           invalid(error, "'%s' is not 'off', 'restricted' or 'internet'", text);
}

/* Entries are added to those of earlier lines; an empty value removes them. */
static gboolean
parse_entries(const Setting *setting, const char *text, gpointer value, GError **error)
{
    NetPolicy *policy = *(NetPolicy **)value;
    char ***list = g_str_equal(setting->key, "Allow") ? &policy->allow : &policy->deny;
    g_auto(GStrv) entries = g_strsplit_set(text, " \t", /* max_tokens= */ -1);
    g_autoptr(GStrvBuilder) all = g_strv_builder_new();

    if (*text != '\0')
        g_strv_builder_addv(all, (const char **)*list);
    for (char **entry = entries; *entry; entry++) {
        g_autoptr(NetTarget) target = **entry ? net_target_parse(*entry, error) : NULL;

        if (**entry && !target)
            return FALSE;
        if (target)
            g_strv_builder_add(all, *entry);
    }
    g_strfreev(*list);
    *list = g_strv_builder_end(all);
    return TRUE;
}

static gboolean
parse_network_limit(const Setting *setting, const char *text, gpointer value, GError **error)
{
    NetPolicy *policy = *(NetPolicy **)value;
    guint64 number = 0;

    if (!g_str_equal(text, "infinity") && !parse_number(setting, text, &number, error))
        return FALSE;
    if (g_str_equal(setting->key, "Bandwidth"))
        policy->bandwidth = number;
    else if (g_str_equal(setting->key, "Connections"))
        policy->connections = number;
    else
        policy->traffic = number * MIB;
    return TRUE;
}

/* An empty value means none. */
static gboolean
parse_proxy(const Setting *setting, const char *text, gpointer value, GError **error)
{
    if (*text != '\0' && !g_str_has_prefix(text, "http://"))
        return invalid(error, "'%s' does not begin with http://", text);
    if (strlen(text) > setting->max)
        return invalid(error, "it is longer than %" G_GUINT64_FORMAT " bytes", setting->max);
    set_text(value, text);
    return TRUE;
}

/* --- the table of settings --- */

/* clang-format off */
#define AT(member) offsetof(Config, member)
#define LIMIT(key, resource, min, max)                                                             \
    {"Limits", key, parse_limit, AT(core.limits_of_all.amount[resource]), min, max},               \
    {"UserLimits", key, parse_limit, AT(core.limits_of_each.amount[resource]), min, max}

static const Setting settings[] = {
    {"Machines", "Connection", parse_text, AT(connection)},
    {"Machines", "Group", parse_group, AT(group)},
    {"Machines", "Uids", parse_uids, AT(core), 1000, 4294967293},
    {"Machines", "AllowEmulation", parse_emulation, AT(core.emulation)},
    {"Pool", "Target", parse_target, AT(core.pool_target), 0, 1000},
    LIMIT("Sandboxes", QUOTA_SANDBOXES, 1, 100000),
    LIMIT("MemoryMiB", QUOTA_MEMORY_MIB, 64, G_MAXUINT32),
    LIMIT("VCpus", QUOTA_VCPUS, 1, 1000000),
    LIMIT("DiskMiB", QUOTA_DISK_MIB, 1, G_MAXUINT32),
    LIMIT("Processes", QUOTA_PROCESSES, 1, 1000000),
    LIMIT("Creates", QUOTA_CREATES, 1, 100000),
    LIMIT("Connections", QUOTA_CONNECTIONS, 1, 1000000),
    LIMIT("TrafficMiB", QUOTA_TRAFFIC_MIB, 1, G_MAXUINT32),
    LIMIT("Snapshots", QUOTA_SNAPSHOTS, 1, 1000000),
    LIMIT("SnapshotMiB", QUOTA_SNAPSHOT_MIB, 1, G_MAXUINT32),
    {"UserLimits", "DiskUsePercent", parse_number, AT(core.disk_use_percent), 1, 100},
    {"Limits", "LifetimeSec", parse_limit, AT(core.lifetime_max_s), 1, SANDBOX_TIMEOUT_MAX_S},
    {"Limits", "PausedSec", parse_limit, AT(core.paused_max_s), 1, SANDBOX_TIMEOUT_MAX_S},
    {"Network", "Mode", parse_mode, AT(core.network)},
    {"Network", "Allow", parse_entries, AT(core.network)},
    {"Network", "Deny", parse_entries, AT(core.network)},
    {"Network", "Bandwidth", parse_network_limit, AT(core.network), 16384, G_MAXINT64},
    {"Network", "Connections", parse_network_limit, AT(core.network), 1, NET_CONNECTIONS_MAX},
    {"Network", "TrafficMiB", parse_network_limit, AT(core.network), 1, G_MAXUINT32},
    {"Network", "Proxy", parse_proxy, AT(proxy), 0, PROXY_LENGTH_MAX},
    {"Templates", "Default", parse_template, AT(default_template)},
    {"Folders", "State", parse_folder, AT(state), 0, PATH_LENGTH_MAX},
    {"Folders", "Run", parse_folder, AT(run), 0, RUN_LENGTH_MAX},
    {"Folders", "Ram", parse_folder, AT(ram), 0, PATH_LENGTH_MAX},
};
/* clang-format on */

typedef struct {
    Config *config;
    gboolean has_uids;
} Reading;

static gboolean
assign(const char *section, const char *key, const char *value, const char *place, gpointer data,
       GError **error)
{
    Reading *reading = data;

    for (gsize i = 0; i < G_N_ELEMENTS(settings); i++) {
        const Setting *setting = &settings[i];

        if (!g_str_equal(setting->section, section) || !g_str_equal(setting->key, key))
            continue;
        reading->has_uids = reading->has_uids || setting->parse == parse_uids;
        return setting->parse(setting, value, G_STRUCT_MEMBER_P(reading->config, setting->offset),
                              error);
    }
    return invalid(error, "there is no such setting");
}

/* --- defaults --- */

static guint64
host_memory_mib(void)
{
    return (guint64)sysconf(_SC_PHYS_PAGES) * (guint64)sysconf(_SC_PAGESIZE) / MIB;
}

/* The size of the file system that contains, or will contain, the folder. */
static guint64
disk_size_mib(const char *folder)
{
    g_autofree char *path = g_strdup(folder);
    struct statvfs fs;

    while (statvfs(path, &fs) < 0) {
        char *parent = g_path_get_dirname(path);

        if (errno != ENOENT || g_str_equal(parent, path)) {
            g_free(parent);
            return G_MAXUINT64;
        }
        g_free(path);
        path = parent;
    }
    return (guint64)fs.f_blocks * fs.f_frsize / MIB;
}

/* At least 1. A part of infinity is infinity. */
static guint64
part_of(guint64 amount, guint64 numerator, guint64 denominator)
{
    return amount == G_MAXUINT64 ? amount : MAX(1, amount * numerator / denominator);
}

/* The default limit of one user is lower than that of all users together. */
static guint64
part_of_one_user(QuotaResource resource, guint64 all)
{
    switch (resource) {
    case QUOTA_MEMORY_MIB:
    case QUOTA_VCPUS:
        return part_of(all, 7, 8);
    case QUOTA_DISK_MIB:
        return part_of(all, 1, DISK_OVERCOMMIT); /* no overcommit for one user */
    default:
        return part_of(all, 1, 2);
    }
}

static Config *
config_new(gboolean user_mode)
{
    Config *config = g_new0(Config, 1);

    config->user_mode = user_mode;
    config->default_template = g_strdup("python");
    config->proxy = g_strdup("");
    config->core.network = net_policy_new();
    config->core.network->mode = NET_INTERNET;
    config->core.emulation = EMULATION_AUTO;
    config->core.clock_interval_us = CORE_CLOCK_INTERVAL_US;
    config->core.pool_target = 2;
    config->core.lifetime_max_s = 86400;
    config->core.paused_max_s = 86400;
    config->core.disk_use_percent = 25;
    config->core.limits_of_all = (QuotaAmounts){{
        [QUOTA_SANDBOXES] = SANDBOXES_DEFAULT,
        [QUOTA_MEMORY_MIB] = host_memory_mib(),
        [QUOTA_VCPUS] = 16 * (guint64)g_get_num_processors(),
        [QUOTA_PROCESSES] = 1024,
        [QUOTA_CREATES] = 32,
        [QUOTA_CONNECTIONS] = SANDBOXES_DEFAULT * NET_CONNECTIONS_MAX,
        [QUOTA_TRAFFIC_MIB] = G_MAXUINT64,
        [QUOTA_SNAPSHOTS] = 1000,
    }};
    if (!user_mode) {
        config->connection = g_strdup("qemu:///system");
        config->group = g_strdup("libvirt-qemu");
        config->state = g_strdup("/var/lib/cloche");
        config->run = g_strdup("/run/cloche");
        return config;
    }
    config->state = g_build_filename(g_get_user_data_dir(), "cloche", NULL);
    config->run = g_build_filename(g_get_user_runtime_dir(), "cloche", NULL);
    return config;
}

/* --- settings that depend on others --- */

static void
finish_limits(Config *config)
{
    guint64 *all = config->core.limits_of_all.amount, *each = config->core.limits_of_each.amount;

    if (all[QUOTA_DISK_MIB] == 0)
        all[QUOTA_DISK_MIB] =
            MIN(disk_size_mib(config->state), G_MAXUINT64 / DISK_OVERCOMMIT) * DISK_OVERCOMMIT;
    if (all[QUOTA_SNAPSHOT_MIB] == 0)
        all[QUOTA_SNAPSHOT_MIB] = part_of(disk_size_mib(config->state), 1, 2);
    for (QuotaResource r = 0; r < _QUOTA_MAX; r++)
        if (each[r] == 0)
            each[r] = part_of_one_user(r, all[r]);
    config->core.memory_max_mib = all[QUOTA_MEMORY_MIB];
}

static gboolean
finish_users(Config *config, gboolean has_uids, GError **error)
{
    CoreConfig *core = &config->core;
    gboolean is_embedded = g_str_has_prefix(config->connection, EMBEDDED);
    gboolean can = geteuid() == 0 || !is_embedded;

    if (config->group && *config->group == '\0')
        g_clear_pointer(&config->group, g_free);
    if (config->group && !getgrnam(config->group))
        return invalid(error, "[Machines] Group: there is no group '%s'", config->group);
    if (!has_uids && config->group && can) {
        core->uid_first = UIDS_DEFAULT_FIRST;
        core->uid_count = UIDS_DEFAULT_COUNT;
    }
    if (core->uid_count > 0 && !config->group)
        return invalid(error, "[Machines] Uids: they require Group");
    if (core->uid_count > 0 && !can)
        return invalid(error, "[Machines] Uids: only root can run machines as other users "
                              "without libvirt's own service");
    /* libvirt's own service would give such machines access to files, as root. */
    if (core->uid_count == 0 && !is_embedded)
        return invalid(error, "[Machines] Uids: machines of libvirt's own service require them, "
                              "and they require Group");
    return TRUE;
}

static Config *
load(char **paths, gboolean user_mode, GError **error)
{
    g_autoptr(Config) config = config_new(user_mode);
    Reading reading = {.config = config};

    for (char **path = paths; path && *path; path++)
        if (!conf_file_read(*path, assign, &reading, error))
            return NULL;
    if (!config->connection)
        config->connection = g_strdup_printf(EMBEDDED "?root=%s/libvirt", config->run);
    if (!config->ram)
        config->ram = g_build_filename(config->run, "ram", NULL);
    finish_limits(config);
    if (!net_policy_check(config->core.network, error)) {
        g_prefix_error(error, "[Network] ");
        return NULL;
    }
    if (!finish_users(config, reading.has_uids, error))
        return NULL;
    config->core.default_template = config->default_template;
    config->core.proxy = config->proxy;
    return g_steal_pointer(&config);
}

Config *
config_load_from(const char *const *folders, GError **error)
{
    g_auto(GStrv) paths = conf_file_find(folders, NAME, error);

    return paths ? load(paths, /* user_mode= */ FALSE, error) : NULL;
}

Config *
config_load(const char *path, gboolean user_mode, GError **error)
{
    g_auto(GStrv) paths = NULL;
    Config *config;

    if (path)
        paths = conf_file_find_at(path, error);
    else if (!user_mode)
        paths = conf_file_find(system_folders, NAME, error);
    if (!paths && (path || !user_mode))
        return NULL;
    config = load(paths, user_mode, error);
    if (config)
        config->path = g_strdup(path);
    return config;
}

void
config_free(Config *config)
{
    if (!config)
        return;
    g_free(config->path);
    g_free(config->connection);
    g_free(config->state);
    g_free(config->run);
    g_free(config->ram);
    g_free(config->group);
    g_free(config->default_template);
    g_free(config->proxy);
    net_policy_free(config->core.network);
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
    if (a->emulation != b->emulation)
        return "[Machines] AllowEmulation";
    if (g_strcmp0(now->state, fresh->state) != 0)
        return "[Folders] State";
    if (g_strcmp0(now->run, fresh->run) != 0)
        return "[Folders] Run";
    return g_strcmp0(now->ram, fresh->ram) != 0 ? "[Folders] Ram" : NULL;
}
