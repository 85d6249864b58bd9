/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-preparation: the key of a template's version depends on everything that its state depends
 * on. */
#include <string.h>

#include "preparation.h"

static const VmFacts facts = {.hypervisor = "QEMU 7.2",
                              .machine_type = "pc-q35-7.2",
                              .definition = "<domain/>",
                              .cpu_model = "EPYC 1",
                              .host = "Linux 6.1, microcode 0x1",
                              .accelerator = "kvm"};

/* A change of any fact changes the key, and each changes it differently. */
static void
test_key(void)
{
    g_autoptr(GHashTable) keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    VmFacts changed[] = {facts, facts, facts, facts, facts, facts};

    changed[0].hypervisor = "x";
    changed[1].machine_type = "x";
    changed[2].definition = "x";
    changed[3].cpu_model = "x";
    changed[4].host = "x";
    changed[5].accelerator = "x";
    g_assert_true(g_hash_table_add(keys, preparation_key("digest", &facts)));
    g_assert_true(g_hash_table_add(keys, preparation_key("x", &facts)));
    for (gsize i = 0; i < G_N_ELEMENTS(changed); i++)
        g_assert_true(g_hash_table_add(keys, preparation_key("digest", &changed[i])));
    g_assert_false(g_hash_table_add(keys, preparation_key("digest", &facts)));
}

/* The key is the last part of a folder's name, after a dash. */
static void
test_form(void)
{
    g_autofree char *key = preparation_key("digest", &facts);

    g_assert_cmpuint(strlen(key), ==, 16);
    g_assert_cmpuint(strspn(key, "0123456789abcdef"), ==, 16);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/preparation/key", test_key);
    g_test_add_func("/preparation/form", test_form);
    return g_test_run();
}
