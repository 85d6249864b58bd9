/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-vm: src/vm on a real libvirt, with a real guest.
 *
 * Usage: test-vm IMAGE [URI]. IMAGE is a folder with kernel, initrd and disk.ext4 whose agent
 * speaks src/wire; URI is qemu:///embed in a folder of this test's own unless given. The tests
 * build on each other and run in order: a template, machines of it, their ends. How long each step
 * took is printed as a TAP comment.
 */
#include <errno.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"
#include "vm.h"
#include "wire.h"

#define MEMORY_MIB 256
#define MACHINES 3
#define PATIENCE_S 60

static const char *image;
static const char *uri;
static char *directory;
static Vm *vm;
static const VmFacts *facts;

typedef struct {
    Machine *machine;
    int fd;
    char *socket;
    gboolean over;
    MachineEnd how;
    guint news; /* how often the end was told */
} Guest;

static Guest guests[MACHINES];

/* --- waiting --- */

static gboolean G_GNUC_NORETURN
on_impatient(gpointer data)
{
    g_error("nothing happened in %d s while waiting for %s", PATIENCE_S, (const char *)data);
}

static void
wait_for(gboolean *flag, const char *what)
{
    guint source = g_timeout_add_seconds(PATIENCE_S, on_impatient, (gpointer)what);

    while (!*flag)
        g_main_context_iteration(/* context= */ NULL, /* may_block= */ TRUE);
    g_source_remove(source);
}

typedef struct {
    gboolean done;
    GAsyncResult *result;
} Call;

static void
on_done(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;

    call->result = g_object_ref(result);
    call->done = TRUE;
}

static char *
path_of(const char *name)
{
    return g_build_filename(directory, name, NULL);
}

static char *
image_part(const char *name)
{
    return g_build_filename(image, name, NULL);
}

static void
told(const char *what, gint64 begin)
{
    g_test_message("%s: %.1f ms", what, (double)(g_get_monotonic_time() - begin) / 1e3);
}

/* --- machines --- */

static void
on_ended(Machine *machine, MachineEnd how, gpointer data)
{
    Guest *guest = data;

    g_assert_true(machine == guest->machine);
    guest->news++;
    guest->how = how;
    guest->over = TRUE;
}

/* Boots when `state` is NULL. */
static void
start(Guest *guest, const char *name, const char *backing, const char *format, const char *state)
{
    g_autofree char *kernel = image_part("kernel"), *initrd = image_part("initrd");
    g_autofree char *disk_name = g_strconcat(name, ".qcow2", NULL), *disk = path_of(disk_name);
    g_autofree char *console_name = g_strconcat(name, ".console", NULL);
    g_autofree char *console = path_of(console_name);
    g_autofree char *socket_name = g_strconcat(name, ".sock", NULL), *ram = path_of("ram");
    MachineSpec spec = {.name = name,
                        .kernel = kernel,
                        .initrd = initrd,
                        .disk = disk,
                        .ram = ram,
                        .state = state,
                        .console = console,
                        .vcpus = 1,
                        .memory_mib = MEMORY_MIB};
    Call call = {0};
    gint64 begin = g_get_monotonic_time();
    GError *error = NULL;

    guest->over = FALSE;
    guest->news = 0;
    guest->socket = path_of(socket_name);
    spec.socket = guest->socket;
    vm_create_overlay(disk, backing, format, &error);
    g_assert_no_error(error);
    told("overlay", begin);

    begin = g_get_monotonic_time();
    vm_start_async(vm, &spec, on_ended, guest, /* cancellable= */ NULL, on_done, &call);
    wait_for(&call.done, "a start");
    guest->machine = vm_start_finish(vm, call.result, &guest->fd, &error);
    g_assert_no_error(error);
    g_assert_nonnull(guest->machine);
    g_object_unref(call.result);
    told(state ? "restore in all" : "start in all", begin);
}

static void
destroy(Guest *guest)
{
    pid_t pid = machine_pid(guest->machine);
    guint news = guest->news;
    gint64 begin = g_get_monotonic_time();
    Call call = {0};
    GError *error = NULL;

    machine_destroy_async(guest->machine, on_done, &call);
    wait_for(&call.done, "a destroy");
    machine_destroy_finish(vm, call.result, &error);
    g_assert_no_error(error);
    g_object_unref(call.result);
    told("destroy", begin);
    g_assert_cmpuint(guest->news, ==, news);
    g_assert_false(g_file_test(guest->socket, G_FILE_TEST_EXISTS));
    if (pid > 0) {
        g_assert_cmpint(kill(pid, 0), ==, -1);
        g_assert_cmpint(errno, ==, ESRCH);
    }
    close(guest->fd);
    g_clear_pointer(&guest->socket, g_free);
    *guest = (Guest){0};
}

/* --- the agent, as far as it is needed here --- */

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

/* Reads on until the frame of `type` is there. */
static void
await_frame(int fd, GByteArray *input, WireType type)
{
    for (;;) {
        uint8_t bytes[4096];
        WireHeader header;
        const uint8_t *payload;
        size_t size;
        ssize_t n;

        while (wire_frame_get(input->data, input->len, &header, &payload, &size) == 1) {
            g_byte_array_remove_range(input, 0, (guint)size);
            if (header.type == type)
                return;
        }
        wait_fd(fd, G_IO_IN);
        n = read(fd, bytes, sizeof bytes);
        g_assert_cmpint(n, >, 0);
        g_byte_array_append(input, bytes, (guint)n);
    }
}

static void
greet(Guest *guest)
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
    while ((at = wire_find(input->data, input->len, mark, sizeof mark, &keep)) < 0) {
        uint8_t bytes[4096];
        ssize_t n;

        wait_fd(guest->fd, G_IO_IN);
        n = read(guest->fd, bytes, sizeof bytes);
        g_assert_cmpint(n, >, 0);
        g_byte_array_append(input, bytes, (guint)n);
    }
    g_byte_array_remove_range(input, 0, (guint)at + (guint)sizeof mark);
    await_frame(guest->fd, input, WIRE_HELLO);
    told("agent's greeting", begin);
}

static void
ping(Guest *guest)
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

/* Has root run a shell command in the guest, and does not wait for it. */
static void
run(Guest *guest, const char *command)
{
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};
    uint8_t buffer[1024];
    WireWriter w;

    wire_frame_begin(&w, buffer, sizeof buffer);
    wire_put_u32(&w, START_NO_STDIN | START_DISCARD_OUTPUT);
    wire_put_u64(&w, /* timeout_ms= */ 0);
    wire_put_string(&w, "root");
    wire_put_string(&w, "/");
    wire_put_string(&w, /* tag= */ "");
    wire_put_strv(&w, argv);
    wire_put_strv(&w, /* environment= */ NULL);
    send_all(guest->fd, buffer, (size_t)wire_frame_end(&w, 9, WIRE_START, 0));
}

/* --- tests --- */

static void
test_probe(void)
{
    g_autofree char *kernel = image_part("kernel"), *initrd = image_part("initrd");
    gint64 begin = g_get_monotonic_time();
    Call call = {0};
    GError *error = NULL;

    vm = vm_open(uri, &error);
    g_assert_no_error(error);
    told("open", begin);
    begin = g_get_monotonic_time();
    vm_probe_async(vm, kernel, initrd, directory, /* cancellable= */ NULL, on_done, &call);
    wait_for(&call.done, "the probe");
    facts = vm_probe_finish(vm, call.result, &error);
    g_assert_no_error(error);
    g_object_unref(call.result);
    told("probe", begin);
    g_test_message("%s, %s, %s, %s", facts->hypervisor, facts->machine_type, facts->cpu_model,
                   facts->accelerator);
    g_assert_true(g_str_has_prefix(facts->hypervisor, "QEMU "));
    g_assert_true(g_str_has_prefix(facts->machine_type, "pc-q35-"));
    g_assert_cmpint(facts->emulated, ==, g_str_equal(facts->accelerator, "tcg"));
}

static void
make_ram(void)
{
    g_autofree char *ram = path_of("ram");
    FILE *file = fopen(ram, "wx");

    g_assert_nonnull(file);
    g_assert_cmpint(fchmod(fileno(file), 0660), ==, 0);
    g_assert_cmpint(ftruncate(fileno(file), (off_t)MEMORY_MIB << 20), ==, 0);
    fclose(file);
}

static void
test_template(void)
{
    g_autofree char *backing = image_part("disk.ext4"), *state = path_of("state");
    Guest guest = {0};
    Call call = {0};
    struct stat st;
    gint64 begin;
    GError *error = NULL;

    make_ram();
    begin = g_get_monotonic_time();
    start(&guest, "cloche-test-template", backing, "raw", /* state= */ NULL);
    greet(&guest);
    told("boot in all", begin);
    begin = g_get_monotonic_time();
    machine_save_async(guest.machine, state, on_done, &call);
    wait_for(&call.done, "a save");
    machine_save_finish(guest.machine, call.result, &error);
    g_assert_no_error(error);
    g_object_unref(call.result);
    told("save", begin);
    g_assert_cmpint(stat(state, &st), ==, 0);
    g_assert_cmpint(st.st_size, >, 10000);
    g_assert_cmpint(st.st_size, <, 4 << 20);
    g_test_message("state: %ld bytes", (long)st.st_size);
    destroy(&guest);
}

static void
test_no_state(void)
{
    g_autofree char *backing = path_of("cloche-test-template.qcow2"), *state = path_of("absent");
    g_autofree char *kernel = image_part("kernel"), *initrd = image_part("initrd");
    g_autofree char *disk = path_of("none.qcow2"), *ram = path_of("ram");
    g_autofree char *socket = path_of("none.sock");
    MachineSpec spec = {.name = "cloche-test-none",
                        .kernel = kernel,
                        .initrd = initrd,
                        .disk = disk,
                        .ram = ram,
                        .state = state,
                        .socket = socket,
                        .vcpus = 1,
                        .memory_mib = MEMORY_MIB};
    Guest guest = {0};
    Call call = {0};
    GError *error = NULL;
    int fd = -1;

    vm_create_overlay(disk, backing, "qcow2", &error);
    g_assert_no_error(error);
    vm_start_async(vm, &spec, on_ended, &guest, /* cancellable= */ NULL, on_done, &call);
    wait_for(&call.done, "a start that must fail");
    g_assert_null(vm_start_finish(vm, call.result, &fd, &error));
    g_assert_nonnull(error);
    g_test_message("as it should be: %s", error->message);
    g_assert_nonnull(strstr(error->message, "cloche-test-none"));
    g_assert_nonnull(strstr(error->message, state));
    g_clear_error(&error);
    g_object_unref(call.result);
    g_assert_cmpint(fd, ==, -1);
    g_assert_false(g_file_test(socket, G_FILE_TEST_EXISTS));
}

static void
test_restore(void)
{
    g_autofree char *backing = path_of("cloche-test-template.qcow2"), *state = path_of("state");

    for (int i = 0; i < MACHINES; i++) {
        g_autofree char *name = g_strdup_printf("cloche-test-%d", i);

        start(&guests[i], name, backing, "qcow2", state);
        g_assert_cmpint(machine_pid(guests[i].machine), >, 1);
    }
    for (int i = 0; i < MACHINES; i++) {
        greet(&guests[i]);
        ping(&guests[i]);
        ping(&guests[i]);
    }
}

/* The sum of the lines of this name in a file of /proc, or 0. */
static guint64
proc_field(pid_t pid, const char *file, const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int)pid, file), *text = NULL;
    const char *line;

    if (!g_file_get_contents(path, &text, /* length= */ NULL, /* error= */ NULL))
        return 0;
    line = strstr(text, name);
    return line ? g_ascii_strtoull(line + strlen(name), /* endptr= */ NULL, 10) : 0;
}

static guint64
cpu_ticks(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid), *text = NULL;
    g_auto(GStrv) fields = NULL;

    g_assert_true(g_file_get_contents(path, &text, /* length= */ NULL, /* error= */ NULL));
    fields = g_strsplit(strrchr(text, ')'), " ", /* max_tokens= */ -1);
    g_assert_cmpuint(g_strv_length(fields), >, 13);
    return g_ascii_strtoull(fields[12], NULL, 10) + g_ascii_strtoull(fields[13], NULL, 10);
}

static gboolean
set_flag(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

static void
pass_time(guint seconds)
{
    gboolean passed = FALSE;

    g_timeout_add_seconds(seconds, set_flag, &passed);
    wait_for(&passed, "time to pass");
}

/* An idle machine costs at most half a percent of a core, once its kernel has come to rest. */
static void
test_idle(void)
{
    const guint settle = 5, seconds = 10;
    guint64 before[MACHINES], ticks = 0;

    pass_time(settle);
    for (int i = 0; i < MACHINES; i++)
        before[i] = cpu_ticks(machine_pid(guests[i].machine));
    pass_time(seconds);
    for (int i = 0; i < MACHINES; i++) {
        pid_t pid = machine_pid(guests[i].machine);

        ticks += cpu_ticks(pid) - before[i];
        g_test_message("pid %d: RSS %" G_GUINT64_FORMAT " KiB, PSS %" G_GUINT64_FORMAT
                       " KiB, private %" G_GUINT64_FORMAT " KiB",
                       (int)pid, proc_field(pid, "smaps_rollup", "\nRss:"),
                       proc_field(pid, "smaps_rollup", "\nPss:"),
                       proc_field(pid, "smaps_rollup", "\nPrivate_Dirty:"));
    }
    double percent = (double)ticks * 100 / (double)sysconf(_SC_CLK_TCK) / seconds / MACHINES;

    g_test_message("idle: %.2f %% of a core each", percent);
    g_assert_cmpfloat(percent, <=, 0.5);
}

static void
await_end(Guest *guest, MachineEnd how)
{
    gint64 begin = g_get_monotonic_time();

    wait_for(&guest->over, "the end of a machine");
    told("its end was heard of", begin);
    g_assert_cmpint(guest->how, ==, how);
    g_assert_cmpuint(guest->news, ==, 1);
    g_assert_cmpint(machine_pid(guest->machine), ==, 0);
}

static void
restore_one(Guest *guest, const char *name)
{
    g_autofree char *backing = path_of("cloche-test-template.qcow2"), *state = path_of("state");

    start(guest, name, backing, "qcow2", state);
    greet(guest);
}

static void
test_killed(void)
{
    g_assert_cmpint(kill(machine_pid(guests[0].machine), SIGKILL), ==, 0);
    await_end(&guests[0], MACHINE_DIED);
    destroy(&guests[0]);
}

static void
test_power_off(void)
{
    run(&guests[1], "echo o > /proc/sysrq-trigger # poweroff");
    await_end(&guests[1], MACHINE_SHUT_DOWN);
    destroy(&guests[1]);
}

static void
test_reboot(void)
{
    restore_one(&guests[0], "cloche-test-reboot");
    run(&guests[0], "echo b > /proc/sysrq-trigger # doreboot");
    await_end(&guests[0], MACHINE_SHUT_DOWN);
    destroy(&guests[0]);
}

static void
test_panic(void)
{
    run(&guests[2], "echo c > /proc/sysrq-trigger");
    await_end(&guests[2], MACHINE_PANICKED);
    destroy(&guests[2]);
}

static void
test_cancelled(void)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autofree char *kernel = image_part("kernel"), *initrd = image_part("initrd");
    MachineSpec spec = {.name = "cloche-test-cancelled",
                        .kernel = kernel,
                        .initrd = initrd,
                        .vcpus = 1,
                        .memory_mib = MEMORY_MIB};
    Call call = {0};
    GError *error = NULL;
    int fd = -1;

    vm_start_async(vm, &spec, on_ended, NULL, cancellable, on_done, &call);
    g_cancellable_cancel(cancellable);
    wait_for(&call.done, "a cancelled start");
    g_assert_null(vm_start_finish(vm, call.result, &fd, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_clear_error(&error);
    g_object_unref(call.result);
}

static void
systemctl(const char *verb)
{
    g_autoptr(GSubprocess) process = NULL;
    Call call = {0};
    GError *error = NULL;

    process =
        g_subprocess_new(G_SUBPROCESS_FLAGS_NONE, &error, "systemctl", verb, "libvirtd.socket",
                         "libvirtd-ro.socket", "libvirtd-admin.socket", "libvirtd.service", NULL);
    g_assert_no_error(error);
    g_subprocess_wait_check_async(process, /* cancellable= */ NULL, on_done, &call);
    wait_for(&call.done, "systemctl");
    g_subprocess_wait_check_finish(process, call.result, &error);
    g_assert_no_error(error);
    g_object_unref(call.result);
}

/* libvirtd's end ends no machine; one that ended meanwhile is missed when it is back. */
static void
test_libvirtd_restart(void)
{
    GError *error = NULL;

    restore_one(&guests[0], "cloche-test-victim");
    restore_one(&guests[1], "cloche-test-survivor");
    systemctl("stop");
    g_assert_cmpint(kill(machine_pid(guests[0].machine), SIGKILL), ==, 0);
    systemctl("start");
    g_assert_cmpuint(guests[0].news, ==, 0);
    g_assert_cmpint(vm_sweep(vm, "cloche-test-", &error), ==, 0);
    g_assert_no_error(error);
    await_end(&guests[0], MACHINE_DIED);
    g_assert_cmpuint(guests[1].news, ==, 0);
    ping(&guests[1]);
    destroy(&guests[0]);

    g_assert_cmpint(kill(machine_pid(guests[1].machine), SIGKILL), ==, 0);
    await_end(&guests[1], MACHINE_DIED);
    destroy(&guests[1]);
}

/* A machine of this life is not swept. */
static void
test_sweep(void)
{
    GError *error = NULL;

    restore_one(&guests[0], "cloche-test-mine");
    g_assert_cmpint(vm_sweep(vm, "cloche-test-", &error), ==, 0);
    g_assert_no_error(error);
    ping(&guests[0]);
    destroy(&guests[0]);
    g_assert_cmpint(vm_sweep(vm, "cloche-test-", &error), ==, 0);
    g_assert_no_error(error);
    vm_close(vm);
}

/* With libvirt's daemon QEMU has a user of its own, which gets at the files by its group. */
static void
make_directory(void)
{
    const struct group *group = getgrnam("libvirt-qemu");

    directory = g_dir_make_tmp("cloche-test-vm-XXXXXX", /* error= */ NULL);
    g_assert_nonnull(directory);
    if (geteuid() == 0 && group && chown(directory, 0, group->gr_gid) < 0)
        g_error("chown: %m");
    g_assert_cmpint(chmod(directory, 02771), ==, 0);
}

int
main(int argc, char **argv)
{
    g_autofree char *embedded = NULL;
    GError *error = NULL;
    int status;

    setlinebuf(stdout);
    g_test_init(&argc, &argv, NULL);
    if (argc < 2)
        g_error("usage: test-vm IMAGE [URI]");
    make_directory();
    image = argv[1];
    embedded = g_strdup_printf("qemu:///embed?root=%s/libvirt", directory);
    uri = argc > 2 ? argv[2] : embedded;

    g_test_add_func("/vm/probe", test_probe);
    g_test_add_func("/vm/template", test_template);
    g_test_add_func("/vm/no-state", test_no_state);
    g_test_add_func("/vm/restore", test_restore);
    g_test_add_func("/vm/idle", test_idle);
    g_test_add_func("/vm/killed", test_killed);
    g_test_add_func("/vm/power-off", test_power_off);
    g_test_add_func("/vm/reboot", test_reboot);
    g_test_add_func("/vm/panic", test_panic);
    g_test_add_func("/vm/cancelled", test_cancelled);
    if (g_str_equal(uri, "qemu:///system"))
        g_test_add_func("/vm/libvirtd-restart", test_libvirtd_restart);
    g_test_add_func("/vm/sweep", test_sweep);
    status = g_test_run();
    if (!util_remove_tree(directory, &error))
        g_error("%s", error->message);
    g_free(directory);
    return status;
}
