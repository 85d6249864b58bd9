/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-embed: sets up what libvirt's embedded QEMU driver needs.
 *
 * When the daemon runs as root, QEMU runs as another user. libvirt determines QEMU's capabilities
 * as root, which can open /dev/kvm, and considers its cache valid only while QEMU's user can open
 * /dev/kvm too. Where that user cannot, each start of a machine determines the capabilities again,
 * which takes seconds. So this file then covers /dev/kvm with an empty file, in a mount namespace
 * of this process: the cache stays valid, and machines could not use KVM anyway.
 */
#include "vm-embed.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"
#include "folder.h"
#include "util.h"
#include "vm-reaper.h"

#define KVM_DEVICE "/dev/kvm"
#define GROUPS_MAX 64

static const char *const qemu_users[] = {"libvirt-qemu", "qemu", "nobody"};

/* The value of "root" in qemu:///embed?root=/absolute/dir, or NULL. */
static char *
root_of_uri(const char *uri, GError **error)
{
    g_autofree char *root = NULL;
    const char *query = strchr(uri, '?');
    g_autoptr(GHashTable) parameters = NULL;

    parameters =
        g_uri_parse_params(query ? query + 1 : "", /* length= */ -1, "&", G_URI_PARAMS_NONE, error);
    if (!parameters)
        return NULL;
    root = g_strdup(g_hash_table_lookup(parameters, "root"));
    if (!root || !g_path_is_absolute(root)) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "'%s' does not name an absolute root directory", uri);
        return NULL;
    }
    return g_steal_pointer(&root);
}

static const struct passwd *
find_qemu_user(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(qemu_users); i++) {
        const struct passwd *user = getpwnam(qemu_users[i]);

        if (user)
            return user;
    }
    return NULL;
}

/* Tries to open it in a child process, because the result depends on groups and access lists. */
static gboolean
user_can_open_kvm(const struct passwd *user)
{
    gid_t groups[GROUPS_MAX];
    int n = GROUPS_MAX, status;
    pid_t pid;

    if (getgrouplist(user->pw_name, user->pw_gid, groups, &n) < 0)
        n = GROUPS_MAX;
    pid = fork();
    if (pid < 0)
        return FALSE;
    if (pid == 0)
        _exit(setgroups(n, groups) < 0 || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
              setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0 ||
              access(KVM_DEVICE, R_OK | W_OK) < 0);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return FALSE;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Only root can open the cover, and it is not a KVM device. */
static gboolean
cover_kvm(const char *root, GError **error)
{
    g_autofree char *cover = g_build_filename(root, "no-kvm", NULL);
    int fd = open(cover, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0);

    if (fd < 0)
        return util_set_errno(error, errno, "cannot create '%s'", cover);
    close(fd);
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
        mount(cover, KVM_DEVICE, NULL, MS_BIND, NULL) < 0)
        return util_set_errno(error, errno, "cannot cover %s", KVM_DEVICE);
    return TRUE;
}

static gboolean
write_configuration(const Embed *embed, GError **error)
{
    g_autofree char *directory = g_build_filename(embed->root, "etc", NULL);
    g_autofree char *path = g_build_filename(directory, "qemu.conf", NULL);
    g_autoptr(GString) text = g_string_new("# Written by cloche at each start.\n");

    if (embed->own_user)
        g_string_append_printf(text, "user = \"+%u\"\ngroup = \"+%u\"\n", (unsigned)embed->uid,
                               (unsigned)embed->gid);
    g_string_append(text,
                    "security_driver = \"none\"\n" /* profiles expect libvirt's paths */
                    "dynamic_ownership = 0\n"      /* files keep their owners */
                    "seccomp_sandbox = 1\n"
                    "max_core = 0\n" /* libvirt may not raise a limit that sudo has set */
                    "stdio_handler = \"file\"\n" /* there is no virtlogd */
                    "namespaces = []\n"); /* libvirt could not move the mount of cover_kvm() */
    return folder_make(directory, 0755, error) &&
           g_file_set_contents(path, text->str, (gssize)text->len, error);
}

/* Otherwise libvirt prints its log. It returns its errors to the caller as well. */
static void
redirect_log(const char *root)
{
    g_autofree char *outputs = g_strdup_printf("4:file:%s/libvirt.log", root);

    g_setenv("LIBVIRT_LOG_OUTPUTS", outputs, /* overwrite= */ FALSE);
}

static gboolean
choose_user(Embed *embed, GError **error)
{
    const struct passwd *user;
    struct stat device;

    if (geteuid() != 0)
        return TRUE;
    user = find_qemu_user();
    if (!user) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "there is no user '%s' to run QEMU",
                    qemu_users[0]);
        return FALSE;
    }
    embed->own_user = TRUE;
    embed->uid = user->pw_uid;
    embed->gid = user->pw_gid;
    if (stat(KVM_DEVICE, &device) < 0 || user_can_open_kvm(user))
        return TRUE;
    embed->no_kvm = g_strdup_printf("user '%s' may not open %s; the service checks this only "
                                    "when it starts",
                                    user->pw_name, KVM_DEVICE);
    return cover_kvm(embed->root, error);
}

gboolean
embed_prepare(const char *uri, Embed *embed, GError **error)
{
    if (!g_str_has_prefix(uri, "qemu:///embed"))
        return TRUE;
    embed->root = root_of_uri(uri, error);
    if (!embed->root)
        return FALSE;
    /* QEMU's user must be able to search the directory. */
    if (!folder_make(embed->root, 0711, error) || !choose_user(embed, error) ||
        !write_configuration(embed, error))
        return FALSE;
    redirect_log(embed->root);
    reaper_start();
    return TRUE;
}

void
embed_clear(Embed *embed)
{
    g_clear_pointer(&embed->root, g_free);
    g_clear_pointer(&embed->no_kvm, g_free);
}
