/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-http-head: heads of requests and responses.
 *
 * A head that was accepted and written is accepted again, and written the same: so what the next
 * recipient reads is what was checked. The first byte of the input chooses between the two kinds.
 */
#include <stdint.h>
#include <string.h>

#include "http-write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const HttpRelayOptions options = {
    .host = "api.example.com", .port = 443, .tls = TRUE, .allow_upgrade = TRUE};

static gboolean
write_request(const uint8_t *data, size_t size, Bytes *out)
{
    HttpHead head;
    gboolean has_secret;

    return !http_request_parse(data, size, &head) && !http_request_check(&head, &options) &&
           !http_request_write(&head, &options, out, &has_secret);
}

static gboolean
write_response(const uint8_t *data, size_t size, Bytes *out)
{
    HttpHead head;

    if (http_response_parse(data, size, (HttpText){"GET", 3}, &head))
        return FALSE;
    http_response_write(&head, head.close, out);
    return TRUE;
}

/* One end of a head, and no control characters before. */
static void
check_written(const Bytes *out)
{
    const guint8 *data = bytes_peek(out);
    HttpScan scan = {0};
    gsize size;

    if (bytes_size(out) > HTTP_HEAD_MAX)
        return;
    g_assert_null(http_head_scan(&scan, data, bytes_size(out), &size));
    g_assert_cmpuint(size, ==, bytes_size(out));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Bytes first, second;

    if (size == 0)
        return 0;
    gboolean is_request = data[0] & 1;
    bytes_init(&first, HTTP_RELAY_QUEUE_MIN);
    bytes_init(&second, HTTP_RELAY_QUEUE_MIN);
    if ((is_request ? write_request : write_response)(data + 1, size - 1, &first)) {
        check_written(&first);
        gsize written = bytes_size(&first);
        if (written <= HTTP_HEAD_MAX) {
            g_assert_true((is_request ? write_request : write_response)(bytes_peek(&first), written,
                                                                        &second));
            g_assert_cmpmem(bytes_peek(&first), written, bytes_peek(&second), bytes_size(&second));
        }
    }
    bytes_clear(&first);
    bytes_clear(&second);
    return 0;
}
