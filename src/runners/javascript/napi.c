/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* napi: arguments of functions that JavaScript calls. */
#include "napi.h"

int
int_argument(napi_env env, napi_value value)
{
    int32_t number = -1;
    napi_get_value_int32(env, value, &number);
    return number;
}

void
arguments_of(napi_env env, napi_info info, size_t count, napi_value *values)
{
    napi_get_cb_info(env, info, &count, values, NULL, NULL);
}

void *
memory_of(napi_env env, napi_value typed_array)
{
    void *data = NULL;
    napi_get_typedarray_info(env, typed_array, NULL, NULL, &data, NULL, NULL);
    return data;
}
