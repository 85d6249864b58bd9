/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fake-service: a skeleton of the Manager interface, exported on a private connection. */
#include "fake-service.h"

#include <sys/socket.h>

void
fake_service_on_reply(GObject *source, GAsyncResult *result, gpointer reply)
{
    *(GAsyncResult **)reply = g_object_ref(result);
}

void
fake_service_await(GAsyncResult **reply)
{
    while (*reply == NULL)
        g_main_context_iteration(/* context= */ NULL, /* may_block= */ TRUE);
}

static void
begin_connection(int fd, const char *guid, GAsyncResult **reply)
{
    g_autoptr(GSocket) socket = g_socket_new_from_fd(fd, /* error= */ NULL);
    g_autoptr(GSocketConnection) stream = g_socket_connection_factory_create_connection(socket);
    GDBusConnectionFlags flags = guid != NULL ? G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER
                                              : G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT;

    g_dbus_connection_new(G_IO_STREAM(stream), guid, flags, /* observer= */ NULL,
                          /* cancellable= */ NULL, fake_service_on_reply, reply);
}

static void
open_connections(FakeService *fake)
{
    g_autofree char *guid = g_dbus_generate_guid();
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    {
        GAsyncResult *replies[2] = {NULL, NULL};

        begin_connection(fds[0], guid, &replies[0]);
        begin_connection(fds[1], /* guid= */ NULL, &replies[1]);
        for (guint i = 0; i < 2; i++) {
            g_autoptr(GError) error = NULL;

            fake_service_await(&replies[i]);
            fake->connections[i] = g_dbus_connection_new_finish(replies[i], &error);
            g_assert_no_error(error);
            g_dbus_connection_set_exit_on_close(fake->connections[i], FALSE);
            g_object_unref(replies[i]);
        }
    }
}

static gboolean
on_list_templates(ClocheManager *skeleton, GDBusMethodInvocation *invocation, gpointer data)
{
    FakeService *fake = data;
    const char *state = fake->state;
    GVariantBuilder templates;

    fake->lists++;
    if (fake->on_list != NULL)
        fake->on_list(fake);
    g_variant_builder_init(&templates, G_VARIANT_TYPE("aa{sv}"));
    g_variant_builder_add_parsed(&templates,
                                 "{'name': <'python'>, 'state': <%s>, 'step': <'booting'>, "
                                 "'progress': <0.5>}",
                                 state);
    cloche_manager_complete_list_templates(skeleton, invocation, g_variant_builder_end(&templates));
    return TRUE;
}

static gboolean
on_create_sandbox(ClocheManager *skeleton, GDBusMethodInvocation *invocation, GVariant *options,
                  gpointer data)
{
    FakeService *fake = data;

    fake->creations++;
    if (fake->on_create != NULL)
        fake->on_create(fake);
    if (fake->refusals > 0) {
        fake->refusals--;
        g_dbus_method_invocation_return_dbus_error(invocation, "org.cloche1.Error.Busy", "busy");
        return TRUE;
    }
    cloche_manager_complete_create_sandbox(skeleton, invocation, CLIENT_SANDBOX_PATH "abc");
    return TRUE;
}

void
fake_service_open(FakeService *fake)
{
    g_autoptr(GAsyncResult) reply = NULL;
    g_autoptr(GError) error = NULL;

    client_register_errors();
    open_connections(fake);
    fake->skeleton = cloche_manager_skeleton_new();
    cloche_manager_set_default_template(fake->skeleton, "python");
    cloche_manager_set_limits(fake->skeleton, g_variant_new_parsed("{'lifetime': <uint64 60>}"));
    g_signal_connect(fake->skeleton, "handle-list-templates", G_CALLBACK(on_list_templates), fake);
    g_signal_connect(fake->skeleton, "handle-create-sandbox", G_CALLBACK(on_create_sandbox), fake);
    g_dbus_interface_skeleton_export(G_DBUS_INTERFACE_SKELETON(fake->skeleton),
                                     fake->connections[0], "/org/cloche1", &error);
    g_assert_no_error(error);
    cloche_manager_proxy_new(fake->connections[1], G_DBUS_PROXY_FLAGS_NONE, /* name= */ NULL,
                             "/org/cloche1", /* cancellable= */ NULL, fake_service_on_reply,
                             &reply);
    fake_service_await(&reply);
    fake->manager = cloche_manager_proxy_new_finish(reply, &error);
    g_assert_no_error(error);
}

void
fake_service_close(FakeService *fake)
{
    g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(fake->skeleton));
    g_object_unref(fake->manager);
    g_object_unref(fake->skeleton);
    g_object_unref(fake->connections[0]);
    g_object_unref(fake->connections[1]);
}

void
fake_service_change(FakeService *fake, const char *state)
{
    fake->state = state;
    cloche_manager_emit_template_changed(fake->skeleton, "python");
}
