/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * network-text: lines for people about the network of a sandbox.
 *
 * All functions are pure. The texts come from guests and from the network: they are escaped.
 */
#pragma once

#include "event.h"

/* Returns the line for an event of WatchConnections(), without a line break. */
char *network_text_event(JsonObject *event);

/* Returns "example.com:443", or only the host for an event about a name, such as a lookup. */
char *network_text_place(JsonObject *event);

/* Returns what decided, or why it failed; "" if the event does not say so. */
const char *network_text_reason(JsonObject *event);

/* Returns the mode of the property Network with its state: "internet, closed: …". */
char *network_text_mode(GVariant *network);

/* Returns the lines about the property Network and the figures of GetTraffic(). figures: NULL if
 * there are none. */
char *network_text_describe(GVariant *network, GVariant *figures);
