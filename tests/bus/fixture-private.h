/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fixture-private: what fixture.c (bus and service), fixture-files.c and fixture-machines.c share.
 */
#pragma once

#include "fixture.h"

void fixture_write_file(const char *folder, const char *name, const char *text);
/* Creates the fixture's folders, images and configuration. */
void fixture_make_files(Fixture *fixture);
/* Called when the service has ended everything. */
void fixture_assert_nothing_left(const Fixture *fixture);
/* Opens the FIFO by which machines notice the end of this process. */
void fixture_open_machines(Fixture *fixture);
