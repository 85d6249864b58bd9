/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cp: the two directions of "cloche cp". A target that is a directory is copied into. */
#pragma once

#include "guest.h"

/* How many bytes went over: of a file its own, of a directory those of its archive. */
gboolean cp_download(Cli *cli, const Guest *guest, const char *path, const char *target,
                     guint64 *ret_bytes, GError **error);
gboolean cp_upload(Cli *cli, const Guest *guest, const char *source, const char *path,
                   guint64 *ret_bytes, GError **error);
