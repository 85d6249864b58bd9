/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* scripted-egress: the other end of a client's socket, in the hands of a test. */
#pragma once

#include "egress.h"

typedef struct {
    char *folder, *path;
    int listening, fd; /* -1: none */
} ScriptedEgress;

typedef struct {
    EgressHead head;
    uint8_t payload[NET_POLICY_SIZE_MAX];
    int fd; /* -1: none */
} ScriptedPacket;

void scripted_egress_init(ScriptedEgress *egress);
void scripted_egress_listen(ScriptedEgress *egress);
void scripted_egress_clear(ScriptedEgress *egress);
/* Waits until the client has connected, in place of an earlier connection. */
void scripted_egress_accept(ScriptedEgress *egress);
/* Waits for the next packet. */
void scripted_egress_receive(ScriptedEgress *egress, ScriptedPacket *ret);
void scripted_egress_send(const ScriptedEgress *egress, const EgressHead *head, const void *payload,
                          gsize size);
/* Sends these bytes as a packet, if the client is still there. */
void scripted_egress_send_raw(const ScriptedEgress *egress, const void *packet, gsize size);
/* Closes the connection. */
void scripted_egress_hang_up(ScriptedEgress *egress);
/* One round of the main loop; does not wait for ever. */
void scripted_egress_iterate(void);
