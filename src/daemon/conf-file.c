/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* conf-file: which files make up a configuration, and what their lines say. */
#include "conf-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "error.h"

static gboolean fail(GError **error, const char *place, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static gboolean
fail(GError **error, const char *place, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list ap;

    va_start(ap, format);
    what = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT, "%s: %s", place, what);
    return FALSE;
}

/* --- which files --- */

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

/* Those whose name no earlier folder has. */
static gboolean
add_drop_ins(Paths *paths, const char *folder, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &cause);
    const char *name;

    if (g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return TRUE;
    if (!dir)
        return fail(error, folder, "%s", cause->message);
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

/* Behind `first` (NULL: none), which it takes. */
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

/* Also a link that leads nowhere: whoever put it there meant something. */
static gboolean
is_there(const char *path)
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

        if (!first && is_there(path))
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

/* --- what they say --- */

typedef struct {
    const char *path;
    guint line;
    char *section; /* NULL before the first */
    ConfAssign assign;
    gpointer data;
} Reader;

/* "Key=value"; `line` is cut. */
static gboolean
take_assignment(Reader *reader, const char *place, char *line, GError **error)
{
    char *equals = strchr(line, '=');
    const char *key, *value;
    g_autoptr(GError) cause = NULL;

    if (!equals || equals == line)
        return fail(error, place, "'%.64s' is neither [Section] nor Key=value", line);
    if (!reader->section)
        return fail(error, place, "'%.64s' stands before the first [Section]", line);
    *equals = '\0';
    key = g_strchomp(line);
    value = g_strchug(equals + 1);
    if (reader->assign(reader->section, key, value, place, reader->data, &cause))
        return TRUE;
    return fail(error, place, "[%s] %s: %s", reader->section, key, cause->message);
}

static gboolean
take_line(Reader *reader, char *line, gsize length, GError **error)
{
    g_autofree char *place = g_strdup_printf("%s:%u", reader->path, reader->line);

    if (!g_utf8_validate_len(line, length, NULL))
        return fail(error, place, "this is no text in UTF-8");
    g_strstrip(line);
    length = strlen(line);
    if (length == 0 || *line == '#' || *line == ';')
        return TRUE;
    if (*line != '[')
        return take_assignment(reader, place, line, error);
    if (length < 3 || line[length - 1] != ']')
        return fail(error, place, "'%.64s' is neither [Section] nor Key=value", line);
    g_free(reader->section);
    reader->section = g_strndup(line + 1, length - 2);
    return TRUE;
}

gboolean
conf_file_parse(const char *path, const char *text, gsize length, ConfAssign assign, gpointer data,
                GError **error)
{
    Reader reader = {.path = path, .assign = assign, .data = data};
    const char *end = text + length;
    gboolean ok = TRUE;

    while (ok && text < end) {
        const char *newline = memchr(text, '\n', (gsize)(end - text));
        gsize size = (gsize)((newline ? newline : end) - text);
        g_autofree char *line = g_strndup(text, size); /* up to a zero byte, then zeros */

        reader.line++;
        ok = take_line(&reader, line, size, error);
        text += size + 1;
    }
    g_free(reader.section);
    return ok;
}

/* At most CONF_FILE_MAX bytes. */
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
        fail(error, path, "%s", g_strerror(errno));
    else
        fail(error, path, "it is longer than %d bytes", CONF_FILE_MAX);
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
        return fail(error, path, "%s", g_strerror(errno));
    if (is_null_device(&st))
        return TRUE;
    if (!S_ISREG(st.st_mode))
        return fail(error, path, "it is no regular file");
    bytes = read_bytes(fd, path, error);
    return bytes &&
           conf_file_parse(path, (const char *)bytes->data, bytes->len, assign, data, error);
}

gboolean
conf_file_read(const char *path, ConfAssign assign, gpointer data, GError **error)
{
    /* Without waiting, should it be a FIFO. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    gboolean ok;

    if (fd < 0)
        return fail(error, path, "%s", g_strerror(errno));
    ok = read_open(fd, path, assign, data, error);
    close(fd);
    return ok;
}
