/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * confine: what a worker may do, even if its guest or a server has taken it over.
 *
 * It may read and write its descriptors, and connect by TCP. It can open no file, listen on
 * nothing, start no program, and reach no other process.
 */
#pragma once

#include <glib.h>

/* The descriptors that a worker begins with. connect() is only possible on later ones. */
typedef enum {
    CONFINE_FD_CONTROL = 3,
    CONFINE_FD_JOURNAL,
    CONFINE_FD_ROUTES,
    CONFINE_FD_FIRST, /* of others */
} ConfineFd;

/* Makes the filter of system calls, once, before processes are forked that apply it. */
gboolean confine_prepare(GError **error);
/* Limits and filters this process. FALSE: it must end. */
gboolean confine_apply(void);
