/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* randomness: the native part of reseeding a runner; randomness.js has the rest. */
#pragma once

#include "napi.h"

/*
 * reseed(buffer): seeds OpenSSL's primary generator with the buffer and with new bytes of the
 * kernel. The generators of all threads depend on it, and seed themselves again when it was seeded.
 */
napi_value reseed_js(napi_env env, napi_info info);
