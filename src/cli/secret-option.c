/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* secret-option: parses the option, and copies the value from its file to a memfd. */
#include "secret-option.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "text.h"

#define DEFAULT_PORT 443u
#define FORM "HOST[:PORT][/PATH]:HEADER=[TEXT]@FILE"
#define EXAMPLE "'api.example.com:Authorization=Bearer @token'"

void
secret_free(Secret *secret)
{
    if (secret == NULL)
        return;
    g_free(secret->host);
    g_free(secret->path);
    g_free(secret->header);
    g_free(secret->format);
    g_free(secret->file);
    g_free(secret);
}

/* --- the option --- */

static gboolean
refuse_form(GError **error)
{
    return text_refuse(error, "--secret: expected " FORM ", as in " EXAMPLE);
}

/* "api.example.com:8443/v1" */
static gboolean
take_place(Secret *secret, char *place, GError **error)
{
    char *slash = strchr(place, '/');
    char *colon;
    guint64 port = DEFAULT_PORT;

    if (slash != NULL) {
        secret->path = g_strdup(slash);
        *slash = '\0';
    }
    colon = strchr(place, ':');
    if (colon != NULL) {
        *colon = '\0';
        if (!g_ascii_string_to_unsigned(colon + 1, 10, 1, G_MAXUINT16, &port, /* error= */ NULL))
            return text_refuse(error, "--secret: '%s' is not a port; expected " FORM, colon + 1);
    }
    secret->port = (guint16)port;
    secret->host = g_ascii_strdown(place, -1);
    return *place != '\0' || refuse_form(error);
}

/* "Bearer @token" */
static gboolean
take_value(Secret *secret, const char *value, GError **error)
{
    const char *at = strchr(value, '@');
    g_autofree char *text = at != NULL ? g_strndup(value, at - value) : NULL;

    if (at == NULL)
        return text_refuse(
            error,
            "--secret for %s of %s: other users of this machine can see the command "
            "line, so the value must be in a file; expected @FILE, or @- for standard "
            "input",
            secret->header, secret->host);
    if (at[1] == '\0')
        return refuse_form(error);
    if (strchr(text, '%') != NULL)
        return text_refuse(error,
                           "--secret for %s of %s: the text before '@' must not contain '%%'",
                           secret->header, secret->host);
    secret->format = g_strconcat(text, "%s", NULL);
    secret->file = g_strdup(at + 1);
    return TRUE;
}

static gboolean
parse(Secret *secret, const char *text, GError **error)
{
    const char *equals = strchr(text, '=');
    g_autofree char *target = equals != NULL ? g_strndup(text, equals - text) : NULL;
    char *colon = target != NULL ? strrchr(target, ':') : NULL;

    if (colon == NULL || colon[1] == '\0' || strchr(colon, '/') != NULL)
        return refuse_form(error);
    *colon = '\0';
    secret->header = g_strdup(colon + 1);
    return take_place(secret, target, error) && take_value(secret, equals + 1, error);
}

Secret *
secret_parse(const char *text, GError **error)
{
    g_autoptr(Secret) secret = g_new0(Secret, 1);

    return parse(secret, text, error) ? g_steal_pointer(&secret) : NULL;
}

/* --- its value --- */

typedef struct {
    guint8 bytes[SECRET_VALUE_MAX + sizeof "\r\n"]; /* one more than may be there */
    gsize size;
} Value;

static int
read_all(int fd, Value *value)
{
    ssize_t n = 1;

    while (n != 0 && value->size < sizeof value->bytes) {
        n = read(fd, value->bytes + value->size, sizeof value->bytes - value->size);
        if (n < 0 && errno != EINTR)
            return errno;
        value->size += MAX(n, 0);
    }
    return 0;
}

static gboolean
set_file_error(GError **error, const char *what, int errnum)
{
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errnum), "cannot read %s: %s", what,
                g_strerror(errnum));
    return FALSE;
}

static gboolean
read_file(const Secret *secret, const char *what, Value *value, GError **error)
{
    gboolean is_stdin = g_str_equal(secret->file, "-");
    int fd = is_stdin ? STDIN_FILENO : g_open(secret->file, O_RDONLY | O_CLOEXEC, 0);
    int errnum;

    if (fd < 0)
        return set_file_error(error, what, errno);
    errnum = read_all(fd, value);
    if (!is_stdin)
        close(fd);
    return errnum == 0 || set_file_error(error, what, errnum);
}

static void
cut_line_break(Value *value)
{
    if (value->size > 0 && value->bytes[value->size - 1] == '\n')
        value->size--;
    if (value->size > 0 && value->bytes[value->size - 1] == '\r')
        value->size--;
}

static const char *
find_problem(const Value *value)
{
    if (value->size == 0)
        return "is empty";
    if (value->size > SECRET_VALUE_MAX)
        return "is longer than 8 KiB";
    for (gsize i = 0; i < value->size; i++) {
        guint8 c = value->bytes[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return "has more than one line, or control characters";
    }
    return NULL;
}

static gboolean
read_value(const Secret *secret, Value *value, GError **error)
{
    g_autofree char *what = g_str_equal(secret->file, "-") ? g_strdup("standard input")
                                                           : g_strdup_printf("'%s'", secret->file);
    const char *problem;

    if (!read_file(secret, what, value, error))
        return FALSE;
    cut_line_break(value);
    problem = find_problem(value);
    if (problem != NULL)
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                    "--secret for %s of %s: %s %s, so it cannot be the value of a header",
                    secret->header, secret->host, what, problem);
    return problem == NULL;
}

static int
seal(const Value *value, GError **error)
{
    int fd = memfd_create("cloche-secret", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int errnum;

    if (fd >= 0 && write(fd, value->bytes, value->size) == (ssize_t)value->size &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
        return fd;
    errnum = errno;
    if (fd >= 0)
        close(fd);
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errnum),
                "cannot pass on a secret in memory: %s", g_strerror(errnum));
    return -1;
}

int
secret_open_value(const Secret *secret, GError **error)
{
    Value value = {.size = 0};
    int fd = read_value(secret, &value, error) ? seal(&value, error) : -1;

    explicit_bzero(&value, sizeof value);
    return fd;
}
