/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor-tree: the files of a fake host below a folder, and the findings of 'cloche doctor' about
 * it. */
#pragma once

#include "doctor-host.h"

typedef struct {
    char *folder;
    DoctorHost host;
    Report *report;
} Tree;

Tree *tree_new(void);
/* Also checks that each finding that is not ok has an action, and no other has. */
void tree_free(Tree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Tree, tree_free)

/* Writes a file, in place of the one before, and makes the folders above it. */
void tree_write(Tree *tree, const char *path, const char *text);
void tree_remove(Tree *tree, const char *path);
void tree_make_folder(Tree *tree, const char *path);
char *tree_path(Tree *tree, const char *path);

/* The report has just one finding, with these parts of its texts (action NULL: it has none). The
 * report is empty afterwards. */
void assert_finding(Tree *tree, Verdict verdict, const char *name, const char *text,
                    const char *action);
/* The report has nothing. */
void assert_silent(Tree *tree);
