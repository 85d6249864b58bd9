/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * request: calls the function for each frame of the host.
 *
 * The host is trusted, but a frame may be noise. A frame that no host would send ends the
 * connection (host-port.h). A request that a host may get wrong is answered with ERROR.
 */
#pragma once

#include "host-port.h"

extern const PortHandlers request_handlers;
