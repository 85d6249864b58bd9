/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-list-sandboxes: ListSandboxes returns the sandboxes that match its filters, in pages. */
#include "client.h"
#include "fixture.h"

#define COUNT 5u

static Fixture *fixture;
static GDBusConnection *bus;
static char *sandboxes[COUNT]; /* the oldest first; the last one is of the template "other" */

/* Returns the indices of the sandboxes in the reply, as digits, and the value for "after". */
static char *
list(const char *filter, char **ret_next)
{
    g_autoptr(GVariant) answer =
        call(bus, MANAGER, "ListSandboxes", "(%*,)", g_variant_new_parsed(filter));
    g_autoptr(GVariant) found = g_variant_get_child_value(answer, 0);
    GString *digits = g_string_new(NULL);

    for (gsize i = 0; i < g_variant_n_children(found); i++) {
        g_autoptr(GVariant) properties = NULL;
        g_autofree char *id = NULL;
        const char *path;
        guint index = 0;

        g_variant_get_child(found, i, "(&o@a{sv})", &path, &properties);
        while (index < COUNT && g_strcmp0(sandboxes[index], path) != 0)
            index++;
        g_assert_cmpuint(index, <, COUNT);
        id = dict_string(properties, "Id");
        g_assert_cmpstr(id, ==, id_of(path));
        g_assert_cmpint(g_variant_n_children(properties), ==, 15);
        g_string_append_printf(digits, "%u", index);
    }
    if (ret_next)
        g_variant_get_child(answer, 1, "s", ret_next);
    return g_string_free(digits, FALSE);
}

static void
assert_list(const char *filter, const char *expected)
{
    g_autofree char *next = NULL;
    g_autofree char *found = list(filter, &next);

    g_assert_cmpstr(found, ==, expected);
    g_assert_cmpstr(next, ==, "");
}

static void
test_filters(void)
{
    assert_list("@a{sv} {}", "01234");
    assert_list("{'state': <'running'>}", "01234");
    assert_list("{'template': <'minimal'>}", "0123");
    assert_list("{'template': <'other'>}", "4");
    assert_list("{'template': <'gone'>}", "");
    assert_list("{'metadata': <{'odd': 'no'}>}", "024");
    assert_list("{'metadata': <{'odd': 'yes', 'all': 'x'}>}", "13");
    assert_list("{'metadata': <{'odd': 'yes', 'all': 'y'}>}", "");
    assert_list("{'metadata': <{'odd': ''}>}", "");
    assert_list("{'metadata': <{'odd': 'no'}>, 'template': <'minimal'>}", "02");
}

static void
test_pages(void)
{
    g_autofree char *next = NULL, *last = NULL, *filter = NULL, *rest = NULL, *end = NULL;
    g_autofree char *first = list("{'limit': <uint32 2>}", &next);
    g_autofree char *second = NULL, *third = NULL;

    g_assert_cmpstr(first, ==, "01");
    g_assert_cmpstr(next, !=, "");
    filter = g_strdup_printf("{'limit': <uint32 2>, 'after': <'%s'>}", next);
    second = list(filter, &last);
    g_assert_cmpstr(second, ==, "23");
    rest = g_strdup_printf("{'limit': <uint32 2>, 'after': <'%s'>}", last);
    third = list(rest, &end);
    g_assert_cmpstr(third, ==, "4");
    g_assert_cmpstr(end, ==, "");
}

/* The next page begins after the previous one, even if sandboxes came or ended meanwhile. */
static void
test_page_behind_one_that_ended(void)
{
    g_autofree char *next = NULL, *filter = NULL, *passing = create(bus);
    g_autofree char *first = list("{'limit': <uint32 5>}", &next), *rest = NULL, *end = NULL;

    g_assert_cmpstr(first, ==, "01234");
    g_assert_cmpstr(next, !=, "");
    kill_sandbox(bus, passing);
    filter = g_strdup_printf("{'after': <'%s'>}", next);
    rest = list(filter, &end);
    g_assert_cmpstr(rest, ==, "");
    g_assert_cmpstr(end, ==, "");
}

static void
test_bounds(void)
{
    assert_list("{'limit': <uint32 5>}", "01234");
    assert_list("{'limit': <uint32 1000>}", "01234");
    assert_list("{'after': <''>}", "01234");
    call_fails(bus, MANAGER, "ListSandboxes", "InvalidArgument", "1 to 1000, not 1001",
               "({'limit': <uint32 1001>},)");
    call_fails(bus, MANAGER, "ListSandboxes", "InvalidArgument", "1 to 1000, not 0",
               "({'limit': <uint32 0>},)");
    call_fails(bus, MANAGER, "ListSandboxes", "InvalidArgument", "after: it must be",
               "({'after': <'x'>},)");
    call_fails(bus, MANAGER, "ListSandboxes", "InvalidArgument", "after: it must be",
               "({'after': <'-1'>},)");
}

static void
create_all(void)
{
    for (guint i = 0; i < COUNT; i++) {
        g_autoptr(GVariant) answer =
            call(bus, MANAGER, "CreateSandbox",
                 "({'template': <%s>, 'metadata': <{'odd': %s, 'all': 'x'}>},)",
                 i + 1 < COUNT ? "minimal" : "other", i % 2 ? "yes" : "no");

        g_variant_get(answer, "(o)", &sandboxes[i]);
    }
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {.has_other = TRUE, .target = 1};
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/list-sandboxes/filters", test_filters);
    g_test_add_func("/list-sandboxes/pages", test_pages);
    g_test_add_func("/list-sandboxes/behind-one-that-ended", test_page_behind_one_that_ended);
    g_test_add_func("/list-sandboxes/bounds", test_bounds);
    fixture = fixture_new(&options);
    bus = fixture->bus;
    create_all();
    status = g_test_run();
    for (guint i = 0; i < COUNT; i++)
        g_free(sandboxes[i]);
    fixture_free(fixture);
    return status;
}
