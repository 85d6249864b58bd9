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
/* Also checks that each finding that is not ok has an action, and that no other finding has one. */
void tree_free(Tree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Tree, tree_free)

/* Writes a file, or replaces it, and makes the folders above it. */
void tree_write(Tree *tree, const char *path, const char *text);
void tree_remove(Tree *tree, const char *path);
void tree_make_folder(Tree *tree, const char *path);
char *tree_path(Tree *tree, const char *path);

/* The report must have exactly one finding, whose texts contain these parts. If `action` is NULL,
 * it must have no action. Empties the report. */
void assert_finding(Tree *tree, Verdict verdict, const char *name, const char *text,
                    const char *action);
/* The report must be empty. */
void assert_silent(Tree *tree);
