/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * server-fixture: cloche-vm's server, and a cloched that an attacker has taken over.
 *
 * The machines are mocks. The attacker speaks the protocol by hand.
 */
#pragma once

#include "mock-vm.h"
#include "vmd-server.h"

typedef struct {
    char *folder;
    VmdConfig config;
    MockVm vm;
    VmdServer *server;
    int fd;           /* the attacker's end */
    gboolean is_over; /* the server has ended the connection */
} Fixture;

/* The server has files of cloche-a and cloche-b, the uids 2000 to 2015, and a connection that is
 * ready. */
void set_up(Fixture *fixture, gconstpointer data);
void tear_down(Fixture *fixture, gconstpointer data);
/* Ends the connection, and makes another one. */
void connect_anew(Fixture *fixture);
/* Asks for what the server knows, as each cloched does first. */
void recall(Fixture *fixture);

/* Returns the path of a file of the fixture: "state/file" and others. */
char *path_of(const Fixture *fixture, const char *path);

/* A request to restore python-2 of python-1. */
VmRequest restore_of(guint32 serial, const char *name, uid_t uid);
VmRequest request_of(VmRequestType type, guint32 serial, const char *name);

void send_bytes(const Fixture *fixture, const void *bytes, gsize size, const int *fds, gsize n_fds);
void send_plain(const Fixture *fixture, const VmRequest *request);
/* `mode`: of the file that is passed. */
void send_with_file(const Fixture *fixture, const VmRequest *request, int mode);

VmFactsAnswer receive(Fixture *fixture, int *ret_fd);
/* Waits for an answer whose text contains `text` (NULL: any). */
void expect(Fixture *fixture, guint32 serial, VmAnswerType type, const char *text);
/* Restores a machine. */
void restore(Fixture *fixture, guint32 serial, const char *name, uid_t uid);
