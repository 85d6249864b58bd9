/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-egress: the client of cloche-egress, and an egress that answers as it likes. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "scripted-egress.h"
#include "util.h"

typedef struct {
    ScriptedEgress peer;
    Egress *egress;
    guint connected, disconnected, exhausted;
    char *lost; /* "id: reason" */
} Fixture;

typedef struct {
    gboolean is_done;
    char *certificates;
    gboolean is_exhausted;
    EgressTraffic traffic;
    GHashTable *workers;
    GError *error;
} Answer;

/* --- events --- */

static void
on_connected(gpointer data)
{
    ((Fixture *)data)->connected++;
}

static void
on_disconnected(gpointer data)
{
    ((Fixture *)data)->disconnected++;
}

static void
on_lost(const char *id, const char *reason, gpointer data)
{
    Fixture *fixture = data;

    g_free(fixture->lost);
    fixture->lost = g_strdup_printf("%s: %s", id, reason);
}

static void
on_exhausted(const char *id, gpointer data)
{
    g_assert_cmpstr(id, ==, "abc");
    ((Fixture *)data)->exhausted++;
}

static const EgressEvents events = {on_connected, on_disconnected, on_lost, on_exhausted};

static void
on_set(GObject *source, GAsyncResult *result, gpointer data)
{
    Answer *answer = data;

    answer->certificates = egress_set_finish(result, &answer->is_exhausted, &answer->error);
    answer->is_done = TRUE;
}

static void
on_traffic(GObject *source, GAsyncResult *result, gpointer data)
{
    Answer *answer = data;

    egress_traffic_finish(result, &answer->traffic, &answer->error);
    answer->is_done = TRUE;
}

static void
on_list(GObject *source, GAsyncResult *result, gpointer data)
{
    Answer *answer = data;

    answer->workers = egress_list_finish(result, &answer->error);
    answer->is_done = TRUE;
}

static void
await(const Answer *answer)
{
    while (!answer->is_done)
        scripted_egress_iterate();
}

static void
expect_error(Answer *answer, ClocheError code, const char *text)
{
    await(answer);
    g_assert_error(answer->error, CLOCHE_ERROR, (int)code);
    if (!strstr(answer->error->message, text))
        g_error("'%s' is not in: %s", text, answer->error->message);
    g_clear_error(&answer->error);
    answer->is_done = FALSE;
}

/* --- the other end --- */

static void
send_head(const Fixture *fixture, EgressType type, const char *id, guint32 serial, guint32 number)
{
    EgressHead head;

    egress_head_init(&head, type, id, serial);
    head.number = number;
    scripted_egress_send(&fixture->peer, &head, NULL, 0);
}

/* An answer with bytes or a text, which have the same form. */
static void
send_text(const Fixture *fixture, EgressType type, guint32 serial, guint32 number, const char *text)
{
    uint8_t buffer[EGRESS_PEM_MAX + 64];
    WireWriter w = {.data = buffer, .size = sizeof buffer};
    EgressHead head;

    wire_put_bytes(&w, text, strlen(text));
    egress_head_init(&head, type, "abc", serial);
    head.number = number;
    scripted_egress_send(&fixture->peer, &head, buffer, w.used);
}

static void
become_ready(Fixture *fixture)
{
    guint before = fixture->connected;

    scripted_egress_accept(&fixture->peer);
    send_head(fixture, EGRESS_READY, "", 0, 0);
    while (fixture->connected == before)
        scripted_egress_iterate();
}

static void
await_disconnection(Fixture *fixture)
{
    while (fixture->disconnected == 0)
        scripted_egress_iterate();
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
    EgressAccess access = {0};

    scripted_egress_init(&fixture->peer);
    access.socket = fixture->peer.path;
    fixture->egress = egress_open(&access);
    if (!data) {
        scripted_egress_listen(&fixture->peer);
        egress_start(fixture->egress, &events, fixture);
        become_ready(fixture);
    }
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    egress_close(fixture->egress);
    scripted_egress_clear(&fixture->peer);
    g_free(fixture->lost);
}

static void
set_policy(Fixture *fixture, int port, const int *secrets, guint n, Answer *answer)
{
    g_autoptr(NetPolicy) ceiling = net_policy_new(), policy = net_policy_new();
    EgressSetting setting = {.proxy = "", .layers = {ceiling, policy}, .count = 2};
    const EgressOrder order = {.id = "abc",
                               .owner = 1000,
                               .setting = &setting,
                               .port = port,
                               .secrets = secrets,
                               .n_secrets = n};

    ceiling->mode = policy->mode = NET_INTERNET;
    egress_set_async(fixture->egress, &order, on_set, answer);
}

/* --- requests --- */

static ino_t
inode_of(int fd)
{
    struct stat st;

    g_assert_cmpint(fstat(fd, &st), ==, 0);
    return st.st_ino;
}

static void
test_set(Fixture *fixture, gconstpointer data)
{
    g_autofree ScriptedPacket *packet = g_new0(ScriptedPacket, 1);
    int value = memfd_create("value", MFD_CLOEXEC), secrets[] = {-1, value}, port[2];
    EgressSetting setting = {0};
    Answer answer = {0};
    guint32 serial;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, port), ==, 0);
    set_policy(fixture, port[0], secrets, 2, &answer);

    scripted_egress_receive(&fixture->peer, packet);
    serial = packet->head.serial;
    g_assert_cmpint(packet->head.type, ==, EGRESS_PORT);
    g_assert_cmpstr(packet->head.id, ==, "abc");
    g_assert_cmpuint(inode_of(packet->fd), ==, inode_of(port[0]));
    close(packet->fd);

    scripted_egress_receive(&fixture->peer, packet); /* that of index 0 has not changed */
    g_assert_cmpint(packet->head.type, ==, EGRESS_SECRET);
    g_assert_cmpuint(packet->head.number, ==, 1);
    g_assert_cmpuint(packet->head.serial, ==, serial);
    g_assert_cmpuint(inode_of(packet->fd), ==, inode_of(value));
    close(packet->fd);

    scripted_egress_receive(&fixture->peer, packet);
    g_assert_cmpint(packet->head.type, ==, EGRESS_SET);
    g_assert_cmpuint(packet->head.number, ==, 1000);
    g_assert_cmpuint(packet->head.serial, ==, serial);
    g_assert_true(egress_setting_get(packet->payload, packet->head.length, &setting));
    g_assert_cmpuint(setting.count, ==, 2);
    g_assert_cmpint(setting.layers[1]->mode, ==, NET_INTERNET);
    egress_setting_clear(&setting);

    send_text(fixture, EGRESS_DONE, serial, 0, "-----BEGIN CERTIFICATE-----\nAA==\n");
    await(&answer);
    g_assert_no_error(answer.error);
    g_assert_cmpstr(answer.certificates, ==, "-----BEGIN CERTIFICATE-----\nAA==\n");
    g_assert_false(answer.is_exhausted);
    g_free(answer.certificates);
    close(port[0]);
    close(port[1]);
    close(value);
}

static guint32
receive(Fixture *fixture, EgressType type)
{
    g_autofree ScriptedPacket *packet = g_new0(ScriptedPacket, 1);

    scripted_egress_receive(&fixture->peer, packet);
    g_assert_cmpint(packet->head.type, ==, type);
    if (packet->fd >= 0)
        close(packet->fd);
    return packet->head.serial;
}

/* Its texts go into the journal and to callers: one line, and UTF-8. */
static void
test_failure(Fixture *fixture, gconstpointer data)
{
    Answer answer = {0};

    set_policy(fixture, -1, NULL, 0, &answer);
    send_text(fixture, EGRESS_FAILED, receive(fixture, EGRESS_SET), CLOCHE_ERROR_QUOTA_EXCEEDED,
              "too\nmany\x1b[2J \xff");
    expect_error(&answer, CLOCHE_ERROR_QUOTA_EXCEEDED, "too many [2J \xef\xbf\xbd");
    /* Busy and TimedOut would mean that nothing is known. */
    set_policy(fixture, -1, NULL, 0, &answer);
    send_text(fixture, EGRESS_FAILED, receive(fixture, EGRESS_SET), CLOCHE_ERROR_TIMED_OUT, "why");
    expect_error(&answer, CLOCHE_ERROR_FAILED, "why");
}

static void
test_traffic(Fixture *fixture, gconstpointer data)
{
    const EgressTraffic traffic = {.bytes_up = 1, .bytes_down = G_MAXUINT64, .requests = 8};
    uint8_t buffer[64];
    WireWriter w = {.data = buffer, .size = sizeof buffer};
    EgressHead head;
    Answer answer = {0};

    egress_traffic_async(fixture->egress, "abc", on_traffic, &answer);
    egress_head_init(&head, EGRESS_FIGURES, "abc", receive(fixture, EGRESS_TRAFFIC));
    egress_traffic_put(&w, &traffic);
    scripted_egress_send(&fixture->peer, &head, buffer, w.used);
    await(&answer);
    g_assert_no_error(answer.error);
    g_assert_cmpmem(&answer.traffic, sizeof traffic, &traffic, sizeof traffic);
}

static void
test_list(Fixture *fixture, gconstpointer data)
{
    Answer answer = {0};
    guint32 serial;

    egress_list_async(fixture->egress, on_list, &answer);
    serial = receive(fixture, EGRESS_LIST);
    send_head(fixture, EGRESS_WORKER, "abc", serial, 1);
    send_head(fixture, EGRESS_WORKER, "def", serial, 0);
    send_head(fixture, EGRESS_DONE, "", serial, 0);
    await(&answer);
    g_assert_no_error(answer.error);
    g_assert_cmpuint(g_hash_table_size(answer.workers), ==, 2);
    g_assert_cmpint(GPOINTER_TO_INT(g_hash_table_lookup(answer.workers, "abc")), ==, TRUE);
    g_assert_true(g_hash_table_contains(answer.workers, "def"));
    g_assert_cmpint(GPOINTER_TO_INT(g_hash_table_lookup(answer.workers, "def")), ==, FALSE);
    g_hash_table_unref(answer.workers);
}

static void
test_watch(Fixture *fixture, gconstpointer data)
{
    g_autofree ScriptedPacket *packet = g_new0(ScriptedPacket, 1);
    g_autoptr(GError) error = NULL;
    int fds[2];
    char byte;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    g_assert_true(egress_watch(fixture->egress, "abc", fds[0], &error));
    close(fds[0]);
    scripted_egress_receive(&fixture->peer, packet);
    g_assert_cmpint(packet->head.type, ==, EGRESS_WATCH);
    g_assert_cmpint(write(packet->fd, "x", 1), ==, 1);
    close(packet->fd);
    g_assert_cmpint(read(fds[1], &byte, 1), ==, 1);
    close(fds[1]);
}

static void
test_events(Fixture *fixture, gconstpointer data)
{
    send_text(fixture, EGRESS_LOST, 0, 0, "the guest broke\tthe protocol");
    send_head(fixture, EGRESS_EXHAUSTED, "abc", 0, 0);
    while (fixture->exhausted == 0)
        scripted_egress_iterate();
    g_assert_cmpstr(fixture->lost, ==, "abc: the guest broke the protocol");
}

/* --- the connection --- */

/* What was sent fails, and what waits is sent to the next one, after the event. */
static void
test_reconnect(Fixture *fixture, gconstpointer data)
{
    Answer sent = {0}, waiting = {0};

    set_policy(fixture, -1, NULL, 0, &sent);
    receive(fixture, EGRESS_SET);
    scripted_egress_hang_up(&fixture->peer);
    expect_error(&sent, CLOCHE_ERROR_BUSY, "no connection to cloche-egress");
    await_disconnection(fixture);
    set_policy(fixture, -1, NULL, 0, &waiting);
    egress_remove(fixture->egress, "abc"); /* nothing to remove from */
    become_ready(fixture);
    send_text(fixture, EGRESS_DONE, receive(fixture, EGRESS_SET), 1, "");
    await(&waiting);
    g_assert_no_error(waiting.error);
    g_assert_true(waiting.is_exhausted);
    g_assert_cmpstr(waiting.certificates, ==, "");
    g_free(waiting.certificates);
    egress_remove(fixture->egress, "abc");
    send_head(fixture, EGRESS_DONE, "abc", receive(fixture, EGRESS_REMOVE), 0);
}

/* The host has none, until it is installed. */
static void
test_missing(Fixture *fixture, gconstpointer data)
{
    Answer answer = {0};
    int fd = -1;
    g_autoptr(GError) error = NULL;

    egress_start(fixture->egress, &events, fixture);
    set_policy(fixture, -1, NULL, 0, &answer);
    expect_error(&answer, CLOCHE_ERROR_UNSUPPORTED, "cloche-egress is not installed");
    g_assert_false(egress_watch(fixture->egress, "abc", fd, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED);
    scripted_egress_listen(&fixture->peer);
    set_policy(fixture, -1, NULL, 0, &answer);
    become_ready(fixture);
    send_text(fixture, EGRESS_DONE, receive(fixture, EGRESS_SET), 0, "");
    await(&answer);
    g_assert_no_error(answer.error);
    g_free(answer.certificates);
}

/* Nobody asks for it. */
static void
test_installed(Fixture *fixture, gconstpointer data)
{
    egress_start(fixture->egress, &events, fixture);
    g_assert_true(egress_is_missing(fixture->egress));
    scripted_egress_listen(&fixture->peer);
    become_ready(fixture);
    g_assert_false(egress_is_missing(fixture->egress));
}

static void
test_close(Fixture *fixture, gconstpointer data)
{
    Answer sent = {0}, waiting = {0};

    set_policy(fixture, -1, NULL, 0, &sent);
    receive(fixture, EGRESS_SET);
    scripted_egress_hang_up(&fixture->peer);
    await_disconnection(fixture);
    set_policy(fixture, -1, NULL, 0, &waiting);
    egress_close(g_steal_pointer(&fixture->egress));
    expect_error(&sent, CLOCHE_ERROR_BUSY, "");
    expect_error(&waiting, CLOCHE_ERROR_BUSY, "");
}

/* --- an egress that was taken over --- */

static void
expect_violation(Fixture *fixture, Answer *answer)
{
    await_disconnection(fixture);
    expect_error(answer, CLOCHE_ERROR_BUSY, "no connection");
    fixture->disconnected = 0;
    become_ready(fixture);
}

static void
test_violations(Fixture *fixture, gconstpointer data)
{
    Answer answer = {0};
    guint32 serial;

    set_policy(fixture, -1, NULL, 0, &answer); /* an answer of another type */
    send_head(fixture, EGRESS_WORKER, "abc", receive(fixture, EGRESS_SET), 0);
    expect_violation(fixture, &answer);
    set_policy(fixture, -1, NULL, 0, &answer); /* about another sandbox */
    send_head(fixture, EGRESS_DONE, "abd", receive(fixture, EGRESS_SET), 0);
    expect_violation(fixture, &answer);
    set_policy(fixture, -1, NULL, 0, &answer); /* not a certificate */
    send_text(fixture, EGRESS_DONE, receive(fixture, EGRESS_SET), 0, "\x1b[2J");
    expect_violation(fixture, &answer);
    set_policy(fixture, -1, NULL, 0, &answer); /* no text */
    send_head(fixture, EGRESS_FAILED, "abc", receive(fixture, EGRESS_SET), 0);
    expect_violation(fixture, &answer);
    set_policy(fixture, -1, NULL, 0, &answer); /* ready again */
    receive(fixture, EGRESS_SET);
    send_head(fixture, EGRESS_READY, "", 0, 0);
    expect_violation(fixture, &answer);
    egress_list_async(fixture->egress, on_list, &answer);
    serial = receive(fixture, EGRESS_LIST);
    for (guint i = 0; i <= EGRESS_WORKERS_MAX; i++) {
        g_autofree char *id = g_strdup_printf("a%u", i);

        send_head(fixture, EGRESS_WORKER, id, serial, 1);
        while (g_main_context_iteration(NULL, /* may_block= */ FALSE))
            ;
    }
    expect_violation(fixture, &answer);
}

/* A late answer, or one to nothing, changes nothing. */
static void
test_unknown_serial(Fixture *fixture, gconstpointer data)
{
    Answer answer = {0};
    guint32 serial;

    set_policy(fixture, -1, NULL, 0, &answer);
    serial = receive(fixture, EGRESS_SET);
    send_head(fixture, EGRESS_WORKER, "abd", serial + 1, 0);
    send_text(fixture, EGRESS_DONE, serial, 0, "");
    await(&answer);
    g_assert_no_error(answer.error);
    g_assert_cmpuint(fixture->disconnected, ==, 0);
    g_free(answer.certificates);
}

/* --- a child --- */

/* The real cloche-egress, as cloched starts it where there is no systemd. */
static void
test_child(void)
{
    g_autofree char *run = g_dir_make_tmp("cloche-egress-XXXXXX", /* error= */ NULL);
    const char *argv[] = {g_getenv("CLOCHE_EGRESS"), "--run", run, NULL};
    const EgressAccess access = {.argv = argv};
    Fixture fixture = {.egress = egress_open(&access)};
    Answer answer = {0};

    egress_start(fixture.egress, &events, &fixture);
    egress_list_async(fixture.egress, on_list, &answer); /* waits until it is ready */
    await(&answer);
    g_assert_no_error(answer.error);
    g_assert_cmpuint(fixture.connected, ==, 1);
    g_assert_cmpuint(g_hash_table_size(answer.workers), ==, 0);
    g_hash_table_unref(answer.workers);
    egress_close(fixture.egress);
    g_assert_true(util_remove_tree(run, /* error= */ NULL));
}

/* There is no such program: nothing is started again and again. */
static void
test_no_child(void)
{
    const char *argv[] = {"/nosuch/cloche-egress", NULL};
    const EgressAccess access = {.argv = argv};
    Fixture fixture = {.egress = egress_open(&access)};
    Answer answer = {0};

    egress_start(fixture.egress, &events, &fixture);
    g_assert_true(egress_is_missing(fixture.egress));
    egress_list_async(fixture.egress, on_list, &answer);
    expect_error(&answer, CLOCHE_ERROR_UNSUPPORTED, "is not installed");
    egress_close(fixture.egress);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL); /* warnings are expected */
#define ADD(name, data, function)                                                                  \
    g_test_add("/net-client/egress/" name, Fixture, data, set_up, function, tear_down)
    ADD("set", NULL, test_set);
    ADD("failure", NULL, test_failure);
    ADD("traffic", NULL, test_traffic);
    ADD("list", NULL, test_list);
    ADD("watch", NULL, test_watch);
    ADD("events", NULL, test_events);
    ADD("reconnect", NULL, test_reconnect);
    ADD("missing", "nobody listens", test_missing);
    ADD("installed", "nobody listens", test_installed);
    ADD("close", NULL, test_close);
    ADD("violations", NULL, test_violations);
    ADD("unknown-serial", NULL, test_unknown_serial);
    g_test_add_func("/net-client/egress/child", test_child);
    g_test_add_func("/net-client/egress/no-child", test_no_child);
    return g_test_run();
}
