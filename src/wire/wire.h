/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wire: the protocol between the host and an agent, over one byte stream.
 *
 * The stream is a virtio-serial port: it has no boundaries, it outlives the host's process, and a
 * restored machine does not know that it was restored. So every connection begins with a preamble
 * that an agent recognizes in any state of its parser (see "Start of a connection"), and each frame
 * ends with a mark, so that a frame that was cut off when the host's process died is not taken for
 * a complete one.
 *
 * Both sides use this code, the host for hostile bytes: libc only, no I/O, no allocation by a
 * declared length. All numbers are little-endian. Functions return 0 or -errno.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_VERSION 5u
#define WIRE_VERSION_OLDEST 2u /* the oldest agent that the host accepts */
#define WIRE_VERSION_CLOCK 3u  /* the first agent that knows CLOCK */
#define WIRE_VERSION_TRUST 4u  /* the first agent that knows TRUST */
#define WIRE_VERSION_FREEZE 5u /* the first agent that knows FREEZE and THAW */
#define WIRE_HEADER_SIZE 12u
#define WIRE_PAYLOAD_MAX (256u * 1024) /* of any frame, START included */
#define WIRE_DATA_MAX (32u * 1024)     /* of a DATA frame, so that streams take turns */
#define WIRE_WINDOW (256u * 1024)      /* bytes of DATA without credit, per stream and channel */
#define WIRE_STREAMS_MAX 1024u         /* open at once */
#define WIRE_CERTIFICATES_MAX (64u * 1024) /* bytes of TRUST */
#define WIRE_FRAME_MAX (WIRE_HEADER_SIZE + WIRE_PAYLOAD_MAX + 1u)
/*
 * A time in nanoseconds since 1970 is a u64; with its upper three bits set it is a negative number,
 * before 1970. A file's time outside these bounds (1896 and 2481) is sent as the nearest bound.
 */
#define WIRE_TIME_MIN_S INT64_C(-2305843009)
#define WIRE_TIME_MAX_S INT64_C(16140901063)
#define WIRE_TIME_IS_NEGATIVE(ns) ((ns) >> 61 == 7)
#define WIRE_END 0xC1u /* the byte after every payload */

/*
 * A frame: header, payload, WIRE_END. The header is length u32 (of the payload), stream u32,
 * type u8, channel u8, two zero bytes.
 *
 * The host chooses stream numbers. They are not zero and not used again in a connection. A request
 * that starts no process (CLAIM, PING, QUIESCE, CLOCK, TRUST, FREEZE, THAW) takes a new number, and
 * its answer has that number. Only HELLO has the stream number 0.
 *
 * Start of a connection: the host sends WIRE_PREAMBLE_PAD zero bytes, then WIRE_MAGIC and 16 random
 * bytes, the nonce. The zero bytes complete a frame that the agent may be reading, and this frame
 * is bad because its WIRE_END is missing. After a bad frame or a header that is all zero, the agent
 * discards bytes until it finds WIRE_MAGIC. Then it closes all streams (see START_KEEP) and sends
 * WIRE_MAGIC, the nonce and HELLO. The host discards everything until it finds magic and nonce.
 *
 * Flow: DATA of each channel of each stream, in each direction, has a window of WIRE_WINDOW bytes.
 * The receiver sends CREDIT for the bytes that it has passed on. A side that sends beyond its
 * window breaks the protocol. Other frames need no credit.
 *
 * Order: an agent sends STARTED or ERROR first on each stream, REAPED at most once, and EOF at most
 * once for each channel, except for control. Its DATA and CREDIT are never empty. Any other order
 * breaks the protocol, and so does a frame that answers nothing (src/guest/exchanges.h).
 *
 * Freezing: between FREEZE and THAW no process of the host's streams executes an instruction of its
 * own. The agent answers all frames as before. A process that is started waits before its program
 * or task begins, so that its STARTED follows THAW; only the task "kept" is executed at once. DATA
 * waits in the pipes. Signals that a process handles wait, those that end it do not; KILL, CLOSE
 * and the timeout of START end processes. A new connection changes nothing about it: the streams
 * are closed, so their processes are killed, and the others remain frozen. But a FREEZE that was
 * not answered before is undone. A machine whose snapshot was restored is frozen until THAW.
 */
#define WIRE_MAGIC_SIZE 16u
#define WIRE_NONCE_SIZE 16u
#define WIRE_PREAMBLE_PAD WIRE_FRAME_MAX
extern const uint8_t wire_magic[WIRE_MAGIC_SIZE];

typedef enum {
    /* both directions */
    WIRE_DATA = 1, /* bytes of the frame's channel */
    WIRE_EOF,      /* empty: no more DATA comes on this channel; against its direction: the receiver
                      takes no more DATA */
    WIRE_CREDIT,   /* bytes u32: so many more bytes of DATA may be sent on this channel */

    /* host to agent */
    WIRE_CLAIM = 16, /* id s, hostname s, machine_id b[16], entropy b[32..256], realtime_ns u64,
                        user s (the default for processes that name none), environment v; answer OK
                        or ERROR. With the id "" it is a rehearsal: the agent does the same work,
                        but the machine remains unclaimed, so that the code and the pages that the
                        claim needs are warm. A machine that was claimed refuses with EALREADY,
                        unless it is frozen and the id is not "": then it is claimed anew, so that
                        all of this is replaced, for HELLO and for later processes, except for
                        variables that only the earlier environment has. It remains frozen, and
                        whether the user exists is not checked */
    WIRE_START,  /* flags u32, timeout_ms u64 (0: none), user s ("": the claim's), cwd s ("": home),
                    tag s ("": none), columns u32, rows u32 (START_TERMINAL), argv v,
                    environment v; answer STARTED or ERROR */
    WIRE_ATTACH, /* tag s: a process that was started with START_KEEP and has no stream now;
                    answer STARTED, or ERROR with ENOENT or EBUSY. The windows are new. Data that
                    was on its way when the last stream ended is lost, perhaps in the middle of a
                    message: the host and the process must synchronize by themselves */
    WIRE_SIGNAL, /* signal u32: to the stream's first process */
    WIRE_KILL,   /* SIGKILL to all processes that the stream's process started; empty */
    WIRE_CLOSE,  /* ends this stream: the process is killed as by WIRE_KILL, unless it was started
                    with START_KEEP; no answer, no further frames; empty */
    WIRE_PING,   /* any payload up to 64 bytes; answer PONG with the same */
    WIRE_QUIESCE, /* write unsaved data to the disk, because a snapshot follows; empty; answer OK or
                     ERROR */
    WIRE_RESIZE,  /* columns u32, rows u32: the size of the stream's terminal */
    WIRE_CLOCK,   /* realtime_ns u64: the time of day when the frame is sent; the agent sets the
                     guest's clock, gradually if the difference is small; answer OK or ERROR */
    WIRE_TRUST,   /* certificates b: PEM, ends with a newline; programs of the guest trust these in
                     addition to those of the image, and no longer those of an earlier TRUST; empty:
                     only those of the image; answer OK or ERROR */
    WIRE_FREEZE,  /* stops the processes, see "Freezing"; empty; answer OK when all have stopped, or
                     ERROR. EBUSY: a process did not stop in time, because it waits for a device or
                     a file system, so all continue; THAW was received first; or an earlier FREEZE
                     waits for its answer */
    WIRE_THAW,    /* realtime_ns u64: the time of day when the frame is sent; the agent sets the
                     guest's clock to it, and then the processes continue; answer OK, or ERROR when
                     the clock could not be set: the processes continue nevertheless. If nothing is
                     frozen, it is the same as CLOCK */

    /* agent to host */
    WIRE_HELLO = 64, /* version u32, sandbox id s ("" before a claim), kernel release s */
    WIRE_OK,         /* empty */
    WIRE_ERROR,   /* errno u32, WireObject u32, name s (of the object), message s; ends a stream */
    WIRE_STARTED, /* pid u32 */
    WIRE_EXITED,  /* WireExit u32, status u32 (exit status or signal), user_us u64, system_us u64,
                     peak_rss_kib u64; after all DATA; ends the stream */
    WIRE_PONG,
    WIRE_REAPED, /* as EXITED, when DATA still waits for credit; EXITED follows */
} WireType;

/* Channels: descriptors 0 to 3 of the process. Control is a socket in both directions. */
typedef enum {
    WIRE_STDIN,
    WIRE_STDOUT,
    WIRE_STDERR,
    WIRE_CONTROL,
    _WIRE_CHANNELS,
} WireChannel;

enum {
    START_KEEP = 1 << 0, /* survives WIRE_CLOSE and a new connection; ATTACH finds it by its tag */
    START_NO_STDIN = 1 << 1,       /* descriptor 0 is /dev/null */
    START_MERGE_STDERR = 1 << 2,   /* descriptor 2 is descriptor 1 */
    START_CONTROL = 1 << 3,        /* descriptor 3 is the control channel */
    START_DISCARD_OUTPUT = 1 << 4, /* descriptors 1 and 2 are /dev/null */
    START_TERMINAL = 1 << 5,       /* descriptors 0 to 2 are a terminal: its channels are 0 and 1 */
    START_BUILTIN = 1 << 6, /* argv names one of the agent's built-in tasks (src/agent/builtin.h).
                               It is executed as the user, and STARTED is sent when it has opened
                               what it needs. Its exit status is 0 or errno */
    _START_FLAGS_ALL = (1 << 7) - 1,
};

/* The kind of the object that an ERROR names. */
typedef enum {
    WIRE_ABOUT_REQUEST, /* the frame itself */
    WIRE_ABOUT_PROGRAM,
    WIRE_ABOUT_DIRECTORY,
    WIRE_ABOUT_USER,
    WIRE_ABOUT_TAG,
    WIRE_ABOUT_SYSTEM, /* name: the resource that the guest lacks, or the step of a claim that
                          failed */
    WIRE_ABOUT_FILE,   /* name: the path */
    WIRE_ABOUT_PORT,   /* name: the number */
    _WIRE_ABOUT_MAX,
} WireObject;

typedef enum {
    WIRE_EXIT_STATUS,
    WIRE_EXIT_SIGNAL,
    WIRE_EXIT_TIMEOUT,
    WIRE_EXIT_OUT_OF_MEMORY,
    _WIRE_EXIT_MAX,
} WireExit;

typedef struct {
    uint32_t length;
    uint32_t stream;
    uint8_t type;
    uint8_t channel;
} WireHeader;

/* --- frames --- */

/* Writes a header into WIRE_HEADER_SIZE bytes. */
void wire_header_put(uint8_t *out, const WireHeader *header);

/*
 * Looks for one frame at the start of `data`. Returns 1 and sets *ret_header, *ret_payload (into
 * `data`) and *ret_size (the frame's size in bytes); 0 when more bytes are needed; -EPROTO when
 * this is not a frame (too long, reserved bytes set, stream or channel out of range, no WIRE_END
 * after the payload). Types are not checked. An all-zero header is -EPROTO too.
 */
int wire_frame_get(const uint8_t *data, size_t size, WireHeader *ret_header,
                   const uint8_t **ret_payload, size_t *ret_size);

/*
 * Looks for `needle` in `data`. Returns its offset, or -EAGAIN. Then *ret_keep is the number of
 * bytes at the end of `data` that may be the beginning of `needle` and must be kept.
 */
ptrdiff_t wire_find(const uint8_t *data, size_t size, const uint8_t *needle, size_t needle_size,
                    size_t *ret_keep);

/* --- fields of a payload, writing: bounded by the caller's buffer --- */

typedef struct {
    uint8_t *data;
    size_t size;
    size_t used;
    bool overflow; /* a field did not fit: nothing more is written */
} WireWriter;

/*
 * Begins a frame in `buffer`, with room for the header, which wire_frame_end() fills in. Use:
 * WireWriter w; wire_frame_begin(&w, buf, sizeof buf); wire_put_…; n = wire_frame_end(&w, …);
 */
void wire_frame_begin(WireWriter *w, uint8_t *buffer, size_t size);
/* Returns the frame's size, or -EMSGSIZE. */
ptrdiff_t wire_frame_end(WireWriter *w, uint32_t stream, WireType type, WireChannel channel);

void wire_put_u32(WireWriter *w, uint32_t value);
void wire_put_u64(WireWriter *w, uint64_t value);
void wire_put_bytes(WireWriter *w, const void *data, size_t size); /* b: length u32, bytes */
void wire_put_string(WireWriter *w, const char *string);           /* s: the same, no NUL in it */
void wire_put_strv(WireWriter *w,
                   const char *const *strv); /* v: count u32, strings; NULL is empty */

/* --- reading: each call checks; after the first failure all calls fail --- */

typedef struct {
    const uint8_t *data;
    size_t left;
    bool failed;
} WireReader;

void wire_reader_init(WireReader *r, const uint8_t *payload, size_t size);
uint32_t wire_get_u32(WireReader *r);
uint64_t wire_get_u64(WireReader *r);
const uint8_t *wire_get_bytes(WireReader *r, size_t *ret_size);
/* A new string. NULL, and then the reader has failed: there is none, it is longer than `max` bytes,
 * or it contains a NUL. */
char *wire_get_string(WireReader *r, size_t max);
/* A new NULL-terminated vector of at most max_count strings of max bytes each, or NULL. */
char **wire_get_strv(WireReader *r, size_t max_count, size_t max);
void wire_strv_free(char **strv);
/* 0 when no read has failed and no byte is left; -EBADMSG otherwise. */
int wire_reader_end(const WireReader *r);
