/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmd-private: the parts of the server. */
#pragma once

#include "packet-socket.h"
#include "vm-ops.h"
#include "vmd-server.h"

struct VmdServer {
    const VmdConfig *config;
    Vm *vm;
    void (*on_end)(gpointer data);
    gpointer on_end_data;
    PacketSocket *socket; /* NULL: nobody is connected */
    guint connection;     /* counts them */
    gboolean has_list;    /* all machines that there were at first are in `machines` */
    gboolean has_facts;   /* machines can be started */
    enum { UNKNOWN, IS_AWAY, ANSWERS } libvirt;
    uid_t probe_uid; /* of the probe that is under way */
    gboolean is_probing;
    GHashTable *requests; /* serial → VmdWork that can be cancelled */
    GHashTable *machines; /* name → VmdMachine */
    guint works;          /* requests under way, of all connections */
};

/* A machine that exists, or may exist. */
typedef struct {
    VmdServer *server;
    char *name;
    uid_t uid;        /* 0: unknown, or libvirt has chosen it */
    Machine *machine; /* NULL: the present cloched does not hold it */
    gboolean is_busy; /* a request is under way that must be the only one */
    GQueue queue;     /* of VmdWork: the next ones */
    gboolean is_stalled;
    gboolean may_live; /* it was left, or could not be adopted yet; no sweep has begun since */
} VmdMachine;

typedef struct VmdWork VmdWork;
/* Carries out a request; takes the work. `request` is the work's. */
typedef void (*VmdBegin)(VmdWork *work, const VmRequest *request);

/* A request under way, or one that waits for its machine. */
struct VmdWork {
    VmdServer *server;
    VmdBegin begin;
    guint connection; /* that it came from */
    VmRequest request;
    VmdMachine *machine; /* NULL: none */
    GCancellable *cancellable;
    VmdPaths paths;
    VmFacts facts; /* of the answer; the strings are owned */
    int fd;        /* owned; -1: none */
};

/* --- vmd-work.c --- */

/* Answers to the present connection. */
void vmd_answer(VmdServer *server, const VmAnswer *answer, int fd);
/* Takes `fd`. */
VmdWork *vmd_work_new(VmdServer *server, VmdBegin begin, const VmRequest *request, int fd);
/* Whether the connection that the request came from is there still. */
gboolean vmd_work_is_wanted(const VmdWork *work);
/* These answer, if the answer is wanted. They free the work. The second one takes the error. */
void vmd_work_finish(VmdWork *work, VmAnswerType type, gint32 number);
void vmd_work_fail(VmdWork *work, GError *error);
void vmd_work_free(VmdWork *work);

/* --- vmd-machines.c --- */

extern const MachineEvents vmd_machine_events;

/* Finds or makes it. */
VmdMachine *vmd_machine_get(VmdServer *server, const char *name);
VmdMachine *vmd_machine_find(VmdServer *server, const char *name);
/* No request is under way any more; `is_gone`: nothing of it is left but its files, which are
 * removed. Begins the next request, or frees a machine that is gone. */
void vmd_machine_release(VmdMachine *machine, gboolean is_gone);
/* Leaves it, for the next adoption. */
void vmd_machine_leave(VmdMachine *machine);
void vmd_machines_leave_all(VmdServer *server);
/* Machines that nobody holds now are strays from now on. */
void vmd_machines_begin_sweep(VmdServer *server);
/* Forgets all with this prefix that nobody holds: they were destroyed. */
void vmd_machines_forget_strays(VmdServer *server, const char *prefix);
/* Whether a machine runs as this uid, or is about to. */
gboolean vmd_machines_use_uid(const VmdServer *server, uid_t uid);

/* --- vmd-requests.c --- */

/* Carries out a request. Takes `fd`. */
void vmd_request(VmdServer *server, const VmRequest *request, int fd);
/* Reserves the machine of a request, and sets `machine` of the work. FALSE: the request waits, or
 * was answered. */
gboolean vmd_work_reserve(VmdWork *work, gboolean must_be_held);

/* --- vmd-capture.c --- */

void vmd_begin_capture(VmdWork *work, const VmRequest *request);
void vmd_begin_release(VmdWork *work, const VmRequest *request);
