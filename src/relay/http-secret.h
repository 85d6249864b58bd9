/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * http-secret: a value that is put into requests to one host, and that the guest never has.
 *
 * A secret is for one host: the caller gives a connection only the secrets of its host. Methods and
 * paths narrow it down further. In a request, a guest can write ${secret.NAME} inside the value of
 * a field; the value of the secret replaces it. If it does not, the secret's own field is added,
 * unless the secret is only replaced: then it is nowhere but in its own field.
 */
#pragma once

#include "secret-text.h"

#define SECRET_VALUE_MAX (8u * 1024) /* bytes */
#define SECRETS_MAX 16u              /* of one host */

typedef struct Secret Secret;

/*
 * `header`: the field to add, not one of those that the relay writes itself. `format`: its value,
 * "%s" once. `value`: without control characters, and without spaces at its ends. `methods`,
 * `paths`: as of http_filter_new(). CLOCHE_ERROR_INVALID_ARGUMENT names what is wrong, and never
 * the value.
 */
Secret *secret_new(const char *name, const char *header, const char *format, gconstpointer value,
                   gsize value_size, const char *const *methods, const char *const *paths,
                   GError **error);
/* To be called before the secret is used. */
void secret_only_replace(Secret *secret);
Secret *secret_ref(Secret *secret);
/* The last reference wipes the value. NULL is fine. */
void secret_unref(Secret *secret);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Secret, secret_unref)

const char *secret_name(const Secret *secret);
const char *secret_header(const Secret *secret);
const char *secret_format(const Secret *secret);
const guint8 *secret_value(const Secret *secret, gsize *ret_size);
const HttpFilter *secret_filter(const Secret *secret);
gboolean secret_is_only_replaced(const Secret *secret);
