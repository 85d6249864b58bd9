/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* children: finds the children of the runner's process in /proc, and signals them. */
#include "children.h"

#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 64

/* For each child of one thread of the process. */
static void
read_children(pid_t process, const char *thread, void (*add)(pid_t, void *), void *data)
{
    char name[64];
    pid_t child;
    snprintf(name, sizeof name, "/proc/%d/task/%.20s/children", process, thread);
    FILE *file = fopen(name, "re");
    if (!file)
        return;
    while (fscanf(file, "%d", &child) == 1)
        add(child, data);
    fclose(file);
}

/* /proc lists a child with the thread that has forked it. */
static void
each_child(pid_t process, void (*add)(pid_t, void *), void *data)
{
    char name[64];
    snprintf(name, sizeof name, "/proc/%d/task", process);
    DIR *threads = opendir(name);
    if (!threads)
        return;
    for (struct dirent *entry; (entry = readdir(threads));) {
        if (entry->d_name[0] != '.')
            read_children(process, entry->d_name, add, data);
    }
    closedir(threads);
}

static void
add_id(pid_t id, void *data)
{
    Children *children = data;
    pid_t *ids = realloc(children->ids, (children->count + 1) * sizeof *ids);
    if (!ids)
        _exit(1);
    children->ids = ids;
    ids[children->count++] = id;
}

void
children_note(Children *children)
{
    char thread[16];
    snprintf(thread, sizeof thread, "%d", getpid());
    children->count = 0;
    read_children(getpid(), thread, add_id, children);
}

static bool
has(const Children *children, pid_t id)
{
    for (size_t i = 0; i < children->count; i++) {
        if (children->ids[i] == id)
            return true;
    }
    return false;
}

static bool
is_near(pid_t process)
{
    return getpgid(process) == getpgrp();
}

/* Descendants first: they could not be found any more after the end of their parent. */
static void
signal_tree(pid_t process, int number, unsigned depth)
{
    Children children = {0};
    if (depth < DEPTH_MAX)
        each_child(process, add_id, &children);
    for (size_t i = 0; i < children.count; i++) {
        if (is_near(children.ids[i]))
            signal_tree(children.ids[i], number, depth + 1);
    }
    free(children.ids);
    kill(process, number);
}

void
children_signal(const Children *before, bool is_detached_too, int number)
{
    Children now = {0};
    children_note(&now);
    for (size_t i = 0; i < now.count; i++) {
        if (!has(before, now.ids[i]) && (is_detached_too || is_near(now.ids[i])))
            signal_tree(now.ids[i], number, 0);
    }
    free(now.ids);
}
