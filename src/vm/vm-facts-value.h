/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-facts-value: facts whose strings are owned. Pure. */
#pragma once

#include "vm.h"

/* Copies all strings but `accelerator`, which is constant. */
void facts_copy(VmFacts *to, const VmFacts *from);
void facts_clear(VmFacts *facts);

/* Compares the facts by which a template was made with those of new machines: NULL when the
 * template fits them, else the name of the first fact that differs, with both values. */
char *facts_find_change(const VmFacts *before, const VmFacts *now);
