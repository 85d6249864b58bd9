/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * terminfo: looks for the file of an entry in the folders that ncurses searches (terminfo(5),
 * "Fetching Compiled Descriptions").
 */
#include "terminfo.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FALLBACK "xterm-256color"

static const char *const system_folders[] = {
    "/etc/terminfo",
    "/lib/terminfo",
    "/usr/lib/terminfo",
    "/usr/share/terminfo",
};

/* An entry is in a folder that is named for its first letter. */
static bool
folder_has(const char *folder, const char *below, const char *name)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s%s/%c/%s", folder, below, *name, name);

    return n > 0 && (size_t)n < sizeof path && access(path, R_OK) == 0;
}

static bool
is_known(const char *name)
{
    const char *own = getenv("TERMINFO"), *home = getenv("HOME");

    if (!*name || strchr(name, '/'))
        return false;
    if (own && *own && folder_has(own, "", name))
        return true;
    if (home && *home && folder_has(home, "/.terminfo", name))
        return true;
    for (size_t i = 0; i < sizeof system_folders / sizeof *system_folders; i++)
        if (folder_has(system_folders[i], "", name))
            return true;
    return false;
}

int
terminfo_check(void)
{
    const char *name = getenv("TERM");

    if (!name || is_known(name) || !is_known(FALLBACK))
        return 0;
    return setenv("TERM", FALLBACK, 1) < 0 ? -errno : 0;
}
