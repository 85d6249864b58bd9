/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-egress CONTROL: takes the place of cloche-egress, and makes no connections.
 *
 * It listens at CONTROL/egress, serves one cloched after the other, and knows its workers as long
 * as it lives. What it receives is written to CONTROL/egress.log: "port ID", "secret ID INDEX
 * VALUE", "set ID OWNER MODE, MODE, …" with the modes of the layers and the entries of the last
 * one, "remove ID", "traffic ID", "watch ID", "list". The test sends commands to
 * CONTROL/egress.control, which are answered with one byte:
 *
 *   lost ID REASON   the worker ends
 *   exhausted ID     the worker has used up its traffic
 *   fail MESSAGE     the next SET fails
 *   hold             answers to SET and REMOVE wait …
 *   release          … until now
 *   write ID LINE    the worker writes this to all streams of connections
 *
 * The certificate of a policy with secrets is CERTIFICATE.
 */
#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "egress-protocol.h"
#include "error.h"
#include "fake-egress.h"
#include "packet-socket.h"

typedef struct {
    int port; /* the guest's; -1: none */
    gboolean is_set;
    guint64 traffic, used; /* of its policy; what a guest has moved */
    GArray *watches;       /* of int */
} Worker;

static struct {
    GMainLoop *loop;
    FILE *log;
    PacketSocket *socket; /* NULL: nobody is connected */
    GHashTable *workers;  /* id → Worker */
    char *failure;        /* of the next SET */
    gboolean holds;
    GQueue held; /* of EgressHead: answers */
    GPtrArray *held_pems;
} self;

static void
worker_free(gpointer data)
{
    Worker *worker = data;

    if (worker->port >= 0)
        close(worker->port);
    for (guint i = 0; i < worker->watches->len; i++)
        close(g_array_index(worker->watches, int, i));
    g_array_unref(worker->watches);
    g_free(worker);
}

static Worker *
worker_of(const char *id)
{
    Worker *worker = g_hash_table_lookup(self.workers, id);

    if (worker)
        return worker;
    worker = g_new0(Worker, 1);
    worker->port = -1;
    worker->watches = g_array_new(FALSE, FALSE, sizeof(int));
    g_hash_table_insert(self.workers, g_strdup(id), worker);
    return worker;
}

/* --- messages --- */

static void
send_packet(const EgressHead *head, const char *text)
{
    uint8_t buffer[4096];
    WireWriter w;

    egress_begin(&w, buffer, sizeof buffer);
    if (text)
        wire_put_bytes(&w, text, strlen(text));
    if (self.socket)
        packet_socket_send(self.socket, buffer, egress_end(&w, head), /* fd= */ -1);
}

static void
send_head(EgressType type, const char *id, guint32 serial, guint32 number, const char *text)
{
    EgressHead head;

    egress_head_init(&head, type, id, serial);
    head.number = number;
    send_packet(&head, text);
}

static void
take_secret(const EgressHead *head, int fd)
{
    char value[NET_SECRET_VALUE_MAX + 1] = "";

    if (pread(fd, value, sizeof value - 1, 0) < 0)
        g_error("A secret cannot be read: %s", g_strerror(errno));
    fprintf(self.log, "secret %s %u %s\n", head->id, head->number, value);
    close(fd);
}

static void
log_set(const EgressHead *head, const EgressSetting *setting)
{
    const NetPolicy *last = setting->layers[setting->count - 1];
    g_autofree char *allow = g_strjoinv(" ", last->allow);

    fprintf(self.log, "set %s %u", head->id, head->number);
    for (guint i = 0; i < setting->count; i++)
        fprintf(self.log, "%s %s", i > 0 ? "," : "", net_mode_name(setting->layers[i]->mode));
    fprintf(self.log, "%s%s\n", *allow ? ": " : "", allow);
}

/* `pem`: NULL: none. */
static void
send_done(const EgressHead *head, const char *pem, gboolean is_exhausted)
{
    EgressHead answer;

    egress_head_init(&answer, EGRESS_DONE, head->id, head->serial);
    answer.number = is_exhausted ? 1 : 0;
    if (!self.holds) {
        send_packet(&answer, pem);
        return;
    }
    g_queue_push_tail(&self.held, g_memdup2(&answer, sizeof answer));
    g_ptr_array_add(self.held_pems, (gpointer)pem);
}

static void
take_set(const EgressHead *head, const uint8_t *payload)
{
    Worker *worker = worker_of(head->id);
    EgressSetting setting;
    const NetPolicy *last;
    gboolean is_exhausted;
    const char *pem;

    if (!egress_setting_get(payload, head->length, &setting))
        g_error("A malformed SET");
    log_set(head, &setting);
    last = setting.layers[setting.count - 1];
    pem = last->secrets->len > 0 ? CERTIFICATE : "";
    worker->traffic = last->traffic;
    is_exhausted = last->traffic != 0 && last->traffic <= worker->used;
    egress_setting_clear(&setting);
    if (worker->port < 0 && !self.failure)
        self.failure = g_strdup("the worker has no port");
    if (self.failure) {
        send_head(EGRESS_FAILED, head->id, head->serial, CLOCHE_ERROR_FAILED, self.failure);
        g_clear_pointer(&self.failure, g_free);
        return;
    }
    worker->is_set = TRUE;
    send_done(head, pem, is_exhausted);
}

static void
list_workers(const EgressHead *head)
{
    GHashTableIter iter;
    gpointer id, worker;

    g_hash_table_iter_init(&iter, self.workers);
    while (g_hash_table_iter_next(&iter, &id, &worker))
        send_head(EGRESS_WORKER, id, head->serial, ((Worker *)worker)->is_set ? 1 : 0, NULL);
    send_head(EGRESS_DONE, "", head->serial, 0, NULL);
}

static void
send_figures(const EgressHead *head)
{
    const EgressTraffic traffic = {.bytes_up = 10, .bytes_down = 20, .connections = 3};
    uint8_t buffer[256];
    WireWriter w;
    EgressHead answer;

    egress_head_init(&answer, EGRESS_FIGURES, head->id, head->serial);
    egress_begin(&w, buffer, sizeof buffer);
    egress_traffic_put(&w, &traffic);
    packet_socket_send(self.socket, buffer, egress_end(&w, &answer), /* fd= */ -1);
}

static gboolean
on_packet(const void *packet, gsize size, int fd, gpointer data)
{
    EgressHead head;
    const uint8_t *payload;

    if (!egress_unpack(packet, size, fd >= 0, /* from_cloched= */ TRUE, &head, &payload))
        g_error("cloched violated the protocol");
    if (head.type == EGRESS_PORT) {
        fprintf(self.log, "port %s\n", head.id);
        if (worker_of(head.id)->port >= 0)
            close(worker_of(head.id)->port);
        worker_of(head.id)->port = fd;
    } else if (head.type == EGRESS_SECRET) {
        take_secret(&head, fd);
    } else if (head.type == EGRESS_SET) {
        take_set(&head, payload);
    } else if (head.type == EGRESS_REMOVE) {
        fprintf(self.log, "remove %s\n", head.id);
        g_hash_table_remove(self.workers, head.id);
        send_done(&head, NULL, FALSE);
    } else if (head.type == EGRESS_TRAFFIC) {
        fprintf(self.log, "traffic %s\n", head.id);
        send_figures(&head);
    } else if (head.type == EGRESS_WATCH) {
        fprintf(self.log, "watch %s\n", head.id);
        g_array_append_val(worker_of(head.id)->watches, fd);
    } else {
        fprintf(self.log, "list\n");
        list_workers(&head);
    }
    fflush(self.log);
    return TRUE;
}

static void
on_closed(gpointer data)
{
    g_clear_pointer(&self.socket, packet_socket_free);
}

/* --- commands --- */

static void
release(void)
{
    EgressHead *answer;

    self.holds = FALSE;
    for (guint i = 0; (answer = g_queue_pop_head(&self.held)); i++) {
        send_packet(answer, self.held_pems->pdata[i]);
        g_free(answer);
    }
    g_ptr_array_set_size(self.held_pems, 0);
}

static void
write_line(const Worker *worker, const char *line)
{
    for (guint i = 0; i < worker->watches->len; i++)
        dprintf(g_array_index(worker->watches, int, i), "%s\n", line);
}

static void
obey(char **words)
{
    const char *command = words[0], *id = words[1] ? words[1] : "", *rest = "";

    if (words[1] && words[2])
        rest = words[2];
    if (g_str_equal(command, "lost")) {
        g_hash_table_remove(self.workers, id);
        send_head(EGRESS_LOST, id, 0, 0, rest);
    } else if (g_str_equal(command, "exhausted")) {
        worker_of(id)->used = worker_of(id)->traffic;
        send_head(EGRESS_EXHAUSTED, id, 0, 0, NULL);
    } else if (g_str_equal(command, "fail")) {
        self.failure = g_strjoinv(" ", words + 1);
    } else if (g_str_equal(command, "hold")) {
        self.holds = TRUE;
    } else if (g_str_equal(command, "release")) {
        release();
    } else if (g_str_equal(command, "write")) {
        write_line(worker_of(id), rest);
    } else {
        g_error("Unknown command '%s'", command);
    }
}

static gboolean
on_command(int fd, GIOCondition condition, gpointer data)
{
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    char text[1024] = "";
    g_auto(GStrv) words = NULL;

    if (recv(client, text, sizeof text - 1, 0) > 0) {
        words = g_strsplit(text, " ", 3);
        obey(words);
        send(client, "", 1, MSG_NOSIGNAL);
    }
    close(client);
    return G_SOURCE_CONTINUE;
}

/* --- start --- */

static gboolean
on_connection(int fd, GIOCondition condition, gpointer data)
{
    static const PacketSocketEvents events = {on_packet, on_closed};
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

    packet_socket_free(self.socket);
    self.socket = packet_socket_new(client, EGRESS_PACKET_MAX, &events, NULL);
    send_head(EGRESS_READY, "", 0, 0, NULL);
    return G_SOURCE_CONTINUE;
}

static void
listen_at(const char *folder, const char *name, GUnixFDSourceFunc function)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    unlink(path);
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 8) < 0)
        g_error("%s: %s", path, g_strerror(errno));
    g_unix_fd_add(fd, G_IO_IN, function, NULL);
}

int
main(int argc, char **argv)
{
    g_autofree char *log = g_build_filename(argv[1], "egress.log", NULL);

    self.log = fopen(log, "ae");
    self.workers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, worker_free);
    self.held_pems = g_ptr_array_new();
    g_queue_init(&self.held);
    listen_at(argv[1], "egress.control", on_command);
    listen_at(argv[1], "egress", on_connection);
    if (write(STDOUT_FILENO, "\n", 1) != 1)
        return EXIT_FAILURE;
    self.loop = g_main_loop_new(NULL, FALSE);
    g_main_loop_run(self.loop);
    return EXIT_SUCCESS;
}
