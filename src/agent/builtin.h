/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * builtin: the agent's own tasks (START_BUILTIN): files, ports and a look at processes.
 *
 * A task runs in a child, as the user who asks, in that user's home: what the guest's users put in
 * its way (a symbolic link, a FIFO, a file system that never answers) can harm nobody but them, and
 * the stream's end kills it. Its input is descriptor 0 and its output descriptor 1.
 *
 * It fails at once, by builtin_fail(), until it has what it needs; then comes builtin_ready(). From
 * then on a failure is its exit status, an errno.
 */
#pragma once

#include <stddef.h>

#include "wire.h"

/* Does the task that argv names, and ends the process. */
_Noreturn void builtin_run(char *const *argv);

/* The answer to START is ERROR with this object. Does not return. */
_Noreturn void builtin_fail(int error, WireObject about, const char *name);
/* The answer is STARTED, now. */
void builtin_ready(void);
/* Writes all of it to descriptor 1, or ends the process. */
void builtin_write(const void *data, size_t size);
/* Writes a record of what `fields` has, none if that overflowed. */
void builtin_write_record(const WireWriter *fields);

/*
 * The tasks, each with its words; numbers are decimal, but for modes; flags are 0 or 1; paths may
 * be relative to the directory that the task starts in.
 *
 * What they write that is no file's or port's own bytes are records: length u32, then fields as of
 * wire.h. The record of a file is
 *     path b, target b (of a symbolic link), mode u32 (with its type), uid u32, gid u32,
 *     user b, group b (names, "": none), size u64, links u64, inode u64,
 *     modified_ns u64, accessed_ns u64, changed_ns u64 (as of WIRE_TIME_MIN_S)
 *
 *   builtin-files.c
 *     stat PATH FOLLOW                        a record; its path is absolute
 *     read PATH OFFSET LENGTH                 the file's bytes; LENGTH "": all
 *     write PATH MODE OWNER SIZE ATOMIC       reads what it will have; MODE octal or "", OWNER
 *                                             "user:group" or "", SIZE or "": how much has to come
 *                                             (else EPIPE, and nothing is changed)
 *     append PATH MODE
 *     mkdir PATH MODE PARENTS
 *     readlink PATH                           the target's bytes
 *   builtin-trees.c
 *     list PATH DEPTH LIMIT AFTER             records, whose paths are relative: entries by the
 *                                             bytes of their names, what is in a directory behind
 *                                             it; then, when there are more, an empty record
 *     remove PATH RECURSIVE MISSING
 *     chmod PATH MODE RECURSIVE
 *     chown PATH OWNER RECURSIVE FOLLOW
 *   builtin-copy.c
 *     copy PATH TARGET RECURSIVE REPLACE
 *     move PATH TARGET REPLACE
 *   builtin-watch.c
 *     watch PATH RECURSIVE                    lines of JSON, see Watch() in dbus/org.cloche1.xml
 *   builtin-port.c
 *     connect PORT ADDRESS                    ADDRESS "": the first of those that OpenPort() tells;
 *                                             relays until both directions have ended
 *     listeners                               records: port u32, address b, pid u32, program b
 *   builtin-processes.c
 *     processes                               records: pid u32, parent u32, uid u32, user b,
 *                                             argv v (what is no UTF-8 included), state u32 (the
 *                                             letter in /proc/PID/stat), started_ms u64 (since
 *                                             1970), memory_kib u64, processor_us u64,
 *                                             group u64 (of its cgroup's number, 0: none of ours)
 *   process.c
 *     kept                                    records of those that were started with START_KEEP
 * and run: tag s, pid u32, started_ms u64 (since 1970), argv v
 */
void builtin_stat(char *const *argv);
void builtin_read(char *const *argv);
void builtin_store(char *const *argv); /* write */
void builtin_append(char *const *argv);
void builtin_mkdir(char *const *argv);
void builtin_move(char *const *argv);
void builtin_readlink(char *const *argv);
void builtin_list(char *const *argv);
void builtin_copy(char *const *argv);
void builtin_remove(char *const *argv);
void builtin_chmod(char *const *argv);
void builtin_chown(char *const *argv);
void builtin_watch(char *const *argv);
void builtin_connect(char *const *argv);
void builtin_listeners(char *const *argv);
void builtin_processes(char *const *argv);
void builtin_kept(char *const *argv);
