/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-memory: the pages of RAM that a machine has changed. */
#include "vm-memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture.h"
#include "error.h"
#include "util.h"
#include "vm-memory-parse.h"
#include "vm-privilege.h"

#define STATUS_SIZE 16384
/* Entries of the pagemap that are read at once: those of 128 MiB. */
#define ENTRIES 32768u

struct VmMemory {
    int mem, pagemap;
    guint64 size;     /* of RAM */
    GArray *mappings; /* MemoryMapping: all of RAM, in order */
};

void
memory_free(VmMemory *memory)
{
    if (memory->mem >= 0)
        close(memory->mem);
    if (memory->pagemap >= 0)
        close(memory->pagemap);
    g_array_unref(memory->mappings);
    g_free(memory);
}

/* --- opening --- */

static gboolean
set_lost(GError **error)
{
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST, "its QEMU has ended");
    return FALSE;
}

static gboolean
set_unable(GError **error, int errnum, const char *what)
{
    if (errnum == ESRCH || (errnum == ENOENT && (geteuid() == 0 || privilege_exists())))
        return set_lost(error);
    if (errnum != EACCES && errnum != EPERM && errnum != ENOENT)
        return util_set_errno(error, errnum, "cannot open %s of its QEMU", what);
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                "cloche-vm may not read the memory of machines (%s: %s); it needs the capabilities "
                "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, which cloche-vm.service gives it, and "
                "kernel.yama.ptrace_scope must not be 3",
                what, g_strerror(errnum));
    return FALSE;
}

/* All files are opened below one descriptor, which stays that of the process when another process
 * gets its id. */
static int
open_part(int process, const char *name, GError **error)
{
    int fd = openat(process, name, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        set_unable(error, errno, name);
    return fd;
}

static gboolean
check_user(int process, uid_t uid, GError **error)
{
    char status[STATUS_SIZE];
    int fd = open_part(process, "status", error);
    gssize n;

    if (fd < 0)
        return FALSE;
    n = read(fd, status, sizeof status - 1);
    close(fd);
    if (n <= 0)
        return set_lost(error);
    status[n] = '\0';
    if (memory_parse_uids(status, uid))
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NOT_PERMITTED,
                "the process that should be its QEMU does not run as the uid %u", (unsigned)uid);
    return FALSE;
}

static gboolean
set_unmapped(GError **error, const char *ram)
{
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "its QEMU does not map all of '%s'", ram);
    return FALSE;
}

static gboolean
check_mappings(const VmMemory *memory, const char *ram, GError **error)
{
    guint64 end = 0;

    for (guint i = 0; i < memory->mappings->len; i++) {
        const MemoryMapping *mapping = &g_array_index(memory->mappings, MemoryMapping, i);

        if (!mapping->is_private) {
            g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                        "it was booted, and not restored from a template");
            return FALSE;
        }
        if (mapping->offset != end)
            return set_unmapped(error, ram);
        end += mapping->end - mapping->begin;
    }
    return end == memory->size || set_unmapped(error, ram);
}

static gboolean
find_mappings(VmMemory *memory, int process, const char *ram, GError **error)
{
    struct stat file;
    int fd = open_part(process, "maps", error);
    FILE *maps = fd >= 0 ? fdopen(fd, "re") : NULL;
    char *line = NULL;
    size_t room = 0;

    if (!maps)
        return FALSE;
    if (stat(ram, &file) < 0) {
        fclose(maps);
        return util_set_errno(error, errno, "cannot use '%s'", ram);
    }
    memory->size = (guint64)file.st_size;
    while (getline(&line, &room, maps) > 0) {
        MemoryMapping mapping;

        if (memory_parse_mapping(line, &mapping) && mapping.device == file.st_dev &&
            mapping.inode == file.st_ino)
            g_array_append_val(memory->mappings, mapping);
    }
    free(line);
    fclose(maps);
    return check_mappings(memory, ram, error);
}

static gboolean
open_parts(VmMemory *memory, int process, uid_t uid, const char *ram, GError **error)
{
    if (!check_user(process, uid, error) || !find_mappings(memory, process, ram, error))
        return FALSE;
    memory->mem = open_part(process, "mem", error);
    if (memory->mem < 0)
        return FALSE;
    memory->pagemap = open_part(process, "pagemap", error);
    return memory->pagemap >= 0;
}

static gboolean
open_process(VmMemory *memory, pid_t pid, uid_t uid, const char *ram, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d", (int)pid);
    int process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    gboolean good;

    if (process < 0)
        return set_unable(error, errno, path);
    good = open_parts(memory, process, uid, ram, error);
    close(process);
    return good;
}

VmMemory *
memory_open(pid_t pid, uid_t uid, const char *ram, GError **error)
{
    VmMemory *memory = g_new0(VmMemory, 1);
    gboolean good;

    memory->mem = memory->pagemap = -1;
    memory->mappings = g_array_new(FALSE, FALSE, sizeof(MemoryMapping));
    privilege_use(TRUE);
    good = open_process(memory, pid, uid, ram, error);
    privilege_use(FALSE);
    if (good)
        return memory;
    memory_free(memory);
    return NULL;
}

/* --- reading --- */

static gboolean
read_all(int fd, void *to, gsize size, guint64 position, GError **error)
{
    char *at = to;

    while (size > 0) {
        gssize n = pread(fd, at, size, (off_t)position);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return util_set_errno(error, errno, "cannot read the memory of its QEMU");
        if (n == 0) /* the files of a process that has ended are empty */
            return set_lost(error);
        at += n;
        size -= (gsize)n;
        position += (guint64)n;
    }
    return TRUE;
}

gboolean
memory_read(guint64 offset, void *to, gsize size, gpointer data, GError **error)
{
    const VmMemory *memory = data;
    char *at = to;

    for (guint i = 0; i < memory->mappings->len && size > 0; i++) {
        const MemoryMapping *mapping = &g_array_index(memory->mappings, MemoryMapping, i);
        guint64 length = mapping->end - mapping->begin, skip = offset - mapping->offset;
        gsize part;

        if (skip >= length)
            continue;
        part = MIN(size, length - skip);
        if (!read_all(memory->mem, at, part, mapping->begin + skip, error))
            return FALSE;
        at += part;
        offset += part;
        size -= part;
    }
    return TRUE;
}

/* A run that may go on. */
typedef struct {
    guint64 offset, size;
    MemoryRun add;
    gpointer data;
} Run;

static gboolean
end_run(Run *run, GError **error)
{
    guint64 size = run->size;

    run->size = 0;
    return size == 0 || run->add(run->offset, size, run->data, error);
}

static gboolean
add_entries(Run *run, guint64 offset, const guint64 *entries, gsize count, GError **error)
{
    for (gsize i = 0; i < count; i++, offset += CAPTURE_PAGE) {
        if (!memory_entry_is_changed(entries[i])) {
            if (!end_run(run, error))
                return FALSE;
            continue;
        }
        if (run->size == 0)
            run->offset = offset;
        run->size += CAPTURE_PAGE;
    }
    return TRUE;
}

static gboolean
scan(const VmMemory *memory, const MemoryMapping *mapping, Run *run, GError **error)
{
    g_autofree guint64 *entries = g_new(guint64, ENTRIES);
    guint64 pages = (mapping->end - mapping->begin) / CAPTURE_PAGE;

    for (guint64 page = 0; page < pages; page += ENTRIES) {
        gsize count = MIN(pages - page, ENTRIES);

        if (!read_all(memory->pagemap, entries, count * sizeof *entries,
                      (mapping->begin / CAPTURE_PAGE + page) * sizeof *entries, error) ||
            !add_entries(run, mapping->offset + page * CAPTURE_PAGE, entries, count, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
memory_find_runs(const VmMemory *memory, MemoryRun add, gpointer data, GError **error)
{
    Run run = {.add = add, .data = data};

    for (guint i = 0; i < memory->mappings->len; i++)
        if (!scan(memory, &g_array_index(memory->mappings, MemoryMapping, i), &run, error))
            return FALSE;
    return end_run(&run, error);
}
