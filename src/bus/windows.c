/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* windows: how much each connection may be sent before it has read it. */
#include "windows.h"

#include "error.h"
#include "message.h"

typedef struct {
    gsize bytes;
    guint fds;
} Amount;

typedef struct {
    guint32 uid;
    guint connections;
    Amount unread;
    gsize waiting; /* bytes of messages that wait */
    guint pings;
    GQueue wanting; /* of Window: they need a Ping, and there are too many already */
} WindowsUser;

typedef struct {
    Windows *windows;
    Peer *peer; /* a reference */
    WindowsUser *user;
    gulong left_handler;
    Amount unread;
    Amount pinged; /* of it, what was sent before the Ping that is under way */
    gboolean is_pinged, is_wanting;
    GQueue waiting; /* of WaitingMessage */
} Window;

typedef struct {
    GDBusMessage *message;
    Amount amount;
} WaitingMessage;

struct Windows {
    GDBusConnection *connection;
    gboolean is_private, is_stopped, has_warned;
    GHashTable *by_peer; /* Peer → Window */
    GHashTable *users;   /* uid → WindowsUser */
    GQueue blocked;      /* of Window: messages wait for them */
    gint queued;         /* messages that GDBus has not written; atomic */
    guint retry_source;
    Amount unread;
    guint pings;
    void (*opened)(gpointer data);
    gpointer data;
};

/* --- amounts --- */

static Amount
amount_of(GDBusMessage *message)
{
    GUnixFDList *fds = g_dbus_message_get_unix_fd_list(message);

    return (Amount){message_size(message), fds ? (guint)g_unix_fd_list_get_length(fds) : 0};
}

static gboolean
fits(const Amount *used, const Amount *what, gsize bytes_max, guint fds_max)
{
    return used->bytes + what->bytes <= bytes_max && used->fds + what->fds <= fds_max;
}

static void
count(Window *window, const Amount *what)
{
    Amount *amounts[] = {&window->unread, &window->user->unread, &window->windows->unread};

    for (gsize i = 0; i < G_N_ELEMENTS(amounts); i++) {
        amounts[i]->bytes += what->bytes;
        amounts[i]->fds += what->fds;
    }
}

static void
uncount(Window *window, const Amount *what)
{
    Amount *amounts[] = {&window->unread, &window->user->unread, &window->windows->unread};

    for (gsize i = 0; i < G_N_ELEMENTS(amounts); i++) {
        g_assert(amounts[i]->bytes >= what->bytes && amounts[i]->fds >= what->fds);
        amounts[i]->bytes -= what->bytes;
        amounts[i]->fds -= what->fds;
    }
}

static gboolean
is_all_read(const Amount *amount)
{
    return amount->bytes == 0;
}

static gboolean
has_room(const Window *window, const Amount *what)
{
    const WindowsUser *user = window->user;

    if (is_all_read(&window->unread) && what->bytes <= WINDOW_FIRST_SIZE)
        return TRUE;
    return (is_all_read(&window->unread) || fits(&window->unread, what, WINDOW_SIZE, WINDOW_FDS)) &&
           fits(&user->unread, what, WINDOW_USER_SIZE, WINDOW_USER_FDS) &&
           fits(&window->windows->unread, what, WINDOW_ALL_SIZE, WINDOW_ALL_FDS);
}

static gboolean
is_half_used(const Window *window)
{
    return window->unread.bytes >= WINDOW_SIZE / 2 || window->unread.fds >= WINDOW_FDS / 2 ||
           window->waiting.length > 0;
}

/* --- windows and users --- */

static WindowsUser *
user_of(Windows *windows, guint32 uid)
{
    WindowsUser *user = g_hash_table_lookup(windows->users, GUINT_TO_POINTER(uid));

    if (!user) {
        user = g_new0(WindowsUser, 1);
        user->uid = uid;
        g_queue_init(&user->wanting);
        g_hash_table_insert(windows->users, GUINT_TO_POINTER(uid), user);
    }
    return user;
}

/* A Ping may end after the connection: the bus answers it then. */
static void
forget_user(Windows *windows, WindowsUser *user)
{
    if (user->connections == 0 && user->pings == 0)
        g_hash_table_remove(windows->users, GUINT_TO_POINTER(user->uid));
}

/* Returns the first message that waits, which is the caller's. */
static GDBusMessage *
take_waiting(Window *window)
{
    g_autofree WaitingMessage *first = g_queue_pop_head(&window->waiting);

    window->user->waiting -= first->amount.bytes;
    return first->message;
}

static void
window_free(gpointer data)
{
    Window *window = data;
    WindowsUser *user = window->user;
    Amount unread = window->unread;

    g_signal_handler_disconnect(window->peer->left, window->left_handler);
    uncount(window, &unread);
    while (window->waiting.length > 0)
        g_object_unref(take_waiting(window));
    g_queue_remove(&user->wanting, window);
    g_queue_remove(&window->windows->blocked, window);
    user->connections--;
    forget_user(window->windows, user);
    peer_unref(window->peer);
    g_free(window);
}

static void
on_left(GCancellable *left, gpointer data)
{
    Window *window = data;
    Windows *windows = window->windows;

    g_hash_table_remove(windows->by_peer, window->peer);
    windows->opened(windows->data);
}

static Window *
window_of(Windows *windows, Peer *peer)
{
    Window *window = g_hash_table_lookup(windows->by_peer, peer);

    if (window)
        return window;
    window = g_new0(Window, 1);
    window->windows = windows;
    window->peer = peer_ref(peer);
    window->user = user_of(windows, peer->viewer.uid);
    window->user->connections++;
    window->left_handler = g_signal_connect(peer->left, "cancelled", G_CALLBACK(on_left), window);
    g_queue_init(&window->waiting);
    g_hash_table_insert(windows->by_peer, peer, window);
    return window;
}

/* --- sending --- */

static void want_ping(Window *window);

#define COUNTED "cloche-counted"

gboolean
windows_has_counted(GDBusMessage *message)
{
    return g_object_get_data(G_OBJECT(message), COUNTED) != NULL;
}

gboolean
windows_note_written(Windows *windows)
{
    return g_atomic_int_add(&windows->queued, -1) == WINDOWS_QUEUED_MAX / 2;
}

static void
send_now(Windows *windows, GDBusMessage *message)
{
    g_object_set_data(G_OBJECT(message), COUNTED, windows);
    g_atomic_int_inc(&windows->queued);
    g_dbus_connection_send_message(windows->connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE,
                                   /* out_serial= */ NULL, /* error= */ NULL);
    g_object_unref(message);
}

static void
give(Window *window, GDBusMessage *message, const Amount *amount)
{
    count(window, amount);
    send_now(window->windows, message);
}

static void
give_waiting(Window *window)
{
    WaitingMessage *first;

    while ((first = g_queue_peek_head(&window->waiting)) && has_room(window, &first->amount)) {
        const Amount amount = first->amount;

        give(window, take_waiting(window), &amount);
    }
    if (window->waiting.length == 0)
        g_queue_remove(&window->windows->blocked, window);
}

/* Other connections, of this user or of all, may have what this one needs. */
static void
block(Window *window)
{
    GHashTableIter iter;
    gpointer other;

    g_queue_push_tail(&window->windows->blocked, window);
    g_hash_table_iter_init(&iter, window->windows->by_peer);
    while (g_hash_table_iter_next(&iter, NULL, &other))
        want_ping(other);
}

static GDBusMessage *
busy_instead_of(GDBusMessage *answer)
{
    const MessageAddress address = {
        .to = (char *)g_dbus_message_get_destination(answer),
        .serial = g_dbus_message_get_reply_serial(answer),
    };
    g_autoptr(GError) error = g_error_new(
        CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
        "the answer was dropped: more than %u MiB of answers wait for connections of this user "
        "that do not read their messages",
        WINDOW_WAITING_SIZE / 1024 / 1024);

    return message_error(&address, error);
}

/* Takes the message. */
static void
wait_for_room(Window *window, GDBusMessage *message, Amount amount)
{
    gboolean is_signal = g_dbus_message_get_message_type(message) == G_DBUS_MESSAGE_TYPE_SIGNAL;
    gboolean is_full = window->waiting.length >= WINDOW_WAITING_MAX;
    WaitingMessage *waiting;

    if (is_signal ? is_full || window->user->waiting + amount.bytes > WINDOW_WAITING_SIZE
                  : window->waiting.length >= 2 * WINDOW_WAITING_MAX) {
        g_object_unref(message);
        return;
    }
    if (amount.bytes > WINDOW_FIRST_SIZE &&
        window->user->waiting + amount.bytes > WINDOW_WAITING_SIZE) {
        GDBusMessage *busy = busy_instead_of(message);

        g_object_unref(message);
        message = busy;
        amount = amount_of(message);
    }
    waiting = g_new(WaitingMessage, 1);
    *waiting = (WaitingMessage){message, amount};
    g_queue_push_tail(&window->waiting, waiting);
    window->user->waiting += amount.bytes;
    if (window->waiting.length == 1)
        block(window);
}

void
windows_send(Windows *windows, Peer *peer, GDBusMessage *message)
{
    Window *window;
    Amount amount;

    if (windows->is_private || windows->is_stopped) {
        send_now(windows, message);
        return;
    }
    if (g_cancellable_is_cancelled(peer->left)) {
        g_object_unref(message);
        return;
    }
    window = window_of(windows, peer);
    amount = amount_of(message);
    if (window->waiting.length == 0 && has_room(window, &amount))
        give(window, message, &amount);
    else
        wait_for_room(window, message, amount);
    if (is_half_used(window))
        want_ping(window);
}

void
windows_count(Windows *windows, Peer *peer, gsize bytes)
{
    const Amount amount = {bytes, 0};
    Window *window;

    if (windows->is_private || windows->is_stopped || bytes == 0 ||
        g_cancellable_is_cancelled(peer->left))
        return;
    window = window_of(windows, peer);
    count(window, &amount);
    if (is_half_used(window))
        want_ping(window);
}

gboolean
windows_is_open(const Windows *windows, const Peer *peer)
{
    const Window *window = g_hash_table_lookup(windows->by_peer, peer);
    const Amount answer = {WINDOW_FIRST_SIZE, /* fds= */ 3};

    if (windows->is_stopped)
        return TRUE;
    return g_atomic_int_get(&windows->queued) < WINDOWS_QUEUED_MAX &&
           (!window || (window->waiting.length == 0 && has_room(window, &answer)));
}

/* --- Ping --- */

typedef struct {
    Windows *windows;
    Peer *peer;
} Pinged;

static void on_pinged(GObject *source, GAsyncResult *result, gpointer data);

static void
ping(Window *window)
{
    Windows *windows = window->windows;
    Pinged *pinged = g_new(Pinged, 1);
    g_autoptr(GDBusMessage) message = g_dbus_message_new_method_call(
        window->peer->name, "/", "org.freedesktop.DBus.Peer", "Ping");

    *pinged = (Pinged){windows_ref(windows), peer_ref(window->peer)};
    window->is_pinged = TRUE;
    window->pinged = window->unread;
    window->user->pings++;
    windows->pings++;
    g_dbus_connection_send_message_with_reply(
        windows->connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, G_MAXINT,
        /* out_serial= */ NULL, /* cancellable= */ NULL, on_pinged, pinged);
}

static gboolean
may_ping(const WindowsUser *user, const Windows *windows)
{
    return user->pings == 0 ||
           (user->pings < WINDOW_USER_PINGS && windows->pings < WINDOW_ALL_PINGS);
}

static void
want_ping(Window *window)
{
    if (window->is_pinged || window->is_wanting || is_all_read(&window->unread))
        return;
    if (may_ping(window->user, window->windows)) {
        ping(window);
        return;
    }
    window->is_wanting = TRUE;
    g_queue_push_tail(&window->user->wanting, window);
}

static void
ping_wanting(Windows *windows)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, windows->users);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        WindowsUser *user = value;

        while (user->wanting.length > 0 && may_ping(user, windows)) {
            Window *window = g_queue_pop_head(&user->wanting);

            window->is_wanting = FALSE;
            want_ping(window);
        }
    }
}

static void
on_read(Window *window)
{
    Windows *windows = window->windows;
    GList *next;

    uncount(window, &window->pinged);
    for (GList *l = windows->blocked.head; l; l = next) {
        next = l->next;
        give_waiting(l->data);
    }
    if (is_half_used(window))
        want_ping(window);
}

static gboolean
on_retry(gpointer data)
{
    Windows *windows = data;
    GHashTableIter iter;
    gpointer window;

    windows->retry_source = 0;
    g_hash_table_iter_init(&iter, windows->by_peer);
    while (g_hash_table_iter_next(&iter, NULL, &window))
        if (is_half_used(window))
            want_ping(window);
    return G_SOURCE_REMOVE;
}

/* Whether the answer shows that the messages before the Ping were read. So does an error that the
 * peer itself returns, but not one that the bus returns. */
static gboolean
shows_reading(Windows *windows, const Peer *peer, GDBusMessage *answer)
{
    const char *error = answer ? g_dbus_message_get_error_name(answer) : NULL;

    if (!answer)
        return FALSE;
    if (g_strcmp0(g_dbus_message_get_sender(answer), peer->name) == 0)
        return TRUE;
    if (g_strcmp0(error, "org.freedesktop.DBus.Error.AccessDenied") == 0) {
        if (!windows->has_warned)
            g_warning("The bus does not permit the service to call Ping of its callers: a caller "
                      "that does not read can silence it. Install dbus/org.cloche1.conf");
        windows->has_warned = TRUE;
        return TRUE;
    }
    if (windows->retry_source == 0)
        windows->retry_source = g_timeout_add_seconds(1, on_retry, windows);
    return FALSE;
}

static void
on_pinged(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Pinged *pinged = data;
    g_autoptr(Windows) windows = pinged->windows;
    g_autoptr(Peer) peer = pinged->peer;
    g_autoptr(GDBusMessage) answer = g_dbus_connection_send_message_with_reply_finish(
        G_DBUS_CONNECTION(source), result, /* error= */ NULL);
    Window *window;
    WindowsUser *user;

    if (windows->is_stopped)
        return;
    user = g_hash_table_lookup(windows->users, GUINT_TO_POINTER(peer->viewer.uid));
    user->pings--;
    windows->pings--;
    window = g_hash_table_lookup(windows->by_peer, peer);
    if (window) {
        window->is_pinged = FALSE;
        if (shows_reading(windows, peer, answer))
            on_read(window);
    }
    forget_user(windows, user);
    ping_wanting(windows);
    windows->opened(windows->data);
}

/* --- life --- */

Windows *
windows_new(GDBusConnection *connection, gboolean is_private, void (*opened)(gpointer data),
            gpointer data)
{
    Windows *windows = g_atomic_rc_box_new0(Windows);

    windows->connection = g_object_ref(connection);
    windows->is_private = is_private;
    windows->by_peer = g_hash_table_new_full(NULL, NULL, NULL, window_free);
    windows->users = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    g_queue_init(&windows->blocked);
    windows->opened = opened;
    windows->data = data;
    return windows;
}

Windows *
windows_ref(Windows *windows)
{
    return g_atomic_rc_box_acquire(windows);
}

static void
windows_clear(gpointer data)
{
    Windows *windows = data;

    g_hash_table_unref(windows->by_peer);
    g_hash_table_unref(windows->users);
    g_object_unref(windows->connection);
}

void
windows_unref(Windows *windows)
{
    g_atomic_rc_box_release_full(windows, windows_clear);
}

void
windows_stop(Windows *windows)
{
    GHashTableIter iter;
    gpointer window;

    g_hash_table_iter_init(&iter, windows->by_peer);
    while (g_hash_table_iter_next(&iter, NULL, &window))
        while (((Window *)window)->waiting.length > 0)
            send_now(windows, take_waiting(window));
    g_clear_handle_id(&windows->retry_source, g_source_remove);
    windows->is_stopped = TRUE;
    g_hash_table_remove_all(windows->by_peer);
}
