/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * builtin-watch: inotify, as lines of JSON.
 *
 * The kernel watches single directories. A new directory may have got entries before it was
 * watched; they are reported when the watch begins, so none is missed, but one may be reported
 * twice. The two events of a rename follow each other, but perhaps not in one read: the first event
 * waits a moment for the second, and becomes a removal without it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builtin.h"

#define PAIR_MS 20
#define ROOT_EVENTS (IN_DELETE_SELF | IN_MOVE_SELF)
#define EVENTS                                                                                     \
    (IN_CREATE | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB |            \
     IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK)

typedef struct {
    int wd;
    char *path; /* relative to the root; "" is the root */
} Directory;

static struct {
    int fd;
    const char *root;
    bool is_recursive, is_directory;
    int root_wd;
    dev_t root_device;
    ino_t root_inode;
    Directory *directories;
    size_t count;
    /* the first half of a rename */
    uint32_t cookie;
    char *from;
    bool from_is_directory;
} watch;

/* --- JSON --- */

/* The length of the UTF-8 character at `s`; 0 if it is invalid. */
static size_t
character(const unsigned char *s)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t min;
    } kinds[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

    for (size_t n = 0; n < 4; n++) {
        uint32_t value = s[0] & (unsigned char)~kinds[n].mask;

        if ((s[0] & kinds[n].mask) != kinds[n].lead)
            continue;
        for (size_t i = 1; i <= n; i++) {
            if ((s[i] & 0xc0) != 0x80)
                return 0;
            value = value << 6 | (s[i] & 0x3f);
        }
        return value < kinds[n].min || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)
                   ? 0
                   : n + 1;
    }
    return 0;
}

static bool
is_utf8(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    for (size_t n; *s; s += n) {
        n = character(s);
        if (n == 0)
            return false;
    }
    return true;
}

static void
print_text(FILE *out, const char *key, const char *text)
{
    fprintf(out, ",\"%s\":\"", key);
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        size_t n = character(s);

        if (n == 0)
            fputs("\xef\xbf\xbd", out);
        else if (*s == '"' || *s == '\\')
            fprintf(out, "\\%c", *s);
        else if (*s < 0x20 || *s == 0x7f)
            fprintf(out, "\\u%04x", *s);
        else
            fwrite(s, 1, n, out);
        s += n ? n : 1;
    }
    fputc('"', out);
}

static void
print_base64(FILE *out, const char *key, const char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t size = strlen(text);

    fprintf(out, ",\"%s\":\"", key);
    for (size_t i = 0; i < size; i += 3) {
        uint32_t group = 0;

        for (size_t j = 0; j < 3; j++)
            group = group << 8 | (i + j < size ? (unsigned char)text[i + j] : 0);
        for (size_t j = 0; j < 4; j++)
            fputc(i + j <= size ? digits[group >> (18 - 6 * j) & 63] : '=', out);
    }
    fputc('"', out);
}

static void
print_path(FILE *out, const char *key, const char *exact_key, const char *path)
{
    print_text(out, key, path);
    if (!is_utf8(path))
        print_base64(out, exact_key, path);
}

static void
report_change(const char *event, const char *path, bool is_directory, const char *to)
{
    char *line = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&line, &size);

    if (!out)
        _exit(ENOMEM);
    fprintf(out, "{\"event\":\"%s\"", event);
    if (path) {
        print_path(out, "path", "path-base64", path);
        fprintf(out, ",\"directory\":%s", is_directory ? "true" : "false");
    }
    if (to)
        print_path(out, "to", "to-base64", to);
    fputs("}\n", out);
    if (fclose(out) != 0)
        _exit(ENOMEM);
    builtin_write(line, size);
    free(line);
}

/* --- watches --- */

static char *
join(const char *directory, const char *name)
{
    char *path = NULL;

    if (!*directory || !*name)
        path = strdup(*directory ? directory : name);
    else if (asprintf(&path, "%s/%s", directory, name) < 0)
        path = NULL;
    if (!path)
        _exit(ENOMEM);
    return path;
}

static char *
full(const char *path)
{
    return *path ? join(watch.root, path) : strdup(watch.root);
}

static Directory *
find_directory(int wd)
{
    for (size_t i = 0; i < watch.count; i++)
        if (watch.directories[i].wd == wd)
            return &watch.directories[i];
    return NULL;
}

static void
forget(int wd)
{
    for (size_t i = 0; i < watch.count; i++)
        if (watch.directories[i].wd == wd) {
            free(watch.directories[i].path);
            watch.directories[i] = watch.directories[--watch.count];
            return;
        }
}

static bool
is_below(const char *path, const char *directory)
{
    size_t size = strlen(directory);

    return strncmp(path, directory, size) == 0 && (path[size] == '\0' || path[size] == '/');
}

/* Removes the watches of a tree that was moved away. Events that still arrive have an unknown
 * watch. */
static void
forget_below(const char *path)
{
    for (size_t i = watch.count; i-- > 0;) {
        int wd = watch.directories[i].wd;

        if (!is_below(watch.directories[i].path, path) || wd == watch.root_wd)
            continue;
        inotify_rm_watch(watch.fd, wd);
        forget(wd);
    }
}

static void
rename_below(const char *from, const char *to)
{
    for (size_t i = 0; i < watch.count; i++) {
        Directory *directory = &watch.directories[i];

        if (!is_below(directory->path, from))
            continue;
        const char *rest = directory->path + strlen(from);
        char *path = join(to, *rest ? rest + 1 : "");
        free(directory->path);
        directory->path = path;
    }
}

/* A known directory may have a new path: it was moved, and the event has not arrived yet. */
static void
note_directory(int wd, const char *path)
{
    Directory *known = find_directory(wd);

    if (!known) {
        watch.directories =
            reallocarray(watch.directories, watch.count + 1, sizeof *watch.directories);
        if (!watch.directories)
            _exit(ENOMEM);
        known = &watch.directories[watch.count++];
        *known = (Directory){.wd = wd};
    }
    free(known->path);
    known->path = strdup(path);
    if (!known->path)
        _exit(ENOMEM);
}

static void add_tree(const char *path, bool reports);

static void
add_entry(const char *directory, const struct dirent *entry, bool reports)
{
    char *path = join(directory, entry->d_name), *whole = full(path);
    struct stat st;
    bool is_directory = whole && lstat(whole, &st) == 0 && S_ISDIR(st.st_mode);

    if (reports)
        report_change("create", path, is_directory, NULL);
    if (is_directory)
        add_tree(path, reports);
    free(whole);
    free(path);
}

/* Watches a directory and its subdirectories. One that cannot be watched, or is gone, is skipped.
 */
static void
add_tree(const char *path, bool reports)
{
    char *whole = full(path);
    int wd = whole ? inotify_add_watch(watch.fd, whole, EVENTS) : -1;

    if (wd < 0 && errno == ENOSPC)
        report_change("overflow", NULL, false, NULL); /* the limit of watches was reached */
    if (wd >= 0)
        note_directory(wd, path);
    DIR *directory = wd >= 0 ? opendir(whole) : NULL;
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            add_entry(path, entry, reports);
    if (directory)
        closedir(directory);
    free(whole);
}

static void
add_below_root(void)
{
    DIR *directory = opendir(watch.root);

    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            add_entry("", entry, /* reports= */ false);
    if (directory)
        closedir(directory);
}

/* --- events --- */

static void
moved_away(void)
{
    if (!watch.from)
        return;
    report_change("remove", watch.from, watch.from_is_directory, NULL);
    if (watch.from_is_directory)
        forget_below(watch.from);
    free(watch.from);
    watch.from = NULL;
}

static void
arrived(const char *path, bool is_directory)
{
    if (watch.from) {
        report_change("rename", watch.from, is_directory, path);
        rename_below(watch.from, path);
        free(watch.from);
        watch.from = NULL;
        return;
    }
    report_change("create", path, is_directory, NULL);
    if (is_directory && watch.is_recursive)
        add_tree(path, /* reports= */ true);
}

static void
take_named(const struct inotify_event *event, const char *path)
{
    bool is_directory = event->mask & IN_ISDIR;

    if (event->mask & IN_MOVED_FROM) {
        watch.from = strdup(path);
        watch.from_is_directory = is_directory;
        watch.cookie = event->cookie;
        return;
    }
    if (event->mask & IN_MOVED_TO) {
        arrived(path, is_directory);
        return;
    }
    if (event->mask & IN_CREATE) {
        report_change("create", path, is_directory, NULL);
        if (is_directory && watch.is_recursive)
            add_tree(path, /* reports= */ true);
    } else if (event->mask & IN_DELETE) {
        report_change("remove", path, is_directory, NULL);
    } else if (event->mask & IN_CLOSE_WRITE) {
        report_change("write", path, is_directory, NULL);
    } else if (event->mask & IN_ATTRIB && (event->len > 0 || !*path)) {
        /* The watch of the parent reports a subdirectory. */
        report_change("chmod", path, is_directory, NULL);
    }
}

/* Events were lost, so all watches are set up again. */
static void
take_overflow(void)
{
    report_change("overflow", NULL, false, NULL);
    if (watch.is_recursive)
        add_below_root();
}

/* A file that is still open continues to exist without its path. The only event is that its link
 * count changed. */
static bool
root_has_gone(const struct inotify_event *event)
{
    struct stat st;

    if (event->wd != watch.root_wd)
        return false;
    if (event->mask & (ROOT_EVENTS | IN_UNMOUNT))
        return true;
    return event->mask & IN_ATTRIB && event->len == 0 &&
           (stat(watch.root, &st) < 0 || st.st_dev != watch.root_device ||
            st.st_ino != watch.root_inode);
}

static void
take(const struct inotify_event *event)
{
    if (event->mask & IN_IGNORED) {
        forget(event->wd);
        return;
    }
    if (!(event->mask & IN_MOVED_TO && event->cookie == watch.cookie))
        moved_away(); /* first, because it changes the watches */
    if (event->mask & IN_Q_OVERFLOW) {
        take_overflow();
        return;
    }
    if (root_has_gone(event)) {
        report_change("remove", "", watch.is_directory, NULL);
        _exit(0);
    }
    const Directory *directory = find_directory(event->wd);
    if (!directory || (event->len == 0 && *directory->path))
        return;
    char *path = join(directory->path, event->len > 0 ? event->name : "");
    take_named(event, path);
    free(path);
}

static void
serve(void)
{
    static char buffer[64 << 10] __attribute__((aligned(__alignof__(struct inotify_event))));

    for (;;) {
        struct pollfd fds = {.fd = watch.fd, .events = POLLIN};

        if (poll(&fds, 1, watch.from ? PAIR_MS : -1) == 0) {
            moved_away();
            continue;
        }
        ssize_t n = read(watch.fd, buffer, sizeof buffer);
        if (n < 0 && errno != EINTR)
            _exit(errno);
        for (char *at = buffer; at < buffer + n;) {
            const struct inotify_event *event = (const struct inotify_event *)(void *)at;

            at += sizeof *event + event->len;
            take(event);
        }
    }
}

/* A file is watched like a directory without entries. */
static void
add_root(void)
{
    uint32_t events = ROOT_EVENTS | IN_ATTRIB | (watch.is_directory ? EVENTS : IN_CLOSE_WRITE);

    watch.root_wd = inotify_add_watch(watch.fd, watch.root, events & ~(uint32_t)IN_DONT_FOLLOW);
    if (watch.root_wd < 0)
        builtin_fail(errno, WIRE_ABOUT_FILE, watch.root);
    watch.directories = calloc(1, sizeof *watch.directories);
    if (!watch.directories)
        builtin_fail(ENOMEM, WIRE_ABOUT_SYSTEM, "memory");
    watch.directories[0] = (Directory){.wd = watch.root_wd, .path = strdup("")};
    watch.count = 1;
}

void
builtin_watch(char *const *argv)
{
    struct stat st;

    watch.root = argv[1];
    watch.fd = inotify_init1(IN_CLOEXEC);
    if (watch.fd < 0)
        builtin_fail(errno, WIRE_ABOUT_SYSTEM, "watches");
    if (stat(watch.root, &st) < 0)
        builtin_fail(errno, WIRE_ABOUT_FILE, watch.root);
    watch.is_directory = S_ISDIR(st.st_mode);
    watch.root_device = st.st_dev;
    watch.root_inode = st.st_ino;
    watch.is_recursive = watch.is_directory && strcmp(argv[2], "1") == 0;
    add_root();
    if (watch.is_recursive)
        add_below_root();
    builtin_ready();
    report_change("ready", NULL, false, NULL);
    serve();
}
