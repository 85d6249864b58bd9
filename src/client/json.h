/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json: what a call returned, for programs.
 *
 * Keys are those of the D-Bus API. Bytes (ay) become base64, as in a notebook file; a number that
 * JSON cannot carry (not finite) becomes null.
 */
#pragma once

#include <json-glib/json-glib.h>

JsonNode *json_from_variant(GVariant *value);

/* {"error": {"name": …, "message": …}} */
JsonNode *json_from_error(const char *name, const char *message);

/* One line, with its line break. The node is taken. */
char *json_to_line(JsonNode *node);
