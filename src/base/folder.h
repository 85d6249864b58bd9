/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * folder: makes and opens folders in places where other users may have made one first.
 *
 * A path is walked from the root by descriptors. A symbolic link in it is followed only if root or
 * we own the link: another user's link could lead anywhere. Paths are absolute.
 */
#pragma once

#include <dirent.h>
#include <glib.h>
#include <sys/types.h>

/* Opens a folder with O_PATH. Makes it, with this mode less the umask, if it does not exist, and
 * its parents with the mode 0755. -1 with an error: CLOCHE_ERROR_NOT_PERMITTED for a link of
 * another user, and for a folder that another user can have made or can replace. The folder may
 * have another owner only where nobody but root and we can make folders. */
int folder_open(const char *path, mode_t mode, GError **error);

/* Makes the folder with this mode regardless of the umask. One that exists must be ours. */
gboolean folder_make(const char *path, mode_t mode, GError **error);
/* Opens a folder that must exist and be ours, to read its entries. */
DIR *folder_list(const char *path, GError **error);
