/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-config: each setting has its default and its bounds, and invalid values are refused. */
#include <glib/gstdio.h>
#include <pwd.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "config.h"
#include "error.h"
#include "util.h"

static Config *
load(const char *text, gboolean user_mode, GError **error)
{
    g_autofree char *dir = g_dir_make_tmp("cloche-config-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "cloched.conf", NULL);
    Config *config;

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    config = config_load(path, user_mode, error);
    g_assert_true(util_remove_tree(dir, NULL));
    return config;
}

static Config *
load_good(const char *text)
{
    g_autoptr(GError) error = NULL;
    Config *config = load(text, /* user_mode= */ FALSE, &error);

    g_assert_no_error(error);
    return config;
}

static guint64
host_mib(void)
{
    return (guint64)sysconf(_SC_PHYS_PAGES) * (guint64)sysconf(_SC_PAGESIZE) / 1024 / 1024;
}

static guint64
disk_mib(const char *path)
{
    struct statvfs fs;

    g_assert_cmpint(statvfs(path, &fs), ==, 0);
    return (guint64)fs.f_blocks * fs.f_frsize / 1024 / 1024;
}

static void
assert_amounts(const QuotaAmounts *found, const QuotaAmounts *expected)
{
    for (QuotaResource r = 0; r < _QUOTA_MAX; r++)
        g_assert_cmpuint(found->amount[r], ==, expected->amount[r]);
}

/* --- without a setting --- */

static void
test_defaults(void)
{
    g_autoptr(Config) config = load_good("");
    const CoreConfig *core = &config->core;
    const guint64 memory = host_mib(), vcpus = 16 * g_get_num_processors();
    const guint64 disk = disk_mib("/var/lib") * 4;
    const QuotaAmounts all = {
        {100, memory, vcpus, disk, 1024, 32, 25600, G_MAXUINT64, 1000, disk / 8}};
    const QuotaAmounts each = {{50, memory * 7 / 8, vcpus * 7 / 8, disk / 4, 512, 16, 12800,
                                G_MAXUINT64, 500, disk / 8 / 2}};

    g_assert_cmpstr(config->connection, ==, "qemu:///system");
    g_assert_cmpstr(config->group, ==, "libvirt-qemu");
    g_assert_cmpstr(config->state, ==, "/var/lib/cloche");
    g_assert_cmpstr(config->run, ==, "/run/cloche");
    g_assert_cmpstr(config->ram, ==, "/run/cloche/ram");
    g_assert_cmpstr(core->default_template, ==, "python");
    g_assert_cmpint(core->emulation, ==, EMULATION_AUTO);
    g_assert_cmpuint(core->uid_first, ==, 1900000000);
    g_assert_cmpuint(core->uid_count, ==, 65536);
    g_assert_cmpuint(core->pool_target, ==, 2);
    g_assert_cmpuint(core->lifetime_max_s, ==, 86400);
    g_assert_cmpuint(core->paused_max_s, ==, 86400);
    g_assert_cmpuint(core->disk_use_percent, ==, 25);
    g_assert_cmpuint(core->memory_max_mib, ==, memory);
    assert_amounts(&core->limits_of_all, &all);
    assert_amounts(&core->limits_of_each, &each);
}

static void
test_user_mode(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = config_load(NULL, /* user_mode= */ TRUE, &error);
    g_autofree char *connection = NULL;

    g_assert_no_error(error);
    connection = g_strdup_printf("qemu:///embed?root=%s/libvirt", config->run);
    g_assert_cmpstr(config->connection, ==, connection);
    g_assert_null(config->group);
    g_assert_cmpuint(config->core.uid_count, ==, 0);
    g_assert_true(g_str_has_prefix(config->ram, g_get_user_runtime_dir()));
}

/* The RAM of templates is below the folder of the service, which no other user may write. */
static void
test_ram_follows_run(void)
{
    g_autoptr(Config) config = load_good("[Folders]\nRun=/b\n");

    g_assert_cmpstr(config->ram, ==, "/b/ram");
}

/* --- with settings --- */

static const char all_keys[] =
    "[Machines]\nConnection=test:///x\nGroup=root\nUids=1800000000-1800000015\n"
    "AllowEmulation=no\n"
    "[Pool]\nTarget=0\n"
    "[Limits]\nSandboxes=1\nMemoryMiB=64\nVCpus=3\nDiskMiB=4\nProcesses=5\nCreates=6\n"
    "Connections=15\nTrafficMiB=16\nSnapshots=21\nSnapshotMiB=22\nLifetimeSec=7\nPausedSec=25\n"
    "[UserLimits]\nSandboxes=8\nMemoryMiB=65\nVCpus=10\nDiskMiB=11\nProcesses=12\nCreates=13\n"
    "Connections=17\nTrafficMiB=18\nSnapshots=23\nSnapshotMiB=24\nDiskUsePercent=14\n"
    "[Network]\nMode=restricted\nAllow=a.com b.com:22\nDeny=c.com\nBandwidth=16384\n"
    "Connections=19\nTrafficMiB=20\nProxy=http://proxy:3128\n"
    "[Templates]\nDefault=minimal\n"
    "[Folders]\nState=/a\nRun=/b\nRam=/c\n";

static void
test_all_keys(void)
{
    g_autoptr(Config) config = load_good(all_keys);
    const QuotaAmounts all = {{1, 64, 3, 4, 5, 6, 15, 16, 21, 22}};
    const QuotaAmounts each = {{8, 65, 10, 11, 12, 13, 17, 18, 23, 24}};

    g_assert_cmpstr(config->connection, ==, "test:///x");
    g_assert_cmpstr(config->group, ==, "root");
    g_assert_cmpuint(config->core.uid_first, ==, 1800000000);
    g_assert_cmpuint(config->core.uid_count, ==, 16);
    g_assert_cmpint(config->core.emulation, ==, EMULATION_NO);
    g_assert_cmpuint(config->core.pool_target, ==, 0);
    assert_amounts(&config->core.limits_of_all, &all);
    assert_amounts(&config->core.limits_of_each, &each);
    g_assert_cmpuint(config->core.memory_max_mib, ==, 64);
    g_assert_cmpuint(config->core.lifetime_max_s, ==, 7);
    g_assert_cmpuint(config->core.paused_max_s, ==, 25);
    g_assert_cmpuint(config->core.disk_use_percent, ==, 14);
    g_assert_cmpint(config->core.network->mode, ==, NET_RESTRICTED);
    g_assert_cmpstr(config->core.network->allow[0], ==, "a.com");
    g_assert_cmpstr(config->core.network->allow[1], ==, "b.com:22");
    g_assert_null(config->core.network->allow[2]);
    g_assert_cmpstr(config->core.network->deny[0], ==, "c.com");
    g_assert_cmpuint(config->core.network->bandwidth, ==, 16384);
    g_assert_cmpuint(config->core.network->connections, ==, 19);
    g_assert_cmpuint(config->core.network->traffic, ==, 20 * 1024 * 1024);
    g_assert_cmpstr(config->core.proxy, ==, "http://proxy:3128");
    g_assert_cmpstr(config->core.default_template, ==, "minimal");
    g_assert_cmpstr(config->state, ==, "/a");
    g_assert_cmpstr(config->run, ==, "/b");
    g_assert_cmpstr(config->ram, ==, "/c");
}

static void
test_network(void)
{
    g_autoptr(Config) none = load_good("");
    g_autoptr(Config) lines = load_good("[Network]\nDeny=a.com\nDeny=b.com  c.com\n");
    g_autoptr(Config) anew = load_good("[Network]\nDeny=a.com\nDeny=\nDeny=b.com\n"
                                       "Connections=5\nConnections=infinity\n");

    g_assert_cmpint(none->core.network->mode, ==, NET_INTERNET);
    g_assert_cmpstr(none->core.proxy, ==, "");
    g_assert_cmpuint(g_strv_length(lines->core.network->deny), ==, 3);
    g_assert_cmpstr(lines->core.network->deny[2], ==, "c.com");
    g_assert_cmpuint(g_strv_length(anew->core.network->deny), ==, 1);
    g_assert_cmpstr(anew->core.network->deny[0], ==, "b.com");
    g_assert_cmpuint(anew->core.network->connections, ==, 0);
}

/* A limit of one user that is not set is a share of the limit of all. */
static void
test_user_limits_follow(void)
{
    g_autoptr(Config) config = load_good("[Limits]\nSandboxes=1\nMemoryMiB=1000\nVCpus=infinity\n"
                                         "DiskMiB=1\nProcesses=9\nCreates=infinity\n");
    const QuotaAmounts each = {{1, 875, G_MAXUINT64, 1, 4, G_MAXUINT64, 12800, G_MAXUINT64, 500,
                                disk_mib("/var/lib") / 2 / 2}};

    assert_amounts(&config->core.limits_of_each, &each);
}

/* The disk is the one that contains the state folder, or its nearest existing parent. */
static void
test_disk_of_state(void)
{
    g_autoptr(Config) shm = load_good("[Folders]\nState=/dev/shm/not/there\n");

    g_assert_cmpuint(shm->core.limits_of_all.amount[QUOTA_DISK_MIB], ==, disk_mib("/dev/shm") * 4);
}

static void
test_infinity(void)
{
    g_autoptr(Config) config = load_good("[Limits]\nMemoryMiB=infinity\nLifetimeSec=infinity\n"
                                         "[UserLimits]\nSandboxes=infinity\n");

    g_assert_cmpuint(config->core.limits_of_all.amount[QUOTA_MEMORY_MIB], ==, G_MAXUINT64);
    g_assert_cmpuint(config->core.limits_of_each.amount[QUOTA_MEMORY_MIB], ==, G_MAXUINT64);
    g_assert_cmpuint(config->core.memory_max_mib, ==, G_MAXUINT64);
    g_assert_cmpuint(config->core.lifetime_max_s, ==, G_MAXUINT64);
    g_assert_cmpuint(config->core.limits_of_each.amount[QUOTA_SANDBOXES], ==, G_MAXUINT64);
}

/* The error of a limit names the key that changes this limit. */
static void
test_limits_have_their_keys(void)
{
    static const char *const keys[] = {"Sandboxes", "MemoryMiB",  "VCpus",       "DiskMiB",
                                       "Processes", "Creates",    "Connections", "TrafficMiB",
                                       "Snapshots", "SnapshotMiB"};

    for (QuotaResource r = 0; r < _QUOTA_MAX; r++) {
        g_autofree char *text = g_strdup_printf("[UserLimits]\n%s=77\n", keys[r]);
        g_autofree char *advice = g_strdup_printf("raise %s in [UserLimits]", keys[r]);
        g_autoptr(Config) config = load_good(text);
        g_autoptr(GError) error = NULL;
        Quota *quota = quota_new(&config->core.limits_of_all, &config->core.limits_of_each);
        QuotaAmounts what = {0};

        what.amount[r] = 78;
        g_assert_false(quota_charge(quota, 1000, &what, &error));
        g_assert_nonnull(strstr(error->message, advice));
        quota_free(quota);
    }
}

/* AllowEmulation= was a boolean before "auto" was added. All former values are accepted. */
static void
test_emulation(void)
{
    static const char *const words[] = {"yes",   "true", "on", "1",   "no",
                                        "false", "off",  "0",  "auto"};

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autofree char *text = g_strdup_printf("[Machines]\nAllowEmulation=%s\n", words[i]);
        g_autoptr(Config) config = load_good(text);

        g_assert_cmpint(config->core.emulation, ==,
                        i < 4   ? EMULATION_YES
                        : i < 8 ? EMULATION_NO
                                : EMULATION_AUTO);
    }
}

/* --- bounds --- */

static const struct {
    const char *section, *key, *inside, *outside;
} bounds[] = {
    {"Pool", "Target", "0", "-1"},
    {"Pool", "Target", "1000", "1001"},
    {"Limits", "Sandboxes", "1", "0"},
    {"Limits", "Sandboxes", "100000", "100001"},
    {"Limits", "MemoryMiB", "64", "63"},
    {"Limits", "MemoryMiB", "4294967295", "4294967296"},
    {"Limits", "VCpus", "1", "0"},
    {"Limits", "VCpus", "1000000", "1000001"},
    {"Limits", "DiskMiB", "1", "0"},
    {"Limits", "DiskMiB", "4294967295", "4294967296"},
    {"Limits", "Processes", "1", "0"},
    {"Limits", "Processes", "1000000", "1000001"},
    {"Limits", "Creates", "1", "0"},
    {"Limits", "Creates", "100000", "100001"},
    {"Limits", "Connections", "1", "0"},
    {"Limits", "Connections", "1000000", "1000001"},
    {"UserLimits", "TrafficMiB", "4294967295", "4294967296"},
    {"Network", "Bandwidth", "16384", "16383"},
    {"Network", "Connections", "1", "0"},
    {"Network", "Connections", "256", "257"},
    {"Network", "TrafficMiB", "1", "0"},
    {"Limits", "LifetimeSec", "1", "0"},
    {"Limits", "LifetimeSec", "315360000", "315360001"},
    {"Limits", "PausedSec", "1", "0"},
    {"Limits", "PausedSec", "315360000", "315360001"},
    {"UserLimits", "Sandboxes", "1", "0"},
    {"UserLimits", "Creates", "100000", "100001"},
    {"UserLimits", "DiskUsePercent", "100", "101"},
    {"UserLimits", "DiskMiB", "infinity", "Infinity"},
    {"Machines", "Uids", "1800000000-1800000015", "1800000000-1800000014"},
    {"Machines", "Uids", "4294967278-4294967293", "4294967279-4294967294"},
};

/* The error must name file, line, section and key. */
static void
assert_refused(const char *section, const char *key, const char *value)
{
    g_autofree char *text = g_strdup_printf("\n[%s]\n# why\n%s=%s\n", section, key, value);
    g_autofree char *place = g_strdup_printf("/cloched.conf:4: [%s] %s: ", section, key);
    g_autoptr(GError) error = NULL;

    g_assert_null(load(text, /* user_mode= */ FALSE, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT);
    g_assert_nonnull(strstr(error->message, place));
}

static void
test_bounds(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(bounds); i++) {
        g_autofree char *text =
            g_strdup_printf("[%s]\n%s=%s\n", bounds[i].section, bounds[i].key, bounds[i].inside);
        g_autoptr(Config) config = load_good(text);

        g_assert_nonnull(config);
        assert_refused(bounds[i].section, bounds[i].key, bounds[i].outside);
    }
}

static void
test_refused(void)
{
    static const char *const cases[][3] = {
        {"Machines", "AllowEmulation", "maybe"},
        {"Machines", "AllowEmulation", ""},
        {"Machines", "AllowEmulation", "Auto"},
        {"Machines", "AllowEmulation", "automatic"},
        {"Machines", "AllowEmulation", "YES"},
        {"Machines", "AllowEmulation", "2"},
        {"Machines", "Connection", ""},
        {"Machines", "Group", "no-such-group"},
        {"Machines", "Uids", "1800000000"},
        {"Machines", "Uids", "1800000000-"},
        {"Machines", "Uids", "1800000015-1800000000"},
        {"Machines", "Uids", "0-100000"},
        {"Machines", "Uids", "999-2000"},
        {"Machines", "Uids", "all"},
        {"Pool", "Target", "two"},
        {"Pool", "Target", ""},
        {"Pool", "Target", "1 2"},
        {"Pool", "Target", "infinity"},
        {"Limits", "Sandboxes", "+5"},
        {"Limits", "Sandboxes", "0x10"},
        {"Limits", "Sandboxes", "18446744073709551616"},
        {"Limits", "Memory", "1"},
        {"Limits", "TimeoutSec", "1"},
        {"UserLimits", "LifetimeSec", "1"},
        {"limits", "Sandboxes", "1"},
        {"Other", "A", "1"},
        {"Network", "Mode", "on"},
        {"Network", "Mode", ""},
        {"Network", "Allow", "a..com"},
        {"Network", "Allow", "a.com b..com"},
        {"Network", "Proxy", "proxy:3128"},
        {"Network", "Private", "yes"},
        {"Templates", "Default", "Python"},
        {"Templates", "Default", "../python"},
        {"Folders", "State", "var"},
        {"Folders", "State", ""},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_refused(cases[i][0], cases[i][1], cases[i][2]);
}

/* A machine's socket is below this folder, and the path of a socket has a small maximum length. */
static void
test_long_run(void)
{
    g_autofree char *longest = g_strnfill(73, 'r'), *longer = g_strnfill(74, 'r');
    g_autofree char *inside = g_strconcat("[Folders]\nRun=/", longest, "\n", NULL);
    g_autofree char *outside = g_strconcat("/", longer, NULL);
    g_autofree char *socket = NULL;
    g_autoptr(Config) config = load_good(inside);
    g_autofree char *id = util_new_id();

    socket = g_build_filename(config->run, "machines", id, "agent", NULL);
    g_assert_cmpuint(strlen(socket), <=, 107);
    assert_refused("Folders", "Run", outside);
}

/* --- machines' users --- */

static gboolean
has_user(guint32 first, guint32 last)
{
    const struct passwd *user;
    gboolean found = FALSE;

    setpwent();
    while (!found && (user = getpwent()))
        found = user->pw_uid >= first && user->pw_uid <= last;
    endpwent();
    return found;
}

/* The lowest permitted range, which is refused if a user of the host has one of the uids. */
static void
test_lowest_uids(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = load("[Machines]\nUids=1000-1015\n", FALSE, &error);

    if (has_user(1000, 1015)) {
        g_assert_nonnull(strstr(error->message, "is the uid of the user"));
        return;
    }
    g_assert_no_error(error);
    g_assert_cmpuint(config->core.uid_first, ==, 1000);
    g_assert_cmpuint(config->core.uid_count, ==, 16);
}

/* The uid of the user nobody is refused. */
static void
test_uids_of_others(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(load("[Machines]\nUids=65500-65600\n", FALSE, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT);
    g_assert_nonnull(strstr(error->message, ":2: [Machines] Uids: 65534 is the uid of the user "));
}

static void
test_no_uids(void)
{
    g_autoptr(Config) config = load_good("[Machines]\nConnection=qemu:///embed?root=/x\nUids=\n");
    g_autoptr(GError) error = NULL;

    g_assert_null(load("[Machines]\nUids=\n", FALSE, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT);
    g_assert_nonnull(strstr(error->message, "[Machines] Uids: machines of libvirt's own"));
    g_assert_cmpstr(config->group, ==, "libvirt-qemu");
    g_assert_cmpuint(config->core.uid_first, ==, 0);
    g_assert_cmpuint(config->core.uid_count, ==, 0);
}

static void
test_no_group(void)
{
    g_autoptr(Config) config = load_good("[Machines]\nConnection=qemu:///embed?root=/x\nGroup=\n");
    g_autoptr(GError) error = NULL;

    g_assert_null(config->group);
    g_assert_cmpuint(config->core.uid_count, ==, 0);
    g_assert_null(load("[Machines]\nGroup=\nUids=1800000000-1800000099\n", FALSE, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT);
    g_assert_nonnull(strstr(error->message, "[Machines] Uids"));
}

/* Only root can run an embedded libvirt's machines as others. */
static void
load_as_nobody(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) system = NULL, embedded = NULL;

    g_assert_cmpint(setuid(65534), ==, 0);
    system = load("[Machines]\nGroup=root\n", FALSE, NULL);
    g_assert_cmpuint(system->core.uid_count, ==, 65536);
    embedded = load("[Machines]\nGroup=root\n", TRUE, NULL);
    g_assert_cmpuint(embedded->core.uid_count, ==, 0);
    g_assert_null(load("[Machines]\nGroup=root\nUids=1800000000-1800000099\n", TRUE, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT);
    g_assert_nonnull(strstr(error->message, "only root"));
}

static void
test_embedded(void)
{
    g_autoptr(Config) config = load("[Machines]\nGroup=root\n", TRUE, NULL);

    if (g_test_subprocess()) {
        load_as_nobody();
        return;
    }
    g_assert_cmpuint(config->core.uid_count, ==, 65536);
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
}

/* --- the page --- */

/* Returns "[Section] Key" for each setting. */
static GHashTable *
find_keys(const char *text)
{
    GHashTable *keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    const char *section = "";

    for (char **line = lines; *line; line++) {
        const char *equals = strchr(*line, '=');

        if (**line == '[')
            section = *line;
        else if (equals && g_ascii_isupper(**line))
            g_hash_table_add(keys,
                             g_strdup_printf("%s %.*s", section, (int)(equals - *line), *line));
    }
    return keys;
}

/* cloched.conf(5) documents exactly these settings, each under its section. It does not list the
 * keys of [UserLimits], which are those of [Limits]. */
static void
test_page(void)
{
    g_autofree char *page = NULL;
    g_autoptr(GHashTable) documented = NULL, known = find_keys(all_keys);
    GHashTableIter iter;
    gpointer key;
    guint count = 0;

    g_assert_true(g_file_get_contents(g_getenv("CLOCHE_CONF_PAGE"), &page, NULL, NULL));
    documented = find_keys(page);
    g_hash_table_iter_init(&iter, known);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        if (g_str_has_prefix(key, "[UserLimits]") && !g_str_has_suffix(key, "DiskUsePercent"))
            continue;
        count++;
        if (!g_hash_table_contains(documented, key))
            g_error("the page does not have %s", (const char *)key);
    }
    g_assert_cmpuint(g_hash_table_size(documented), ==, count);
}

/* --- what a reload cannot change --- */

static void
test_fixed(void)
{
    static const char *const fixed[][3] = {
        {"Machines", "Connection", "test:///x"},
        {"Machines", "Group", "root"},
        {"Machines", "Uids", "1800000000-1800000099"},
        {"Machines", "AllowEmulation", "no"},
        {"Folders", "State", "/a"},
        {"Folders", "Run", "/b"},
        {"Folders", "Ram", "/c"},
    };
    g_autoptr(Config) now = load_good(""), same = load_good(""), other = NULL;

    g_assert_null(config_find_fixed(now, same));
    other = load_good("[Pool]\nTarget=7\n[Limits]\nSandboxes=1\nMemoryMiB=64\nLifetimeSec=1\n"
                      "[UserLimits]\nVCpus=1\n[Templates]\nDefault=minimal\n");
    g_assert_null(config_find_fixed(now, other));
    for (gsize i = 0; i < G_N_ELEMENTS(fixed); i++) {
        g_autofree char *text =
            g_strdup_printf("[%s]\n%s=%s\n", fixed[i][0], fixed[i][1], fixed[i][2]);
        g_autofree char *name = g_strdup_printf("[%s] %s", fixed[i][0], fixed[i][1]);
        g_autoptr(Config) fresh = load_good(text);

        g_assert_cmpstr(config_find_fixed(now, fresh), ==, name);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/config/defaults", test_defaults);
    g_test_add_func("/config/user-mode", test_user_mode);
    g_test_add_func("/config/ram-follows-run", test_ram_follows_run);
    g_test_add_func("/config/all-keys", test_all_keys);
    g_test_add_func("/config/user-limits-follow", test_user_limits_follow);
    g_test_add_func("/config/network", test_network);
    g_test_add_func("/config/disk-of-state", test_disk_of_state);
    g_test_add_func("/config/infinity", test_infinity);
    g_test_add_func("/config/limits-have-their-keys", test_limits_have_their_keys);
    g_test_add_func("/config/emulation", test_emulation);
    g_test_add_func("/config/bounds", test_bounds);
    g_test_add_func("/config/refused", test_refused);
    g_test_add_func("/config/long-run", test_long_run);
    g_test_add_func("/config/lowest-uids", test_lowest_uids);
    g_test_add_func("/config/uids-of-others", test_uids_of_others);
    g_test_add_func("/config/no-uids", test_no_uids);
    g_test_add_func("/config/no-group", test_no_group);
    g_test_add_func("/config/embedded", test_embedded);
    g_test_add_func("/config/page", test_page);
    g_test_add_func("/config/fixed", test_fixed);
    return g_test_run();
}
