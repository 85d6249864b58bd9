/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-client-private: the parts of a Vm whose machines are those of cloche-vm. */
#pragma once

#include "packet-socket.h"
#include "vm-ops.h"
#include "vm-peer.h"
#include "vm-protocol.h"

typedef struct ClientCall ClientCall;

typedef struct {
    Vm base;
    ServicePeer *peer;
    PacketSocket *socket; /* NULL: there is no connection */
    gboolean is_ready;    /* cloche-vm has said so */
    gboolean was_ready;
    gboolean libvirt_answers;
    guint recovering; /* requests without an answer that find facts and machines again */
    guint timer;      /* before the next attempt to connect; 0: none */
    guint pause_ms;   /* doubled by each attempt that failed */

    guint32 serial;
    GHashTable *sent; /* serial → ClientCall, without an answer */
    GQueue waiting;   /* ClientCall, for the connection */
    GQueue pausing;   /* ClientCall, before the next attempt */
    gboolean stops_trying;

    GHashTable *machines; /* name → ClientMachine, that were returned to the caller */
    VmFacts facts;        /* the strings are owned; accelerator is NULL before the first probe */
    char *change;         /* why templates do not fit the machines of cloche-vm any more, or NULL */
} VmClient;

typedef struct {
    Machine base;
    char *name;
    pid_t pid;
    const MachineEvents *events;
    gpointer events_data;
    gboolean has_owner; /* it was returned to the caller */
    gboolean has_ended;
    MachineEnd how;
    gboolean is_held; /* the owner does not want it to run */
    gboolean is_stalled;
    gboolean reported_stalled; /* what the owner knows of is_stalled */
    guint report;              /* idle source that calls one of the events; 0: none */
} ClientMachine;

/* One request and what becomes of it. */
struct ClientCall {
    VmClient *client;
    VmRequest request;
    int fd;        /* to be sent; owned; -1: none */
    GTask *task;   /* owned; NULL: the client itself asks */
    GError *error; /* of a start, whose machine is being destroyed */
    GCancellable *cancellable;
    gulong cancel_handler;
    guint timer; /* 0: it does not pause */
};

/* --- vm-client-calls.c --- */

ClientCall *client_call_new(VmClient *client, VmRequestType type, GTask *task);
/* Takes the call: it is sent, waits for the connection, or fails because there is none. */
void client_call_submit(ClientCall *call);
/* Sends a request without an answer, if there is a connection. */
void client_tell(VmClient *client, VmRequest *request);
/* Frees a call whose answer was used. */
void client_call_done(ClientCall *call);
/* Fails the call, and frees it. Takes the error. */
void client_call_fail(ClientCall *call, GError *error);
/* Sends the call again after a pause. */
void client_call_pause(ClientCall *call);
/* The connection is there: sends what waits. */
void client_calls_flush(VmClient *client);
/* The connection was lost. */
void client_calls_lose(VmClient *client);
void client_calls_stop_trying(VmClient *client); /* those that wait fail */
/* Whether the client itself sent the request, to find out what became of its machines. */
gboolean client_call_is_recovery(const ClientCall *call);
/* The request that cloche-vm answers with this. NULL: the answer violates the protocol. */
ClientCall *client_call_answered(VmClient *client, const VmAnswer *answer);
gboolean client_answer_is_failure(const VmAnswer *answer);

/* --- vm-client-machine.c --- */

void client_machine_free(ClientMachine *machine);
void client_machine_end(ClientMachine *machine, MachineEnd how);
void client_machine_set_stalled(ClientMachine *machine, gboolean is_stalled);
/* An answer to a start or an adoption; takes `fd`. */
void client_take_machine(ClientCall *call, const VmAnswer *answer, int fd);

void client_start_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                        gpointer events_data, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer data);
void client_adopt_async(Vm *vm, const MachineSpec *spec, const MachineEvents *events,
                        gpointer events_data, GAsyncReadyCallback callback, gpointer data);
/* For both functions above. */
Machine *client_machine_finish(Vm *vm, GAsyncResult *result, int *ret_fd, GError **error);
void client_save_async(Machine *machine, int fd, GAsyncReadyCallback callback, gpointer data);
void client_capture_async(Machine *machine, int fd, GAsyncReadyCallback callback, gpointer data);
void client_release_async(Machine *machine, GAsyncReadyCallback callback, gpointer data);
void client_destroy_async(Machine *machine, GAsyncReadyCallback callback, gpointer data);
void client_open_net_async(Machine *machine, GAsyncReadyCallback callback, gpointer data);
int client_open_net_finish(Vm *vm, GAsyncResult *result, GError **error);
/* The answer; takes `fd`. */
void client_take_net(ClientCall *call, int fd);
void client_hold(Machine *machine, gboolean holds);
/* After a new connection: whether the machine is held. */
void client_machine_hold_again(ClientMachine *machine);
void client_leave(Machine *machine);
pid_t client_pid(const Machine *machine);
