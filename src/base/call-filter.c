/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* call-filter: names become numbers of this architecture. */
#include "call-filter.h"

#include <errno.h>

int
call_filter_allow(scmp_filter_ctx filter, const char *name, guint count,
                  const struct scmp_arg_cmp *conditions)
{
    int number = seccomp_syscall_resolve_name(name), r;

    if (number == __NR_SCMP_ERROR)
        return -EINVAL;
    r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, count, conditions);
    return r == -EDOM ? 0 : r; /* the architecture lacks it */
}

int
call_filter_allow_groups(scmp_filter_ctx filter, const char *const *groups, gsize n_groups)
{
    int r = 0;

    for (gsize i = 0; r == 0 && i < n_groups; i++) {
        g_auto(GStrv) names = g_strsplit(groups[i], " ", 0);

        for (char **name = names; r == 0 && *name; name++)
            r = call_filter_allow(filter, *name, 0, NULL);
    }
    return r;
}
