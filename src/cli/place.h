/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * place: words that say where: ID:PATH in a sandbox, HOST:PORT:PORT of a forwarding.
 *
 * As with docker cp and scp, a word with a colon is a sandbox's, unless there is a slash before
 * the colon: "./a:b" is a file of this machine. The object path of a sandbox stands for its id.
 */
#pragma once

#include <glib.h>

typedef struct {
    char *id;
    char *path; /* never "": the home is "." */
} Place;

void place_clear(Place *place);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, place_clear)

gboolean place_is_guest(const char *word);

/* Errors are of G_OPTION_ERROR. */
gboolean place_parse(const char *word, Place *ret_place, GError **error);

/* The last name in a path; NULL where that is none of the thing's own: "/", ".", "..", "a/.". */
char *place_base_name(const char *path);

typedef struct {
    char *host; /* an address */
    guint16 port, guest_port;
} PlaceForward;

void place_forward_clear(PlaceForward *forward);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PlaceForward, place_forward_clear)

/* [HOST:]PORT[:GUESTPORT]; an IPv6 address stands in brackets. PORT 0: any that is free. */
gboolean place_parse_forward(const char *word, PlaceForward *ret_forward, GError **error);
