/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-error: converts libvirt's errors.
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
