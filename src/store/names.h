/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* names: the names that files and folders of the store can have. None can lead to another folder.
 */
#pragma once

#include <glib.h>

/* Whether this is a name of an image, which is its template's as well: [a-z][a-z0-9-]{0,31}. */
gboolean image_name_is_valid(const char *name);
/* Whether this is the key of a version of a template: [0-9a-f]{1,64}. */
gboolean template_key_is_valid(const char *key);
/* Whether this is the id of a sandbox, which its record and folders have as well: [a-z0-9]{1,64}.
 */
gboolean record_id_is_valid(const char *id);
