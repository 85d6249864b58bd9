/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-fake-capture: captures of fake machines. The page that has changed contains the machine's
 * name.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "fake-stream.h"
#include "util.h"
#include "vm-fake-private.h"

/* --- state of a template --- */

void
fake_save_async(Machine *base, int fd, GAsyncReadyCallback callback, gpointer data)
{
    const FakeMachine *machine = (const FakeMachine *)base;
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    GError *error = NULL;
    struct stat st;

    if (stat(machine->ram, &st) == 0 && fake_stream_write_state(fd, (guint64)st.st_size)) {
        g_task_return_boolean(task, TRUE);
        return;
    }
    util_set_errno(&error, errno, "Cannot save machine '%s'", machine->name);
    g_task_return_error(task, error);
}

/* --- captures --- */

/* The machine may end meanwhile. */
typedef struct {
    const FakeVm *vm;
    char *name;
    int fd;
} Capture;

static void
capture_free(gpointer data)
{
    Capture *capture = data;

    g_free(capture->name);
    g_free(capture);
}

static void
wait_while_held(const FakeVm *vm)
{
    g_autofree char *path = fake_control_path(vm, "capture-hold");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char byte;

    if (fd < 0)
        return;
    while (read(fd, &byte, 1) != 0)
        ;
    close(fd);
}

static void
capture_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const Capture *capture = data;
    GError *error = NULL;

    fake_machine_set_captured(capture->vm, capture->name, TRUE);
    wait_while_held(capture->vm);
    if (fake_stream_write_capture(capture->fd, capture->name)) {
        g_task_return_boolean(task, TRUE);
        return;
    }
    util_set_errno(&error, errno, "The memory of machine '%s' could not be written", capture->name);
    fake_machine_set_captured(capture->vm, capture->name, FALSE);
    g_task_return_error(task, error);
}

void
fake_capture_async(Machine *base, int fd, GAsyncReadyCallback callback, gpointer data)
{
    FakeMachine *machine = (FakeMachine *)base;
    FakeVm *vm = (FakeVm *)base->vm;
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    Capture *capture;

    if (fake_count_down(vm, "capture-fails") > 0) {
        g_task_return_new_error(task, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                                "The test wants this service to read no memory");
        return;
    }
    capture = g_new0(Capture, 1);
    *capture = (Capture){vm, g_strdup(machine->name), fd};
    g_task_set_task_data(task, capture, capture_free);
    g_task_run_in_thread(task, capture_in_thread);
}

gboolean
fake_capture_finish(Machine *machine, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

void
fake_release_async(Machine *base, GAsyncReadyCallback callback, gpointer data)
{
    FakeVm *vm = (FakeVm *)base->vm;
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);

    fake_machine_set_captured(vm, ((const FakeMachine *)base)->name, FALSE);
    if (fake_count_down(vm, "release-fails") > 0)
        g_task_return_new_error(task, CLOCHE_ERROR, CLOCHE_ERROR_TIMED_OUT,
                                "The test wants that the processors ran before");
    else
        g_task_return_boolean(task, TRUE);
}
