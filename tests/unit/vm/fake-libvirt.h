/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-libvirt: a libvirt in this process, which fails at the call that a test names.
 *
 * This program's own functions take the place of libvirt's. There are at most two machines, which
 * exist without a QEMU.
 */
#pragma once

#include <gio/gio.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

/* Members are set while no call is under way, or by fake_libvirt_fail(). */
typedef struct {
    const char *name; /* NULL: it does not exist */
    const char *uuid;
    int state, reason; /* virDomainState */
    gint is_busy;      /* atomic: libvirt waits for its QEMU */
} FakeDomain;

typedef struct {
    gboolean is_away; /* no connection can be opened, and each call fails */
    FakeDomain domains[2];
    const char *emulator;     /* of the capabilities */
    guint openings;           /* of connections */
    gboolean refuses_destroy; /* a job that never ends holds each machine */
    gboolean dies_silently;   /* its end is reported only when the connection is closed */
    gint busy_answers;        /* atomic: how often it was said that libvirt is busy */
    gint suspends, resumes;   /* atomic: of machines; each that succeeds causes an event */
    gboolean loses_events;
} FakeLibvirt;

extern FakeLibvirt fake_libvirt;

/* Forgets everything. */
void fake_libvirt_reset(void);
/* The next call of this function fails with this code, and, if `closes`, because libvirtd has gone:
 * the connection is dead, and a new one can be opened. */
void fake_libvirt_fail(const char *function, int code, gboolean closes);
/* Whether the failure has happened. */
gboolean fake_libvirt_has_failed(void);
