/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-error: errors of libvirt, and the one of a service that stops.
 *
 * libvirt keeps the last error of each thread, so the thread that made the call must convert it
 * before its next call.
 */
#include "vm-error.h"

#include <libvirt/virterror.h>

#include "error.h"

gboolean
vm_error_set(GError **error, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "%s: %s", text, virGetLastErrorMessage());
    return FALSE;
}

GError *
vm_error_stopping(void)
{
    return g_error_new_literal(CLOCHE_ERROR, CLOCHE_ERROR_SERVICE_STOPPING,
                               "the service stops; its next instance tries again");
}
