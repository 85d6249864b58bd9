/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest: files of a sandbox, for the verbs that name them by ID:PATH. */
#pragma once

#include "cli.h"
#include "place.h"
#include "transfer.h"

typedef struct {
    ClocheSandbox *sandbox;
    char *user; /* as whom; NULL: the template's user */
} Guest;

void guest_clear(Guest *guest);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Guest, guest_clear)

#define GUEST_USER_OPTION(guest)                                                                   \
    {"user",                                                                                       \
     'u',                                                                                          \
     0,                                                                                            \
     G_OPTION_ARG_FILENAME,                                                                        \
     &(guest).user,                                                                                \
     "A user of the sandbox, by name or number",                                                   \
     "USER"}

/* Connects, and finds the sandbox; may be called again for another. */
gboolean guest_open(Guest *guest, Cli *cli, const char *id, GError **error);

/* An a{sv} with the user in it. */
void guest_init_options(const Guest *guest, GVariantDict *options);

/* Whether files keep who owns them: that is for root, there. */
gboolean guest_is_root(const Guest *guest);

/* As Stat(), symbolic links being followed. */
GVariant *guest_stat(const Guest *guest, Cli *cli, const char *path, GError **error);

/* A time of such an entry, in microseconds since 1970; negative before. */
gint64 guest_entry_time(GVariant *entry, const char *key);

/* A socket as ReadFile() and Download() give it; -1 with an error. */
int guest_read_file(const Guest *guest, Cli *cli, const char *path, GError **error);
int guest_download(const Guest *guest, Cli *cli, const char *path, GError **error);

/*
 * As Upload() to the directory at the path, of the archive that the work writes. ret_bytes: how
 * many bytes that had. cancellable: ends the call at once, whatever the sandbox still does; NULL: a
 * signal interrupts the work, and the call returns when the sandbox has ended its part.
 */
gboolean guest_upload(const Guest *guest, Cli *cli, const char *path, TransferWork pack,
                      gpointer data, GCancellable *cancellable, guint64 *ret_bytes, GError **error);

/* Takes the descriptor out of an answer. */
int guest_take_fd(GVariant *handle, GUnixFDList *fds, GError **error);

/* A list for one descriptor, which stays the caller's; its handle is 0. */
GUnixFDList *guest_give_fd(int fd, GError **error);
