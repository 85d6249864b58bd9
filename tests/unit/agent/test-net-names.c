/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-net-names: which name has which address, and which loses it. */
#include <glib.h>
#include <string.h>

#include "net-names.h"

#define FIRST NET_NAMES_FIRST

/* A table of three names and five addresses. */
static void
run_with_small_table(gconstpointer data)
{
    void (*test)(void) = (void (*)(void))data;

    g_assert_cmpint(net_names_open(3, FIRST, FIRST + 4), ==, 0);
    test();
    net_names_close();
}

static guint32
give(const char *name)
{
    int index = net_names_give(name);

    g_assert_cmpint(index, >=, 0);
    g_assert_cmpstr(net_names_text(index), ==, name);
    return net_names_address(index);
}

static const char *
find(guint32 address)
{
    int index = net_names_find(address);
    return index < 0 ? NULL : net_names_text(index);
}

static void
test_addresses(void)
{
    g_assert_cmpuint(give("a"), ==, FIRST);
    g_assert_cmpuint(give("b"), ==, FIRST + 1);
    g_assert_cmpuint(give("a"), ==, FIRST);
    g_assert_cmpstr(find(FIRST), ==, "a");
    g_assert_cmpstr(find(FIRST + 1), ==, "b");
    g_assert_null(find(FIRST + 2));
    g_assert_null(find(0));
}

/* The name that was not used for the longest time goes. To give and to find are uses. */
static void
test_oldest_goes(void)
{
    give("a");
    give("b");
    give("c");
    give("a");
    g_assert_cmpstr(find(FIRST + 1), ==, "b");
    g_assert_cmpuint(give("d"), ==, FIRST + 3);
    g_assert_null(find(FIRST + 2));
    g_assert_cmpstr(find(FIRST), ==, "a");
    g_assert_cmpuint(give("c"), ==, FIRST + 4); /* instead of b */
    g_assert_null(find(FIRST + 1));
    g_assert_cmpstr(find(FIRST + 3), ==, "d");
}

/* After the last address comes the first that no name has. */
static void
test_wrap_around(void)
{
    for (guint i = 0; i < 5; i++) {
        g_autofree char *name = g_strdup_printf("n%u", i);
        g_assert_cmpuint(give(name), ==, FIRST + i);
        give("n0");
    }
    g_assert_cmpstr(find(FIRST), ==, "n0");
    g_assert_cmpuint(give("late"), ==, FIRST + 1);
    for (guint i = 0; i < 100; i++) {
        g_autofree char *name = g_strdup_printf("m%u", i);
        g_assert_cmpuint(give(name), !=, FIRST);
        give("n0");
    }
}

static void
test_used_names_stay(void)
{
    int a = net_names_give("a");
    int b = net_names_give("b");

    net_names_hold(a);
    net_names_hold(a);
    net_names_hold(b);
    give("c");
    for (guint i = 0; i < 10; i++) {
        g_autofree char *name = g_strdup_printf("n%u", i);
        guint32 address = give(name);
        g_assert_cmpuint(address, !=, FIRST);
        g_assert_cmpuint(address, !=, FIRST + 1);
    }
    net_names_hold(net_names_give("n9"));
    g_assert_cmpint(net_names_give("full"), ==, -1);
    g_assert_cmpint(net_names_give("a"), ==, a);
    net_names_release(a); /* one connection still uses it */
    g_assert_cmpint(net_names_give("full"), ==, -1);
    net_names_release(a);
    g_assert_cmpint(net_names_give("full"), ==, a);
    g_assert_null(find(FIRST));
}

static void
test_forget(void)
{
    int secret = net_names_give("secret.example");
    const char *text = net_names_text(secret);

    net_names_hold(secret);
    net_names_release(secret);
    net_names_forget();
    g_assert_null(find(FIRST));
    g_assert_cmpstr(text, ==, "");
    g_assert_cmpuint(give("other"), ==, FIRST);
}

/* A short name after a long one, and names of the maximum size that differ in their last byte. */
static void
test_sizes(void)
{
    char longest[NET_NAME_MAX + 1];

    memset(longest, 'x', NET_NAME_MAX);
    longest[NET_NAME_MAX] = '\0';
    guint32 first = give(longest);
    longest[NET_NAME_MAX - 1] = 'y';
    g_assert_cmpuint(give(longest), !=, first);
    give("b");
    give("c"); /* in the place of the first */
    longest[1] = '\0';
    g_assert_cmpuint(give(longest), ==, FIRST + 4);
}

static void
test_whole_table(void)
{
    g_assert_cmpint(net_names_open(NET_NAMES_MAX, NET_NAMES_FIRST, NET_NAMES_LAST), ==, 0);
    for (guint i = 0; i <= NET_NAMES_MAX; i++) {
        g_autofree char *name = g_strdup_printf("host-%u.example", i);
        g_assert_cmpuint(give(name), ==, NET_NAMES_FIRST + i);
    }
    g_assert_null(find(NET_NAMES_FIRST));
    g_assert_cmpstr(find(NET_NAMES_FIRST + 1), ==, "host-1.example");
    net_names_close();
}

/* 198.18.0.0 to 198.19.255.255, also those that no name ever gets. */
static void
test_range(void)
{
    g_assert_cmpint(net_names_open(3, NET_NAMES_FIRST, NET_NAMES_LAST), ==, 0);
    g_assert_false(net_names_covers(0xC611FFFF));
    g_assert_true(net_names_covers(0xC6120000));
    g_assert_true(net_names_covers(0xC613FFFF));
    g_assert_false(net_names_covers(0xC6140000));
    net_names_close();
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/net-names/addresses", test_addresses, run_with_small_table);
    g_test_add_data_func("/net-names/oldest-goes", test_oldest_goes, run_with_small_table);
    g_test_add_data_func("/net-names/wrap-around", test_wrap_around, run_with_small_table);
    g_test_add_data_func("/net-names/used-names-stay", test_used_names_stay, run_with_small_table);
    g_test_add_data_func("/net-names/forget", test_forget, run_with_small_table);
    g_test_add_data_func("/net-names/sizes", test_sizes, run_with_small_table);
    g_test_add_func("/net-names/whole-table", test_whole_table);
    g_test_add_func("/net-names/range", test_range);
    return g_test_run();
}
