/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* error: the names of the errors. */
#include "error.h"

static const char *const names[] = {
    [CLOCHE_ERROR_FAILED] = "Failed",
    [CLOCHE_ERROR_INVALID_ARGUMENT] = "InvalidArgument",
    [CLOCHE_ERROR_NO_SUCH_SANDBOX] = "NoSuchSandbox",
    [CLOCHE_ERROR_NO_SUCH_TEMPLATE] = "NoSuchTemplate",
    [CLOCHE_ERROR_TEMPLATE_NOT_READY] = "TemplateNotReady",
    [CLOCHE_ERROR_TEMPLATE_DAMAGED] = "TemplateDamaged",
    [CLOCHE_ERROR_NOT_PERMITTED] = "NotPermitted",
    [CLOCHE_ERROR_QUOTA_EXCEEDED] = "QuotaExceeded",
    [CLOCHE_ERROR_BUSY] = "Busy",
    [CLOCHE_ERROR_UNSUPPORTED] = "Unsupported",
    [CLOCHE_ERROR_GUEST_LOST] = "GuestLost",
    [CLOCHE_ERROR_TIMED_OUT] = "TimedOut",
    [CLOCHE_ERROR_NO_SUCH_PROGRAM] = "NoSuchProgram",
    [CLOCHE_ERROR_NO_SUCH_DIRECTORY] = "NoSuchDirectory",
    [CLOCHE_ERROR_NO_SUCH_USER] = "NoSuchUser",
    [CLOCHE_ERROR_PERMISSION_DENIED] = "PermissionDenied",
    [CLOCHE_ERROR_OUT_OF_RESOURCES] = "OutOfResources",
    [CLOCHE_ERROR_SERVICE_STOPPING] = "ServiceStopping",
    [CLOCHE_ERROR_NO_SUCH_FILE] = "NoSuchFile",
    [CLOCHE_ERROR_FILE_EXISTS] = "FileExists",
    [CLOCHE_ERROR_NOT_A_DIRECTORY] = "NotADirectory",
    [CLOCHE_ERROR_IS_A_DIRECTORY] = "IsADirectory",
    [CLOCHE_ERROR_DIRECTORY_NOT_EMPTY] = "DirectoryNotEmpty",
    [CLOCHE_ERROR_CONNECTION_REFUSED] = "ConnectionRefused",
    [CLOCHE_ERROR_NO_SUCH_PROCESS] = "NoSuchProcess",
    [CLOCHE_ERROR_NO_SUCH_CONTEXT] = "NoSuchContext",
    [CLOCHE_ERROR_TOO_LARGE] = "TooLarge",
    [CLOCHE_ERROR_NO_SUCH_SNAPSHOT] = "NoSuchSnapshot",
    [CLOCHE_ERROR_RUNNER_LOST] = "RunnerLost",
    [CLOCHE_ERROR_PAUSED] = "Paused",
};
G_STATIC_ASSERT(G_N_ELEMENTS(names) == _CLOCHE_ERROR_MAX);

G_DEFINE_QUARK(cloche - error - quark, cloche_error)

const char *
cloche_error_name(ClocheError code)
{
    return names[code];
}

char *
cloche_error_dbus_name(const GError *error)
{
    ClocheError code =
        error->domain == CLOCHE_ERROR ? (ClocheError)error->code : CLOCHE_ERROR_FAILED;

    return g_strconcat(CLOCHE_ERROR_PREFIX, cloche_error_name(code), NULL);
}
