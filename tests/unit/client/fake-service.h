/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-service: a service with one template, at the other end of a socket instead of a bus.
 */
#pragma once

#include "client.h"

typedef struct {
    GDBusConnection *connections[2]; /* the service's and the client's */
    ClocheManager *skeleton;
    ClocheManager *manager;           /* the client's proxy */
    const char *state;                /* of the template "python" */
    guint lists, creations;           /* received calls */
    void (*on_list)(gpointer fake);   /* before the answer; NULL: nothing */
    void (*on_create)(gpointer fake); /* before the answer; NULL: nothing */
    guint refusals;                   /* how many creations are refused as BUSY */
} FakeService;

void fake_service_open(FakeService *fake);
void fake_service_close(FakeService *fake);

/* Sets the template's state and emits TemplateChanged. */
void fake_service_change(FakeService *fake, const char *state);

/* Runs the main loop until the reply arrives. */
void fake_service_on_reply(GObject *source, GAsyncResult *result, gpointer reply);
void fake_service_await(GAsyncResult **reply);
