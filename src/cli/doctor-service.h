/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor-service: the service itself: what is known of it from the bus, and what that means. */
#pragma once

#include <gio/gio.h>

#include "doctor-checks.h"

typedef struct {
    char *bus_error;       /* why the bus cannot be reached; NULL: it can */
    gboolean is_on_bus;    /* somebody owns the service's name */
    gboolean has_owner;    /* uid and pid are known */
    guint32 uid, pid;      /* of its process */
    char *call_error;      /* why it did not answer; NULL: it did */
    GVariant *properties;  /* a{sv} of org.cloche1.Manager; NULL: not answered */
    GVariant *templates;   /* aa{sv} of ListTemplates(); NULL: not answered */
    char *unit_file_state; /* what systemd says of cloched.service, e.g. "enabled"; NULL: nothing */
    char *unit_state;      /* e.g. "active" */
    char *libvirt_state;   /* the same of libvirt's service */
} ServiceFacts;

void service_facts_clear(ServiceFacts *facts);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ServiceFacts, service_facts_clear)

/* doctor-bus.c: asks a bus, and starts nothing by it. Each question waits for a bounded time. */
void service_facts_ask(GBusType bus, ServiceFacts *ret_facts);

/* Whether machines were seen to work, or at least QEMU to be found: then libvirt was there. */
gboolean service_has_accelerator(const ServiceFacts *facts);
Needs service_needs(const ServiceFacts *facts);

/* It is installed, runs and answers. */
void doctor_check_service(const Host *host, Report *report, const ServiceFacts *facts);
/* Its user, and that one's groups. Silent where it is not a unit of systemd's. */
void doctor_check_user(const Host *host, Report *report, const ServiceFacts *facts);
/* has_virtualization: the processor has it, so that emulation is a fault. */
void doctor_check_accelerator(Report *report, const ServiceFacts *facts,
                              gboolean has_virtualization);
void doctor_check_templates(Report *report, const ServiceFacts *facts);
