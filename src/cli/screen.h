/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* screen: whether standard output can show pictures. */
#pragma once

#include "picture.h"

/*
 * Looks at the environment, and if that is not sufficient, queries the terminal, for at most a
 * second. Returns PICTURE_NONE if standard output is not a terminal.
 */
PictureProtocol screen_find_protocol(void);
