/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main: cloched on the machines of cloche-vm. */
#include <unistd.h>

#include "daemon.h"

#define SERVICE_SOCKET "/run/cloche-vm.socket"

/* The program of the child is beside this program, or in the same build folder. */
static char *
find_program(void)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", /* error= */ NULL);
    g_autofree char *folder = g_path_get_dirname(self ? self : "");
    char *beside = g_build_filename(folder, "cloche-vm", NULL);

    if (access(beside, X_OK) == 0)
        return beside;
    g_free(beside);
    return g_build_filename(folder, "..", "vmd", "cloche-vm", NULL);
}

/* libvirt's own service is used by the service cloche-vm only. */
static Vm *
open_vm(Config *config, GError **error)
{
    g_autofree char *program = find_program();
    g_autofree char *path = g_strconcat("--config=", config->path, NULL);
    const char *argv[4] = {program};
    const VmAccess service = {.socket = SERVICE_SOCKET}, child = {.argv = argv};
    int n = 1;

    if (!g_str_has_prefix(config->connection, "qemu:///embed"))
        return vm_open(&service, error);
    if (config->user_mode)
        argv[n++] = "--user";
    if (config->path)
        argv[n++] = path;
    return vm_open(&child, error);
}

int
main(int argc, char **argv)
{
    return daemon_main(argc, argv, open_vm);
}
