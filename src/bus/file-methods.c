/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * file-methods: the methods of org.cloche1.Sandbox on files whose answers are small. Each is a task
 * of the agent (src/agent/builtin.h).
 */
#include <string.h>

#include "error.h"
#include "handlers.h"
#include "message.h"
#include "reply.h"

#define DEPTH_MAX 64u
#define ENTRIES_DEFAULT 1000u
#define ENTRIES_MAX 10000u

#define FILE_OPTIONS {"user", "s"}, {"path-bytes", "ay"}

const Option sandbox_path_options[] = {FILE_OPTIONS, {NULL, NULL}};

/* Starts a task of the agent as the user of the option. */
static void
start(Call *call, const char *const *argv, GAsyncReadyCallback on_done)
{
    const char *user = NULL;

    g_variant_lookup(call->options, "user", "&s", &user);
    core_task_async(call->sandbox, argv, user, call->peer->left, on_done, call);
}

/* Returns what a task answered; NULL: the call has failed. */
static GBytes *
finish(Call *call, GAsyncResult *result)
{
    GError *error = NULL;
    GBytes *answer = core_task_finish(result, &error);

    if (!answer)
        call_fail(call, error);
    return answer;
}

/* For methods that return nothing. */
static void
on_done(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    g_autoptr(GBytes) answer = finish(call, result);

    if (answer)
        call_answer(call, NULL);
}

/* --- attributes --- */

static void
on_stat(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    g_autoptr(GBytes) answer = finish(call, result);
    GuestRecords records;
    GuestFile file;

    if (!answer)
        return;
    guest_records_init(&records, answer);
    if (!guest_records_next_file(&records, &file)) {
        call_fail(call, g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                                    "The sandbox's agent gave a malformed answer"));
        return;
    }
    call_answer(call, g_variant_new("(@a{sv})", reply_file(&file)));
    guest_file_clear(&file);
}

const Option sandbox_stat_options[] = {FILE_OPTIONS, {"follow", "b"}, {NULL, NULL}};

void
sandbox_stat(Call *call, GVariant *parameters)
{
    g_autofree char *path = call_unpack_path(call, parameters);

    if (!path)
        return;
    start(call, (const char *[]){"stat", path, options_flag(call->options, "follow", TRUE), NULL},
          on_stat);
}

static void
on_read_link(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    g_autoptr(GBytes) answer = finish(call, result);
    g_autofree char *target = NULL;
    gsize size;

    if (!answer)
        return;
    target = (char *)g_bytes_get_data(answer, &size);
    target = g_utf8_make_valid(target ? target : "", (gssize)size);
    call_answer(call, g_variant_new("(s)", target));
}

void
sandbox_read_link(Call *call, GVariant *parameters)
{
    g_autofree char *path = call_unpack_path(call, parameters);

    if (!path)
        return;
    start(call, (const char *[]){"readlink", path, NULL}, on_read_link);
}

/* --- ListDirectory --- */

/* Returns the position of the next page: a path, which may contain any bytes. */
static char *
next_of(const GuestFile *last)
{
    gsize size;
    const char *raw = g_bytes_get_data(last->path, &size);
    g_autofree char *path = g_strndup(raw ? raw : "", size);

    return g_uri_escape_string(path, "/", /* allow_utf8= */ FALSE);
}

static void
on_list(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    g_autoptr(GBytes) answer = finish(call, result);
    g_autofree char *next = g_strdup("");
    MessageRoom room = {MESSAGE_LIST_MAX};
    gboolean is_full = FALSE;
    GVariantBuilder entries;
    GuestRecords records;
    GuestFile file;

    if (!answer)
        return;
    g_variant_builder_init(&entries, G_VARIANT_TYPE("aa{sv}"));
    guest_records_init(&records, answer);
    while (!is_full && guest_records_next_file(&records, &file)) {
        g_autoptr(GVariant) entry = g_variant_ref_sink(reply_file(&file));

        is_full = !message_room_take(&room, entry);
        if (!is_full) {
            g_variant_builder_add_value(&entries, entry);
            g_free(next);
            next = next_of(&file);
        }
        guest_file_clear(&file);
    }
    call_answer(call,
                g_variant_new("(aa{sv}s)", &entries, is_full || records.has_more ? next : ""));
}

static gboolean
check_bound(const char *name, guint32 value, guint32 max, GError **error)
{
    if (value >= 1 && value <= max)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                "%s: it must be 1 to %u, not %u", name, max, value);
    return FALSE;
}

static char *
unpack_after(GVariant *options, GError **error)
{
    const char *after = "";
    char *path;

    g_variant_lookup(options, "after", "&s", &after);
    path = g_uri_unescape_string(after, /* illegal_characters= */ NULL);
    if (!path || strlen(path) > OPTION_PATH_MAX * DEPTH_MAX) {
        g_free(path);
        g_set_error_literal(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                            "after: it must be the value of 'next' from a previous call");
        return NULL;
    }
    return path;
}

const Option sandbox_list_directory_options[] = {
    FILE_OPTIONS, {"depth", "u"}, {"limit", "u"}, {"after", "s"}, {NULL, NULL},
};

void
sandbox_list_directory(Call *call, GVariant *parameters)
{
    g_autofree char *path = call_unpack_path(call, parameters), *after = NULL, *depth_text = NULL,
                    *limit_text = NULL;
    guint32 depth = 1, limit = ENTRIES_DEFAULT;
    GError *error = NULL;

    if (!path)
        return;
    g_variant_lookup(call->options, "depth", "u", &depth);
    g_variant_lookup(call->options, "limit", "u", &limit);
    if (!check_bound("depth", depth, DEPTH_MAX, &error) ||
        !check_bound("limit", limit, ENTRIES_MAX, &error) ||
        !(after = unpack_after(call->options, &error))) {
        call_fail(call, error);
        return;
    }
    depth_text = g_strdup_printf("%u", depth);
    limit_text = g_strdup_printf("%u", limit);
    start(call, (const char *[]){"list", path, depth_text, limit_text, after, NULL}, on_list);
}

/* --- changes --- */

const Option sandbox_make_directory_options[] = {
    FILE_OPTIONS, {"mode", "u"}, {"parents", "b"}, {NULL, NULL}};

void
sandbox_make_directory(Call *call, GVariant *parameters)
{
    g_autofree char *path = call_unpack_path(call, parameters), *mode = NULL;
    GError *error = NULL;

    if (!path)
        return;
    mode = options_mode(call->options, "mode", &error);
    if (!mode) {
        call_fail(call, error);
        return;
    }
    start(call,
          (const char *[]){"mkdir", path, *mode ? mode : "755",
                           options_flag(call->options, "parents", TRUE), NULL},
          on_done);
}

/* For Move() and Copy(). */
static gboolean
unpack_two_paths(Call *call, GVariant *parameters, char **ret_path, char **ret_target,
                 GError **error)
{
    const char *path, *target;

    g_variant_get(parameters, "(&s&s@a{sv})", &path, &target, NULL);
    *ret_path = options_path("path", path, call->options, "path-bytes", error);
    if (!*ret_path)
        return FALSE;
    *ret_target = options_path("target", target, call->options, "target-bytes", error);
    return *ret_target != NULL;
}

const Option sandbox_move_options[] = {
    FILE_OPTIONS, {"target-bytes", "ay"}, {"replace", "b"}, {NULL, NULL}};

void
sandbox_move(Call *call, GVariant *parameters)
{
    g_autofree char *path = NULL, *target = NULL;
    GError *error = NULL;

    if (!unpack_two_paths(call, parameters, &path, &target, &error)) {
        call_fail(call, error);
        return;
    }
    start(
        call,
        (const char *[]){"move", path, target, options_flag(call->options, "replace", TRUE), NULL},
        on_done);
}

const Option sandbox_copy_options[] = {
    FILE_OPTIONS, {"target-bytes", "ay"}, {"recursive", "b"}, {"replace", "b"}, {NULL, NULL}};

void
sandbox_copy(Call *call, GVariant *parameters)
{
    g_autofree char *path = NULL, *target = NULL;
    GError *error = NULL;

    if (!unpack_two_paths(call, parameters, &path, &target, &error)) {
        call_fail(call, error);
        return;
    }
    start(call,
          (const char *[]){"copy", path, target, options_flag(call->options, "recursive", TRUE),
                           options_flag(call->options, "replace", TRUE), NULL},
          on_done);
}

const Option sandbox_remove_options[] = {
    FILE_OPTIONS, {"recursive", "b"}, {"missing", "b"}, {NULL, NULL}};

void
sandbox_remove(Call *call, GVariant *parameters)
{
    g_autofree char *path = call_unpack_path(call, parameters);

    if (!path)
        return;
    start(call,
          (const char *[]){"remove", path, options_flag(call->options, "recursive", FALSE),
                           options_flag(call->options, "missing", FALSE), NULL},
          on_done);
}

const Option sandbox_chmod_options[] = {FILE_OPTIONS, {"recursive", "b"}, {NULL, NULL}};

void
sandbox_chmod(Call *call, GVariant *parameters)
{
    g_autofree char *path = call_unpack_path(call, parameters), *mode = NULL;
    guint32 number;
    GError *error = NULL;

    if (!path)
        return;
    g_variant_get_child(parameters, 1, "u", &number);
    mode = mode_text("mode", number, &error);
    if (!mode) {
        call_fail(call, error);
        return;
    }
    start(call,
          (const char *[]){"chmod", path, mode, options_flag(call->options, "recursive", FALSE),
                           NULL},
          on_done);
}

const Option sandbox_chown_options[] = {
    FILE_OPTIONS, {"recursive", "b"}, {"follow", "b"}, {NULL, NULL}};

void
sandbox_chown(Call *call, GVariant *parameters)
{
    g_autofree char *path = call_unpack_path(call, parameters);
    const char *owner;

    if (!path)
        return;
    g_variant_get_child(parameters, 1, "&s", &owner);
    start(call,
          (const char *[]){"chown", path, owner, options_flag(call->options, "recursive", FALSE),
                           options_flag(call->options, "follow", TRUE), NULL},
          on_done);
}

/* --- ListPorts --- */

static void
on_listeners(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    g_autoptr(GBytes) answer = finish(call, result);
    GVariantBuilder list;
    GuestRecords records;
    GuestListener listener;

    if (!answer)
        return;
    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    guest_records_init(&records, answer);
    while (guest_records_next_listener(&records, &listener)) {
        g_variant_builder_add_value(&list, reply_listener(&listener));
        guest_listener_clear(&listener);
    }
    call_answer(call, g_variant_new("(aa{sv})", &list));
}

void
sandbox_list_ports(Call *call, GVariant *parameters)
{
    core_task_async(call->sandbox, (const char *[]){"listeners", NULL}, "root", call->peer->left,
                    on_listeners, call);
}
