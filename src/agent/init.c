/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * init: a table of steps from /init to a usable system.
 *
 * Devices appear when their drivers are ready. Each uevent of the kernel is a reason to look again.
 */
#include "init.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "claim.h"
#include "initramfs-tree.h"
#include "trust.h"

#define DEVICE_TIMEOUT_S 30
#define DISK "/dev/vda"
#define NEW_ROOT "/root"
#define PORT_NAME "org.cloche.agent"
#define NET_PORT_NAME "org.cloche.net"
#define PORT_NAME_MAX 64
#define PORT_CLASS "/sys/class/virtio-ports"
#define CGROUPS "/sys/fs/cgroup"
#define RUNNERS "/run/cloche/runners"
#define NOFILE_SOFT 65536u
#define NOFILE_HARD 1048576u
#define KEPT_FOR_AGENT (32u << 20) /* bytes of memory that users' processes cannot use */

static int uevents = -1;

static int
check(int result)
{
    return result < 0 ? -errno : 0;
}

static int
make_directory(const char *path, mode_t mode)
{
    return mkdir(path, mode) < 0 && errno != EEXIST ? -errno : 0;
}

static int
mount_on(const char *type, const char *path, unsigned long flags, const char *options)
{
    int r = make_directory(path, 0755);
    return r < 0 ? r : check(mount(type, path, type, flags, options));
}

static int
write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = check((int)write(fd, text, strlen(text)));
    close(fd);
    return r;
}

/* --- waiting for devices --- */

static int
open_uevents(void)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};

    uevents = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (uevents < 0)
        return -errno;
    return check(bind(uevents, (struct sockaddr *)&address, sizeof address));
}

static int64_t
now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Calls `look` after each batch of uevents, until it returns anything but -ENOENT. */
static int
wait_for(int (*look)(void))
{
    int64_t end = now_ms() + DEVICE_TIMEOUT_S * 1000;
    char event[4096];

    for (;;) {
        int r = look();
        if (r != -ENOENT)
            return r;
        struct pollfd wait = {.fd = uevents, .events = POLLIN};
        int64_t left = end - now_ms();
        if (left <= 0 || poll(&wait, 1, (int)left) == 0)
            return -ETIMEDOUT;
        /* The content of the events is not used. */
        while (read(uevents, event, sizeof event) > 0)
            ;
    }
}

static int
look_for_disk(void)
{
    return check(access(DISK, F_OK));
}

/* False: the port has no name yet. */
static bool
read_port_name(const char *port, char ret_name[PORT_NAME_MAX])
{
    char path[512];

    snprintf(path, sizeof path, PORT_CLASS "/%s/name", port);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, ret_name, PORT_NAME_MAX - 1);
    close(fd);
    ret_name[n > 0 ? n : 0] = '\0';
    ret_name[strcspn(ret_name, "\n")] = '\0';
    return n > 0;
}

/* -ENOENT: it may still come. -ENODEV: there is none, because all ports have other names. */
static int
open_port(const char *wanted)
{
    char name[PORT_NAME_MAX], path[512] = "";
    int r = -ENODEV;

    DIR *ports = opendir(PORT_CLASS);
    if (!ports)
        return -errno;
    for (struct dirent *entry; !*path && (entry = readdir(ports));) {
        if (entry->d_name[0] == '.')
            continue;
        if (!read_port_name(entry->d_name, name))
            r = -ENOENT;
        else if (strcmp(name, wanted) == 0)
            snprintf(path, sizeof path, "/dev/%s", entry->d_name);
    }
    closedir(ports);
    if (!*path)
        return r;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

static int
open_agent_port(void)
{
    int fd = open_port(PORT_NAME);
    return fd == -ENODEV ? -ENOENT : fd;
}

/* The device announces all its ports before it gives a name to the first. So this is called when
 * the agent's port has its name. */
static int
open_net_port(void)
{
    return open_port(NET_PORT_NAME);
}

/* --- in the initramfs --- */

static int
mount_kernel_files(void)
{
    int r = mount_on("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    if (r == 0)
        r = mount_on("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    if (r == 0)
        r = mount_on("devtmpfs", "/dev", MS_NOSUID, "mode=0755");
    return r;
}

static int
load_module(const char *name, const char *parameters)
{
    char path[512];

    snprintf(path, sizeof path, "/modules/%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = check((int)syscall(SYS_finit_module, fd, parameters, 0));
    close(fd);
    if (r < 0 && r != -EEXIST)
        dprintf(STDERR_FILENO, "cloche-agent: module %s: %s\n", name, strerror(-r));
    return r == -EEXIST ? 0 : r;
}

/* A line is the name of a file, and perhaps a space and parameters. The list is missing if the
 * kernel has all drivers built in. */
static int
load_modules(void)
{
    char line[256];
    int r = 0;

    FILE *order = fopen("/modules/order", "re");
    if (!order)
        return errno == ENOENT ? 0 : -errno;
    while (r == 0 && fgets(line, sizeof line, order)) {
        line[strcspn(line, "\n")] = '\0';
        char *parameters = strchrnul(line, ' ');
        if (*parameters)
            *parameters++ = '\0';
        if (*line)
            r = load_module(line, parameters);
    }
    fclose(order);
    return r;
}

static int
power_off_if_probed(void)
{
    char line[4096] = "";

    FILE *file = fopen("/proc/cmdline", "re");
    if (!file)
        return -errno;
    char *read = fgets(line, sizeof line, file);
    fclose(file);
    for (char *word = read ? strtok(line, " \n") : NULL; word; word = strtok(NULL, " \n"))
        if (strcmp(word, "cloche.probe") == 0)
            return check(reboot(RB_POWER_OFF));
    return 0;
}

static int
mount_disk(void)
{
    int r = wait_for(look_for_disk);
    if (r == 0)
        r = make_directory(NEW_ROOT, 0755);
    return r < 0 ? r : check(mount(DISK, NEW_ROOT, "ext4", MS_NOATIME, NULL));
}

static int
move_mounts(void)
{
    static const char *const moved[] = {"/proc", "/sys", "/dev"};
    char path[64];
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof moved / sizeof *moved; i++) {
        snprintf(path, sizeof path, NEW_ROOT "%s", moved[i]);
        r = make_directory(path, 0755);
        if (r == 0)
            r = check(mount(moved[i], path, NULL, MS_MOVE, NULL));
    }
    return r;
}

static int
copy_runners(void)
{
    const unsigned long flags = MS_NOSUID | MS_NODEV;

    int r = mount_on("tmpfs", NEW_ROOT "/run", flags, "mode=0755,size=10%");
    if (r == 0)
        r = make_directory(NEW_ROOT "/run/cloche", 0755);
    if (r == 0)
        r = mount_on("tmpfs", NEW_ROOT RUNNERS, flags, "mode=0755");
    if (r == 0 && access("/runners", F_OK) == 0)
        r = tree_copy("/runners", NEW_ROOT RUNNERS);
    if (r < 0)
        return r;
    return check(mount(NULL, NEW_ROOT RUNNERS, NULL, MS_REMOUNT | MS_RDONLY | flags, NULL));
}

static int
switch_root(void)
{
    tree_empty("/");
    if (chdir(NEW_ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
        return -errno;
    return check(chdir("/"));
}

/* --- on the disk --- */

static int
mount_system(void)
{
    const unsigned long flags = MS_NOSUID | MS_NODEV;

    int r = mount_on("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666");
    if (r == 0)
        r = mount_on("tmpfs", "/dev/shm", flags, "mode=1777");
    if (r == 0)
        r = mount_on("cgroup2", CGROUPS, flags | MS_NOEXEC, NULL);
    if (r == 0)
        r = make_directory("/tmp", 0755);
    return r < 0 ? r : check(chmod("/tmp", 01777));
}

static int
link_descriptors(void)
{
    static const char *const links[][2] = {
        {"/proc/self/fd", "/dev/fd"},
        {"/proc/self/fd/0", "/dev/stdin"},
        {"/proc/self/fd/1", "/dev/stdout"},
        {"/proc/self/fd/2", "/dev/stderr"},
    };
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (symlink(links[i][0], links[i][1]) < 0 && errno != EEXIST)
            return -errno;
    return 0;
}

static void
enable_controllers(const char *file)
{
    /* Each is enabled separately, because a kernel may lack one. */
    static const char *const controllers[] = {"+cpu", "+memory", "+pids"};

    for (size_t i = 0; i < sizeof controllers / sizeof *controllers; i++)
        write_text(file, controllers[i]);
}

/*
 * The kernel permits each user half of all threads, for which the memory suffices. Here that is the
 * bound for all users together, root included. Users other than root may have three quarters of it,
 * so that root can still start programs.
 */
static int
limit_threads(void)
{
    struct rlimit threads;
    char text[32];

    if (getrlimit(RLIMIT_NPROC, &threads) < 0)
        return -errno;
    snprintf(text, sizeof text, "%llu", (unsigned long long)threads.rlim_max);
    write_text(INIT_CGROUP "/pids.max", text);
    threads.rlim_cur = threads.rlim_max = threads.rlim_max / 4 * 3;
    return check(setrlimit(RLIMIT_NPROC, &threads));
}

/*
 * Users' processes cannot use all of the memory or all pids. Each request's processes get the same
 * share of the processor, whatever their nice values are. Open files use memory, which is limited,
 * so their number has no limit of its own.
 */
static int
limit_users(void)
{
    struct sysinfo info;
    char text[32];

    enable_controllers(CGROUPS "/cgroup.subtree_control");
    int r = make_directory(INIT_CGROUP, 0755);
    if (r < 0)
        return r;
    enable_controllers(INIT_CGROUP "/cgroup.subtree_control");
    r = make_directory(INIT_CGROUP "/" CGROUP_OPERATIONS, 0755);
    if (r < 0)
        return r;
    enable_controllers(INIT_CGROUP "/" CGROUP_OPERATIONS "/cgroup.subtree_control");
    write_text("/proc/sys/fs/file-max", "9223372036854775807");

    sysinfo(&info);
    snprintf(text, sizeof text, "%llu",
             (unsigned long long)info.totalram * info.mem_unit - KEPT_FOR_AGENT);
    write_text(INIT_CGROUP "/memory.max", text);
    return limit_threads();
}

static int
copy_text(const char *from, const char *to)
{
    char text[4096];

    int in = open(from, O_RDONLY | O_CREAT | O_CLOEXEC, 0644);
    if (in < 0)
        return -errno;
    int out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    ssize_t n = out < 0 ? -1 : read(in, text, sizeof text);
    int r = check(n < 0 ? -1 : (int)write(out, text, (size_t)n));
    close(in);
    close(out);
    return r;
}

/*
 * Files that a claim or net-service.c writes are on tmpfs, mounted over the originals: the first
 * write to a disk after a long pause takes ten times as long as the whole claim.
 */
static int
cover_identity(void)
{
    static const char *const files[][2] = {
        {"/proc/sys/kernel/random/boot_id", CLAIM_BOOT_ID_FILE},
        {"/etc/machine-id", "/run/cloche/machine-id"},
        {"/etc/hostname", "/run/cloche/hostname"},
        {"/etc/hosts", "/run/cloche/hosts"},
        {"/etc/resolv.conf", "/run/cloche/resolv.conf"},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof files / sizeof *files; i++) {
        r = copy_text(files[i][0], files[i][1]);
        if (r == 0)
            r = check(mount(files[i][1], files[i][0], NULL, MS_BIND, NULL));
    }
    return r;
}

static int
prepare_trust(void)
{
    return trust_prepare(/* root= */ "");
}

static int
raise_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int r = check(ioctl(fd, SIOCSIFFLAGS, &request));
    close(fd);
    return r;
}

static int
set_defaults(void)
{
    struct rlimit files = {.rlim_cur = NOFILE_SOFT, .rlim_max = NOFILE_HARD};

    umask(022);
    if (sethostname("cloche", strlen("cloche")) < 0 || setrlimit(RLIMIT_NOFILE, &files) < 0)
        return -errno;
    return 0;
}

static const struct {
    const char *name;
    int (*run)(void);
} steps[] = {
    {"kernel file systems", mount_kernel_files},
    {"uevents", open_uevents},
    {"modules", load_modules},
    {"probe", power_off_if_probed},
    {"disk " DISK, mount_disk},
    {"moving mounts", move_mounts},
    {"runners", copy_runners},
    {"switching root", switch_root},
    {"file systems", mount_system},
    {"descriptors", link_descriptors},
    {"cgroups", limit_users},
    {"identity", cover_identity},
    {"certificates", prepare_trust},
    {"loopback", raise_loopback},
    {"defaults", set_defaults},
};

int
init_machine(int *ret_net_fd)
{
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int r = steps[i].run();
        if (r < 0) {
            dprintf(STDERR_FILENO, "cloche-agent: %s: %s\n", steps[i].name, strerror(-r));
            return r;
        }
    }
    int fd = wait_for(open_agent_port);
    if (fd < 0)
        dprintf(STDERR_FILENO, "cloche-agent: port %s: %s\n", PORT_NAME, strerror(-fd));
    *ret_net_fd = fd < 0 ? -1 : wait_for(open_net_port);
    close(uevents);
    return fd;
}

int
init_close_cgroups(void)
{
    const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

    int r = check(mount(CGROUPS, CGROUPS, NULL, MS_BIND, NULL));
    if (r < 0)
        return r;
    return check(mount(NULL, CGROUPS, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL));
}
