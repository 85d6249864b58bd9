/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ownership-fixture: users, files and templates for the tests of ownership.h. Needs root: the test
 * changes its effective user to be a service without permissions.
 */
#pragma once

#include "fixture.h"
#include "template-files.h"

/* No user or group has these ids, so errors contain the numbers. */
#define SERVICE 1800000003u
#define STRANGER 1800000004u
#define GROUP 1800000010u
#define OTHER_GROUP 1800000011u

/* Changes the effective user and group, without other groups; and back. */
void be(uid_t uid, gid_t gid);
void be_root(void);

/* Runs the command after "as root: " of an error. It must succeed. */
void run_command_of(const GError *error);
/* The message contains all parts (NULL ends them). */
void assert_says(const GError *error, const char *const *parts);

void set_all(const char *path, uid_t uid, gid_t gid, mode_t mode);
/* Owner, group and mode are these, and there is no access list. */
void assert_is(const char *path, uid_t uid, gid_t gid, mode_t mode);
gid_t st_gid_of(const char *path);
/* The ctime, which every change updates. */
gint64 changed_at(const char *path);

/* Permits all users to search the folders of the fixture. */
void open_folders(Fixture *f);

/* A template with all parts, and the names of the parts in its folder. */
#define N_TEMPLATE_PARTS 6
extern const char *const template_parts[N_TEMPLATE_PARTS];
TemplateFiles *make_template(Fixture *f);
void assert_template_fits(const TemplateFiles *template, uid_t uid, gid_t gid);
