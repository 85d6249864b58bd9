/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * claim: a table of steps. Entropy is first, because later steps draw random numbers.
 *
 * Files are written in place and not renamed, because each may be a bind mount. A claim that fails
 * after its first step counts as made: the machine has changed and cannot be claimed again.
 */
#include "claim.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "account.h"
#include "claim-request.h"
#include "clock.h"
#include "freeze.h"
#include "host-port.h"
#include "wire.h"

#define HOSTS_MAX 65536u
#define HOSTS_ADDRESS "127.0.1.1"

static struct {
    bool owns_kernel;
    bool is_made;
    char *id, *user;
    char **environment;
} machine;

void
claim_open(bool owns_kernel)
{
    machine.owns_kernel = owns_kernel;
}

const char *
claim_id(void)
{
    return machine.id ? machine.id : "";
}

const char *
claim_user(void)
{
    return machine.user;
}

char *const *
claim_environment(void)
{
    return machine.environment;
}

/* --- the steps --- */

static int
write_file(const char *path, const char *data, size_t size, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, data, size);
    int r = n < 0 ? -errno : (size_t)n < size ? -ENOSPC : 0;
    close(fd);
    return r;
}

static int
add_entropy(const ClaimRequest *claim)
{
    union {
        struct rand_pool_info info;
        uint8_t room[sizeof(struct rand_pool_info) + CLAIM_ENTROPY_MAX];
    } pool;

    if (!machine.owns_kernel)
        return 0;
    pool.info.entropy_count = (int)claim->entropy_size * 8;
    pool.info.buf_size = (int)claim->entropy_size;
    memcpy(pool.info.buf, claim->entropy, claim->entropy_size);

    int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    bool is_done = ioctl(fd, RNDADDENTROPY, &pool) == 0 && ioctl(fd, RNDRESEEDCRNG) == 0;
    int r = is_done ? 0 : -errno;
    close(fd);
    explicit_bzero(&pool, sizeof pool);
    return r;
}

static int
set_clock(const ClaimRequest *claim)
{
    return clock_step(claim->realtime_ns);
}

static int
renew_boot_id(const ClaimRequest *claim)
{
    uint8_t b[16];
    char text[38];

    if (!machine.owns_kernel)
        return 0;
    if (getrandom(b, sizeof b, 0) != sizeof b)
        return -EIO;
    b[6] = (b[6] & 0x0f) | 0x40; /* a random UUID, version 4 */
    b[8] = (b[8] & 0x3f) | 0x80;
    int n = snprintf(text, sizeof text,
                     "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x\n", b[0],
                     b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
                     b[13], b[14], b[15]);
    return write_file(CLAIM_BOOT_ID_FILE, text, (size_t)n, 0444);
}

static int
write_machine_id(const ClaimRequest *claim)
{
    char text[2 * CLAIM_MACHINE_ID_SIZE + 2];

    for (size_t i = 0; i < CLAIM_MACHINE_ID_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", claim->machine_id[i]);
    text[2 * CLAIM_MACHINE_ID_SIZE] = '\n';
    return write_file("/etc/machine-id", text, 2 * CLAIM_MACHINE_ID_SIZE + 1, 0444);
}

static int
set_hostname(const ClaimRequest *claim)
{
    char text[CLAIM_HOSTNAME_MAX + 2];
    size_t size = strlen(claim->hostname);

    if (sethostname(claim->hostname, size) < 0)
        return -errno;
    memcpy(text, claim->hostname, size);
    text[size] = '\n';
    return write_file("/etc/hostname", text, size + 1, 0644);
}

static size_t
read_file(const char *path, char *out, size_t max)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? 0 : read(fd, out, max);
    if (fd >= 0)
        close(fd);
    return n < 0 ? 0 : (size_t)n;
}

/* Keeps the other lines except for an older name of this machine, and adds the new name. A file
 * that users have made larger than HOSTS_MAX is kept as it is. */
static int
write_hosts(const ClaimRequest *claim)
{
    static char before[HOSTS_MAX + 1];
    static char after[HOSTS_MAX + CLAIM_HOSTNAME_MAX + sizeof HOSTS_ADDRESS + 3];
    size_t n = 0, size = read_file("/etc/hosts", before, sizeof before);

    if (size > HOSTS_MAX)
        return 0;
    before[size] = '\0';
    for (char *line = before, *end; *line; line = end) {
        end = strchrnul(line, '\n');
        end += *end == '\n';
        if (strncmp(line, HOSTS_ADDRESS, strlen(HOSTS_ADDRESS)) == 0)
            continue;
        memcpy(after + n, line, (size_t)(end - line));
        n += (size_t)(end - line);
    }
    if (n > 0 && after[n - 1] != '\n')
        after[n++] = '\n';
    n += (size_t)snprintf(after + n, sizeof after - n, HOSTS_ADDRESS "\t%s\n", claim->hostname);
    return write_file("/etc/hosts", after, n, 0644);
}

static const struct {
    const char *name;
    int (*run)(const ClaimRequest *claim);
} steps[] = {
    {"entropy", add_entropy},         {"clock", set_clock},        {"boot id", renew_boot_id},
    {"machine id", write_machine_id}, {"host name", set_hostname}, {"hosts", write_hosts},
};

static void
forget_claim(void)
{
    free(machine.id);
    free(machine.user);
    wire_strv_free(machine.environment);
}

static size_t
count_entries(char *const *environment)
{
    size_t count = 0;

    while (environment && environment[count])
        count++;
    return count;
}

static bool
has_name_of(char *const *environment, const char *entry)
{
    size_t length = strcspn(entry, "=") + 1;

    for (; *environment; environment++)
        if (strncmp(*environment, entry, length) == 0)
            return true;
    return false;
}

/* A machine that is claimed anew keeps the variables that the new claim does not set. Without
 * memory it keeps none. */
static void
inherit_environment(ClaimRequest *claim)
{
    size_t count = count_entries(claim->environment);
    char **all = calloc(count + count_entries(machine.environment) + 1, sizeof *all);

    if (!all)
        return;
    memcpy(all, claim->environment, count * sizeof *all);
    for (char **entry = machine.environment; entry && *entry; entry++)
        if (!has_name_of(claim->environment, *entry) && (all[count] = strdup(*entry)))
            count++;
    free(claim->environment);
    claim->environment = all;
}

static void
run_steps(uint32_t stream, ClaimRequest *claim)
{
    bool is_rehearsal = !*claim->id;

    machine.is_made = !is_rehearsal;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int r = steps[i].run(claim);
        if (r < 0) {
            port_send_error(stream, -r, WIRE_ABOUT_SYSTEM, steps[i].name);
            return;
        }
    }
    if (!is_rehearsal) {
        inherit_environment(claim);
        forget_claim();
        machine.id = claim->id;
        machine.user = claim->user;
        machine.environment = claim->environment;
        claim->id = claim->user = NULL;
        claim->environment = NULL;
    }
    port_send(stream, WIRE_OK, 0);
}

static void
check_and_run(uint32_t stream, ClaimRequest *claim)
{
    const char *fault = claim_request_find_fault(claim);
    if (fault) {
        port_send_error(stream, EINVAL, WIRE_ABOUT_REQUEST, fault);
        return;
    }
    if (machine.is_made && !*claim->id) {
        port_send_error(stream, EALREADY, WIRE_ABOUT_REQUEST, claim_id());
        return;
    }
    int r = machine.is_made ? 0 : account_remember(claim->user);
    if (r < 0) {
        port_send_error(stream, -r, r == -ENOENT ? WIRE_ABOUT_USER : WIRE_ABOUT_SYSTEM,
                        claim->user);
        return;
    }
    run_steps(stream, claim);
}

void
claim_make(uint32_t stream, const uint8_t *payload, size_t size)
{
    ClaimRequest claim = {.id = NULL};

    if (machine.is_made && !freeze_is_complete()) {
        port_send_error(stream, EALREADY, WIRE_ABOUT_REQUEST, claim_id());
        return;
    }
    int r = claim_request_parse(&claim, payload, size);
    if (r < 0)
        port_send_error(stream, -r, WIRE_ABOUT_REQUEST, "claim");
    else
        check_and_run(stream, &claim);
    claim_request_clear(&claim);
}
