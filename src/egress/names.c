/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* names: the addresses of names. The resolver reads what strangers send, so its answers are
 * checked. */
#include "names.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEPT_MAX 128u
#define TTL_MIN_S 5u
#define TTL_MAX_S 300u
/* A little longer than the resolver's own limit. */
#define WAIT_US ((gint64)(RESOLVER_TIMEOUT_MS + 2000) * 1000)

typedef struct {
    NamesAnswer answer;
    gint64 until;
} NamesKept;

typedef struct {
    guint32 serial;
    char *name;
    gint64 until;
    NamesDone done;
    gpointer data;
} NamesQuestion;

struct Names {
    int fd;
    guint32 serial;
    GHashTable *kept; /* name → NamesKept */
    GQueue questions; /* of NamesQuestion, in the order of their time */
};

static const NamesAnswer no_answer = {.status = -EAGAIN};

/* --- life --- */

static void
question_free(gpointer data)
{
    NamesQuestion *question = data;

    g_free(question->name);
    g_free(question);
}

Names *
names_new(void)
{
    Names *names = g_new0(Names, 1);

    names->fd = -1;
    names->kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_queue_init(&names->questions);
    return names;
}

void
names_free(Names *names)
{
    if (!names)
        return;
    if (names->fd >= 0)
        close(names->fd);
    g_queue_clear_full(&names->questions, question_free);
    g_hash_table_unref(names->kept);
    g_free(names);
}

int
names_fd(const Names *names)
{
    return names->fd;
}

/* --- questions --- */

/* The callee may ask again. */
static void
answer_question(NamesQuestion *question, const NamesAnswer *answer)
{
    question->done(answer, question->data);
    question_free(question);
}

static void
give_up_all(Names *names)
{
    GQueue questions = names->questions;
    NamesQuestion *question;

    g_queue_init(&names->questions);
    while ((question = g_queue_pop_head(&questions)))
        answer_question(question, &no_answer);
}

void
names_connect(Names *names, int fd)
{
    if (names->fd >= 0)
        close(names->fd);
    names->fd = fd;
    give_up_all(names);
}

static gboolean
send_question(const Names *names, const NamesQuestion *question)
{
    ResolverQuestion packet = {.serial = question->serial};

    g_strlcpy(packet.name, question->name, sizeof packet.name);
    return names->fd >= 0 && send(names->fd, &packet, sizeof packet, MSG_DONTWAIT | MSG_NOSIGNAL) ==
                                 (gssize)sizeof packet;
}

void
names_ask(Names *names, const char *name, gint64 now, NamesDone done, gpointer data)
{
    const NamesKept *kept = g_hash_table_lookup(names->kept, name);
    NamesQuestion *question;

    if (kept && kept->until > now) {
        const NamesAnswer answer = kept->answer;

        done(&answer, data);
        return;
    }
    question = g_new(NamesQuestion, 1);
    *question = (NamesQuestion){.serial = ++names->serial,
                                .name = g_strdup(name),
                                .until = now + WAIT_US,
                                .done = done,
                                .data = data};
    if (send_question(names, question))
        g_queue_push_tail(&names->questions, question);
    else
        answer_question(question, &no_answer);
}

void
names_forget(Names *names, gconstpointer data)
{
    for (GList *l = names->questions.head, *next; l; l = next) {
        NamesQuestion *question = l->data;

        next = l->next;
        if (question->data != data)
            continue;
        g_queue_delete_link(&names->questions, l);
        question_free(question);
    }
}

gint64
names_expire(Names *names, gint64 now)
{
    NamesQuestion *question;

    while ((question = g_queue_peek_head(&names->questions)) && question->until <= now)
        answer_question(g_queue_pop_head(&names->questions), &no_answer);
    return question ? question->until : 0;
}

/* --- answers --- */

static NamesQuestion *
take_question(Names *names, guint32 serial)
{
    for (GList *l = names->questions.head; l; l = l->next) {
        NamesQuestion *question = l->data;

        if (question->serial == serial) {
            g_queue_delete_link(&names->questions, l);
            return question;
        }
    }
    return NULL;
}

static gboolean
is_old(gpointer key, gpointer value, gpointer now)
{
    return ((const NamesKept *)value)->until <= *(const gint64 *)now;
}

static void
keep(Names *names, const char *name, const NamesAnswer *answer, guint32 ttl_s, gint64 now)
{
    NamesKept *kept;

    if (g_hash_table_size(names->kept) >= KEPT_MAX)
        g_hash_table_foreach_remove(names->kept, is_old, &now);
    if (g_hash_table_size(names->kept) >= KEPT_MAX)
        g_hash_table_remove_all(names->kept);
    kept = g_new(NamesKept, 1);
    kept->answer = *answer;
    kept->until = now + (gint64)CLAMP(ttl_s, TTL_MIN_S, TTL_MAX_S) * G_USEC_PER_SEC;
    g_hash_table_replace(names->kept, g_strdup(name), kept);
}

static void
take_answer(Names *names, const ResolverAnswer *packet, gint64 now)
{
    NamesQuestion *question = take_question(names, packet->serial);
    NamesAnswer answer = {.count = MIN(packet->count, RESOLVER_ADDRESSES_MAX)};

    if (!question)
        return;
    if (packet->status == ENOENT || (packet->status == 0 && answer.count == 0))
        answer = (NamesAnswer){.status = -ENOENT};
    else if (packet->status != 0)
        answer = no_answer;
    memcpy(answer.addresses, packet->addresses, sizeof answer.addresses);
    if (answer.status != -EAGAIN)
        keep(names, question->name, &answer, answer.status == 0 ? packet->ttl_s : TTL_MIN_S, now);
    answer_question(question, &answer);
}

gboolean
names_receive(Names *names, gint64 now)
{
    ResolverAnswer packet;
    gssize size;

    while ((size = recv(names->fd, &packet, sizeof packet, MSG_DONTWAIT)) == (gssize)sizeof packet)
        take_answer(names, &packet, now);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return TRUE;
    names_connect(names, /* fd= */ -1);
    return FALSE;
}
