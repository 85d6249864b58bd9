/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-picture: the terminal's protocol is detected, and pictures are encoded in it. */
#include "picture.h"

#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jail.h"
#include "picture-sixel.h"

static const char *const variables[] = {"TERM", "TERM_PROGRAM", "KITTY_WINDOW_ID", "LC_TERMINAL",
                                        "TMUX"};

/* words: NAME=VALUE pairs, separated by spaces. */
static PictureProtocol
find(const char *words, gboolean *ret_may_ask)
{
    g_auto(GStrv) pairs = g_strsplit(words, " ", 0);

    for (gsize i = 0; i < G_N_ELEMENTS(variables); i++)
        g_unsetenv(variables[i]);
    for (gsize i = 0; pairs[i] != NULL; i++) {
        g_auto(GStrv) pair = g_strsplit(pairs[i], "=", 2);

        g_setenv(pair[0], pair[1], TRUE);
    }
    return picture_from_environment(ret_may_ask);
}

static void
test_environment(void)
{
    static const struct {
        const char *words;
        PictureProtocol protocol;
        gboolean may_ask;
    } cases[] = {
        {"TERM=xterm-kitty", PICTURE_KITTY, TRUE},
        {"TERM=xterm-256color KITTY_WINDOW_ID=1", PICTURE_KITTY, TRUE},
        {"TERM=xterm-ghostty", PICTURE_KITTY, TRUE},
        {"TERM=xterm-256color TERM_PROGRAM=ghostty", PICTURE_KITTY, TRUE},
        {"TERM=xterm-256color TERM_PROGRAM=iTerm.app", PICTURE_ITERM, TRUE},
        {"TERM=xterm-256color LC_TERMINAL=iTerm2", PICTURE_ITERM, TRUE},
        {"TERM=xterm-256color TERM_PROGRAM=WezTerm", PICTURE_ITERM, TRUE},
        {"TERM=xterm-256color", PICTURE_NONE, TRUE},
        {"TERM=tmux-256color KITTY_WINDOW_ID=1", PICTURE_NONE, TRUE},
        {"TERM=screen KITTY_WINDOW_ID=1", PICTURE_NONE, TRUE},
        {"TERM=xterm-kitty TMUX=/tmp/tmux-0/default,1,0", PICTURE_NONE, TRUE},
        {"TERM=dumb KITTY_WINDOW_ID=1", PICTURE_NONE, FALSE},
        {"KITTY_WINDOW_ID=1", PICTURE_NONE, FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        gboolean may_ask;

        g_test_message("%s", cases[i].words);
        g_assert_cmpint(find(cases[i].words, &may_ask), ==, cases[i].protocol);
        g_assert_cmpint(may_ask, ==, cases[i].may_ask);
    }
}

static void
test_answers(void)
{
    static const struct {
        const char *answer;
        gboolean is_whole, has_sixel;
    } cases[] = {
        {"\033[?62;4;22c", TRUE, TRUE},
        {"\033[?64;1;2;4c", TRUE, TRUE},
        {"\033[?62;22c", TRUE, FALSE},
        {"\033[?4;6c", TRUE, FALSE},
        {"\033[?62;14;40c", TRUE, FALSE},
        {"\033[?6c", TRUE, FALSE},
        {"ls\r\033[?62;4c", TRUE, TRUE},
        {"\033[?62;4", FALSE, FALSE},
        {"\033[?62;4;", FALSE, FALSE},
        {"\033[", FALSE, FALSE},
        {"", FALSE, FALSE},
        {"\033[?c", TRUE, FALSE},
        {"\033[?62;4x", FALSE, FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_cmpint(picture_is_answer(cases[i].answer), ==, cases[i].is_whole);
        g_assert_cmpint(picture_answer_has_sixel(cases[i].answer), ==, cases[i].has_sixel);
    }
}

static GString *
encode(PictureProtocol protocol, const char *mime, const char *data, gsize size)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);

    return picture_encode(protocol, mime, bytes);
}

static void
assert_encodes(PictureProtocol protocol, const char *mime, gsize size, const char *start,
               const char *end)
{
    g_autofree char *data = g_strnfill(size, '\0');
    GString *out;

    memset(data, 0, size);
    out = encode(protocol, mime, data, size);
    g_assert_nonnull(out);
    g_assert_true(g_str_has_prefix(out->str, start));
    g_assert_true(g_str_has_suffix(out->str, end));
    g_string_free(out, TRUE);
}

/* 3072 bytes are one chunk of base64, 3073 are one more. */
static void
test_kitty(void)
{
    assert_encodes(PICTURE_KITTY, "image/png", 3, "\033_Ga=T,f=100,q=2,m=0;AAAA\033\\\n", "\n");
    assert_encodes(PICTURE_KITTY, "image/png", 3072, "\033_Ga=T,f=100,q=2,m=0;AAAA",
                   "AAAA\033\\\n");
    assert_encodes(PICTURE_KITTY, "image/png", 3073, "\033_Ga=T,f=100,q=2,m=1;AAAA",
                   "AAAA\033\\\033_Gq=2,m=0;AA==\033\\\n");
    assert_encodes(PICTURE_KITTY, "image/png", 6147, "\033_Ga=T,f=100,q=2,m=1;AAAA",
                   "AAAA\033\\\033_Gq=2,m=0;AAAA\033\\\n");
    g_assert_null(encode(PICTURE_KITTY, "image/jpeg", "x", 1));
}

static void
test_iterm(void)
{
    assert_encodes(PICTURE_ITERM, "image/png", 3, "\033]1337;File=inline=1;size=3:AAAA\a\n", "\n");
    assert_encodes(PICTURE_ITERM, "image/jpeg", 4, "\033]1337;File=inline=1;size=4:AAAAAA==\a\n",
                   "\n");
    g_assert_null(encode(PICTURE_ITERM, "image/svg+xml", "x", 1));
}

static GBytes *
make_png(guint width, guint height, guint32 rgba)
{
    png_image image = {
        .version = PNG_IMAGE_VERSION, .format = PNG_FORMAT_RGBA, .width = width, .height = height};
    gsize n = (gsize)width * height;
    g_autofree guint32 *pixels = g_new(guint32, n);
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    guint8 *png = g_malloc(size);

    for (gsize i = 0; i < n; i++)
        pixels[i] = rgba;
    g_assert_true(png_image_write_to_memory(&image, png, &size, 0, pixels, 0, NULL));
    return g_bytes_new_take(png, size);
}

static GString *
encode_sixel(guint width, guint height, guint32 rgba)
{
    g_autoptr(GBytes) png = make_png(width, height, rgba);

    return picture_encode(PICTURE_SIXEL, "image/png", png);
}

/* rgba is little-endian: 0xff0000ff is red. libsixel stores five bits of a colour, so the largest
 * value is 97. */
static void
assert_sixel(guint32 rgba, const char *color)
{
    GString *out = encode_sixel(7, 5, rgba);

    g_assert_nonnull(out);
    g_assert_true(g_str_has_prefix(out->str, "\033P"));
    g_assert_true(g_str_has_suffix(out->str, "\033\\\n"));
    g_assert_nonnull(strstr(out->str, "\"1;1;7;5"));
    g_assert_nonnull(strstr(out->str, color));
    g_string_free(out, TRUE);
}

static void
test_sixel(void)
{
    assert_sixel(0xff0000ff, ";2;97;0;0");
    assert_sixel(0x00000000, ";2;97;97;97");
    g_assert_null(encode(PICTURE_SIXEL, "image/jpeg", "x", 1));
}

static void
test_sixel_bound(void)
{
    GString *out = encode_sixel(PICTURE_SIDE_MAX, 1, 0);

    g_assert_nonnull(out);
    g_string_free(out, TRUE);
    g_assert_null(encode_sixel(PICTURE_SIDE_MAX + 1, 1, 0));
    g_assert_null(encode_sixel(1, PICTURE_SIDE_MAX + 1, 0));
}

/* The picture is cut off anywhere, or any byte is changed: the result is a valid picture or none.
 * Each try runs in a new process. */
static void
test_sixel_of_broken_pictures(void)
{
    g_autoptr(GBytes) png = make_png(16, 16, 0xff00ff00);
    gsize size;
    const char *data = g_bytes_get_data(png, &size);

    for (gsize i = 0; i < size; i += 3) {
        g_autofree char *broken = g_memdup2(data, size);
        GString *out = encode(PICTURE_SIXEL, "image/png", data, i);

        if (out != NULL)
            g_string_free(out, TRUE);
        broken[i] ^= 0x5a;
        out = encode(PICTURE_SIXEL, "image/png", broken, size);
        if (out != NULL)
            g_string_free(out, TRUE);
    }
    g_assert_null(encode(PICTURE_SIXEL, "image/png", data, size / 2));
    g_assert_null(encode(PICTURE_SIXEL, "image/png", "", 0));
}

/* --- the jail: this program is executed again, by another name --- */

static void
open_file(void)
{
    open("/dev/null", O_RDONLY);
}

static void
start_process(void)
{
    if (fork() == 0)
        _exit(0);
}

static void
compute_for_ever(void)
{
    for (volatile guint i = 0;; i++)
        ;
}

static void
write_too_much(void)
{
    g_autofree char *chunk = g_malloc0(1024 * 1024);

    for (guint i = 0; i <= JAIL_OUTPUT_MAX / (1024 * 1024); i++)
        (void)!write(STDOUT_FILENO, chunk, 1024 * 1024);
}

#ifndef __SANITIZE_ADDRESS__
static void
take_memory(void)
{
    for (gsize size = 0; size <= JAIL_MEMORY_MAX; size += 64 * 1024 * 1024)
        g_malloc(64 * 1024 * 1024);
}
#endif

static const struct {
    const char *name;
    void (*escape)(void);
    int signal;
} escapes[] = {
    {"open", open_file, SIGSYS},
    {"fork", start_process, SIGSYS},
    {"compute", compute_for_ever, SIGKILL},
    {"write", write_too_much, SIGPIPE},
#ifndef __SANITIZE_ADDRESS__
    {"memory", take_memory, SIGTRAP}, /* the signal by which GLib aborts without memory */
#endif
};

/* Runs the decoder or the attempt that the name stands for. Returns if it stands for neither. */
static void
become_prisoner(const char *name)
{
    g_autoptr(GString) output = g_string_new("not stopped");

    if (g_str_equal(name, PICTURE_SIXEL_NAME))
        picture_sixel_main();
    for (gsize i = 0; i < G_N_ELEMENTS(escapes); i++) {
        if (g_str_equal(name, escapes[i].name) && jail_enter(/* cpu_s= */ 1)) {
            escapes[i].escape();
            jail_exit(output);
        }
    }
}

static void
test_jail(void)
{
    g_autoptr(GBytes) nothing = g_bytes_new(NULL, 0);

    for (gsize i = 0; i < G_N_ELEMENTS(escapes); i++) {
        int status = 0;

        g_test_message("%s", escapes[i].name);
        g_assert_null(jail_run(escapes[i].name, nothing, &status));
        g_assert_true(WIFSIGNALED(status));
        g_assert_cmpint(WTERMSIG(status), ==, escapes[i].signal);
    }
}

/* A decoder that was taken over can send a picture to the terminal, and nothing else. */
static void
test_is_sixel(void)
{
    static const struct {
        const char *data;
        gboolean is_sixel;
    } cases[] = {
        {"\033Pq\"1;1;7;5#0;2;97;0;0#0!7~-\033\\", TRUE},
        {"\033P\033\\", TRUE},
        {"\033P0q#0~\n-\033\\", TRUE},
        {"", FALSE},
        {"\033P", FALSE},
        {"\033P\\", FALSE},
        {"text\033Pq\033\\", FALSE},
        {"\033Pq\033\\text", FALSE},
        {"\033Pq\033\\\033]0;t\a\033Pq\033\\", FALSE},
        {"\033Pq\x9b"
         "2J\033\\",
         FALSE},
        {"\033]0;t\033\\", FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) data = g_string_new(cases[i].data);

        g_assert_cmpint(picture_is_sixel(data), ==, cases[i].is_sixel);
    }
}

int
main(int argc, char **argv)
{
    become_prisoner(argv[0]);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/picture/environment", test_environment);
    g_test_add_func("/cli/picture/answers", test_answers);
    g_test_add_func("/cli/picture/kitty", test_kitty);
    g_test_add_func("/cli/picture/iterm", test_iterm);
    g_test_add_func("/cli/picture/sixel", test_sixel);
    g_test_add_func("/cli/picture/sixel-bound", test_sixel_bound);
    g_test_add_func("/cli/picture/sixel-of-broken-pictures", test_sixel_of_broken_pictures);
    g_test_add_func("/cli/picture/jail", test_jail);
    g_test_add_func("/cli/picture/is-sixel", test_is_sixel);
    return g_test_run();
}
