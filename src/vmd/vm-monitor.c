/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-monitor: the few commands of QEMU's monitor that libvirt has no call for.
 *
 * x-ignore-shared keeps RAM out of the state, because the template's file already contains it. So
 * the state has 350 KB, and the transfer takes milliseconds. The worker thread polls each
 * millisecond until the transfer has ended, with a time limit.
 */
#include "vm-monitor.h"

#include <json-glib/json-glib.h>
#include <libvirt/libvirt-qemu.h>

#include "error.h"
#include "vm-error.h"

#define MIGRATION_TIMEOUT_US (30 * G_USEC_PER_SEC)
#define ASK_AGAIN_US 1000

static JsonObject *
parse_object(JsonParser *parser, const char *reply, GError **error)
{
    JsonNode *root;

    if (!json_parser_load_from_data(parser, reply, /* length= */ -1, error))
        return NULL;
    root = json_parser_get_root(parser);
    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "QEMU's reply is not a JSON object");
        return NULL;
    }
    return json_node_get_object(root);
}

/* The member "return" of a reply: borrowed from `parser`; NULL with an error when it is missing. */
static JsonNode *
parse_return(JsonParser *parser, const char *reply, GError **error)
{
    JsonObject *object = parse_object(parser, reply, error);
    JsonNode *failure;
    const char *reason = "it gave no reason";

    if (!object)
        return NULL;
    if (json_object_has_member(object, "return"))
        return json_object_get_member(object, "return");

    failure = json_object_get_member(object, "error");
    if (failure && JSON_NODE_HOLDS_OBJECT(failure))
        reason = json_object_get_string_member_with_default(json_node_get_object(failure), "desc",
                                                            reason);
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "QEMU refused: %s", reason);
    return NULL;
}

gboolean
monitor_parse_reply(const char *reply, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new();

    return parse_return(parser, reply, error) != NULL;
}

MigrationState
monitor_parse_migration(const char *reply, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonNode *node = parse_return(parser, reply, error);
    JsonObject *info;
    const char *status;

    if (!node)
        return MIGRATION_FAILED;
    if (!JSON_NODE_HOLDS_OBJECT(node)) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "QEMU's reply is not a JSON object");
        return MIGRATION_FAILED;
    }
    info = json_node_get_object(node);
    status = json_object_get_string_member_with_default(info, "status", "none");
    if (g_str_equal(status, "completed"))
        return MIGRATION_COMPLETED;
    if (g_str_equal(status, "failed") || g_str_equal(status, "cancelled")) {
        g_set_error(
            error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "QEMU's migration has the status '%s': %s",
            status,
            json_object_get_string_member_with_default(info, "error-desc", "it gave no reason"));
        return MIGRATION_FAILED;
    }
    return MIGRATION_RUNNING;
}

static gboolean
command(virDomainPtr domain, const char *text, GError **error)
{
    g_autofree char *reply = NULL;

    if (virDomainQemuMonitorCommand(domain, text, &reply, /* flags= */ 0) < 0)
        return vm_error_set(error, "cannot talk to QEMU's monitor");
    return monitor_parse_reply(reply, error);
}

static gboolean
command_with_file(virDomainPtr domain, const char *text, int fd, GError **error)
{
    g_autofree char *reply = NULL;

    if (virDomainQemuMonitorCommandWithFiles(domain, text, 1, &fd, /* noutfiles= */ NULL,
                                             /* outfiles= */ NULL, &reply, /* flags= */ 0) < 0)
        return vm_error_set(error, "cannot pass a file to QEMU's monitor");
    return monitor_parse_reply(reply, error);
}

static gboolean
wait_for_migration(virDomainPtr domain, GCancellable *cancellable, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + MIGRATION_TIMEOUT_US;

    while (g_get_monotonic_time() < deadline) {
        g_autofree char *reply = NULL;

        if (g_cancellable_set_error_if_cancelled(cancellable, error))
            return FALSE;
        if (virDomainQemuMonitorCommand(domain, "{\"execute\":\"query-migrate\"}", &reply,
                                        /* flags= */ 0) < 0)
            return vm_error_set(error, "cannot talk to QEMU's monitor");
        switch (monitor_parse_migration(reply, error)) {
        case MIGRATION_COMPLETED:
            return TRUE;
        case MIGRATION_FAILED:
            return FALSE;
        case MIGRATION_RUNNING:
            g_usleep(ASK_AGAIN_US);
        }
    }
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TIMED_OUT,
                "QEMU did not transfer the state within %d s",
                (int)(MIGRATION_TIMEOUT_US / G_USEC_PER_SEC));
    return FALSE;
}

static gboolean
prepare(virDomainPtr domain, int fd, GError **error)
{
    return command(domain,
                   "{\"execute\":\"migrate-set-capabilities\",\"arguments\":{\"capabilities\":"
                   "[{\"capability\":\"x-ignore-shared\",\"state\":true}]}}",
                   error) &&
           command_with_file(domain,
                             "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"cloche.state\"}}",
                             fd, error);
}

gboolean
monitor_save(virDomainPtr domain, int fd, GError **error)
{
    return command(domain, "{\"execute\":\"stop\"}", error) && prepare(domain, fd, error) &&
           command(domain, "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"fd:cloche.state\"}}",
                   error) &&
           wait_for_migration(domain, /* cancellable= */ NULL, error);
}

gboolean
monitor_load(virDomainPtr domain, int fd, GCancellable *cancellable, GError **error)
{
    return prepare(domain, fd, error) &&
           command(domain,
                   "{\"execute\":\"migrate-incoming\",\"arguments\":{\"uri\":"
                   "\"fd:cloche.state\"}}",
                   error) &&
           wait_for_migration(domain, cancellable, error);
}

/* libvirt counts its own sets of descriptors from 0. */
#define FDSET "1000000"

void
monitor_remove_devices_file(virDomainPtr domain)
{
    command(domain, "{\"execute\":\"remove-fd\",\"arguments\":{\"fdset-id\":" FDSET "}}",
            /* error= */ NULL);
}

/* A capture that was interrupted may have left its file, and QEMU would write to that one. */
gboolean
monitor_add_devices_file(virDomainPtr domain, int fd, GError **error)
{
    monitor_remove_devices_file(domain);
    return command_with_file(
        domain, "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":" FDSET "}}", fd, error);
}

/* With "live": true, which is the default, QEMU would give up the disk. */
gboolean
monitor_save_devices(virDomainPtr domain, GError **error)
{
    return command(domain,
                   "{\"execute\":\"xen-save-devices-state\",\"arguments\":"
                   "{\"filename\":\"/dev/fdset/" FDSET "\",\"live\":false}}",
                   error);
}
