/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest: files of a sandbox, for the verbs that take ID:PATH. */
#pragma once

#include "cli.h"
#include "guest-path.h"
#include "transfer.h"

typedef struct {
    ClocheSandbox *sandbox;
    char *user; /* who accesses the files; NULL: the template's user */
} Guest;

void guest_clear(Guest *guest);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Guest, guest_clear)

/* Returns the option --user, which sets guest->user. */
GOptionEntry guest_user_entry(Guest *guest);

/* Connects if necessary, and finds the sandbox. May be called again for another sandbox. */
gboolean guest_open(Guest *guest, Cli *cli, const char *id, GError **error);

/* Begins the options of a call with the user. */
void guest_init_options(const Guest *guest, GVariantDict *options);

/* Whether owners of files are preserved: only root of the sandbox can set them. */
gboolean guest_is_root(const Guest *guest);

/* Calls Stat(), which follows symbolic links. */
GVariant *guest_stat(const Guest *guest, Cli *cli, const char *path, GError **error);

/* Returns a time of such an entry, in microseconds since 1970; negative before that. */
gint64 guest_entry_time(GVariant *entry, const char *key);

/* Returns the socket of ReadFile() or Download(); -1 with an error. */
int guest_read_file(const Guest *guest, Cli *cli, const char *path, GError **error);
int guest_download(const Guest *guest, Cli *cli, const char *path, GError **error);

/*
 * Calls Upload() to the directory at the path, with the archive that the work writes. ret_bytes:
 * the size of the archive. cancellable: ends the call at once, even if the sandbox still unpacks;
 * NULL: a signal interrupts the work, and the call returns when the sandbox has finished.
 */
gboolean guest_upload(const Guest *guest, Cli *cli, const char *path, TransferWork pack,
                      gpointer data, GCancellable *cancellable, guint64 *ret_bytes, GError **error);

/* Takes the descriptor of a reply. */
int guest_take_fd(GVariant *handle, GUnixFDList *fds, GError **error);

/* Returns a list with a duplicate of one descriptor, whose handle is 0. */
GUnixFDList *guest_give_fd(int fd, GError **error);
