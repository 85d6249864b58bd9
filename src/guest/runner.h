/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * runner: the host's side of the runner protocol (docs/runner-protocol.md), as bytes and structs.
 *
 * Data from a runner is hostile. The parser does no I/O. It holds at most one frame besides the
 * messages that were not taken out yet, and allocates memory for bytes that have arrived, not for
 * the length that a frame declares.
 */
#pragma once

#include <glib.h>

#define RUNNER_FRAME_MAX (16u * 1024 * 1024) /* the payload of a frame, both ways */
#define RUNNER_PARTS_MAX 64u                 /* MIME types of one result */
#define RUNNER_SAVED_MAX 64u                 /* files that one result names */
#define RUNNER_MIME_MAX 255u                 /* bytes of a MIME type */
#define RUNNER_DISPLAY_ID_MAX 128u           /* bytes */
#define RUNNER_PATH_MAX 4096u                /* bytes of a saved file's path */
#define RUNNER_NAME_MAX 64u                  /* bytes of a language, and of a version */
#define RUNNER_TEXT_MAX (1024u * 1024)       /* bytes of each text of an error */
#define RUNNER_INDENT_MAX 256u               /* spaces and tabs */
#define RUNNER_ENTROPY_MIN 32u
#define RUNNER_ENTROPY_MAX 256u

typedef enum {
    RUNNER_READY = 16,
    RUNNER_RESULT,
    RUNNER_ERROR,
    RUNNER_DONE,
    RUNNER_SYNCED, /* no fields */
    RUNNER_CLEAR,
    RUNNER_COMPLETENESS,
} RunnerType;

#define RUNNER_NONCE_SIZE 16u

typedef enum {
    RUNNER_OK,
    RUNNER_FAILED,
    RUNNER_INTERRUPTED,
    _RUNNER_STATUS_MAX,
} RunnerStatus;

/* Whether a prompt should execute code (as Jupyter's is_complete_reply). */
typedef enum {
    RUNNER_COMPLETE,
    RUNNER_INCOMPLETE, /* the prompt should read another line */
    RUNNER_INVALID,    /* no further line can complete it: its execution shows the error */
    RUNNER_UNKNOWN,
    _RUNNER_COMPLETENESS_MAX,
} RunnerCompleteness;

enum {
    RUNNER_SILENT = 1 << 0,     /* no results, no history; the count does not change */
    RUNNER_NO_HISTORY = 1 << 1, /* results, but no history */
    RUNNER_EXERCISE = 1 << 2,   /* as RUNNER_NO_HISTORY, and it leaves no trace */
    RUNNER_COLOURS = 1 << 3,    /* the traceback may contain colours for a terminal */
    RUNNER_DRAIN = 1 << 4,      /* it ends when a script of the language would end */
};

typedef struct {
    char *mime_type; /* printable ASCII with a slash */
    GBytes *data;    /* not checked against the type */
} RunnerPart;

typedef struct {
    char *mime_type;
    char *path; /* absolute, in the guest */
} RunnerSaved;

typedef struct {
    RunnerType type;
    guint32 execution; /* the request's number; 0 for RUNNER_READY only */
    union {
        struct {
            char *language, *version;
        } ready;
        struct {
            gboolean is_main;   /* the value of the last expression */
            gboolean is_update; /* replaces the earlier display with this id */
            gboolean is_cut;    /* its data is incomplete */
            char *display_id;   /* "": none */
            RunnerPart *parts;
            guint n_parts; /* at most RUNNER_PARTS_MAX; with n_saved, at least 1 */
            RunnerSaved *saved;
            guint n_saved; /* at most RUNNER_SAVED_MAX */
        } result;
        struct {
            char *name, *value, *traceback;
        } error;
        struct {
            gboolean waits; /* clear when the next result is shown */
        } clear;
        struct {
            RunnerCompleteness status;
            char *indent; /* of the next line; "": none */
        } completeness;
        struct {
            RunnerStatus status;
            guint32 count;
        } done;
    };
} RunnerMessage;

void runner_message_free(RunnerMessage *message);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RunnerMessage, runner_message_free)

typedef struct RunnerParser RunnerParser;

/* `is_ready`: the runner sent RUNNER_READY on an earlier connection. */
RunnerParser *runner_parser_new(gboolean is_ready);
/* For a runner whose state is not known: discards everything before the answer to
 * runner_encode_sync(). The first message is RUNNER_SYNCED. */
RunnerParser *runner_parser_new_syncing(guint32 execution, const guint8 nonce[RUNNER_NONCE_SIZE]);
void runner_parser_free(RunnerParser *parser);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RunnerParser, runner_parser_free)

/* Adds bytes that the runner sent. The caller must take out all messages before the next call. */
void runner_parser_feed(RunnerParser *parser, const void *bytes, gsize size);

/* The bytes that it holds of a message that has not arrived completely. */
gsize runner_parser_unfinished(const RunnerParser *parser);

/*
 * The next message, owned by the caller. NULL without an error: more bytes are needed. NULL with
 * CLOCHE_ERROR_FAILED: the runner broke the protocol; all further calls return this error.
 *
 * RUNNER_READY comes first and once (never when the parser was made ready). From an execution's
 * first message to its RUNNER_DONE all bear its number, and at most one is a RUNNER_ERROR, and one
 * a RUNNER_COMPLETENESS. Whether that number was asked for, how many results there are and how
 * large they are together is for the caller to check.
 */
RunnerMessage *runner_parser_next(RunnerParser *parser, GError **error);

/*
 * The bytes of a request. `execution` must not be zero, strings must be UTF-8. `environment` is a
 * vector of NAME=value, or NULL; `dialect` "" is the runner's own language.
 * CLOCHE_ERROR_INVALID_ARGUMENT when the request is larger than a frame.
 */
GBytes *runner_encode_reseed(guint32 execution, const void *entropy, gsize entropy_size,
                             const char *const *environment, const char *directory, GError **error);
GBytes *runner_encode_execute(guint32 execution, guint32 flags, const char *dialect,
                              const char *code, const char *const *environment, GError **error);
/* A request that does not execute the code. The reply is a RUNNER_COMPLETENESS and RUNNER_DONE. A
 * runner that does not know it replies only with an error and RUNNER_DONE. */
GBytes *runner_encode_check(guint32 execution, const char *dialect, const char *code,
                            GError **error);
/* Also ends a request that the runner may be reading. */
GBytes *runner_encode_sync(guint32 execution, const guint8 nonce[RUNNER_NONCE_SIZE]);
