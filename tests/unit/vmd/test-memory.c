/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-memory: the pages of a process that maps a file privately and has written to some.
 *
 * The process is a child of the test, which takes the place of a QEMU.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"
#include "util.h"
#include "vm-memory-parse.h"
#include "vm-memory.h"
#include "vm-privilege.h"

#define PAGE 4096u
/* More than the entries that are read at once. */
#define PAGES (40000u)
#define SIZE ((guint64)PAGES * PAGE)

/* --- pure --- */

static void
test_entries(void)
{
    const guint64 present = G_GUINT64_CONSTANT(1) << 63, swapped = G_GUINT64_CONSTANT(1) << 62;
    const guint64 of_file = G_GUINT64_CONSTANT(1) << 61, others = (G_GUINT64_CONSTANT(1) << 61) - 1;

    g_assert_true(memory_entry_is_changed(present));
    g_assert_true(memory_entry_is_changed(swapped));
    g_assert_true(memory_entry_is_changed(present | others));
    g_assert_false(memory_entry_is_changed(0));
    g_assert_false(memory_entry_is_changed(others));
    g_assert_false(memory_entry_is_changed(of_file));
    g_assert_false(memory_entry_is_changed(present | of_file));
    g_assert_false(memory_entry_is_changed(swapped | of_file));
}

static void
test_mappings(void)
{
    MemoryMapping mapping;

    g_assert_true(memory_parse_mapping("7f0000001000-7f0000003000 rw-p 00002000 fe:01 1234      "
                                       "          /run/cloche/ram/a b (deleted)\n",
                                       &mapping));
    g_assert_cmpuint(mapping.begin, ==, 0x7f0000001000);
    g_assert_cmpuint(mapping.end, ==, 0x7f0000003000);
    g_assert_cmpuint(mapping.offset, ==, 0x2000);
    g_assert_cmpuint(mapping.device, ==, makedev(0xfe, 1));
    g_assert_cmpuint(mapping.inode, ==, 1234);
    g_assert_true(mapping.is_private);
    g_assert_true(memory_parse_mapping("1000-2000 rw-s 00000000 00:35 15 /x\n", &mapping));
    g_assert_false(mapping.is_private);
    g_assert_false(memory_parse_mapping("1000-2000 rw-p 00000000 00:00 0 [heap]\n", &mapping));
    g_assert_false(memory_parse_mapping("2000-2000 rw-p 00000000 00:35 15 /x\n", &mapping));
    g_assert_false(memory_parse_mapping("1000-2000 rw-p 00000000\n", &mapping));
    g_assert_false(memory_parse_mapping("", &mapping));
}

static void
test_uids(void)
{
    g_assert_true(memory_parse_uids("Name:\tq\nUid:\t7\t7\t7\t7\nGid:\t1\n", 7));
    g_assert_false(memory_parse_uids("Name:\tq\nUid:\t7\t7\t7\t7\nGid:\t1\n", 8));
    g_assert_false(memory_parse_uids("Name:\tq\nUid:\t8\t7\t7\t7\nGid:\t1\n", 7));
    g_assert_false(memory_parse_uids("Name:\tq\nUid:\t7\t8\t7\t7\nGid:\t1\n", 7));
    g_assert_false(memory_parse_uids("Name:\tq\nUid:\t7\t7\t8\t7\nGid:\t1\n", 7));
    g_assert_false(memory_parse_uids("Name:\tq\nUid:\t7\t7\t7\t8\nGid:\t1\n", 7));
    g_assert_false(memory_parse_uids("Name:\tUid:\t7\t7\t7\t7\n", 7));
    g_assert_false(memory_parse_uids("", 7));
}

static void
test_description(void)
{
    g_autofree char *path =
        memory_parse_ram("<domain><qemu:commandline><qemu:arg value='-object'/><qemu:arg value="
                         "'memory-backend-file,id=cloche.ram,size=256M,mem-path=/a,,b&amp;&apos;c"
                         ",share=off,merge=off'/></qemu:commandline></domain>");
    g_autofree char *last = memory_parse_ram(
        "<domain><qemu:arg value='memory-backend-file,id=cloche.ram,mem-path=/a,,'/></domain>");

    g_assert_cmpstr(path, ==, "/a,b&'c");
    g_assert_cmpstr(last, ==, "/a,");
    g_assert_null(memory_parse_ram("<domain><name>cloche-a</name></domain>"));
    g_assert_null(memory_parse_ram("<domain><qemu:arg value='memory-backend-file,id=other,"
                                   "mem-path=/a'/></domain>"));
    g_assert_null(memory_parse_ram("nothing"));
}

/* --- a process --- */

typedef struct {
    char *path;
    pid_t pid;
} Fixture;

/* The last page of a chunk of entries and the first of the next one, and the ends. */
static const guint written[] = {0, 5, 6, 32767, 32768, PAGES - 1};

static void G_GNUC_NORETURN
be_machine(const char *path, int flags, guint64 size, int ready)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    guint8 *ram = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
    volatile guint8 read_only;

    if (ram == MAP_FAILED)
        _exit(1);
    for (gsize i = 0; i < G_N_ELEMENTS(written); i++)
        if ((guint64)written[i] * PAGE < size)
            memset(ram + (guint64)written[i] * PAGE, (int)('A' + i), PAGE);
    read_only = ram[100 * PAGE]; /* present, and the file's */
    (void)read_only;
    /* Two mappings, as after a change of the protection. */
    mprotect(ram + 200 * PAGE, PAGE, PROT_READ);
    if (write(ready, "x", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

static void
start(Fixture *f, int flags, guint64 size)
{
    int fds[2], file = g_file_open_tmp("cloche-memory-XXXXXX", &f->path, /* error= */ NULL);
    char byte;

    g_assert_cmpint(ftruncate(file, (off_t)SIZE), ==, 0);
    g_assert_cmpint(pwrite(file, "file", 4, 100 * PAGE), ==, 4);
    close(file);
    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    f->pid = fork();
    if (f->pid == 0)
        be_machine(f->path, flags, size, fds[1]);
    close(fds[1]);
    g_assert_cmpint(read(fds[0], &byte, 1), ==, 1);
    close(fds[0]);
}

static void
end_process(Fixture *f)
{
    if (f->pid <= 0)
        return;
    kill(f->pid, SIGKILL);
    g_assert_cmpint(waitpid(f->pid, NULL, 0), ==, f->pid);
    f->pid = 0;
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    end_process(f);
    g_assert_cmpint(unlink(f->path), ==, 0);
    g_free(f->path);
}

static void
set_up(Fixture *f, gconstpointer data)
{
    start(f, MAP_PRIVATE, SIZE);
}

static void
set_up_shared(Fixture *f, gconstpointer data)
{
    start(f, MAP_SHARED, SIZE);
}

static void
set_up_short(Fixture *f, gconstpointer data)
{
    start(f, MAP_PRIVATE, SIZE - PAGE);
}

static gboolean
note_run(guint64 offset, guint64 size, gpointer data, GError **error)
{
    g_string_append_printf(data, "%u+%u ", (guint)(offset / PAGE), (guint)(size / PAGE));
    return TRUE;
}

static void
test_runs(Fixture *f, gconstpointer data)
{
    GError *error = NULL;
    g_autoptr(VmMemory) memory = memory_open(f->pid, geteuid(), f->path, &error);
    g_autoptr(GString) runs = g_string_new(NULL);
    g_autofree char *expected = g_strdup_printf("0+1 5+2 32767+2 %u+1 ", PAGES - 1);
    guint8 pages[2 * PAGE];

    g_assert_no_error(error);
    g_assert_true(memory_find_runs(memory, note_run, runs, &error));
    g_assert_cmpstr(runs->str, ==, expected);
    g_assert_true(memory_read(5 * PAGE, pages, 2 * PAGE, memory, &error));
    g_assert_cmpint(pages[0], ==, 'B');
    g_assert_cmpint(pages[PAGE - 1], ==, 'B');
    g_assert_cmpint(pages[PAGE], ==, 'C');
    g_assert_true(memory_read((guint64)(PAGES - 1) * PAGE, pages, PAGE, memory, &error));
    g_assert_cmpint(pages[0], ==, 'F');
    g_assert_true(memory_read(199 * PAGE, pages, 2 * PAGE, memory, &error)); /* two mappings */
    end_process(f);
    g_assert_false(memory_read(5 * PAGE, pages, PAGE, memory, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST);
    g_clear_error(&error);
    g_assert_false(memory_find_runs(memory, note_run, runs, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST);
    g_clear_error(&error);
}

static gboolean
fail_run(guint64 offset, guint64 size, gpointer data, GError **error)
{
    return ++*(guint *)data < 2 || util_set_errno(error, ENOSPC, "the second run");
}

static void
test_refused_run(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmMemory) memory = memory_open(f->pid, geteuid(), f->path, &error);
    guint runs = 0;

    g_assert_false(memory_find_runs(memory, fail_run, &runs, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED);
    g_assert_cmpuint(runs, ==, 2);
}

static void
refuse(pid_t pid, uid_t uid, const char *path, ClocheError code)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(memory_open(pid, uid, path, &error));
    g_assert_error(error, CLOCHE_ERROR, (int)code);
}

static void
test_other_user(Fixture *f, gconstpointer data)
{
    refuse(f->pid, geteuid() + 1, f->path, CLOCHE_ERROR_NOT_PERMITTED);
}

static void
test_other_file(Fixture *f, gconstpointer data)
{
    refuse(f->pid, geteuid(), "/proc/self/exe", CLOCHE_ERROR_FAILED);
    refuse(f->pid, geteuid(), "/nonexistent", CLOCHE_ERROR_FAILED);
}

static void
test_shared(Fixture *f, gconstpointer data)
{
    refuse(f->pid, geteuid(), f->path, CLOCHE_ERROR_UNSUPPORTED);
}

static void
test_short(Fixture *f, gconstpointer data)
{
    refuse(f->pid, geteuid(), f->path, CLOCHE_ERROR_FAILED);
}

static void
test_gone(Fixture *f, gconstpointer data)
{
    pid_t pid = f->pid;

    if (geteuid() != 0) {
        g_test_skip("only root is sure to see all processes");
        return;
    }
    end_process(f);
    refuse(pid, geteuid(), f->path, CLOCHE_ERROR_GUEST_LOST);
}

/* Another user without capabilities. */
static void
test_no_right(Fixture *f, gconstpointer data)
{
    pid_t child;
    int status;

    if (geteuid() != 0) {
        g_test_skip("this needs root");
        return;
    }
    child = fork();
    if (child == 0) {
        g_autoptr(GError) error = NULL;

        if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0 ||
            memory_open(f->pid, 0, f->path, &error))
            _exit(1);
        _exit(g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED) &&
                      strstr(error->message, "CAP_SYS_PTRACE")
                  ? 0
                  : 2);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
}

static gboolean
is_in_effect(cap_value_t right)
{
    cap_t caps = cap_get_proc();
    cap_flag_value_t value = CAP_SET;

    cap_get_flag(caps, right, CAP_EFFECTIVE, &value);
    cap_free(caps);
    return value == CAP_SET;
}

/* Becomes another user, with what the unit gives cloche-vm. */
static gboolean
become_service(const char *rights)
{
    cap_t caps = cap_from_text(rights);
    gboolean good = prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 &&
                    setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0 &&
                    cap_set_proc(caps) == 0;

    cap_free(caps);
    return good;
}

static int
open_as_service(const Fixture *f)
{
    g_autoptr(VmMemory) memory = NULL;

    if (!become_service("cap_sys_ptrace,cap_dac_read_search=eip"))
        return 1;
    if (!privilege_exists() || !privilege_set_aside(/* error= */ NULL))
        return 2;
    if (is_in_effect(CAP_SYS_PTRACE) || is_in_effect(CAP_DAC_READ_SEARCH))
        return 3;
    memory = memory_open(f->pid, 0, f->path, /* error= */ NULL);
    if (!memory)
        return 4;
    return is_in_effect(CAP_SYS_PTRACE) || is_in_effect(CAP_DAC_READ_SEARCH) ? 5 : 0;
}

static int
open_with_one_right(const Fixture *f)
{
    g_autoptr(GError) error = NULL;

    if (!become_service("cap_sys_ptrace=eip"))
        return 1;
    if (privilege_exists() || memory_open(f->pid, 0, f->path, &error))
        return 2;
    return g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED) ? 0 : 3;
}

static void
run_as_service(const Fixture *f, int (*run)(const Fixture *f))
{
    pid_t child = fork();
    int status;

    if (child == 0)
        _exit(run(f));
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
}

/* The capabilities are in effect only while files are opened. */
static void
test_right(Fixture *f, gconstpointer data)
{
    if (geteuid() != 0) {
        g_test_skip("this needs root");
        return;
    }
    run_as_service(f, open_as_service);
    run_as_service(f, open_with_one_right);
}

#define ADD(name, function, set_up)                                                                \
    g_test_add("/vmd/memory/" name, Fixture, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmd/memory/entries", test_entries);
    g_test_add_func("/vmd/memory/mappings", test_mappings);
    g_test_add_func("/vmd/memory/uids", test_uids);
    g_test_add_func("/vmd/memory/description", test_description);
    ADD("runs", test_runs, set_up);
    ADD("refused-run", test_refused_run, set_up);
    ADD("other-user", test_other_user, set_up);
    ADD("other-file", test_other_file, set_up);
    ADD("gone", test_gone, set_up);
    ADD("no-right", test_no_right, set_up);
    ADD("right", test_right, set_up);
    ADD("shared", test_shared, set_up_shared);
    ADD("short", test_short, set_up_short);
    return g_test_run();
}
