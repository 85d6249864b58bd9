/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config: what a file says, what it does not say, and what it may not say. */
#include <glib/gstdio.h>
#include <unistd.h>

#include "config.h"
#include "error.h"

static char *
write_file(const char *text)
{
    char *path = NULL;
    int fd = g_file_open_tmp("cloche-config-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return path;
}

static Config *
load(const char *text, GError **error)
{
    g_autofree char *path = write_file(text);
    Config *config = config_load(path, /* user_mode= */ FALSE, error);

    g_unlink(path);
    return config;
}

static void
test_defaults(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = config_load(NULL, FALSE, &error);
    guint64 host_mib =
        (guint64)sysconf(_SC_PHYS_PAGES) * (guint64)sysconf(_SC_PAGESIZE) / 1024 / 1024;

    g_assert_no_error(error);
    g_assert_cmpstr(config->connection, ==, "qemu:///system");
    g_assert_cmpstr(config->state, ==, "/var/lib/cloche");
    g_assert_cmpstr(config->core.default_template, ==, "python");
    g_assert_cmpuint(config->core.pool_target, ==, 2);
    g_assert_cmpuint(config->core.sandboxes_max, ==, 100);
    g_assert_cmpuint(config->core.timeout_max_s, ==, 86400);
    g_assert_cmpuint(config->core.memory_max_mib, ==, host_mib * 3 / 4);
    g_assert_true(config->core.allow_emulation);
}

static void
test_user_mode(void)
{
    g_autoptr(Config) config = config_load(NULL, TRUE, NULL);
    g_autofree char *connection = g_strdup_printf("qemu:///embed?root=%s/libvirt", config->run);

    g_assert_cmpstr(config->connection, ==, connection);
    g_assert_null(config->group);
}

static void
test_all_keys(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config =
        load("[Machines]\nConnection=test:///x\nGroup=kvm\nAllowEmulation=no\n"
             "[Pool]\nTarget=0\n"
             "[Limits]\nSandboxes=1\nMemoryMiB=64\nTimeoutSec=31536000\n"
             "[Templates]\nDefault=minimal\n"
             "[Folders]\nState=/a\nRun=/b\nRam=/c\n",
             &error);

    g_assert_no_error(error);
    g_assert_cmpstr(config->connection, ==, "test:///x");
    g_assert_cmpstr(config->group, ==, "kvm");
    g_assert_false(config->core.allow_emulation);
    g_assert_cmpuint(config->core.pool_target, ==, 0);
    g_assert_cmpuint(config->core.sandboxes_max, ==, 1);
    g_assert_cmpuint(config->core.memory_max_mib, ==, 64);
    g_assert_cmpuint(config->core.timeout_max_s, ==, 31536000);
    g_assert_cmpstr(config->core.default_template, ==, "minimal");
    g_assert_cmpstr(config->state, ==, "/a");
    g_assert_cmpstr(config->run, ==, "/b");
    g_assert_cmpstr(config->ram, ==, "/c");
}

/* Each names the file's section and key. */
static void
test_refused(void)
{
    static const char *const cases[][2] = {
        {"[Machines]\nAllowEmulation=maybe\n", "[Machines] AllowEmulation"},
        {"[Pool]\nTarget=1001\n", "[Pool] Target"},
        {"[Pool]\nTarget=-1\n", "[Pool] Target"},
        {"[Pool]\nTarget=two\n", "[Pool] Target"},
        {"[Limits]\nSandboxes=0\n", "[Limits] Sandboxes"},
        {"[Limits]\nSandboxes=100001\n", "[Limits] Sandboxes"},
        {"[Limits]\nMemoryMiB=63\n", "[Limits] MemoryMiB"},
        {"[Limits]\nTimeoutSec=0\n", "[Limits] TimeoutSec"},
        {"[Limits]\nTimeoutSec=31536001\n", "[Limits] TimeoutSec"},
        {"[Limits]\nMemory=1\n", "[Limits] Memory"},
        {"[Other]\nA=1\n", "[Other] A"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(load(cases[i][0], &error));
        g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT);
        g_assert_nonnull(strstr(error->message, cases[i][1]));
    }
}

static void
test_no_file(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(config_load("/nonexistent/cloched.conf", FALSE, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT);
    g_assert_nonnull(strstr(error->message, "/nonexistent/cloched.conf"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/config/defaults", test_defaults);
    g_test_add_func("/config/user-mode", test_user_mode);
    g_test_add_func("/config/all-keys", test_all_keys);
    g_test_add_func("/config/refused", test_refused);
    g_test_add_func("/config/no-file", test_no_file);
    return g_test_run();
}
