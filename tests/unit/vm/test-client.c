/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-client: what a client asks for again when it has lost cloche-vm. */
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util.h"
#include "vm-protocol.h"
#include "vm.h"

#define ADOPTIONS 40u

typedef struct {
    char *folder, *path;
    int listening, fd; /* cloche-vm's ends */
    Vm *vm;
    guint done; /* calls that have finished */
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    VmAccess access = {0};

    fixture->folder = g_dir_make_tmp("cloche-client-XXXXXX", /* error= */ NULL);
    fixture->path = g_build_filename(fixture->folder, "socket", NULL);
    g_strlcpy(address.sun_path, fixture->path, sizeof address.sun_path);
    fixture->listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(fixture->listening, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(fixture->listening, 8), ==, 0);
    access.socket = fixture->path;
    fixture->vm = vm_open(&access, /* error= */ NULL);
    fixture->fd = -1;
}

static gboolean
on_timer(gpointer data)
{
    return G_SOURCE_CONTINUE; /* the loop goes on */
}

/* One round of the main loop; does not wait for ever. */
static void
iterate(void)
{
    guint timer = g_timeout_add(10, on_timer, /* data= */ NULL);

    g_main_context_iteration(NULL, /* may_block= */ TRUE);
    g_source_remove(timer);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    vm_stop_trying(fixture->vm);
    close(fixture->fd);
    close(fixture->listening);
    while (fixture->done < ADOPTIONS + 1)
        iterate();
    vm_close(fixture->vm);
    g_assert_true(util_remove_tree(fixture->folder, /* error= */ NULL));
    g_free(fixture->folder);
    g_free(fixture->path);
}

/* The client connects, and is told that cloche-vm is ready. */
static void
accept_client(Fixture *fixture)
{
    VmAnswer ready;

    if (fixture->fd >= 0)
        close(fixture->fd);
    g_unix_set_fd_nonblocking(fixture->listening, TRUE, /* error= */ NULL);
    while ((fixture->fd = accept4(fixture->listening, NULL, NULL, SOCK_CLOEXEC)) < 0)
        iterate();
    vm_answer_init(&ready, VM_ANSWER_READY, /* serial= */ 0);
    g_assert_cmpint(send(fixture->fd, &ready, vm_answer_size(ready.type), MSG_NOSIGNAL), >, 0);
}

static VmRequest
receive(const Fixture *fixture)
{
    VmRequest request;

    while (recv(fixture->fd, &request, sizeof request, MSG_DONTWAIT) < 0)
        iterate();
    return request;
}

static void
on_done(GObject *source, GAsyncResult *result, gpointer data)
{
    ++*(guint *)data;
}

static void
expect_all(const Fixture *fixture)
{
    for (guint i = 0; i < ADOPTIONS; i++) {
        g_autofree char *name = g_strdup_printf("cloche-%u", i);
        VmRequest request = receive(fixture);

        g_assert_cmpint(request.type, ==, VM_REQUEST_ADOPT);
        g_assert_cmpstr(request.name, ==, name);
    }
    g_assert_cmpint(receive(fixture).type, ==, VM_REQUEST_SWEEP);
}

/* A sweep destroys machines that were not adopted before it. */
static void
test_order(Fixture *fixture, gconstpointer data)
{
    static const MachineEvents no_events;

    accept_client(fixture);
    for (guint i = 0; i < ADOPTIONS; i++) {
        g_autofree char *name = g_strdup_printf("cloche-%u", i);
        const MachineSpec spec = {.name = name};

        vm_adopt_async(fixture->vm, &spec, &no_events, NULL, on_done, &fixture->done);
    }
    vm_sweep_async(fixture->vm, "cloche-", on_done, &fixture->done);
    expect_all(fixture);
    accept_client(fixture);
    expect_all(fixture);
    g_assert_cmpuint(fixture->done, ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL); /* warnings are expected */
    g_test_add("/vm/client/order", Fixture, NULL, set_up, test_order, tear_down);
    return g_test_run();
}
