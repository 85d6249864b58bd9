/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * acceleration: which accelerator machines get, and what happens when KVM does not work.
 *
 * A processor without hardware virtualization is tried once. Any other is tried until KVM works.
 * When the first tries have failed, machines are emulated if AllowEmulation=yes permits that, and
 * templates fail otherwise. Once an accelerator is chosen, it stays until the service ends, because
 * templates and machines depend on it.
 */
#pragma once

#include "core-base.h"
#include "host.h"
#include "template.h"

typedef struct Acceleration Acceleration;

typedef struct {
    /* Once: templates can be prepared for machines with these facts. */
    void (*chosen)(const VmFacts *facts, gpointer data);
    /* Templates cannot be prepared before something else has happened; `step` says what. */
    void (*waiting)(const char *step, gpointer data);
    /* No template can be used for this reason, unless another event follows. */
    void (*failed)(const GError *error, gpointer data);
    /* acceleration_facts() or acceleration_error() changed. */
    void (*changed)(gpointer data);
} AccelerationEvents;

Acceleration *acceleration_new(Host *host, Emulation emulation, const AccelerationEvents *events,
                               gpointer data);
/* When the host counts no try any more. */
void acceleration_free(Acceleration *acceleration);

/* Begins to try, by booting the kernel of this template; any will do. */
void acceleration_start(Acceleration *acceleration, Template *template);
/* Gives up the try under way, and makes no other. */
/* libvirt answers again: a try that it did not answer is repeated without a pause. */
void acceleration_retry(Acceleration *acceleration);
gboolean acceleration_has_started(const Acceleration *acceleration);
void acceleration_stop(Acceleration *acceleration);

/* NULL until an accelerator is chosen. */
const VmFacts *acceleration_facts(const Acceleration *acceleration);
/* Why KVM does not work although the processor has hardware virtualization; NULL: it works, was not
 * tried yet, or the processor has no hardware virtualization. */
const char *acceleration_error(const Acceleration *acceleration);
