/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor-service: checks of the service, by facts from the bus. */
#pragma once

#include <gio/gio.h>

#include "doctor-checks.h"

typedef struct {
    char *bus_error;       /* why the bus cannot be reached; NULL: it can */
    gboolean is_on_bus;    /* the service's name has an owner */
    gboolean has_owner;    /* uid and pid are known */
    guint32 uid, pid;      /* of its process */
    char *call_error;      /* why the service did not answer; NULL: it did */
    GVariant *properties;  /* a{sv} of org.cloche1.Manager; NULL: not answered */
    GVariant *templates;   /* aa{sv} of ListTemplates(); NULL: not answered */
    char *unit_file_state; /* of cloched.service, such as "enabled"; NULL: unknown */
    char *unit_state;      /* e.g. "active" */
    char *libvirt_state;   /* the same for libvirt's service */
} ServiceFacts;

void service_facts_clear(ServiceFacts *facts);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ServiceFacts, service_facts_clear)

/* Collects the facts (doctor-bus.c). Starts nothing, and waits for each reply for a limited time.
 */
void service_facts_ask(GBusType bus, ServiceFacts *ret_facts);

/* Whether the service has found an accelerator, and so has reached libvirt. */
gboolean service_has_accelerator(const ServiceFacts *facts);
Needs service_needs(const ServiceFacts *facts);

/* Checks that the service is installed, runs and answers. */
void doctor_check_service(const DoctorHost *host, Report *report, const ServiceFacts *facts);
/* Checks the service's user and its groups. Reports nothing if systemd does not run the service. */
void doctor_check_user(const DoctorHost *host, Report *report, const ServiceFacts *facts);
/* has_virtualization: the processor has it, so emulation is a problem. */
void doctor_check_accelerator(Report *report, const ServiceFacts *facts,
                              gboolean has_virtualization);
void doctor_check_templates(Report *report, const ServiceFacts *facts);
