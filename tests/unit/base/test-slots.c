/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-slots: jobs begin in turn between users, and no more than there are slots. */
#include "slots.h"

#define EACH 2u
#define ALL 5u

typedef struct {
    Slots *slots;
} Fixture;

static GString *begun; /* the jobs, in order */

static void
on_begin(gpointer job)
{
    g_string_append(begun, job);
}

static void
set_up(Fixture *f, gconstpointer data)
{
    f->slots = slots_new(EACH, ALL, on_begin);
    begun = g_string_new(NULL);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    slots_unref(f->slots);
    g_string_free(begun, TRUE);
}

static void
add_job(Fixture *f, guint32 uid, gpointer job)
{
    if (slots_take(f->slots, GUINT_TO_POINTER(uid), job))
        on_begin(job);
}

static void
add(Fixture *f, guint32 uid, const char *jobs)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g"};

    for (; *jobs; jobs++)
        add_job(f, uid, (gpointer)names[*jobs - 'a']);
}

static void
assert_begun(const char *expected)
{
    g_assert_cmpstr(begun->str, ==, expected);
}

static void
release(Fixture *f, guint32 uid, guint count)
{
    for (guint i = 0; i < count; i++)
        slots_release(f->slots, GUINT_TO_POINTER(uid));
}

static void
test_each(Fixture *f, gconstpointer data)
{
    add(f, 1, "ab");
    assert_begun("ab"); /* at once */
    add(f, 1, "cd");
    assert_begun("ab");
    release(f, 1, 1);
    assert_begun("abc"); /* in the order of arrival */
    release(f, 1, 2);
    assert_begun("abcd");
    add(f, 1, "e"); /* one slot was free */
    assert_begun("abcde");
    release(f, 1, 2);
}

static void
test_all(Fixture *f, gconstpointer data)
{
    add(f, 1, "ab");
    add(f, 2, "ab");
    add(f, 3, "a");
    assert_begun("ababa");
    add(f, 3, "b"); /* the user has a slot, and all have none */
    add(f, 4, "c");
    assert_begun("ababa");
    release(f, 1, 1);
    assert_begun("ababab");
    release(f, 2, 1);
    assert_begun("abababc");
    release(f, 1, 1);
    release(f, 2, 1);
    release(f, 3, 2);
    release(f, 4, 1);
    add(f, 1, "ab"); /* all slots are free again */
    add(f, 2, "ab");
    add(f, 3, "ab");
    assert_begun("abababcababa");
    release(f, 1, 2);
    assert_begun("abababcababab");
    release(f, 2, 2);
    release(f, 3, 2);
}

/* However many jobs of a user wait, another user waits for one of them. */
static void
test_turns(Fixture *f, gconstpointer data)
{
    add(f, 1, "aa");
    add(f, 2, "bb");
    add(f, 3, "cc");
    add(f, 3, "ccccc");
    add(f, 2, "bbbbb");
    add(f, 4, "d");
    assert_begun("aabbc");
    release(f, 1, 1);
    assert_begun("aabbcc"); /* has waited longest */
    release(f, 1, 1);
    assert_begun("aabbccd"); /* the others use all their own slots */
    release(f, 2, 1);
    release(f, 3, 1);
    release(f, 2, 1);
    release(f, 3, 1);
    assert_begun("aabbccdbcbc");
    for (guint i = 0; i < 3; i++) {
        release(f, 2, 1);
        release(f, 3, 1);
    }
    assert_begun("aabbccdbcbcbcbcbc");
    release(f, 2, 2);
    release(f, 3, 2);
    release(f, 4, 1);
}

static void
test_remove(Fixture *f, gconstpointer data)
{
    char a[] = "a", b[] = "b", c[] = "c", d[] = "d";

    add_job(f, 1, a);
    add_job(f, 1, b);
    add_job(f, 1, c);
    add_job(f, 1, d);
    g_assert_false(
        slots_remove(f->slots, GUINT_TO_POINTER(1), b)); /* has begun, and keeps its slot */
    g_assert_true(slots_remove(f->slots, GUINT_TO_POINTER(1), c));
    g_assert_false(slots_remove(f->slots, GUINT_TO_POINTER(1), c));
    assert_begun("ab");
    release(f, 1, 1);
    assert_begun("abd");
    release(f, 1, 2);
}

/* A user whose only job that waits is removed takes no part in the turns. */
static void
test_remove_from_turns(Fixture *f, gconstpointer data)
{
    char d[] = "d";

    add(f, 1, "aa");
    add(f, 2, "bb");
    add(f, 3, "c");
    add_job(f, 4, d);
    add(f, 5, "e");
    g_assert_true(slots_remove(f->slots, GUINT_TO_POINTER(4), d));
    release(f, 1, 1);
    assert_begun("aabbce");
    add_job(f, 4, d);
    release(f, 1, 1);
    assert_begun("aabbced");
    release(f, 2, 2);
    release(f, 3, 1);
    release(f, 4, 1);
    release(f, 5, 1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name, function) g_test_add(name, Fixture, NULL, set_up, function, tear_down)
    TEST("/slots/each", test_each);
    TEST("/slots/all", test_all);
    TEST("/slots/turns", test_turns);
    TEST("/slots/remove", test_remove);
    TEST("/slots/remove-from-turns", test_remove_from_turns);
    return g_test_run();
}
