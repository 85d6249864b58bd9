/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * napi: declarations of Node-API and libuv for native.c and the files beside it. Both Debian's
 * libraries and a statically linked node export these functions, and no headers are needed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_info;
typedef struct napi_tsfn__ *napi_tsfn;
typedef napi_value (*napi_callback)(napi_env, napi_info);

int napi_get_cb_info(napi_env, napi_info, size_t *argc, napi_value *argv, napi_value *, void **);
int napi_get_value_int32(napi_env, napi_value, int32_t *);
int napi_get_value_uint32(napi_env, napi_value, uint32_t *);
int napi_get_buffer_info(napi_env, napi_value, void **, size_t *);
int napi_get_typedarray_info(napi_env, napi_value, int *type, size_t *, void **data, napi_value *,
                             size_t *);
int napi_create_int32(napi_env, int32_t, napi_value *);
int napi_create_uint32(napi_env, uint32_t, napi_value *);
int napi_get_boolean(napi_env, bool, napi_value *);
int napi_get_undefined(napi_env, napi_value *);
int napi_create_buffer_copy(napi_env, size_t, const void *, void **, napi_value *);
int napi_create_string_utf8(napi_env, const char *, size_t, napi_value *);
int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);
int napi_set_named_property(napi_env, napi_value, const char *, napi_value);
int napi_call_function(napi_env, napi_value self, napi_value, size_t, const napi_value *,
                       napi_value *);
int napi_get_and_clear_last_exception(napi_env, napi_value *);
int napi_throw_error(napi_env, const char *code, const char *text);
int napi_create_threadsafe_function(napi_env, napi_value, napi_value, napi_value name, size_t,
                                    size_t threads, void *, void *, void *,
                                    void (*)(napi_env, napi_value, void *, void *), napi_tsfn *);
int napi_call_threadsafe_function(napi_tsfn, void *, int blocking);
int napi_ref_threadsafe_function(napi_env, napi_tsfn);
int napi_unref_threadsafe_function(napi_env, napi_tsfn);
int napi_get_value_bool(napi_env, napi_value, bool *);
int napi_get_uv_event_loop(napi_env, void **loop);
int uv_loop_alive(const void *loop);

#define AUTO_LENGTH SIZE_MAX

/* The arguments that a function was called with. */
void arguments_of(napi_env env, napi_info info, size_t count, napi_value *values);
/* Returns -1 if the value is not a number. */
int int_argument(napi_env env, napi_value value);
/* Returns the memory of a typed array. */
void *memory_of(napi_env env, napi_value typed_array);
