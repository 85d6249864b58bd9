/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-accelerator: KVM that works, fails once or fails always, and what may be emulated instead.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client.h"
#include "fixture.h"

#define REASON "the test wants no KVM"
#define NEVER NULL /* nothing is counted that a test could write at the same time */
#define YES "[Machines]\nAllowEmulation=yes\n"
#define NO "[Machines]\nAllowEmulation=no\n"
#define AUTO "[Machines]\nAllowEmulation=auto\n"

static Fixture *
begin(gboolean has_virtualization, const char *kvm, const char *config)
{
    const FixtureOptions options = {
        .has_log = TRUE, .has_virtualization = has_virtualization, .kvm = kvm, .config = config};

    return fixture_new(&options);
}

static char *
property(Fixture *fixture, const char *name)
{
    g_autoptr(GVariant) value = get_property(fixture->bus, MANAGER, name);

    return g_variant_dup_string(value, NULL);
}

static void
assert_accelerator(Fixture *fixture, const char *accelerator, const char *error)
{
    g_autofree char *found = property(fixture, "Accelerator");
    g_autofree char *found_error = property(fixture, "AccelerationError");
    g_autoptr(GVariant) emulated = get_property(fixture->bus, MANAGER, "Emulated");

    g_assert_cmpstr(found, ==, accelerator);
    g_assert_cmpstr(found_error, ==, error);
    g_assert_cmpint(g_variant_get_boolean(emulated), ==, g_str_equal(accelerator, "tcg"));
}

static guint
count_tries(Fixture *fixture)
{
    g_autofree char *path = g_build_filename(fixture->control, "tried", NULL);
    g_autofree char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? (guint)atoi(text) : 0;
}

/* The service says nothing of a try that changes nothing: each question gives it a turn. */
static void
wait_for_tries(Fixture *fixture, guint count)
{
    while (count_tries(fixture) < count)
        g_free(property(fixture, "Version"));
}

static void
assert_template(Fixture *fixture, const char *state)
{
    g_autoptr(GVariant) template = wait_for_template(fixture->bus, "minimal");
    g_autofree char *found = dict_string(template, "state");

    g_assert_cmpstr(found, ==, state);
}

static void
assert_works(Fixture *fixture)
{
    g_autofree char *sandbox = NULL;

    assert_template(fixture, "ready");
    sandbox = create(fixture->bus);
    g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
}

static void
assert_refused(Fixture *fixture, const char *name, const char *message)
{
    assert_template(fixture, "failed");
    call_fails(fixture->bus, MANAGER, "CreateSandbox", name, message, NO_OPTIONS);
}

static guint
count_in_log(Fixture *fixture, const char *text)
{
    g_autofree char *log = NULL;
    g_auto(GStrv) parts = NULL;

    g_assert_true(g_file_get_contents(fixture->log, &log, NULL, NULL));
    parts = g_strsplit(log, text, -1);
    return g_strv_length(parts) - 1;
}

/* --- the first tries --- */

static void
test_kvm(void)
{
    g_autoptr(Fixture) fixture = begin(TRUE, "0", NULL);

    assert_works(fixture);
    assert_accelerator(fixture, "kvm", "");
    g_assert_cmpuint(count_tries(fixture), ==, 1);
    g_assert_false(fixture_log_has(fixture, "emulated"));
    g_assert_false(fixture_log_has(fixture, "KVM does not work"));
}

/* Once, or as often as templates wait for it: nothing has failed then. */
static void
test_kvm_that_comes(void)
{
    static const char *const failures[] = {"1", "3"};
    static const char *const configs[] = {AUTO, NO, YES};

    for (gsize i = 0; i < G_N_ELEMENTS(failures) * G_N_ELEMENTS(configs); i++) {
        const char *count = failures[i % 2];
        g_autoptr(Fixture) fixture = begin(TRUE, count, configs[i / 2]);

        assert_works(fixture);
        assert_accelerator(fixture, "kvm", "");
        g_assert_cmpint(count_tries(fixture), ==, atoi(count) + 1);
        g_assert_cmpuint(count_in_log(fixture, "KVM does not work: " REASON), ==, 1);
        g_assert_false(fixture_log_has(fixture, "cannot be used"));
        g_assert_false(fixture_log_has(fixture, "emulated"));
    }
}

/* --- none, on a processor that has virtualization --- */

static void
test_nothing_is_emulated(void)
{
    static const char *const configs[] = {NULL, AUTO, NO};

    for (gsize i = 0; i < G_N_ELEMENTS(configs); i++) {
        g_autoptr(Fixture) fixture = begin(TRUE, NEVER, configs[i]);

        assert_refused(fixture, "TemplateNotReady", "virtualization: " REASON ". 'cloche doctor'");
        assert_refused(fixture, "TemplateNotReady", "AllowEmulation=yes");
        assert_accelerator(fixture, "", REASON);
        wait_for_tries(fixture, 8);
        assert_refused(fixture, "TemplateNotReady", REASON);
        g_assert_cmpuint(count_in_log(fixture, "KVM does not work: " REASON), ==, 1);
        g_assert_cmpuint(count_in_log(fixture, "Template 'minimal' cannot be used"), ==, 1);
        g_assert_false(fixture_log_has(fixture, "emulated"));
    }
}

static void
test_emulation_is_permitted(void)
{
    g_autoptr(Fixture) fixture = begin(TRUE, "4", YES);

    assert_works(fixture);
    assert_accelerator(fixture, "tcg", REASON);
    g_assert_cmpuint(count_tries(fixture), ==, 4);
    g_assert_true(fixture_log_has(fixture, "Machines are emulated, since KVM does not work (" REASON
                                           "). This is slow"));
    g_assert_false(fixture_log_has(fixture, "cannot be used"));
}

/* --- no virtualization --- */

static void
test_no_virtualization(void)
{
    static const char *const configs[] = {NULL, AUTO, YES};

    for (gsize i = 0; i < G_N_ELEMENTS(configs); i++) {
        g_autoptr(Fixture) fixture = begin(FALSE, NEVER, configs[i]);

        assert_works(fixture);
        assert_accelerator(fixture, "tcg", "");
        g_assert_cmpuint(count_tries(fixture), ==, 1);
        g_assert_true(fixture_log_has(
            fixture, "emulated, since the processor has no hardware virtualization (" REASON));
    }
}

static void
test_no_virtualization_and_no_emulation(void)
{
    g_autoptr(Fixture) fixture = begin(FALSE, NEVER, NO);

    assert_refused(fixture, "Unsupported", "no hardware virtualization, and AllowEmulation=no");
    assert_accelerator(fixture, "", "");
    g_assert_cmpuint(count_tries(fixture), ==, 1);
}

/* A flag that is hidden is no reason not to use what works. */
static void
test_hidden_flag(void)
{
    g_autoptr(Fixture) fixture = begin(FALSE, "0", NO);

    assert_works(fixture);
    assert_accelerator(fixture, "kvm", "");
}

/* --- what the command line shows of it --- */

static char *
run_cli(Fixture *fixture, const char *option)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE);
    g_autoptr(GSubprocess) cli = NULL;
    g_autoptr(GError) error = NULL;
    char *out = NULL;

    g_subprocess_launcher_setenv(launcher, "DBUS_SYSTEM_BUS_ADDRESS", fixture->address, TRUE);
    cli = g_subprocess_launcher_spawn(launcher, &error, g_getenv("CLOCHE_CLI"), "status", option,
                                      NULL);
    g_assert_no_error(error);
    g_subprocess_communicate_utf8(cli, NULL, NULL, &out, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(g_subprocess_get_successful(cli));
    return out;
}

static void
assert_shown(const char *kvm, const char *config, const char *accelerator, const char *line)
{
    g_autoptr(Fixture) fixture = begin(TRUE, kvm, config);
    g_autofree char *text = NULL, *json = NULL;

    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    text = run_cli(fixture, NULL);
    json = run_cli(fixture, "--json");
    g_assert_nonnull(strstr(text, accelerator));
    g_assert_true(!line || strstr(text, line));
    g_assert_cmpint(strstr(text, "KVM does not work: " REASON "\n") != NULL, ==, kvm == NEVER);
    g_assert_nonnull(
        strstr(json, kvm ? "\"AccelerationError\":\"\"" : "\"AccelerationError\":\"" REASON "\""));
}

static void
test_status(void)
{
    assert_shown("0", NULL, "accelerator: kvm\n", NULL);
    assert_shown(NEVER, NULL, "accelerator: none yet\n", "'cloche doctor' shows what to mend");
    assert_shown(NEVER, YES, "accelerator: tcg\n", "emulated: KVM does not work on this machine.");
}

/* --- in the background --- */

static char *
changed_value(GVariant *signal, const char *name)
{
    g_autoptr(GVariant) values = g_variant_get_child_value(signal, 1);

    return dict_string(values, name);
}

static void
test_recovery(void)
{
    g_autoptr(Fixture) fixture = begin(TRUE, NEVER, NULL);
    g_autoptr(Listener) listener = NULL;
    g_autoptr(GVariant) first = NULL, second = NULL;
    g_autofree char *error = NULL, *accelerator = NULL;

    assert_refused(fixture, "TemplateNotReady", REASON);
    listener = listener_new(fixture->bus);
    fixture_set_control(fixture, "kvm", "0");
    first = listener_wait(listener, MANAGER, "PropertiesChanged");
    error = changed_value(first, "AccelerationError");
    g_assert_cmpstr(error, ==, "");
    second = listener_wait(listener, MANAGER, "PropertiesChanged");
    accelerator = changed_value(second, "Accelerator");
    g_assert_cmpstr(accelerator, ==, "kvm");
    assert_works(fixture);
    assert_accelerator(fixture, "kvm", "");
    g_assert_true(fixture_log_has(fixture, "KVM works now"));
}

/* One try more than templates wait for. */
static void
test_recovery_at_once(void)
{
    g_autoptr(Fixture) fixture = begin(TRUE, "4", NULL);

    wait_for_tries(fixture, 5);
    assert_works(fixture);
    g_assert_true(fixture_log_has(fixture, "cannot be used"));
}

static void
wait_for_kvm(Fixture *fixture)
{
    g_autofree char *accelerator = NULL;

    do {
        g_free(accelerator);
        accelerator = property(fixture, "Accelerator");
    } while (!g_str_equal(accelerator, "kvm"));
}

/* libvirt goes away between two tries, and comes back. */
static void
test_tries_that_tell_nothing(void)
{
    g_autoptr(Fixture) fixture = begin(TRUE, NEVER, NULL);

    assert_refused(fixture, "TemplateNotReady", REASON);
    fixture_set_control(fixture, "away", "");
    wait_for_tries(fixture, count_tries(fixture) + 2);
    assert_refused(fixture, "Failed", "libvirt to be away");
    fixture_set_control(fixture, "away", NULL);
    wait_for_tries(fixture, count_tries(fixture) + 2);
    assert_refused(fixture, "TemplateNotReady", REASON);
    fixture_set_control(fixture, "kvm", "0");
    wait_for_kvm(fixture);
    assert_works(fixture);
}

/* --- templates of both --- */

static char *
template_folder(Fixture *fixture)
{
    g_autoptr(GVariant) template = wait_for_template(fixture->bus, "minimal");
    g_autofree char *key = dict_string(template, "key");
    g_autofree char *name = g_strdup_printf("minimal-%s", key);

    return g_build_filename(fixture->state, "templates", name, NULL);
}

static ino_t
inode_of(const char *folder)
{
    g_autofree char *path = g_build_filename(folder, "state", NULL);
    struct stat st;

    return stat(path, &st) == 0 ? st.st_ino : 0;
}

static void
restart_with(Fixture *fixture, const char *kvm)
{
    fixture_stop(fixture);
    fixture_set_control(fixture, "kvm", kvm);
    fixture_start(fixture);
}

/* KVM that fails for one life of the service costs no template, in either direction. */
static void
test_templates_of_both(void)
{
    g_autoptr(Fixture) fixture = begin(TRUE, "0", YES);
    g_autofree char *kvm = template_folder(fixture), *tcg = NULL, *again = NULL;
    ino_t kvm_inode = inode_of(kvm), tcg_inode;

    restart_with(fixture, NEVER);
    tcg = template_folder(fixture);
    tcg_inode = inode_of(tcg);
    g_assert_cmpstr(tcg, !=, kvm);
    g_assert_cmpuint(inode_of(kvm), ==, kvm_inode);
    restart_with(fixture, "0");
    again = template_folder(fixture);
    g_assert_cmpstr(again, ==, kvm);
    g_assert_cmpuint(inode_of(kvm), ==, kvm_inode);
    g_assert_cmpuint(inode_of(tcg), ==, tcg_inode);
    assert_works(fixture);

    fixture_stop(fixture);
    fixture_add_image(fixture, "minimal", "2", "", "");
    fixture_start(fixture);
    assert_works(fixture);
    g_assert_cmpuint(inode_of(kvm), ==, 0);
    g_assert_cmpuint(inode_of(tcg), ==, 0);
}

/* --- each at its own pace --- */

static gint64
size_of(const char *path)
{
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    return st.st_size;
}

/* Of what a machine that is restored is exercised with. */
static void
assert_rounds(const char *kvm, gint64 expected)
{
    g_autoptr(Fixture) fixture = begin(TRUE, kvm, YES);
    g_autofree char *file = g_build_filename(fixture->dir, "rounds", NULL);
    g_autofree char *runners =
        g_strdup_printf("python\nExercise.python=open('%s', 'a').write('x')", file);
    g_autofree char *sandbox = NULL;
    gint64 before;

    fixture_stop(fixture);
    fixture_add_image(fixture, "minimal", "2", "python", runners);
    fixture_start(fixture);
    assert_template(fixture, "ready");
    before = size_of(file);
    g_assert_cmpint(before, ==, 25); /* when it was booted, whatever the accelerator */
    sandbox = create(fixture->bus);
    g_assert_cmpint(size_of(file) - before, ==, expected);
}

static void
test_rounds(void)
{
    assert_rounds(NEVER, 3);
    assert_rounds("0", 1);
}

/* In the background, for nobody. */
static void
assert_starts(const char *kvm, guint expected)
{
    g_autoptr(Fixture) fixture = begin(TRUE, kvm, YES);
    guint target = expected + 2;
    g_autofree char *config = g_strdup_printf(YES "[Pool]\nTarget=%u\n", target);

    assert_template(fixture, "ready");
    fixture_hold(fixture);
    fixture_configure(fixture, config);
    fixture_reload(fixture);
    wait_for_pool(fixture->bus, "minimal", "starting", expected);
    fixture_wait_for_machines(fixture, expected);
    g_assert_cmpuint(pool_figure(fixture->bus, "minimal", "starting"), ==, expected);
    fixture_release(fixture);
    wait_for_pool(fixture->bus, "minimal", "ready", target);
}

static void
test_starts_at_once(void)
{
    guint half = g_get_num_processors() / 2;

    assert_starts(NEVER, MAX(1, half));
    assert_starts("0", MAX(2, half));
}

/* From a claim to the restore that makes up for it: the shortest of some, on a host that is busy.
 */
static gint64
shortest_pause_us(const char *kvm)
{
    g_autoptr(Fixture) fixture = begin(TRUE, kvm, YES "[Pool]\nTarget=1\n");
    gint64 shortest_us = G_MAXINT64;

    wait_for_pool(fixture->bus, "minimal", "ready", 1);
    for (guint i = 0; i < 5; i++) {
        gint64 begin_us = g_get_monotonic_time();
        g_autofree char *sandbox = NULL;

        fixture_hold(fixture);
        sandbox = create(fixture->bus);
        wait_for_pool(fixture->bus, "minimal", "starting", 1);
        shortest_us = MIN(shortest_us, g_get_monotonic_time() - begin_us);
        fixture_release(fixture);
        wait_for_pool(fixture->bus, "minimal", "ready", 1);
    }
    return shortest_us;
}

static void
test_pause(void)
{
    gint64 kvm_us = shortest_pause_us("0");

    g_assert_cmpint(shortest_pause_us(NEVER), >=, 150000);
    g_assert_cmpint(kvm_us, >=, 20000);
    g_assert_cmpint(kvm_us, <, 150000);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/accelerator/kvm", test_kvm);
    g_test_add_func("/accelerator/kvm-that-comes", test_kvm_that_comes);
    g_test_add_func("/accelerator/nothing-is-emulated", test_nothing_is_emulated);
    g_test_add_func("/accelerator/emulation-is-permitted", test_emulation_is_permitted);
    g_test_add_func("/accelerator/no-virtualization", test_no_virtualization);
    g_test_add_func("/accelerator/no-virtualization-and-no-emulation",
                    test_no_virtualization_and_no_emulation);
    g_test_add_func("/accelerator/hidden-flag", test_hidden_flag);
    g_test_add_func("/accelerator/status", test_status);
    g_test_add_func("/accelerator/recovery", test_recovery);
    g_test_add_func("/accelerator/recovery-at-once", test_recovery_at_once);
    g_test_add_func("/accelerator/tries-that-tell-nothing", test_tries_that_tell_nothing);
    g_test_add_func("/accelerator/templates-of-both", test_templates_of_both);
    g_test_add_func("/accelerator/pause", test_pause);
    g_test_add_func("/accelerator/rounds", test_rounds);
    g_test_add_func("/accelerator/starts-at-once", test_starts_at_once);
    return g_test_run();
}
