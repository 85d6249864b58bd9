/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest-init: the first process of a guest that has an image of cloche but not its agent.
 *
 * Loads the modules of the initrd as the agent does, enters the root file system on the disk, and
 * becomes a shell whose input and output are the first virtio-serial port. tests/bench/passt.py
 * compiles it as a static program.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEVICE_WAIT_MS 10000

/* Prints a message on the console, and switches the machine off. */
static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf(": %s\n", strerror(errno));
    fflush(stdout);
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}

static void
mount_at(const char *source, const char *target, const char *type)
{
    mkdir(target, 0755);
    if (mount(source, target, type, 0, NULL) < 0)
        die("mount %s", target);
}

static void
load_module(const char *name, const char *parameters)
{
    char path[512];
    int fd;

    snprintf(path, sizeof path, "/modules/%s", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 ||
        (syscall(SYS_finit_module, fd, parameters, 0) < 0 && errno != EEXIST && errno != ENODEV))
        die("%s", path);
    close(fd);
}

/* A line is the name of a file, and perhaps a space and parameters. */
static void
load_modules(void)
{
    FILE *order = fopen("/modules/order", "r");
    char line[256];

    if (!order)
        die("/modules/order");
    while (fgets(line, sizeof line, order)) {
        char *parameters;

        line[strcspn(line, "\n")] = '\0';
        parameters = strchrnul(line, ' ');
        if (*parameters)
            *parameters++ = '\0';
        if (*line)
            load_module(line, parameters);
    }
    fclose(order);
}

/* Opens the only device with a name of that pattern. Drivers find their devices after their modules
 * are loaded. */
static int
open_device(const char *pattern)
{
    for (int waited = 0; waited < DEVICE_WAIT_MS; waited++) {
        glob_t found = {0};
        int fd = -1;

        if (glob(pattern, 0, NULL, &found) == 0)
            fd = open(found.gl_pathv[0], O_RDWR);
        globfree(&found);
        if (fd >= 0)
            return fd;
        usleep(1000);
    }
    die("%s", pattern);
}

int
main(void)
{
    int port;

    mount_at("dev", "/dev", "devtmpfs");
    load_modules();
    close(open_device("/dev/vda"));
    mount_at("/dev/vda", "/root", "ext4");
    if (chdir("/root") < 0 || chroot(".") < 0)
        die("chroot");
    mount_at("dev", "/dev", "devtmpfs");
    mount_at("proc", "/proc", "proc");
    mount_at("sys", "/sys", "sysfs");
    mount_at("run", "/run", "tmpfs");
    port = open_device("/dev/vport*p1");
    for (int fd = 0; fd < 3; fd++)
        dup2(port, fd);
    setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
    setenv("HOME", "/root", 1);
    execl("/bin/sh", "sh", NULL);
    die("/bin/sh");
}
