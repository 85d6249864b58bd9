/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preparation: makes a template ready from an image; the only user of images.
 *
 * A version of the template that is stored under the key of everything that its state depends on is
 * verified and used. Otherwise the image is booted, its runners are started and exercised, and the
 * machine is snapshotted.
 */
#pragma once

#include "instance.h"
#include "templates.h"

typedef struct Preparation Preparation;

/* Loads an image, and installs its template. The template has failed, and NULL is returned, when
 * the image cannot be used. */
Preparation *preparation_new(Host *host, Templates *templates, const char *image);
/* Gives up what it is doing, which leaves nothing of an unfinished template. */
void preparation_free(Preparation *preparation);

Template *preparation_template(const Preparation *preparation);
/* Prepares the template for machines with these facts; tries again later if that fails. A stored
 * part with a wrong digest makes it fail with CLOCHE_ERROR_TEMPLATE_DAMAGED for good, and nothing
 * is removed, so that somebody can examine it. */
void preparation_start(Preparation *preparation, const VmFacts *facts);
/* libvirt answers again: the next try does not wait for the end of its pause. */
void preparation_retry(Preparation *preparation);

/* The key of the template that an image with this digest has on a machine with these facts. */
char *preparation_key(const char *image_digest, const VmFacts *facts);
