/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fixture-private: what fixture.c (bus and service), fixture-files.c and fixture-machines.c share.
 */
#pragma once

#include "fixture.h"

void fixture_write_file(const char *folder, const char *name, const char *text);
/* Its folders, images and config. */
void fixture_make_files(Fixture *fixture);
/* Once the service has ended everything. */
void fixture_assert_nothing_left(const Fixture *fixture);
/* The FIFO by which machines know that this process lives. */
void fixture_open_machines(Fixture *fixture);
