/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmd-files: the files of cloche-vm. */
#include "vmd-files.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "access.h"
#include "folder.h"
#include "util.h"

static const char *const folders[] = {"agent", "boot", "console", "net"};

char *
vmd_files_path(const char *own, const char *folder, const char *name)
{
    return g_build_filename(own, folder, name, NULL);
}

/* libvirtd makes the sockets; the access lists of their folders make them ours. Machines need no
 * access. */
gboolean
vmd_files_open(const char *own, gboolean has_users, GError **error)
{
    g_autofree char *agent = vmd_files_path(own, "agent", NULL);
    g_autofree char *boot = vmd_files_path(own, "boot", NULL);
    g_autofree char *console = vmd_files_path(own, "console", NULL);
    g_autofree char *net = vmd_files_path(own, "net", NULL);

    return folder_make(own, 0711, error) && folder_make(agent, 0700, error) &&
           folder_make(boot, 0711, error) && folder_make(console, 0711, error) &&
           folder_make(net, 0700, error) &&
           (!has_users || (access_inherit(agent, error) && access_inherit(net, error)));
}

gboolean
vmd_files_make_console(const char *own, const char *name, uid_t uid, GError **error)
{
    g_autofree char *path = vmd_files_path(own, "console", name);
    int fd;

    unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return util_set_errno(error, errno, "cannot create '%s'", path);
    close(fd);
    return access_grant(path, uid, "rw", error);
}

void
vmd_files_remove(const char *own, const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *path = vmd_files_path(own, folders[i], name);

        unlink(path);
    }
}

void
vmd_files_sweep(const char *own, const char *prefix,
                gboolean (*is_kept)(const char *name, gpointer data), gpointer data)
{
    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *folder = vmd_files_path(own, folders[i], NULL);
        g_autoptr(GDir) dir = g_dir_open(folder, 0, /* error= */ NULL);
        const char *name;

        while (dir && (name = g_dir_read_name(dir)))
            if (g_str_has_prefix(name, prefix) && !is_kept(name, data)) {
                g_autofree char *path = vmd_files_path(own, folders[i], name);

                unlink(path);
            }
    }
}
