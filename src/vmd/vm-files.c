/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-files: the files and the socket that libvirt keeps of a running machine. */
#include "vm-files.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "error.h"
#include "util.h"

pid_t
vm_read_pid(const Embed *embed, const char *name)
{
    g_autofree char *directory = embed->root ? g_build_filename(embed->root, "run", "qemu", NULL)
                                             : g_strdup("/run/libvirt/qemu");
    g_autofree char *path = g_strdup_printf("%s/%s.pid", directory, name);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, /* length= */ NULL, /* error= */ NULL))
        return 0;
    return (pid_t)g_ascii_strtoll(text, /* endptr= */ NULL, 10);
}

gboolean
vm_is_alive(pid_t pid)
{
    return kill(pid, 0) == 0 || errno == EPERM;
}

/* libvirt makes the listening socket before it starts QEMU, so connect() waits only when the queue
 * is full. */
int
vm_connect_socket(const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        util_set_errno(error, errno, "cannot make a socket");
        return -1;
    }
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        if (errno == EAGAIN)
            g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                        "'%s' accepts no connection: its queue is full", path);
        else
            util_set_errno(error, errno, "cannot connect to '%s'", path);
        close(fd);
        return -1;
    }
    return fd;
}

void
vm_remove_files(const Embed *embed, const char *name, const char *socket)
{
    if (socket)
        unlink(socket);
    if (embed->root) {
        g_autofree char *log = g_strdup_printf("%s/log/qemu/%s.log", embed->root, name);

        unlink(log);
    }
}
