/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cp: the two directions of "cloche cp". If the target is an existing directory, the source is
 * copied into it. */
#pragma once

#include "guest.h"

/* ret_bytes: the size of the file, or of the archive of a directory. */
gboolean cp_download(Cli *cli, const Guest *guest, const char *path, const char *target,
                     guint64 *ret_bytes, GError **error);
gboolean cp_upload(Cli *cli, const Guest *guest, const char *source, const char *path,
                   guint64 *ret_bytes, GError **error);
