/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream-greeting: the first bytes of the guest, where the rules demand a protocol. */
#include <errno.h>

#include "stream.h"

static void
refuse_hello(Stream *stream, const char *reason)
{
    stream_refuse(stream, client_hello_alert, CLIENT_HELLO_ALERT_SIZE, reason);
}

/* The program asked for an address: what it names in TLS has to be allowed by itself. */
static gboolean
may_name(const Stream *stream, const char *name)
{
    NetVerdict verdict = net_rules_judge_name(stream->worker->rules, name, stream->port);

    return verdict.is_allowed && verdict.protocol == NET_TLS;
}

gboolean
stream_greeting_fits(const Stream *stream, const NetVerdict *verdict)
{
    if (stream->name || stream->protocol != NET_TLS || stream->state == STREAM_GREETING)
        return TRUE;
    return stream->sni ? may_name(stream, stream->sni) : verdict->is_listed;
}

static void
take_name_for_address(Stream *stream, const char *name)
{
    if (may_name(stream, name))
        stream_seek(stream);
    else
        refuse_hello(stream, "the name in the TLS greeting is not allowed");
}

static void
take_name(Stream *stream, const char *name)
{
    stream->sni = g_strdup(name);
    if (!stream->name)
        take_name_for_address(stream, name);
    else if (g_str_equal(stream->name, name))
        stream_seek(stream);
    else
        refuse_hello(stream, "the TLS greeting is for another name");
}

static void
read_hello(Stream *stream)
{
    char name[CLIENT_HELLO_NAME_MAX + 1];

    switch (client_hello_read(bytes_peek(&stream->up), bytes_size(&stream->up), name)) {
    case CLIENT_HELLO_MORE:
        if (stream->guest_ended || bytes_size(&stream->up) >= CLIENT_HELLO_BYTES_MAX)
            stream_end(stream, REPORT_REFUSED, EACCES, "the TLS greeting is incomplete");
        return;
    case CLIENT_HELLO_NAME:
        take_name(stream, name);
        return;
    case CLIENT_HELLO_NO_NAME:
        if (stream->name || !stream->is_listed)
            refuse_hello(stream, "the TLS greeting has no name");
        else
            stream_seek(stream);
        return;
    case CLIENT_HELLO_NOT_TLS:
        stream_end(stream, REPORT_REFUSED, EACCES, "the connection does not begin with TLS");
        return;
    case CLIENT_HELLO_MALFORMED:
        refuse_hello(stream, "the TLS greeting is malformed");
        return;
    }
}

void
stream_read_greeting(Stream *stream)
{
    if (!stream->intercept)
        read_hello(stream);
}
