/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * driver: runs a fuzz target without a fuzzer, as a test of a few seconds.
 *
 * usage: fuzz-NAME CORPUS. Every file of the folder, then mutations of them, from a seed that is
 * always the same: a failure comes again. An input that crashes the target is written to standard
 * error as hexadecimal. With clang's -fsanitize=fuzzer the targets work without this file.
 */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FILES_MAX 256
#define INPUT_MAX (64u * 1024)
#define MUTATIONS_MAX 300000
#define SECONDS_MAX 2.5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    uint8_t *data;
    size_t size;
} Input;

static Input files[FILES_MAX];
static size_t n_files;
static const uint8_t *current;
static size_t current_size;
static uint64_t random_state = 0x9E3779B97F4A7C15u;

/* xorshift64 */
static uint64_t
random_below(uint64_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % bound;
}

static void
on_crash(int number)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < current_size; i++) {
        char pair[2] = {digits[current[i] >> 4], digits[current[i] & 15]};
        if (write(STDERR_FILENO, pair, 2) != 2)
            break;
    }
    signal(number, SIG_DFL);
    raise(number);
}

/* The target gets a copy of exactly the input's size, so that a checker of memory sees an overrun.
 */
static void
run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    current = copy;
    current_size = size;
    LLVMFuzzerTestOneInput(copy, size);
    current_size = 0;
    free(copy);
}

static void
load_file(const char *folder, const char *name)
{
    char path[4096];
    Input *input = &files[n_files];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    input->data = malloc(INPUT_MAX);
    if (!file || !input->data) {
        perror(path);
        exit(1);
    }
    input->size = fread(input->data, 1, INPUT_MAX, file);
    fclose(file);
    n_files++;
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* In the order of their names, which is the same everywhere. */
static void
load_corpus(const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, by_name);

    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.' && n_files < FILES_MAX)
            load_file(folder, entries[i]->d_name);
        free(entries[i]);
    }
    if (n_files == 0) {
        fprintf(stderr, "%s: no corpus\n", folder);
        exit(1);
    }
    free(entries);
}

/* Numbers at which lengths and counts go wrong. */
static void
put_number(uint8_t *at)
{
    static const uint32_t numbers[] = {0, 1, 0x7f, 0xff, 0xffff, 0x10000, 0x7fffffff, 0xffffffff};
    uint32_t number = numbers[random_below(sizeof numbers / sizeof *numbers)];

    memcpy(at, &number, sizeof number);
}

/* One change of `data`, which has room for INPUT_MAX bytes. Returns the new size. */
static size_t
mutate(uint8_t *data, size_t size)
{
    size_t at = size ? random_below(size) : 0;
    size_t rest = size - at;

    switch (size ? random_below(6) : 5) {
    case 0:
        data[at] ^= (uint8_t)(1u << random_below(8));
        return size;
    case 1:
        data[at] = (uint8_t)random_below(256);
        return size;
    case 2:
        if (rest >= 4)
            put_number(data + at);
        return size;
    case 3:
        return at;
    case 4: {
        size_t gap = 1 + random_below(rest);
        memmove(data + at, data + at + gap, rest - gap);
        return size - gap;
    }
    default: {
        const Input *other = &files[random_below(n_files)];
        size_t from = random_below(other->size + 1);
        size_t more = other->size - from;
        if (more > INPUT_MAX - at)
            more = INPUT_MAX - at;
        memcpy(data + at, other->data + from, more);
        return at + more;
    }
    }
}

static int
run_mutations(void)
{
    static uint8_t data[INPUT_MAX];
    clock_t end = clock() + (clock_t)(SECONDS_MAX * CLOCKS_PER_SEC);
    int count;

    for (count = 0; count < MUTATIONS_MAX && clock() < end; count++) {
        const Input *input = &files[random_below(n_files)];
        size_t size = input->size;
        memcpy(data, input->data, size);
        for (uint64_t changes = 1 + random_below(4); changes > 0; changes--)
            size = mutate(data, size);
        run(data, size);
    }
    return count;
}

int
main(int argc, char **argv)
{
    static const int crashes[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};

    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
        return 2;
    }
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        signal(crashes[i], on_crash);
    load_corpus(argv[1]);
    for (size_t i = 0; i < n_files; i++)
        run(files[i].data, files[i].size);
    int count = run_mutations();
    printf("1..1\nok 1 - %zu files, %d mutations\n", n_files, count);
    for (size_t i = 0; i < n_files; i++)
        free(files[i].data);
    return 0;
}
