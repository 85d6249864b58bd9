/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tree-folders: a folder to unpack into, and archives as a hostile sandbox would write them. */
#pragma once

#include <sys/stat.h>

#include "tree.h"

/* `outside`: a neighbour that nothing may touch. */
typedef struct {
    char *top, *into, *outside, *archive;
} Folders;

void set_up(Folders *folders, gconstpointer data);
void tear_down(Folders *folders, gconstpointer data);

typedef struct {
    const char *name;
    int type; /* AE_IF…; 0: a hard link */
    const char *link, *text;
    guint mode;
} Member;

/* The last member has no name. */
void write_archive(const Folders *folders, const Member *members);
gboolean unpack(const Folders *folders, Tree *tree, GError **error);

void assert_is_empty(const char *directory);
mode_t mode_of(const char *path);
/* Returns NULL if the file does not exist. */
char *read_text(const char *directory, const char *name);
