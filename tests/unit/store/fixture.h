/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fixture: a store in a temporary folder, and full disks. Needs root. */
#pragma once

#include "store.h"
#include "util.h"

typedef struct {
    char *dir; /* state, ram and run are in it */
    Store *store;
} Fixture;

void set_up(Fixture *f, gconstpointer data);
void tear_down(Fixture *f, gconstpointer data);

char *path_in(const Fixture *f, const char *name);
void write_text(const char *path, const char *text);

/* Puts a tmpfs with these options over the folder, for this process alone. */
void mount_small(const char *folder, const char *options);
/* With other options: see mount(8), remount. */
void mount_again(const char *folder, const char *options);
void unmount(const char *folder);
/* Until there is no room left; returns the path of the file that takes it. */
char *fill_up(const char *folder);
