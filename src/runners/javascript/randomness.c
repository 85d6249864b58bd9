/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "randomness.h"

/* Of OpenSSL. */
void RAND_add(const void *bytes, int size, double entropy);

napi_value
reseed_js(napi_env env, napi_info info)
{
    napi_value argument;
    void *bytes = NULL;
    size_t size = 0;
    arguments_of(env, info, 1, &argument);
    napi_get_buffer_info(env, argument, &bytes, &size);
    RAND_add(bytes, (int)size, (double)size);
    return NULL;
}
