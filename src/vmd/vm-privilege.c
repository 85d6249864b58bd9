/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-privilege: the right to read the memory of machines. */
#include "vm-privilege.h"

#include <errno.h>
#include <sys/capability.h>
#include <unistd.h>

#include "util.h"

static const cap_value_t rights[] = {CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH};

static gboolean
has(cap_t caps, cap_flag_t set)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rights); i++) {
        cap_flag_value_t value = CAP_CLEAR;

        if (cap_get_flag(caps, rights[i], set, &value) < 0 || value != CAP_SET)
            return FALSE;
    }
    return TRUE;
}

/* Root keeps what it has: libvirt's embedded driver needs all of it. */
gboolean
privilege_exists(void)
{
    cap_t caps = cap_get_proc();
    gboolean exists = caps && has(caps, CAP_PERMITTED);

    cap_free(caps);
    return exists;
}

static gboolean
set_effect(cap_flag_value_t value)
{
    cap_t caps = cap_get_proc();
    gboolean done = caps &&
                    cap_set_flag(caps, CAP_EFFECTIVE, G_N_ELEMENTS(rights), rights, value) == 0 &&
                    cap_set_proc(caps) == 0;

    cap_free(caps);
    return done;
}

/* Programs that this one starts would get ambient capabilities. */
gboolean
privilege_set_aside(GError **error)
{
    if (geteuid() == 0 || !privilege_exists())
        return TRUE;
    if (cap_reset_ambient() == 0 && set_effect(CAP_CLEAR))
        return TRUE;
    return util_set_errno(error, errno, "Cannot take capabilities out of effect");
}

void
privilege_use(gboolean is_in_effect)
{
    if (geteuid() != 0 && privilege_exists() && !set_effect(is_in_effect ? CAP_SET : CAP_CLEAR))
        g_warning("Cannot change which capabilities are in effect: %s", g_strerror(errno));
}
