/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * entry: whether what was typed is all there, so that it can be executed.
 *
 * Only a guess that saves typing: brackets, strings and comments that are open, blocks of Python,
 * operators at the end. For Bash the host's own is asked, which reads and does not execute. Of
 * other languages every line is taken to be whole.
 */
#pragma once

#include <glib.h>

gboolean entry_is_complete(const char *language, const char *text);
