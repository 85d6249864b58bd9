/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * request: what the host asks, from frames to calls.
 *
 * The host is trusted, but a frame of it may be noise: whatever no host would send ends the
 * connection (port.h), and what a host may get wrong is answered by an ERROR.
 */
#pragma once

#include "port.h"

extern const PortHandlers request_handlers;
