/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-record: facts about the machines of a test, in files of its control folder.
 *
 * The machines outlive the daemon, so these files contain what libvirt would report:
 *
 *   machines/NAME           the process id of fake-machine, and the uid that it was asked to run as
 *   machines/NAME.state     paused, running or stalled, written by vm-fake or the test
 *   machines/NAME.ended     how the machine ended by itself: shut-down, panicked or died
 *   starting                has a shared lock while there is a machine without a record
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#define FAKE_STATE ".state"
#define FAKE_ENDED ".ended"
#define FAKE_CAPTURED ".captured" /* "yes": its processors stand still for a capture */
#define FAKE_LOCK_FD 3            /* of `starting`, in fake-machine until its record exists */

/* The cgroup of all processes of a machine. No other machine on the host has it. */
char *fake_record_cgroup(const char *control, const char *name);
void fake_record_write(const char *control, const char *name, const char *suffix, const char *text);
/* Returns NULL if the file does not exist. */
char *fake_record_read(const char *control, const char *name, const char *suffix);
/* A descriptor of the machine's process, or -1 if it does not exist. */
int fake_record_open_process(const char *control, const char *name);
void fake_record_remove(const char *control, const char *name);
/* The names of all machines that have a record. */
char **fake_record_names(const char *control);
