/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * turns: calls that have arrived and are not begun, served in turn between users.
 *
 * In each turn, one call of each user is begun, in turn between the user's
 * connections, and in the order of arrival of one connection. So a user with ten thousand calls
 * delays the call of another user by one call. Calls of a connection whose window is closed
 * (windows.h) are not begun.
 *
 * A call that waits here has no cost but its memory. Beyond the bounds, only its number is kept,
 * and in its turn it is answered with CLOCHE_ERROR_BUSY: an immediate answer would let the caller
 * send the next call at once, and those would delay other users.
 */
#pragma once

#include "peers.h"

/* Limits for one user: calls that wait, their memory and their descriptors. */
#define TURNS_CALLS_MAX 4096u
#define TURNS_SIZE_MAX (16u * 1024 * 1024)
#define TURNS_FDS_MAX 64u
/* Calls of which only the number is kept. The bus permits a connection 128 calls that are not
 * answered, and a user 256 connections. */
#define TURNS_NUMBERS_MAX 65536u

/* While calls arrive without a pause, a turn is taken after this time. */
#define TURNS_OVERDUE_US (5 * G_TIME_SPAN_MILLISECOND)

typedef struct Turns Turns;

typedef struct {
    gpointer object; /* a GObject: the call itself */
    guint32 serial;
    gboolean is_answered; /* its caller waits for an answer */
    guint fds;
    gsize size; /* bytes */
} TurnsCall;

typedef struct {
    gboolean (*may_begin)(const Peer *peer, gpointer data);
    /* Begins a call that has waited. Takes it. */
    void (*begin)(Peer *peer, gpointer call, gpointer data);
    /* Answers the call with this serial. */
    void (*refuse)(Peer *peer, guint32 serial, gpointer data);
} TurnsEvents;

Turns *turns_new(const TurnsEvents *events, gpointer data);
/* Refuses all calls that wait. */
void turns_free(Turns *turns);

/* Returns TRUE if the user has no call that waits and has not had this turn: the caller begins the
 * call. Otherwise the call waits, and its object is taken. */
gboolean turns_add(Turns *turns, Peer *peer, const TurnsCall *call);
/* A connection may have a call begun again, or has left. */
void turns_resume(Turns *turns);
