/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * picture: pictures on a terminal, in the protocols that terminals have for them.
 *
 * A picture comes from a guest. kitty and iTerm2 receive its bytes as base64 and decode them. For
 * sixel, a child process that can do nothing else decodes it (picture-sixel.h).
 */
#pragma once

#include <glib.h>

typedef enum {
    PICTURE_NONE,
    PICTURE_KITTY,
    PICTURE_ITERM,
    PICTURE_SIXEL,
} PictureProtocol;

/*
 * What the environment tells of the terminal. A multiplexer (tmux, screen) hides which terminal is
 * behind it. ret_may_ask: it is worth asking the terminal for its attributes.
 */
PictureProtocol picture_from_environment(gboolean *ret_may_ask);

/* The question for a terminal's attributes, and whether an answer, which may have come in part
 * only, is whole, and whether it tells of sixel. */
#define PICTURE_QUESTION "\033[c"
gboolean picture_is_answer(const char *answer);
gboolean picture_answer_has_sixel(const char *answer);

/* What shows the picture, with a line break behind it. NULL: the protocol cannot show this one. */
GString *picture_encode(PictureProtocol protocol, const char *mime, GBytes *bytes);
