/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-bytes: a queue of bytes keeps their order and its bound. */
#include "bytes.h"

#include <string.h>

static void
assert_waiting(const Bytes *queue, const char *text)
{
    g_assert_cmpmem(bytes_peek(queue), bytes_size(queue), text, strlen(text));
}

static void
test_order(void)
{
    Bytes queue, other;

    bytes_init(&queue, 10);
    bytes_init(&other, 4);
    assert_waiting(&queue, "");
    bytes_put(&queue, "abcdef", 6);
    bytes_consume(&queue, 2);
    g_assert_cmpuint(bytes_room(&queue), ==, 6);
    bytes_put(&queue, "ghijkl", 6);
    assert_waiting(&queue, "cdefghijkl");
    g_assert_cmpuint(bytes_room(&queue), ==, 0);
    g_assert_cmpuint(bytes_move(&queue, &other, 3), ==, 3);
    g_assert_cmpuint(bytes_move(&queue, &other, G_MAXSIZE), ==, 1);
    g_assert_cmpuint(bytes_move(&queue, &other, G_MAXSIZE), ==, 0);
    assert_waiting(&other, "cdef");
    assert_waiting(&queue, "ghijkl");
    bytes_clear(&queue);
    bytes_clear(&other);
}

static void
test_end(void)
{
    Bytes queue;

    bytes_init(&queue, 10);
    bytes_put(&queue, "a", 1);
    queue.ended = TRUE;
    g_assert_false(bytes_at_end(&queue));
    bytes_trim(&queue);
    assert_waiting(&queue, "a");
    bytes_consume(&queue, 1);
    g_assert_true(bytes_at_end(&queue));
    bytes_trim(&queue);
    g_assert_null(queue.data);
    g_assert_true(queue.ended);
    bytes_clear(&queue);
    g_assert_false(queue.ended);
}

/* Memory is taken as it is needed, and never more than the bound. */
static void
test_memory(void)
{
    static const guint8 zeros[20000];
    Bytes queue;

    bytes_init(&queue, 20000);
    g_assert_null(queue.data);
    bytes_put(&queue, zeros, 1);
    g_assert_cmpuint(queue.capacity, ==, 4096);
    bytes_put(&queue, zeros, 5000);
    g_assert_cmpuint(queue.capacity, ==, 8192);
    bytes_put(&queue, zeros, bytes_room(&queue));
    g_assert_cmpuint(queue.capacity, ==, 20000);
    bytes_clear(&queue);
}

/* Against a GString, with random sizes. */
static void
test_random(void)
{
    g_autoptr(GString) expected = g_string_new(NULL);
    Bytes queue;
    char next = 'a';

    bytes_init(&queue, 9000);
    for (guint i = 0; i < 20000; i++) {
        gsize put = (gsize)g_test_rand_int_range(0, 700), take;
        put = MIN(put, bytes_room(&queue));
        guint8 *room = bytes_reserve(&queue, put);
        for (gsize j = 0; j < put; j++) {
            room[j] = (guint8)next;
            g_string_append_c(expected, next);
            next = next == 'z' ? 'a' : (char)(next + 1);
        }
        bytes_commit(&queue, put);
        assert_waiting(&queue, expected->str);
        take = (gsize)g_test_rand_int_range(0, 700);
        take = MIN(take, bytes_size(&queue));
        bytes_consume(&queue, take);
        g_string_erase(expected, 0, (gssize)take);
    }
    bytes_clear(&queue);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bytes/order", test_order);
    g_test_add_func("/bytes/end", test_end);
    g_test_add_func("/bytes/memory", test_memory);
    g_test_add_func("/bytes/random", test_random);
    return g_test_run();
}
