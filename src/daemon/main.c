/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main: cloched on the machines of cloche-vm. */
#include <pwd.h>
#include <unistd.h>

#include "daemon.h"

#define VM_SOCKET "/run/cloche-vm.socket"
#define EGRESS_SOCKET "/run/cloche-egress.socket"
#define EGRESS_USER "cloche-egress"

/* The program of the child is beside this program, or in the same build folder. */
static char *
find_program(const char *name, const char *build_folder)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", /* error= */ NULL);
    g_autofree char *folder = g_path_get_dirname(self ? self : "");
    char *beside = g_build_filename(folder, name, NULL);

    if (access(beside, X_OK) == 0)
        return beside;
    g_free(beside);
    return g_build_filename(folder, "..", build_folder, name, NULL);
}

static gboolean
is_embedded(const Config *config)
{
    return g_str_has_prefix(config->connection, "qemu:///embed");
}

/* libvirt's own service is used by the service cloche-vm only. */
static Vm *
open_vm(Config *config, GError **error)
{
    g_autofree char *program = find_program("cloche-vm", "vmd");
    g_autofree char *path = g_strconcat("--config=", config->path, NULL);
    const char *argv[4] = {program};
    const VmAccess service = {.socket = VM_SOCKET}, child = {.argv = argv};
    int n = 1;

    if (!is_embedded(config))
        return vm_open(&service, error);
    if (config->user_mode)
        argv[n++] = "--user";
    if (config->path)
        argv[n++] = path;
    return vm_open(&child, error);
}

/* As with cloche-vm: a child where this service is not one of systemd. Root without this user has
 * no cloche-egress, which does not run as root. */
static Egress *
open_egress(const Config *config)
{
    g_autofree char *program = find_program("cloche-egress", "egress");
    g_autofree char *run = g_build_filename(config->run, "egress", NULL);
    const char *argv[6] = {program, "--run", run};
    const EgressAccess service = {.socket = EGRESS_SOCKET}, child = {.argv = argv};

    if (!is_embedded(config))
        return egress_open(&service);
    if (geteuid() == 0 && !getpwnam(EGRESS_USER)) {
        g_warning("Sandboxes cannot have a network, because there is no user " EGRESS_USER);
        return NULL;
    }
    if (geteuid() == 0) {
        argv[3] = "--user";
        argv[4] = EGRESS_USER;
    }
    return egress_open(&child);
}

int
main(int argc, char **argv)
{
    return daemon_main(argc, argv, open_vm, open_egress);
}
