/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* conf-file: finds the files of a configuration and parses their lines. */
#include "conf-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "error.h"

static gboolean set_error_at(GError **error, const char *place, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static gboolean
set_error_at(GError **error, const char *place, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list ap;

    va_start(ap, format);
    what = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT, "%s: %s", place, what);
    return FALSE;
}

/* --- finding the files --- */

typedef GPtrArray Paths;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Paths, g_ptr_array_unref)

static gboolean
is_drop_in(const char *name)
{
    return name[0] != '.' && g_str_has_suffix(name, ".conf");
}

static gboolean
has_name(const Paths *paths, const char *name)
{
    for (guint i = 0; i < paths->len; i++)
        if (g_str_equal(strrchr(paths->pdata[i], '/') + 1, name))
            return TRUE;
    return FALSE;
}

/* Adds the drop-ins whose name is not in an earlier folder. */
static gboolean
add_drop_ins(Paths *paths, const char *folder, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &cause);
    const char *name;

    if (g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return TRUE;
    if (!dir)
        return set_error_at(error, folder, "%s", cause->message);
    while ((name = g_dir_read_name(dir)))
        if (is_drop_in(name) && !has_name(paths, name))
            g_ptr_array_add(paths, g_build_filename(folder, name, NULL));
    return TRUE;
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(strrchr(*(char *const *)a, '/'), strrchr(*(char *const *)b, '/'));
}

/* Sorts the drop-ins and puts `first` (NULL: none) before them. Takes `first`. */
static char **
add_sorted(char *first, Paths *drop_ins)
{
    g_ptr_array_sort(drop_ins, compare_names);
    if (first)
        g_ptr_array_insert(drop_ins, 0, first);
    g_ptr_array_add(drop_ins, NULL);
    g_ptr_array_set_free_func(drop_ins, NULL);
    return (char **)g_ptr_array_steal(drop_ins, NULL);
}

/* A dangling link counts, so that it causes an error. */
static gboolean
exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 || errno != ENOENT;
}

char **
conf_file_find(const char *const *folders, const char *name, GError **error)
{
    g_autoptr(Paths) drop_ins = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *subfolder = g_strconcat(name, ".d", NULL), *first = NULL;

    for (const char *const *folder = folders; *folder; folder++) {
        g_autofree char *path = g_build_filename(*folder, name, NULL);
        g_autofree char *below = g_build_filename(*folder, subfolder, NULL);

        if (!first && exists(path))
            first = g_steal_pointer(&path);
        if (!add_drop_ins(drop_ins, below, error))
            return NULL;
    }
    return add_sorted(g_steal_pointer(&first), drop_ins);
}

char **
conf_file_find_at(const char *path, GError **error)
{
    g_autoptr(Paths) drop_ins = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *below = g_strconcat(path, ".d", NULL);

    if (!add_drop_ins(drop_ins, below, error))
        return NULL;
    return add_sorted(g_strdup(path), drop_ins);
}

/* --- parsing --- */

typedef struct {
    const char *path;
    guint line;
    char *section; /* NULL before the first section */
    ConfAssign assign;
    gpointer data;
} ConfReader;

/* Parses "Key=value"; modifies `line`. */
static gboolean
take_assignment(ConfReader *reader, const char *place, char *line, GError **error)
{
    char *equals = strchr(line, '=');
    const char *key, *value;
    g_autoptr(GError) cause = NULL;

    if (!equals || equals == line)
        return set_error_at(error, place, "'%.64s' is neither [Section] nor Key=value", line);
    if (!reader->section)
        return set_error_at(error, place, "'%.64s' is before the first [Section]", line);
    *equals = '\0';
    key = g_strchomp(line);
    value = g_strchug(equals + 1);
    if (reader->assign(reader->section, key, value, place, reader->data, &cause))
        return TRUE;
    return set_error_at(error, place, "[%s] %s: %s", reader->section, key, cause->message);
}

static gboolean
take_line(ConfReader *reader, char *line, gsize length, GError **error)
{
    g_autofree char *place = g_strdup_printf("%s:%u", reader->path, reader->line);

    if (!g_utf8_validate_len(line, length, NULL))
        return set_error_at(error, place, "the line is not valid UTF-8");
    g_strstrip(line);
    length = strlen(line);
    if (length == 0 || *line == '#' || *line == ';')
        return TRUE;
    if (*line != '[')
        return take_assignment(reader, place, line, error);
    if (length < 3 || line[length - 1] != ']')
        return set_error_at(error, place, "'%.64s' is neither [Section] nor Key=value", line);
    g_free(reader->section);
    reader->section = g_strndup(line + 1, length - 2);
    return TRUE;
}

gboolean
conf_file_parse(const char *path, const char *text, gsize length, ConfAssign assign, gpointer data,
                GError **error)
{
    ConfReader reader = {.path = path, .assign = assign, .data = data};
    const char *end = text + length;
    gboolean ok = TRUE;

    while (ok && text < end) {
        const char *newline = memchr(text, '\n', (gsize)(end - text));
        gsize size = (gsize)((newline ? newline : end) - text);
        g_autofree char *line = g_strndup(text, size); /* ends at the first zero byte */

        reader.line++;
        ok = take_line(&reader, line, size, error);
        text += size + 1;
    }
    g_free(reader.section);
    return ok;
}

/* Reads the file. More than CONF_FILE_MAX bytes are an error. */
static GByteArray *
read_bytes(int fd, const char *path, GError **error)
{
    g_autoptr(GByteArray) bytes = g_byte_array_sized_new(CONF_FILE_MAX + 1);
    gssize size = 1;

    while (size > 0 && bytes->len <= CONF_FILE_MAX) {
        size = read(fd, bytes->data + bytes->len, CONF_FILE_MAX + 1 - bytes->len);
        bytes->len += size > 0 ? (guint)size : 0;
    }
    if (size >= 0 && bytes->len <= CONF_FILE_MAX)
        return g_steal_pointer(&bytes);
    if (size < 0)
        set_error_at(error, path, "%s", g_strerror(errno));
    else
        set_error_at(error, path, "it is longer than %d bytes", CONF_FILE_MAX);
    return NULL;
}

static gboolean
is_null_device(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

static gboolean
read_open(int fd, const char *path, ConfAssign assign, gpointer data, GError **error)
{
    g_autoptr(GByteArray) bytes = NULL;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return set_error_at(error, path, "%s", g_strerror(errno));
    if (is_null_device(&st))
        return TRUE;
    if (!S_ISREG(st.st_mode))
        return set_error_at(error, path, "it is not a regular file");
    bytes = read_bytes(fd, path, error);
    return bytes &&
           conf_file_parse(path, (const char *)bytes->data, bytes->len, assign, data, error);
}

gboolean
conf_file_read(const char *path, ConfAssign assign, gpointer data, GError **error)
{
    /* O_NONBLOCK: the file may be a FIFO. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    gboolean ok;

    if (fd < 0)
        return set_error_at(error, path, "%s", g_strerror(errno));
    ok = read_open(fd, path, assign, data, error);
    close(fd);
    return ok;
}
