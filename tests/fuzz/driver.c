/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * driver: runs a fuzz target where the compiler has no fuzzer.
 *
 * Runs every file of the corpus folder, then random mutations of these files. The mutations are
 * always the same, so that a failure can be repeated. Speaks TAP. Usage: TARGET CORPUS-FOLDER
 * [MUTATIONS].
 *
 * With CLOCHE_FUZZ_SECONDS it runs for that time instead, with other mutations for each
 * CLOCHE_FUZZ_SEED (a number). With CLOCHE_FUZZ_INPUT, each input is written to that file first, so
 * that the one that ended the program remains there; beside CORPUS-FOLDER, the inputs in
 * CLOCHE_FUZZ_CORPUS are read.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SEEDS_MAX 256u
#define INPUT_MAX (64u * 1024)
#define EDITS_MAX 8u
#define MUTATIONS 200000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    uint8_t *data;
    size_t size;
} Input;

static Input seeds[SEEDS_MAX];
static size_t n_seeds;
static uint64_t state = UINT64_C(0x9E3779B97F4A7C15);

/* xorshift64* */
static uint64_t
random_below(uint64_t limit)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * UINT64_C(0x2545F4914F6CDD1D) >> 16) % limit;
}

static void
keep_input(const uint8_t *data, size_t size)
{
    const char *path = getenv("CLOCHE_FUZZ_INPUT");
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;

    if (fd >= 0 && write(fd, data, size) != (ssize_t)size)
        abort();
    if (fd >= 0)
        close(fd);
}

/* A copy of exactly its size, so that a sanitizer sees every step beyond its end. */
static void
run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    keep_input(copy, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void
load(int directory_fd, const char *name)
{
    struct stat st;

    int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        abort();
    if (S_ISREG(st.st_mode) && st.st_size <= INPUT_MAX && n_seeds < SEEDS_MAX) {
        Input *seed = &seeds[n_seeds++];
        seed->size = (size_t)st.st_size;
        seed->data = malloc(seed->size + 1);
        if (!seed->data || read(fd, seed->data, seed->size) != st.st_size)
            abort();
    }
    close(fd);
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void
load_all(const char *folder)
{
    struct dirent **entries;

    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int n = fd < 0 ? -1 : scandir(folder, &entries, NULL, by_name);
    for (int i = 0; i < n; i++) {
        load(fd, entries[i]->d_name);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    if (fd >= 0)
        close(fd);
}

/* Numbers that lengths and counts go wrong at. */
static const uint32_t interesting[] = {0,          1,          4,          255,        256,
                                       65535,      65536,      0x3ffff,    0x40000,    0x40001,
                                       0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff, 12};

static size_t
edit(uint8_t *data, size_t size)
{
    size_t at = random_below(size + 1);
    size_t span = random_below(16) + 1;
    uint32_t number = interesting[random_below(sizeof interesting / sizeof *interesting)];

    switch (random_below(6)) {
    case 0: /* a bit */
        if (at < size)
            data[at] ^= (uint8_t)(1u << random_below(8));
        break;
    case 1: /* a byte */
        if (at < size)
            data[at] = (uint8_t)random_below(256);
        break;
    case 2: /* a number */
        if (at + sizeof number <= size)
            memcpy(data + at, &number, sizeof number);
        break;
    case 3: /* cut off */
        return at;
    case 4: /* cut out */
        if (at + span <= size) {
            memmove(data + at, data + at + span, size - at - span);
            return size - span;
        }
        break;
    default: /* repeat */
        if (at + span <= size && size + span <= INPUT_MAX) {
            memmove(data + at + span, data + at, size - at);
            return size + span;
        }
    }
    return size;
}

/* A seed, or two that are joined, with a few edits. */
static size_t
mutate(uint8_t *out)
{
    const Input *seed = &seeds[random_below(n_seeds)];
    size_t size = seed->size;

    memcpy(out, seed->data, size);
    if (random_below(4) == 0) {
        const Input *second = &seeds[random_below(n_seeds)];
        size_t cut = random_below(size + 1);
        if (cut + second->size <= INPUT_MAX) {
            memcpy(out + cut, second->data, second->size);
            size = cut + second->size;
        }
    }
    for (uint64_t edits = random_below(EDITS_MAX) + 1; edits > 0; edits--)
        size = edit(out, size);
    return size;
}

/* Mutations until the number, or the time of the environment, is over; returns how many. */
static unsigned long
run_mutations(unsigned long count)
{
    static uint8_t buffer[INPUT_MAX];
    const char *seconds = getenv("CLOCHE_FUZZ_SECONDS"), *seed = getenv("CLOCHE_FUZZ_SEED");
    time_t end = seconds ? time(NULL) + strtol(seconds, NULL, 10) : 0;
    unsigned long i;

    if (seed)
        state ^= strtoull(seed, NULL, 10) * UINT64_C(0xD1342543DE82EF95);
    for (i = 0; seconds ? time(NULL) < end : i < count; i++)
        run(buffer, mutate(buffer));
    return i;
}

int
main(int argc, char **argv)
{
    unsigned long mutations = argc > 2 ? strtoul(argv[2], NULL, 10) : MUTATIONS;
    const char *more = getenv("CLOCHE_FUZZ_CORPUS");

    if (argc > 1)
        load_all(argv[1]);
    if (more)
        load_all(more);
    if (n_seeds == 0) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER [MUTATIONS]\n", argv[0]);
        return 2;
    }
    for (size_t i = 0; i < n_seeds; i++)
        run(seeds[i].data, seeds[i].size);
    printf("1..2\nok 1 %zu files of the corpus\n", n_seeds);
    fflush(stdout);
    mutations = run_mutations(mutations);
    printf("ok 2 %lu mutations\n", mutations);
    for (size_t i = 0; i < n_seeds; i++)
        free(seeds[i].data);
    return 0;
}
