/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-reaper: reaps the QEMU processes of libvirt's embedded driver at once.
 *
 * libvirt's QEMU processes are orphans by design. When libvirt ends one, it waits until the process
 * id is free again, which takes seconds if PID 1 does not reap promptly. So this process becomes
 * their parent (PR_SET_CHILD_SUBREAPER), and a thread reaps them, because libvirt's callers may
 * block the main loop. It reaps only orphans: GLib and libvirt wait for their own children.
 */
#include "vm-reaper.h"

#include <errno.h>
#include <glib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_AGAIN_US 5000 /* while there is a zombie that is not ours to reap, or no child yet */

static GMutex lock;
static GCond changed;
/* Both are guarded by `lock`. */
static unsigned expected; /* calls of reaper_expect() without their end */
static unsigned begun;    /* all calls of reaper_expect(): one may end before the reaper looks */

static gboolean
is_qemu(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/comm", (int)pid);
    g_autofree char *name = NULL;

    return g_file_get_contents(path, &name, /* length= */ NULL, /* error= */ NULL) &&
           g_str_has_prefix(name, "qemu-");
}

/*
 * Processes that GLib or libvirt start and wait for are in our session, with one exception: the
 * process by which libvirt starts a QEMU leads a new session, and libvirt waits for it too. The
 * QEMU is in that session but does not lead it, even if it died before exec. The QEMU that libvirt
 * starts to determine capabilities leads its own session, and is recognized by its name.
 */
static gboolean
is_orphan(pid_t pid)
{
    pid_t session = getsid(pid);

    return session != getsid(0) && (session != pid || is_qemu(pid));
}

static unsigned
count_begun(void)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);

    return begun;
}

/* waitid() cannot wait while there is no child. `seen` is the value of `begun` before waitid()
 * found none. */
static void
wait_for_first_child(unsigned seen)
{
    g_mutex_lock(&lock);
    while (expected == 0 && begun == seen)
        g_cond_wait(&changed, &lock);
    g_mutex_unlock(&lock);
    g_usleep(LOOK_AGAIN_US);
}

static gpointer
reap(gpointer data)
{
    for (;;) {
        siginfo_t info = {0};
        unsigned seen = count_begun();

        if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) < 0) {
            if (errno == ECHILD)
                wait_for_first_child(seen);
        } else if (is_orphan(info.si_pid)) {
            waitpid(info.si_pid, /* wstatus= */ NULL, WNOHANG);
        } else {
            g_usleep(LOOK_AGAIN_US);
        }
    }
    return NULL;
}

void
reaper_start(void)
{
    static gsize started;

    if (!g_once_init_enter(&started))
        return;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        g_warning(
            "cannot become the parent of QEMU processes; ending a machine may take seconds: %s",
            g_strerror(errno));
    else
        g_thread_unref(g_thread_new("vm-reaper", reap, NULL));
    g_once_init_leave(&started, 1);
}

void
reaper_expect(void)
{
    g_mutex_lock(&lock);
    expected++;
    begun++;
    g_cond_signal(&changed);
    g_mutex_unlock(&lock);
}

void
reaper_expect_no_more(void)
{
    g_mutex_lock(&lock);
    expected--;
    g_mutex_unlock(&lock);
}
