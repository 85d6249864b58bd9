/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * builtin: the agent's own tasks (START_BUILTIN): files, ports and a list of processes.
 *
 * A task runs in a child as the requesting user, in that user's home. Obstacles that users of the
 * guest prepare (a symbolic link, a FIFO, a file system that hangs) affect only that child, and the
 * end of the stream kills it. The task reads descriptor 0 and writes descriptor 1.
 *
 * Until a task calls builtin_ready(), it reports an error by builtin_fail(). After that, its exit
 * status is the errno of its failure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "wire.h"

/* Whether this task is executed although the machine is frozen (freeze.h). */
bool builtin_stays_awake(const char *name);
/* Runs the task that argv names, and ends the process. */
_Noreturn void builtin_run(char *const *argv);

/* Answers START with ERROR about this object, and ends the process. */
_Noreturn void builtin_fail(int error, WireObject about, const char *name);
/* Answers START with STARTED. */
void builtin_ready(void);
/* Writes all bytes to descriptor 1, or ends the process. */
void builtin_write(const void *data, size_t size);
/* Writes a record of these fields; nothing if the writer overflowed. */
void builtin_write_record(const WireWriter *fields);

/*
 * The tasks with their arguments. Numbers are decimal, modes octal; flags are 0 or 1; paths may be
 * relative to the directory in which the task starts.
 *
 * Output that is not the content of a file or a port consists of records: length u32, then fields
 * as in wire.h. The record of a file is path b, target b (of a symbolic link), mode u32 (with the
 * type), uid u32, gid u32, user b, group b (names, "": none), size u64, links u64, inode u64,
 *     modified_ns u64, accessed_ns u64, changed_ns u64 (since WIRE_TIME_MIN_S)
 *
 *   builtin-files.c
 *     stat PATH FOLLOW                        a record; its path is absolute
 *     read PATH OFFSET LENGTH                 the file's bytes; LENGTH "": all
 *     write PATH MODE OWNER SIZE ATOMIC       reads the new content; MODE octal or "", OWNER
 *                                             "user:group" or "", SIZE or "": the expected size
 *                                             (with fewer bytes: EPIPE, and nothing changes)
 *     append PATH MODE
 *     mkdir PATH MODE PARENTS
 *     readlink PATH                           the target's bytes
 *   builtin-trees.c
 *     list PATH DEPTH LIMIT AFTER             records with relative paths, sorted by the bytes of
 *                                             the names; a directory is before its content; if
 *                                             there are more entries, an empty record ends them
 *     remove PATH RECURSIVE MISSING
 *     chmod PATH MODE RECURSIVE
 *     chown PATH OWNER RECURSIVE FOLLOW
 *   builtin-copy.c
 *     copy PATH TARGET RECURSIVE REPLACE
 *     move PATH TARGET REPLACE
 *   builtin-watch.c
 *     watch PATH RECURSIVE                    lines of JSON, see Watch() in dbus/org.cloche1.xml
 *   builtin-port.c
 *     connect PORT ADDRESS                    ADDRESS "": the first address that OpenPort()
 *                                             documents; relays until both directions have ended
 *     listeners                               records: port u32, address b, pid u32, program b
 *   builtin-processes.c
 *     processes                               records: pid u32, parent u32, uid u32, user b,
 *                                             argv v (any bytes), state u32 (the
 *                                             letter in /proc/PID/stat), started_ms u64 (since
 *                                             1970), memory_kib u64, processor_us u64,
 *                                             group u64 (number of its cgroup, 0: not the agent's)
 *   process.c
 *     kept                                    stays awake when the machine is frozen, because the
 *                                             host must know these processes before it thaws a
 *                                             restored machine; records of the running processes
 *                                             that were started with START_KEEP: tag s, pid u32,
 * started_ms u64 (since 1970), argv v
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
