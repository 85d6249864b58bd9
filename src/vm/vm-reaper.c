/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-reaper: buries the QEMU processes of libvirt's embedded driver at once.
 *
 * libvirt's QEMUs are orphans by design, and libvirt, when it ends one, waits until the process id
 * is free again. Under a first process that does not reap promptly that takes seconds. So we adopt
 * them (PR_SET_CHILD_SUBREAPER), and a thread of its own reaps them, since libvirt's callers may
 * block the main loop. Only orphans are touched: GLib and libvirt wait for their own children.
 */
#include "vm-reaper.h"

#include <errno.h>
#include <glib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_AGAIN_US 5000 /* at somebody else's zombie, or for a first child that is expected */

static GMutex lock;
static GCond changed;
/* Both are guarded by `lock`. */
static unsigned expected; /* starts under way */
static unsigned begun;    /* starts so far: one may be over before the reaper has looked */

static gboolean
is_qemu(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/comm", (int)pid);
    g_autofree char *name = NULL;

    return g_file_get_contents(path, &name, /* length= */ NULL, /* error= */ NULL) &&
           g_str_has_prefix(name, "qemu-");
}

/*
 * What we or libvirt start and wait for stays in our session, but for the process in between: it
 * leads the session that a QEMU then lives in, and is waited for too. That QEMU, even when it died
 * before it was one, leads none; the one that libvirt questions about its abilities leaves a leader
 * of its own behind.
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

/* Without any child there is nothing that waitid() could wait for. `seen` starts had begun before
 * it found none. */
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
        g_warning("cannot adopt QEMU processes, ending machines may take seconds: %s",
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
