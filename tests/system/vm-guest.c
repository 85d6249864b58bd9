/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-guest: functions that the tests of src/vm share. */
#include "vm-guest.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "error.h"
#include "folder.h"
#include "util.h"
#include "wire.h"

#define PATIENCE_S 60

/* --- waiting --- */

static gboolean G_GNUC_NORETURN
on_impatient(gpointer data)
{
    g_error("nothing happened in %d s while waiting for %s", PATIENCE_S, (const char *)data);
}

void
wait_for(const gboolean *flag, const char *what)
{
    guint source = g_timeout_add_seconds(PATIENCE_S, on_impatient, (gpointer)what);

    while (!*flag)
        g_main_context_iteration(/* context= */ NULL, /* may_block= */ TRUE);
    g_source_remove(source);
}

void
on_done(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;

    call->result = g_object_ref(result);
    call->done = TRUE;
}

static gboolean
set_flag(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

void
pass_time(guint seconds)
{
    gboolean passed = FALSE;

    g_timeout_add_seconds(seconds, set_flag, &passed);
    wait_for(&passed, "time to pass");
}

void
told(const char *what, gint64 begin)
{
    g_test_message("%s: %.1f ms", what, (double)(g_get_monotonic_time() - begin) / 1e3);
}

/* --- the host --- */

char *
path_of(const char *format, ...)
{
    g_autofree char *name = NULL;
    va_list args;

    va_start(args, format);
    name = g_strdup_vprintf(format, args);
    va_end(args);
    return g_build_filename(run.directory, name, NULL);
}

char *
image_part(const char *name)
{
    return g_build_filename(run.image, name, NULL);
}

char *
proc_word(pid_t pid, const char *file, const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int)pid, file), *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &text, /* length= */ NULL, /* error= */ NULL))
        return NULL;
    lines = g_strsplit(text, "\n", /* max_tokens= */ -1);
    for (char **line = lines; *line; line++)
        if (g_str_has_prefix(*line, name))
            return g_strstrip(g_strdup(*line + strlen(name)));
    return NULL;
}

char *
program(const char *const *argv)
{
    g_autoptr(GSubprocess) process = NULL;
    Call call = {0};
    char *output;
    GError *error = NULL;

    process = g_subprocess_newv(argv, G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
    g_assert_no_error(error);
    g_subprocess_communicate_utf8_async(process, /* stdin= */ NULL, /* cancellable= */ NULL,
                                        on_done, &call);
    wait_for(&call.done, argv[0]);
    g_subprocess_communicate_utf8_finish(process, call.result, &output, /* stderr= */ NULL, &error);
    g_assert_no_error(error);
    g_object_unref(call.result);
    g_assert_true(g_subprocess_get_successful(process));
    return output;
}

void
libvirtd(const char *verb)
{
    const char *const argv[] = {
        "systemctl",        verb, "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket",
        "libvirtd.service", NULL};

    g_free(program(argv));
}

static char *
write_config(void)
{
    char *path = path_of("%s.conf", run.life);
    g_autofree char *text =
        g_strdup_printf("[Machines]\nConnection=%s\nGroup=libvirt-qemu\n"
                        "[Folders]\nState=%s/state\nRam=%s/ram\nRun=%s/%s\n",
                        run.uri, run.directory, run.directory, run.directory, run.life);

    g_assert_true(g_file_set_contents(path, text, -1, /* error= */ NULL));
    return path;
}

static void
copy_part(const char *name)
{
    g_autofree char *from = g_build_filename(run.image, name, NULL);
    g_autofree char *to = path_of("state/images/test/%s", name);
    g_autoptr(GFile) source = g_file_new_for_path(from);
    g_autoptr(GFile) target = g_file_new_for_path(to);
    GError *error = NULL;

    g_file_copy(source, target, G_FILE_COPY_NONE, NULL, NULL, NULL, &error);
    g_assert_no_error(error);
}

void
make_store(void)
{
    static const char *const folders[] = {"state/images/test", "state/templates/.new-test",
                                          "state/machines", "ram"};

    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *path = path_of("%s", folders[i]);

        g_assert_true(folder_make(path, 0711, /* error= */ NULL));
    }
    copy_part("kernel");
    copy_part("initrd");
}

void
open_vm(void)
{
    g_autofree char *kernel = path_of("state/images/test/kernel");
    g_autofree char *initrd = path_of("state/images/test/initrd");
    g_autofree char *config = write_config(), *option = g_strconcat("--config=", config, NULL);
    const char *const argv[] = {run.program, option, NULL};
    const VmAccess access = {.argv = argv};
    const MachineUser user = {.uid = GUEST_UID + 100, .gid = run.gid}; /* of no guest */
    gint64 begin = g_get_monotonic_time();
    Call call = {0};
    GError *error = NULL;

    run.vm = vm_open(&access, &error);
    g_assert_no_error(error);
    told("open", begin);
    begin = g_get_monotonic_time();
    vm_probe_async(run.vm, kernel, initrd, run.directory, &user, /* cancellable= */ NULL, on_done,
                   &call);
    wait_for(&call.done, "the probe");
    run.facts = vm_probe_finish(run.vm, call.result, &error);
    g_assert_no_error(error);
    g_object_unref(call.result);
    told("probe", begin);
}

static gboolean
is_service(pid_t pid)
{
    g_autofree char *name = proc_word(pid, "status", "Name:");
    g_autofree char *parent = proc_word(pid, "status", "PPid:");
    g_autofree char *state = proc_word(pid, "status", "State:");

    return name && g_str_equal(name, "cloche-vm") && atoi(parent) == getpid() && *state != 'Z';
}

pid_t
service_pid(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc", 0, /* error= */ NULL);
    const char *name;

    while ((name = g_dir_read_name(dir)))
        if (g_ascii_isdigit(*name) && is_service(atoi(name)))
            return atoi(name);
    g_error("there is no process of cloche-vm");
}

void
close_vm(void)
{
    g_clear_pointer(&run.vm, vm_close);
}

/* --- a machine --- */

static void
on_ended(Machine *machine, MachineEnd how, gpointer data)
{
    Guest *guest = data;

    g_assert_true(machine == guest->machine);
    guest->news++;
    guest->how = how;
    guest->over = TRUE;
}

static void
on_stalled(Machine *machine, gboolean is_stalled, gpointer data)
{
    Guest *guest = data;

    g_assert_true(!guest->machine || machine == guest->machine); /* NULL during its adoption */
    g_assert_cmpint(is_stalled, !=, guest->is_stalled);
    guest->is_stalled = is_stalled;
    guest->goes_on = !is_stalled;
    guest->stalls++;
}

const MachineEvents guest_events = {.ended = on_ended, .stalled = on_stalled};

void
guest_init(Guest *guest, const char *name, guint nth)
{
    *guest = (Guest){.name = g_strdup(name), .uid = GUEST_UID + nth, .fd = -1, .streams = 100};
}

char *
guest_folder(const char *name)
{
    if (g_str_equal(name, GUEST_TEMPLATE))
        return path_of("state/templates/.new-test");
    return path_of("state/machines/%s", name + strlen("cloche-"));
}

MachineSpec
guest_spec(const Guest *guest, const char *state)
{
    g_autofree char *folder = guest_folder(guest->name);

    return (MachineSpec){.name = guest->name,
                         .kernel = path_of("state/images/test/kernel"),
                         .initrd = path_of("state/images/test/initrd"),
                         .disk = g_build_filename(folder, "disk.qcow2", NULL),
                         .ram = path_of("ram/test"),
                         .state = state,
                         .socket = path_of("%s/vm/agent/%s", run.life, guest->name),
                         .user = {.uid = guest->uid, .gid = run.gid},
                         .vcpus = 1,
                         .memory_mib = GUEST_MEMORY_MIB};
}

void
spec_clear(MachineSpec *spec)
{
    g_free((char *)spec->kernel);
    g_free((char *)spec->initrd);
    g_free((char *)spec->disk);
    g_free((char *)spec->ram);
    g_free((char *)spec->socket);
}

void
guest_make_disk(const Guest *guest, const char *backing, const char *format)
{
    MachineSpec spec = guest_spec(guest, NULL);
    g_autofree char *folder = guest_folder(guest->name);
    gint64 begin = g_get_monotonic_time();
    GError *error = NULL;

    g_assert_true(folder_make(folder, 0711, &error));
    vm_create_overlay(spec.disk, backing, format, &error);
    g_assert_no_error(error);
    told("overlay", begin);
    g_assert_cmpint(g_chmod(spec.disk, 0600), ==, 0);
    g_assert_true(access_grant(spec.disk, guest->uid, "rw", &error));
    spec_clear(&spec);
}

static void
bring_up(Guest *guest, const char *state)
{
    MachineSpec spec = guest_spec(guest, state);
    gint64 begin = g_get_monotonic_time();
    Call call = {0};
    GError *error = NULL;

    g_assert_true(access_grant(spec.ram, guest->uid, "rw", &error));
    vm_start_async(run.vm, &spec, &guest_events, guest, /* cancellable= */ NULL, on_done, &call);
    wait_for(&call.done, "a start");
    guest->machine = vm_start_finish(run.vm, call.result, &guest->fd, &error);
    g_assert_no_error(error);
    g_assert_nonnull(guest->machine);
    g_object_unref(call.result);
    told(state ? "restore in all" : "start in all", begin);
    g_assert_true(access_revoke(spec.ram, guest->uid, &error));
    spec_clear(&spec);
}

void
guest_start_on_disk(Guest *guest, const char *state)
{
    bring_up(guest, state);
}

void
guest_start(Guest *guest, const char *state)
{
    g_autofree char *frozen = path_of(GUEST_DISK), *base = image_part("disk.ext4");

    if (state)
        guest_make_disk(guest, frozen, "qcow2");
    else
        guest_make_disk(guest, base, "raw");
    bring_up(guest, state);
}

void
guest_restore(Guest *guest, const char *name, guint nth)
{
    g_autofree char *state = path_of("state-file");

    guest_init(guest, name, nth);
    guest_start(guest, state);
    guest_greet(guest);
}

gboolean
guest_adopt(Guest *guest)
{
    MachineSpec spec = guest_spec(guest, NULL);
    gint64 begin = g_get_monotonic_time();
    Call call = {0};
    g_autoptr(GError) error = NULL;

    if (guest->fd >= 0) /* QEMU accepts one connection at a time */
        close(guest->fd);
    guest->fd = -1;
    vm_adopt_async(run.vm, &spec, &guest_events, guest, on_done, &call);
    wait_for(&call.done, "an adoption");
    guest->machine = vm_adopt_finish(run.vm, call.result, &guest->fd, &error);
    g_object_unref(call.result);
    spec_clear(&spec);
    told("adoption", begin);
    if (guest->machine)
        return TRUE;
    g_test_message("not adopted: %s", error->message);
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST);
    g_assert_nonnull(strstr(error->message, guest->name));
    return FALSE;
}

void
guest_clear(Guest *guest)
{
    if (guest->fd >= 0)
        close(guest->fd);
    g_free(guest->name);
    *guest = (Guest){.fd = -1};
}

void
guest_destroy(Guest *guest)
{
    MachineSpec spec = guest_spec(guest, NULL);
    pid_t pid = machine_pid(guest->machine);
    guint news = guest->news;
    gint64 begin = g_get_monotonic_time();
    Call call = {0};
    GError *error = NULL;

    machine_destroy_async(guest->machine, on_done, &call);
    wait_for(&call.done, "a destroy");
    machine_destroy_finish(run.vm, call.result, &error);
    g_assert_no_error(error);
    g_object_unref(call.result);
    told("destroy", begin);
    g_assert_cmpuint(guest->news, ==, news);
    g_assert_false(g_file_test(spec.socket, G_FILE_TEST_EXISTS));
    if (pid > 0) {
        g_assert_cmpint(kill(pid, 0), ==, -1);
        g_assert_cmpint(errno, ==, ESRCH);
    }
    spec_clear(&spec);
    guest_clear(guest);
}

void
guest_kill(const Guest *guest)
{
    g_assert_cmpint(kill(machine_pid(guest->machine), SIGKILL), ==, 0);
}

void
guest_await_end(Guest *guest, MachineEnd how)
{
    gint64 begin = g_get_monotonic_time();

    wait_for(&guest->over, "the end of a machine");
    told("the end was reported", begin);
    g_assert_cmpint(guest->how, ==, how);
    g_assert_cmpuint(guest->news, ==, 1);
    g_assert_cmpint(machine_pid(guest->machine), ==, 0);
}

/* --- its agent --- */

static void
wait_fd(int fd, GIOCondition condition)
{
    gint64 deadline = g_get_monotonic_time() + PATIENCE_S * G_USEC_PER_SEC;
    GPollFD poll_fd = {.fd = fd, .events = (gushort)condition};

    while (g_poll(&poll_fd, 1, 50) == 0) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_main_context_iteration(/* context= */ NULL, /* may_block= */ FALSE);
    }
}

static void
send_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);

        if (n < 0) {
            g_assert_cmpint(errno, ==, EAGAIN);
            wait_fd(fd, G_IO_OUT);
            continue;
        }
        data += n;
        size -= (size_t)n;
    }
}

static void
receive(int fd, GByteArray *input)
{
    uint8_t bytes[4096];
    ssize_t n;

    wait_fd(fd, G_IO_IN);
    n = read(fd, bytes, sizeof bytes);
    g_assert_cmpint(n, >, 0);
    g_byte_array_append(input, bytes, (guint)n);
}

/* Reads until a frame of `type` arrives. */
static void
await_frame(int fd, GByteArray *input, WireType type)
{
    for (;;) {
        WireHeader header;
        const uint8_t *payload;
        size_t size;

        while (wire_frame_get(input->data, input->len, &header, &payload, &size) == 1) {
            g_byte_array_remove_range(input, 0, (guint)size);
            if (header.type == type)
                return;
        }
        receive(fd, input);
    }
}

void
guest_greet(Guest *guest)
{
    g_autofree uint8_t *preamble = g_malloc0(WIRE_PREAMBLE_PAD);
    uint8_t mark[WIRE_MAGIC_SIZE + WIRE_NONCE_SIZE];
    g_autoptr(GByteArray) input = g_byte_array_new();
    gint64 begin = g_get_monotonic_time();
    size_t keep;
    ptrdiff_t at;

    memcpy(mark, wire_magic, WIRE_MAGIC_SIZE);
    util_random(mark + WIRE_MAGIC_SIZE, WIRE_NONCE_SIZE);
    send_all(guest->fd, preamble, WIRE_PREAMBLE_PAD);
    send_all(guest->fd, mark, sizeof mark);
    while ((at = wire_find(input->data, input->len, mark, sizeof mark, &keep)) < 0)
        receive(guest->fd, input);
    g_byte_array_remove_range(input, 0, (guint)at + (guint)sizeof mark);
    await_frame(guest->fd, input, WIRE_HELLO);
    told("agent's greeting", begin);
}

void
guest_ping(Guest *guest)
{
    uint8_t buffer[64];
    WireWriter w;
    g_autoptr(GByteArray) input = g_byte_array_new();
    gint64 begin = g_get_monotonic_time();

    wire_frame_begin(&w, buffer, sizeof buffer);
    send_all(guest->fd, buffer, (size_t)wire_frame_end(&w, 7, WIRE_PING, 0));
    await_frame(guest->fd, input, WIRE_PONG);
    told("ping", begin);
}

static void
start(Guest *guest, guint32 stream, guint32 flags, const char *tag, const char *command)
{
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};
    uint8_t buffer[1024];
    WireWriter w;

    wire_frame_begin(&w, buffer, sizeof buffer);
    wire_put_u32(&w, flags | START_NO_STDIN);
    wire_put_u64(&w, /* timeout_ms= */ 0);
    wire_put_string(&w, "root");
    wire_put_string(&w, "/");
    wire_put_string(&w, tag);
    wire_put_u32(&w, /* columns= */ 0);
    wire_put_u32(&w, /* rows= */ 0);
    wire_put_strv(&w, argv);
    wire_put_strv(&w, /* environment= */ NULL);
    send_all(guest->fd, buffer, (size_t)wire_frame_end(&w, stream, WIRE_START, 0));
}

void
guest_run(Guest *guest, const char *command)
{
    start(guest, 9, START_DISCARD_OUTPUT, /* tag= */ "", command);
}

void
guest_keep(Guest *guest, const char *tag, const char *command)
{
    g_autoptr(GByteArray) input = g_byte_array_new();

    start(guest, ++guest->streams, START_KEEP | START_DISCARD_OUTPUT, tag, command);
    await_frame(guest->fd, input, WIRE_STARTED);
}

char *
guest_output(Guest *guest, const char *command)
{
    g_autoptr(GByteArray) input = g_byte_array_new();
    GString *output = g_string_new(NULL);
    guint32 stream = ++guest->streams;
    WireHeader header = {0};
    const uint8_t *payload;
    size_t size;

    start(guest, stream, START_MERGE_STDERR, /* tag= */ "", command);
    while (header.stream != stream || header.type != WIRE_EXITED) {
        while (wire_frame_get(input->data, input->len, &header, &payload, &size) != 1)
            receive(guest->fd, input);
        if (header.stream == stream && header.type == WIRE_DATA)
            g_string_append_len(output, (const char *)payload, header.length);
        g_byte_array_remove_range(input, 0, (guint)size);
    }
    return g_strstrip(g_string_free(output, FALSE));
}
