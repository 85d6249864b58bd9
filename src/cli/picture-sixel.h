/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* picture-sixel: a PNG as sixels in 256 colours. */
#pragma once

#include <glib.h>

/* Pixels of a side: more than a screen has. What it takes to encode grows with the width, too. */
#define PICTURE_SIDE_MAX 4096

/* With a line break behind it. What is transparent becomes white. NULL: it is no PNG that can be
 * read, or too large. */
GString *picture_sixel_from_png(GBytes *png);
