/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-large-answers: an answer that the bus would not carry is cut or refused, and the service
 * goes on. */
#include <string.h>

#include "client.h"
#include "fixture.h"

#define ARGUMENT_SIZE 130000u
#define PROCESSES 140u /* 18 MB of arguments */
#define SANDBOXES 66u  /* 18 MB of metadata */

static Fixture *fixture;
static GDBusConnection *bus;

/* Returns the object of a process that has ended, whose descriptors are closed. */
static char *
run_process(const char *sandbox, const char *argument)
{
    g_autoptr(GVariant) started =
        call(bus, sandbox, "Start", "(['true', %s], @a{sv} {})", argument);
    char *process;

    g_variant_get(started, "(ohhh)", &process, NULL, NULL, NULL);
    g_variant_unref(call(bus, process, "Wait", "()"));
    return process;
}

static void
test_arguments_of_processes(void)
{
    g_autofree char *sandbox = create(bus), *argument = g_strnfill(ARGUMENT_SIZE, 'x');
    g_autofree char *process = NULL;
    g_autoptr(GVariant) answer = NULL, list = NULL, last = NULL, argv = NULL, all = NULL;
    const char *shown;

    for (guint i = 0; i < PROCESSES; i++) {
        g_free(process);
        process = run_process(sandbox, argument);
    }
    answer = call(bus, sandbox, "ListProcesses", "()");
    list = g_variant_get_child_value(answer, 0);
    last = g_variant_get_child_value(list, g_variant_n_children(list) - 1);
    g_assert_true(dict_boolean(last, "argv-truncated"));
    argv = g_variant_lookup_value(last, "argv", G_VARIANT_TYPE_STRING_ARRAY);
    g_variant_get_child(argv, 1, "&s", &shown);
    g_assert_cmpuint(strlen(shown), ==, 4096 - strlen("true") - 2 * 8);
    all = get_property(bus, process, "Argv");
    g_variant_get_child(all, 1, "&s", &shown);
    g_assert_cmpstr(shown, ==, argument);
    kill_sandbox(bus, sandbox);
}

/* Follows `next` to the end; returns the number of sandboxes, and of pages. */
static guint
count_listed(guint *ret_pages)
{
    g_autofree char *after = g_strdup("");
    guint count = 0;

    for (*ret_pages = 0; *ret_pages == 0 || *after; ++*ret_pages) {
        g_autoptr(GVariant) answer = call(bus, MANAGER, "ListSandboxes",
                                          "({'after': <%s>, 'limit': <uint32 1000>},)", after);
        g_autoptr(GVariant) list = g_variant_get_child_value(answer, 0);

        g_assert_cmpuint(g_variant_get_size(answer), <=, 1024 * 1024 + 4096);
        count += (guint)g_variant_n_children(list);
        g_clear_pointer(&after, g_free);
        g_variant_get_child(answer, 1, "s", &after);
    }
    return count;
}

static GVariant *
large_metadata(void)
{
    g_autofree char *value = g_strnfill(4096, 'x');
    GVariantBuilder metadata;

    g_variant_builder_init(&metadata, G_VARIANT_TYPE("a{ss}"));
    for (guint i = 0; i < 64; i++) {
        g_autofree char *key = g_strdup_printf("key-%u", i);

        g_variant_builder_add(&metadata, "{ss}", key, value);
    }
    return g_variant_ref_sink(g_variant_builder_end(&metadata));
}

static void
test_metadata(void)
{
    g_autoptr(GVariant) metadata = large_metadata();
    guint pages;

    for (guint i = 0; i < SANDBOXES; i++)
        g_variant_unref(call(bus, MANAGER, "CreateSandbox", "({'metadata': <%*>},)", metadata));
    g_assert_cmpuint(count_listed(&pages), ==, SANDBOXES);
    g_assert_cmpuint(pages, ==, SANDBOXES / 3);
    /* There is no way to ask for a part of it. */
    call_fails(bus, MANAGER, "org.freedesktop.DBus.ObjectManager.GetManagedObjects", "TooLarge",
               "the answer of GetManagedObjects has more than 16777216 bytes", "()");
    g_variant_unref(get_property(bus, MANAGER, "Version"));
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {.target = 2, .memory_mib = 8192};

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/large-answers/arguments-of-processes", test_arguments_of_processes);
    g_test_add_func("/large-answers/metadata", test_metadata);
    return fixture_run_tests(&options, &fixture, &bus);
}
