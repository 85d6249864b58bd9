/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-capture-work: the steps of a capture, which block.
 *
 * The state of all devices and the changed pages of RAM are those of one moment, because the
 * processors are stopped meanwhile. Before, as many bytes are written to the file, so that its
 * pages are in memory and have their places on the disk: the first write to them takes longer than
 * a copy.
 */
#include "vm-capture-work.h"

#include <errno.h>
#include <fcntl.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture.h"
#include "error.h"
#include "util.h"
#include "vm-error.h"
#include "vm-list.h"
#include "vm-memory-parse.h"
#include "vm-memory.h"
#include "vm-monitor.h"

#define TIMEOUT_US (MACHINE_CAPTURE_TIMEOUT_S * G_USEC_PER_SEC)

/* After a call of libvirt that failed: whether the machine is gone, or runs already. */
static gboolean
is_over(void)
{
    int code = virGetLastErrorCode();

    return code == VIR_ERR_NO_DOMAIN || code == VIR_ERR_OPERATION_INVALID;
}

static virDomainPtr
find_domain(const CaptureWork *work, GError **error)
{
    g_autoptr(virConnect) libvirt = connection_get(work->vm->connection, error);
    virDomainPtr domain = libvirt ? virDomainLookupByUUIDString(libvirt, work->uuid) : NULL;

    if (libvirt && !domain && virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST, "it is gone");
    else if (libvirt && !domain)
        vm_error_set(error, "libvirt cannot find it");
    return domain;
}

/* --- the memory --- */

typedef struct {
    CaptureWriter *writer;
    VmMemory *memory;
    gint64 deadline_us;
    guint64 bytes;
} Copy;

static gboolean
check_time(const Copy *copy, GError **error)
{
    if (g_get_monotonic_time() < copy->deadline_us)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TIMED_OUT,
                "its memory could not be written within %d s", MACHINE_CAPTURE_TIMEOUT_S);
    return FALSE;
}

static gboolean
read_in_time(guint64 offset, void *to, gsize size, gpointer data, GError **error)
{
    const Copy *copy = data;

    return check_time(copy, error) && memory_read(offset, to, size, copy->memory, error);
}

static gboolean
add_run(guint64 offset, guint64 size, gpointer data, GError **error)
{
    Copy *copy = data;

    copy->bytes += size;
    return capture_writer_add(copy->writer, offset, size, read_in_time, copy, error);
}

static gboolean
write_all(Copy *copy, const void *devices, gsize devices_size, GError **error)
{
    return capture_writer_begin(copy->writer, devices, devices_size, error) &&
           memory_find_runs(copy->memory, add_run, copy, error) &&
           capture_writer_end(copy->writer, error) && check_time(copy, error);
}

static gboolean
count_run(guint64 offset, guint64 size, gpointer data, GError **error)
{
    *(guint64 *)data += size;
    return TRUE;
}

static gboolean
rehearse(const Copy *copy, GError **error)
{
    guint64 size = 0;

    return memory_find_runs(copy->memory, count_run, &size, error) &&
           capture_writer_rehearse(copy->writer, size, error);
}

/* Where libvirt chooses the user, the description names none. */
static uid_t
find_uid(const LibvirtVm *vm, const char *xml)
{
    uid_t uid = vm_list_parse_uid(xml);

    if (uid != 0)
        return uid;
    return vm->embed.own_user ? vm->embed.uid : geteuid();
}

static VmMemory *
open_memory(const CaptureWork *work, virDomainPtr domain, GError **error)
{
    char *xml = virDomainGetXMLDesc(domain, /* flags= */ 0);
    g_autofree char *ram = xml ? memory_parse_ram(xml) : NULL;
    uid_t uid = xml ? find_uid(work->vm, xml) : 0;

    free(xml);
    if (!xml) {
        vm_error_set(error, "libvirt does not describe it");
        return NULL;
    }
    if (!ram) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED, "it has no template");
        return NULL;
    }
    return memory_open(work->pid, uid, ram, error);
}

/* --- the devices --- */

/* QEMU gets a descriptor that is open for writing only: it takes no other one for writing. */
static gboolean
pass_devices_file(virDomainPtr domain, int file, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    gboolean passed;

    if (fd < 0)
        return util_set_errno(error, errno, "cannot open a file in memory");
    passed = monitor_add_devices_file(domain, fd, error);
    close(fd);
    return passed;
}

/* QEMU may have written anything. */
static void *
read_devices(int file, gsize *ret_size, GError **error)
{
    struct stat st;
    guint8 *bytes;

    if (fstat(file, &st) < 0 || st.st_size <= 0 || st.st_size > CAPTURE_DEVICES_MAX) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                    "QEMU wrote no device state, or one that is too large");
        return NULL;
    }
    bytes = g_malloc((gsize)st.st_size);
    if (pread(file, bytes, (gsize)st.st_size, 0) == st.st_size) {
        *ret_size = (gsize)st.st_size;
        return bytes;
    }
    util_set_errno(error, errno, "cannot read the device state");
    g_free(bytes);
    return NULL;
}

static gboolean
write_moment(Copy *copy, virDomainPtr domain, int file, GError **error)
{
    g_autofree void *devices = NULL;
    gsize size = 0;

    if (!monitor_save_devices(domain, error))
        return FALSE;
    devices = read_devices(file, &size, error);
    return devices && write_all(copy, devices, size, error);
}

/* --- stopping --- */

static gboolean
is_suspended(virDomainPtr domain)
{
    int state, reason;

    return virDomainGetState(domain, &state, &reason, /* flags= */ 0) == 0 &&
           state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_USER;
}

/* A machine that stands still for another reason is not stopped: nobody would know of that reason.
 */
static gboolean
stop(CaptureWork *work, virDomainPtr domain, GError **error)
{
    int state, reason;

    if (virDomainGetState(domain, &state, &reason, /* flags= */ 0) < 0)
        return vm_error_set(error, "libvirt cannot tell whether it runs");
    if (state == VIR_DOMAIN_RUNNING) {
        work->stopped_us = g_get_monotonic_time();
        if (virDomainSuspend(domain) < 0)
            return vm_error_set(error, "cannot suspend");
        if (is_suspended(domain))
            return TRUE;
        work->stopped_us = 0;
    }
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY, "it stands still");
    return FALSE;
}

static gboolean
resume(CaptureWork *work, virDomainPtr domain, GError **error)
{
    if (virDomainResume(domain) < 0) {
        work->stands_still = !is_over();
        return vm_error_set(error, "cannot resume");
    }
    g_debug("machine '%s': stood still for %.1f ms", work->name,
            (double)(g_get_monotonic_time() - work->stopped_us) / 1e3);
    monitor_remove_devices_file(domain);
    return TRUE;
}

static gboolean
stop_and_write(CaptureWork *work, virDomainPtr domain, Copy *copy, int file, GError **error)
{
    gint64 stopped_us;

    if (!stop(work, domain, error))
        return FALSE;
    stopped_us = g_get_monotonic_time();
    copy->deadline_us = work->stopped_us + TIMEOUT_US;
    if (!write_moment(copy, domain, file, error))
        return FALSE;
    g_debug("machine '%s': stopped in %.1f ms, %.1f MB written in %.1f ms", work->name,
            (double)(stopped_us - work->stopped_us) / 1e3, (double)copy->bytes / 1e6,
            (double)(g_get_monotonic_time() - stopped_us) / 1e3);
    return TRUE;
}

static gboolean
capture_domain(CaptureWork *work, virDomainPtr domain, int file, GError **error)
{
    g_autoptr(VmMemory) memory = open_memory(work, domain, error);
    g_autoptr(CaptureWriter) writer = memory ? capture_writer_new(work->fd) : NULL;
    Copy copy = {.writer = writer, .memory = memory};
    gint64 begin = g_get_monotonic_time();

    if (!memory || !pass_devices_file(domain, file, error))
        return FALSE;
    if (rehearse(&copy, error)) {
        g_debug("machine '%s': rehearsed in %.1f ms", work->name,
                (double)(g_get_monotonic_time() - begin) / 1e3);
        if (stop_and_write(work, domain, &copy, file, error))
            return TRUE;
    }
    if (work->stopped_us != 0)
        resume(work, domain, /* error= */ NULL);
    else
        monitor_remove_devices_file(domain);
    return FALSE;
}

gboolean
capture_work_begin(CaptureWork *work, GError **error)
{
    g_autoptr(virDomain) domain = find_domain(work, error);
    int file = domain ? memfd_create("cloche-devices", MFD_CLOEXEC) : -1;
    gboolean captured;

    if (!domain)
        return FALSE;
    if (file < 0)
        return util_set_errno(error, errno, "cannot make a file in memory");
    captured = capture_domain(work, domain, file, error);
    close(file);
    return captured;
}

/* --- the end --- */

static gboolean
check_suspended(virDomainPtr domain, GError **error)
{
    int state, reason;

    if (virDomainGetState(domain, &state, &reason, /* flags= */ 0) < 0)
        return vm_error_set(error, "libvirt cannot tell whether it runs");
    if (state == VIR_DOMAIN_PAUSED && reason != VIR_DOMAIN_PAUSED_IOERROR)
        return TRUE;
    if (state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_PAUSED)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TIMED_OUT, "it ran already");
    else
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST, "it has ended");
    return FALSE;
}

/* A machine that libvirt cannot say anything about may stand still. */
gboolean
capture_work_end(CaptureWork *work, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(virDomain) domain = find_domain(work, &cause);

    if (domain && check_suspended(domain, &cause))
        return resume(work, domain, error);
    work->stands_still = !g_error_matches(cause, CLOCHE_ERROR, CLOCHE_ERROR_TIMED_OUT) &&
                         !g_error_matches(cause, CLOCHE_ERROR, CLOCHE_ERROR_GUEST_LOST);
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}
