/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-names: answers of the resolver, how long they are kept, and a resolver that an attacker has
 * taken over. Then the order in which addresses are tried.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dial.h"
#include "names.h"

#define SECOND ((gint64)G_USEC_PER_SEC)

typedef struct {
    Names *names;
    int resolver; /* the test's end */
} Fixture;

/* What was answered last. */
static NamesAnswer last;
static guint answers;

static void
on_answer(const NamesAnswer *answer, gpointer data)
{
    last = *answer;
    answers++;
}

static void
connect_names(Fixture *fixture)
{
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), ==, 0);
    names_connect(fixture->names, pair[0]);
    fixture->resolver = pair[1];
}

static void
set_up(Fixture *fixture)
{
    fixture->names = names_new();
    connect_names(fixture);
    answers = 0;
}

static void
tear_down(Fixture *fixture)
{
    names_free(fixture->names);
    close(fixture->resolver);
}

static ResolverQuestion
receive_question(const Fixture *fixture)
{
    ResolverQuestion question;

    g_assert_cmpint(recv(fixture->resolver, &question, sizeof question, 0), ==, sizeof question);
    return question;
}

static void
send_answer(const Fixture *fixture, guint32 serial, guint32 status, guint32 ttl_s, guint32 count)
{
    ResolverAnswer answer = {.serial = serial, .status = status, .ttl_s = ttl_s, .count = count};

    g_assert_cmpint(send(fixture->resolver, &answer, sizeof answer, 0), ==, sizeof answer);
}

/* --- questions --- */

static void
test_kept(void)
{
    static const struct {
        guint32 status, ttl_s, count;
        gint64 kept_s; /* 0: not at all */
        int expected;
    } cases[] = {
        {0, 60, 2, 60, 0},           {0, 0, 1, 5, 0},
        {0, 4000, 1, 300, 0},        {0, 60, 0, 5, -ENOENT},
        {ENOENT, 60, 3, 5, -ENOENT}, {EAGAIN, 60, 1, 0, -EAGAIN},
        {99, 60, 1, 0, -EAGAIN},     {0, 60, 17, 60, 0},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        gint64 end = SECOND + cases[i].kept_s * SECOND;
        Fixture fixture;

        set_up(&fixture);
        names_ask(fixture.names, "a.example", SECOND, on_answer, NULL);
        send_answer(&fixture, receive_question(&fixture).serial, cases[i].status, cases[i].ttl_s,
                    cases[i].count);
        g_assert_true(names_receive(fixture.names, SECOND));
        g_assert_cmpuint(answers, ==, 1);
        g_assert_cmpint(last.status, ==, cases[i].expected);
        g_assert_cmpuint(last.count, <=, RESOLVER_ADDRESSES_MAX);
        if (cases[i].kept_s > 0) {
            names_ask(fixture.names, "a.example", end - 1, on_answer, NULL);
            g_assert_cmpuint(answers, ==, 2);
        }
        names_ask(fixture.names, "a.example", end, on_answer, NULL);
        g_assert_cmpuint(answers, ==, cases[i].kept_s > 0 ? 2 : 1);
        g_assert_cmpstr(receive_question(&fixture).name, ==, "a.example");
        tear_down(&fixture);
    }
}

static void
test_unasked(void)
{
    guint32 serial;
    Fixture fixture;

    set_up(&fixture);
    names_ask(fixture.names, "a.example", SECOND, on_answer, NULL);
    serial = receive_question(&fixture).serial;
    send_answer(&fixture, serial + 1, 0, 60, 1);
    g_assert_true(names_receive(fixture.names, SECOND));
    g_assert_cmpuint(answers, ==, 0);
    send_answer(&fixture, serial, 0, 60, 1);
    send_answer(&fixture, serial, ENOENT, 60, 1);
    g_assert_true(names_receive(fixture.names, SECOND));
    g_assert_cmpuint(answers, ==, 1);
    g_assert_cmpint(last.status, ==, 0);
    g_assert_cmpint(send(fixture.resolver, "x", 1, 0), ==, 1); /* not an answer */
    g_assert_false(names_receive(fixture.names, SECOND));
    tear_down(&fixture);
}

static void
test_lost(void)
{
    Fixture fixture;

    set_up(&fixture);
    names_ask(fixture.names, "a.example", SECOND, on_answer, &fixture);
    names_ask(fixture.names, "b.example", SECOND, on_answer, NULL);
    names_forget(fixture.names, &fixture);
    close(fixture.resolver);
    g_assert_false(names_receive(fixture.names, SECOND));
    g_assert_cmpuint(answers, ==, 1);
    g_assert_cmpint(last.status, ==, -EAGAIN);
    names_ask(fixture.names, "b.example", SECOND, on_answer, NULL);
    g_assert_cmpuint(answers, ==, 2);
    connect_names(&fixture);
    names_ask(fixture.names, "b.example", SECOND, on_answer, NULL);
    g_assert_cmpuint(answers, ==, 2);
    tear_down(&fixture);
}

static void
test_expired(void)
{
    Fixture fixture;
    gint64 end;

    set_up(&fixture);
    g_assert_cmpint(names_expire(fixture.names, SECOND), ==, 0);
    names_ask(fixture.names, "a.example", SECOND, on_answer, NULL);
    end = names_expire(fixture.names, SECOND);
    g_assert_cmpint(end, ==, 13 * SECOND);
    names_expire(fixture.names, end - 1);
    g_assert_cmpuint(answers, ==, 0);
    names_expire(fixture.names, end);
    g_assert_cmpuint(answers, ==, 1);
    g_assert_cmpint(last.status, ==, -EAGAIN);
    tear_down(&fixture);
}

/* Names that are kept are bounded. */
static void
test_many(void)
{
    Fixture fixture;

    set_up(&fixture);
    for (guint i = 0; i < 1000; i++) {
        g_autofree char *name = g_strdup_printf("n%u.example", i);

        names_ask(fixture.names, name, SECOND, on_answer, NULL);
        send_answer(&fixture, receive_question(&fixture).serial, 0, 60, 1);
        g_assert_true(names_receive(fixture.names, SECOND));
    }
    g_assert_cmpuint(answers, ==, 1000);
    names_ask(fixture.names, "n999.example", SECOND, on_answer, NULL);
    g_assert_cmpuint(answers, ==, 1001);
    names_ask(fixture.names, "n0.example", SECOND, on_answer, NULL);
    g_assert_cmpuint(answers, ==, 1001);
    tear_down(&fixture);
}

/* --- addresses --- */

static GString *tried;

/* Addresses whose last byte is odd are refused. Others never answer. */
static int
try_address(const NetAddress *address, gpointer data)
{
    char text[NET_ADDRESS_TEXT_MAX];
    int fd;

    net_address_write(address, text);
    g_string_append_printf(tried, "%s ", text);
    if (address->bytes[15] % 2 == 1)
        return -ECONNREFUSED;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static void
set_addresses(Dial *dial, const char *const *texts, guint count)
{
    NetAddress addresses[RESOLVER_ADDRESSES_MAX];

    for (guint i = 0; i < count; i++)
        g_assert_true(net_address_parse(texts[i], &addresses[i]));
    dial_init(dial);
    dial_set(dial, addresses, count);
    tried = g_string_new(NULL);
}

static void
expect_tried(const char *expected)
{
    g_assert_cmpstr(tried->str, ==, expected);
    g_string_truncate(tried, 0);
}

static void
test_order(void)
{
    static const char *const texts[] = {"1.1.1.2", "1.1.1.4", "1.1.1.6", "2::2", "2::4"};
    Dial dial;

    set_addresses(&dial, texts, G_N_ELEMENTS(texts));
    g_assert_cmpint(dial_go_on(&dial, SECOND, try_address, NULL), ==, DIAL_WAITS);
    expect_tried("2::2 ");
    g_assert_cmpint(dial_go_on(&dial, SECOND + 249999, try_address, NULL), ==, DIAL_WAITS);
    expect_tried("");
    g_assert_cmpint(dial.next_at, ==, SECOND + 250000);
    dial_go_on(&dial, dial.next_at, try_address, NULL);
    expect_tried("1.1.1.2 ");
    dial_go_on(&dial, dial.next_at, try_address, NULL);
    expect_tried("2::4 ");
    g_assert_cmpint(dial.next_at, ==, 0); /* three at once */
    dial_go_on(&dial, 100 * SECOND, try_address, NULL);
    expect_tried("");
    dial_clear(&dial);
    g_string_free(tried, TRUE);
}

static void
test_failures(void)
{
    static const char *const texts[] = {"1.1.1.1", "1.1.1.3", "2::1", "1.1.1.2"};
    Dial dial;

    set_addresses(&dial, texts, 3);
    g_assert_cmpint(dial_go_on(&dial, SECOND, try_address, NULL), ==, DIAL_FAILED);
    expect_tried("2::1 1.1.1.1 1.1.1.3 ");
    g_assert_cmpint(dial.error, ==, -ECONNREFUSED);
    g_string_free(tried, TRUE);
    set_addresses(&dial, texts, 4);
    g_assert_cmpint(dial_go_on(&dial, SECOND, try_address, NULL), ==, DIAL_WAITS);
    expect_tried("2::1 1.1.1.1 1.1.1.3 1.1.1.2 ");
    dial_clear(&dial);
    g_string_free(tried, TRUE);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/names/kept", test_kept);
    g_test_add_func("/names/unasked", test_unasked);
    g_test_add_func("/names/lost", test_lost);
    g_test_add_func("/names/expired", test_expired);
    g_test_add_func("/names/many", test_many);
    g_test_add_func("/dial/order", test_order);
    g_test_add_func("/dial/failures", test_failures);
    return g_test_run();
}
