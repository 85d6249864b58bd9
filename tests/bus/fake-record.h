/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-record: what is known of the machines of a test, in files of its control folder.
 *
 * The machines outlive the daemon, so this is what libvirt would tell:
 *
 *   machines/NAME           the process id of fake-machine, and the uid that it was asked to run as
 *   machines/NAME.state     paused, running or stalled, as vm-fake or the test has it
 *   machines/NAME.ended     how it ended by itself: shut-down, panicked or died
 *   starting                locked, shared, as long as there is a machine without a record
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#define FAKE_STATE ".state"
#define FAKE_ENDED ".ended"
#define FAKE_LOCK_FD 3 /* of `starting`, in fake-machine until its record is there */

/* The cgroup of all that a machine is. No other machine on the host has it. */
char *fake_record_cgroup(const char *control, const char *name);
void fake_record_write(const char *control, const char *name, const char *suffix, const char *text);
/* NULL: there is no such file. */
char *fake_record_read(const char *control, const char *name, const char *suffix);
/* A descriptor of its process, or -1 when it is not there. */
int fake_record_open_process(const char *control, const char *name);
void fake_record_remove(const char *control, const char *name);
/* Of all machines that have a record. */
char **fake_record_names(const char *control);
