/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * picture: pictures on a terminal, in the terminal's graphics protocol.
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
 * Returns the protocol that the environment indicates. A multiplexer (tmux, screen) hides the
 * terminal. ret_may_ask: the terminal should be queried for its attributes.
 */
PictureProtocol picture_from_environment(gboolean *ret_may_ask);

/* The query for a terminal's attributes; whether the bytes so far contain a complete answer; and
 * whether the answer lists sixel. */
#define PICTURE_QUESTION "\033[c"
gboolean picture_is_answer(const char *answer);
gboolean picture_answer_has_sixel(const char *answer);

/* Returns the bytes that show the picture, and a line break. NULL: the protocol cannot show it. */
GString *picture_encode(PictureProtocol protocol, const char *mime, GBytes *bytes);
