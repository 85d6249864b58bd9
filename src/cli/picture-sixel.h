/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * picture-sixel: a PNG as sixels in 256 colours.
 *
 * The picture comes from a guest. It is decoded and encoded in a jail (jail.h), and what comes out
 * of the jail is accepted only if it can do no more to a terminal than show a picture.
 */
#pragma once

#include <glib.h>

/* Pixels of a side: more than a screen has. The cost of encoding also grows with the width. */
#define PICTURE_SIDE_MAX 4096

/* A program that calls picture_sixel_from_png() calls picture_sixel_main() if this is argv[0]. */
#define PICTURE_SIXEL_NAME "cloche-picture"
void picture_sixel_main(void) G_GNUC_NORETURN;

/* Sixels and a line break. Transparent pixels become white. NULL: the data is not a PNG that can be
 * decoded, or it is too large. */
GString *picture_sixel_from_png(GBytes *png);

/* Whether the data consists of one sequence of sixels and no other control sequence. */
gboolean picture_is_sixel(const GString *data);
