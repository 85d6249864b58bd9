/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* master-private: the master and its workers. */
#pragma once

#include "internal.h"
#include "master.h"
#include "packet-socket.h"
#include "spawner.h"

struct Master {
    PacketSocket *cloched; /* NULL: it is not connected */
    PacketSocket *spawner;
    Store *store;
    ResolverLink *resolver;
    GHashTable *workers; /* id → MasterWorker; REMOVE removes them */
    GHashTable *numbers; /* number → MasterWorker; all whose process has not ended */
    guint32 last_number;
    void (*on_end)(gpointer data);
    void (*on_lost)(gpointer data);
    gpointer data;
};

typedef struct {
    gsize size;
    char *bytes; /* NULL: none */
} MasterValue;

/* What a worker has to answer. Serials of cloched are replaced, because a cloched that has ended
 * may have used the same. */
typedef struct {
    guint32 own, serial;
    guint16 type;
    char **keys; /* of the secrets of a SET, or NULL */
    MasterValue values[NET_SECRETS_MAX];
} MasterRequest;

typedef struct {
    Master *master;
    char *id;
    guint32 number;
    PacketSocket *socket; /* NULL: the worker has closed it */
    gboolean has_owner;   /* there was a SET */
    guint32 owner;
    int resolver;       /* a copy of its connection to the resolver; -1: none */
    gint64 resolver_at; /* when it may have another one */
    gboolean has_policy;
    gboolean is_exhausted; /* it has said so since the last SET */
    GQueue requests;       /* of MasterRequest */
    guint32 last_serial;
    MasterValue values[NET_SECRETS_MAX]; /* for the next SET */
    GError *error;                       /* of a SECRET before the next SET */
    char *reason;                        /* why it says that it ends, or NULL */
    gboolean is_hanging;                 /* it does not read, and is being killed */
    gboolean is_removed;
    guint32 remove_serial; /* 0: cloched has no answer to expect */
    guint kill_source;
    gboolean has_ended; /* its process */
    int status;         /* of waitpid() then */
} MasterWorker;

/* --- master.c --- */

void master_send(Master *master, const EgressHead *head, const void *payload, gsize size);
void master_answer(Master *master, EgressType type, const char *id, guint32 serial);
void master_answer_failed(Master *master, const char *id, guint32 serial, const GError *error);

/* --- master-worker.c --- */

/* Returns a new worker, or NULL with an error. */
MasterWorker *master_worker_new(Master *master, const char *id, GError **error);
void master_worker_free(MasterWorker *worker);
/* Its process has ended; `status`: of waitpid(). Frees it now or later. */
void master_worker_take_end(MasterWorker *worker, int status);

/* These pass messages of cloched on. */
void master_worker_take_port(MasterWorker *worker, const EgressHead *head, int fd);
void master_worker_take_secret(MasterWorker *worker, const EgressHead *head, int fd);
void master_worker_take_set(MasterWorker *worker, const EgressHead *head, const guint8 *payload);
/* TRAFFIC and WATCH. */
void master_worker_pass(MasterWorker *worker, const EgressHead *head, int fd);
void master_worker_remove(MasterWorker *worker, guint32 serial);
/* cloched's connection has ended: nobody waits for answers. */
void master_worker_forget_requests(MasterWorker *worker);

/* --- master-secrets.c --- */

void master_values_clear(MasterValue *values);
/* Sends the values that the worker needs for a SET, and keeps in `request` what is to be stored. */
void master_secrets_send(MasterWorker *worker, const EgressHead *head, const guint8 *payload,
                         MasterRequest *request);
/* The SET is in force. */
void master_secrets_store(MasterWorker *worker, const MasterRequest *request);
void master_worker_send(MasterWorker *worker, const EgressHead *head, const void *payload,
                        gsize size, int fd);
