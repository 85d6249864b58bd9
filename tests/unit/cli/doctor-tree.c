/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "doctor-tree.h"

#include <string.h>
#include <unistd.h>

#include "util.h"

Tree *
tree_new(void)
{
    g_autoptr(GError) error = NULL;
    Tree *tree = g_new0(Tree, 1);

    tree->folder = g_dir_make_tmp("cloche-doctor-XXXXXX", &error);
    g_assert_no_error(error);
    tree->host = (DoctorHost){.root = tree->folder,
                              .is_root = TRUE,
                              .state = "/var/lib/cloche",
                              .ram = "/run/cloche/ram"};
    tree->report = report_new();
    return tree;
}

static void
check_actions(const Report *report)
{
    for (guint i = 0; i < report->findings->len; i++) {
        const Finding *finding = report->findings->pdata[i];

        if ((finding->verdict == VERDICT_OK) != (finding->action == NULL))
            g_error("'%s: %s' has the action '%s'", finding->name, finding->text, finding->action);
    }
}

void
tree_free(Tree *tree)
{
    check_actions(tree->report);
    util_remove_tree(tree->folder, NULL);
    report_free(tree->report);
    g_free(tree->folder);
    g_free(tree);
}

char *
tree_path(Tree *tree, const char *path)
{
    return g_strconcat(tree->folder, path, NULL);
}

void
tree_make_folder(Tree *tree, const char *path)
{
    g_autofree char *full = tree_path(tree, path);

    g_assert_cmpint(g_mkdir_with_parents(full, 0755), ==, 0);
}

void
tree_write(Tree *tree, const char *path, const char *text)
{
    g_autofree char *full = tree_path(tree, path);
    g_autofree char *parent = g_path_get_dirname(path);
    g_autoptr(GError) error = NULL;

    tree_make_folder(tree, parent);
    g_file_set_contents(full, text, -1, &error);
    g_assert_no_error(error);
}

void
tree_remove(Tree *tree, const char *path)
{
    g_autofree char *full = tree_path(tree, path);
    g_autoptr(GError) error = NULL;

    util_remove_tree(full, &error);
    g_assert_no_error(error);
}

static void
assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        g_error("'%s' has no '%s'", text, part);
}

void
assert_finding(Tree *tree, Verdict verdict, const char *name, const char *text, const char *action)
{
    const Finding *finding;

    g_assert_cmpuint(tree->report->findings->len, ==, 1);
    finding = tree->report->findings->pdata[0];
    assert_has(finding->text, text);
    g_assert_cmpint(finding->verdict, ==, verdict);
    g_assert_cmpstr(finding->name, ==, name);
    if (action != NULL && finding->action == NULL)
        g_error("'%s' has no action", finding->text);
    if (action != NULL)
        assert_has(finding->action, action);
    check_actions(tree->report);
    g_ptr_array_set_size(tree->report->findings, 0);
}

void
assert_silent(Tree *tree)
{
    g_assert_cmpuint(tree->report->findings->len, ==, 0);
}
