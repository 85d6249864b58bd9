/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* screen: whether pictures can be shown on standard output. */
#pragma once

#include "picture.h"

/*
 * Looks at the environment, and asks the terminal when that does not tell; it is waited for, a
 * second at most. PICTURE_NONE where standard output is no terminal.
 */
PictureProtocol screen_find_protocol(void);
