/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * execution: what code gave, shown as a notebook would where a terminal can.
 *
 * Output and the values of results go to standard output, in that order; standard error takes the
 * code's own, its traceback, and a line about each picture.
 */
#pragma once

#include "cli.h"

/* save: the folder for pictures; NULL saves none. Returns the exit status. */
int execution_show(Cli *cli, GVariant *execution, const char *save);
