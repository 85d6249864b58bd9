/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* names: the names that files and folders of the store can have. None can lead to another folder.
 */
#pragma once

#include <glib.h>

/* Of an image and its template: [a-z][a-z0-9-]{0,31}. */
gboolean image_name_is_valid(const char *name);
/* Of a version of a template: [0-9a-f]{1,64}. */
gboolean template_key_is_valid(const char *key);
/* Of a sandbox, its record and its folders: [a-z0-9]{1,64}. */
gboolean record_id_is_valid(const char *id);
