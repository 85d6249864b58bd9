/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * trust: certificates that programs of the guest trust in addition to those of the image.
 *
 * Programs read /etc/ssl/certs/ca-certificates.crt. In a machine, that is a symbolic link to a copy
 * in /run, to which the agent appends. It is no mount, because update-ca-certificates replaces the
 * file by rename(). A link in /usr/local/share/ca-certificates makes that program add the
 * certificates to its new file, also where the image has no such file and the package is installed
 * later.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TRUST_DIRECTORY "/run/cloche"
#define TRUST_BUNDLE "/etc/ssl/certs/ca-certificates.crt"
#define TRUST_COPY TRUST_DIRECTORY "/ca-certificates.crt"
#define TRUST_ADDED TRUST_DIRECTORY "/added-certificates.crt"
#define TRUST_LINK "/usr/local/share/ca-certificates/cloche.crt"

/* Makes the copy and the links below `root` ("": /), once, before the machine has users. Without
 * this call, trust_set() writes nothing. 0 or -errno. */
int trust_prepare(const char *root);

/* Replaces the certificates that were added before. -EINVAL: this is not PEM, or too long. */
int trust_set(const uint8_t *pem, size_t size);
