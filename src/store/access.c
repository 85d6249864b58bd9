/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* access: entries of POSIX access control lists, by libacl. */
#include "access.h"

#include <acl/libacl.h>
#include <errno.h>
#include <string.h>
#include <sys/acl.h>
#include <unistd.h>

#include "util.h"

typedef struct __acl_ext Acl;

static void
acl_clear(Acl *acl)
{
    acl_free(acl);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Acl, acl_clear)

/* The entry of `uid`, or NULL. */
static acl_entry_t
find_entry(acl_t acl, uid_t uid)
{
    acl_entry_t entry;

    for (int which = ACL_FIRST_ENTRY; acl_get_entry(acl, which, &entry) == 1;
         which = ACL_NEXT_ENTRY) {
        acl_tag_t tag;
        uid_t *qualifier = NULL;
        gboolean found;

        if (acl_get_tag_type(entry, &tag) < 0 || tag != ACL_USER)
            continue;
        qualifier = acl_get_qualifier(entry);
        found = qualifier && *qualifier == uid;
        acl_free(qualifier);
        if (found)
            return entry;
    }
    return NULL;
}

static gboolean
set_permissions(acl_entry_t entry, const char *what)
{
    acl_permset_t set;

    return acl_get_permset(entry, &set) == 0 && acl_clear_perms(set) == 0 &&
           (!strchr(what, 'r') || acl_add_perm(set, ACL_READ) == 0) &&
           (!strchr(what, 'w') || acl_add_perm(set, ACL_WRITE) == 0) &&
           (!strchr(what, 'x') || acl_add_perm(set, ACL_EXECUTE) == 0);
}

static gboolean
add_entry(acl_t *acl, uid_t uid, const char *what)
{
    acl_entry_t entry = find_entry(*acl, uid);

    if (!entry && (acl_create_entry(acl, &entry) < 0 || acl_set_tag_type(entry, ACL_USER) < 0 ||
                   acl_set_qualifier(entry, &uid) < 0))
        return FALSE;
    return set_permissions(entry, what) && acl_calc_mask(acl) == 0;
}

gboolean
access_grant(const char *path, uid_t uid, const char *what, GError **error)
{
    g_autoptr(Acl) acl = NULL;

    if (uid == 0)
        return TRUE;
    acl = acl_get_file(path, ACL_TYPE_ACCESS);
    if (acl && add_entry(&acl, uid, what) && acl_set_file(path, ACL_TYPE_ACCESS, acl) == 0)
        return TRUE;
    return util_set_errno(error, errno, "Cannot give the uid %u access to '%s'", (unsigned)uid,
                          path);
}

gboolean
access_revoke(const char *path, uid_t uid, GError **error)
{
    g_autoptr(Acl) acl = NULL;
    acl_entry_t entry;

    if (uid == 0)
        return TRUE;
    acl = acl_get_file(path, ACL_TYPE_ACCESS);
    entry = acl ? find_entry(acl, uid) : NULL;
    if (acl ? !entry : errno == ENOENT)
        return TRUE;
    if (acl && acl_delete_entry(acl, entry) == 0 && acl_calc_mask(&acl) == 0 &&
        acl_set_file(path, ACL_TYPE_ACCESS, acl) == 0)
        return TRUE;
    return util_set_errno(error, errno, "Cannot revoke the access of the uid %u to '%s'",
                          (unsigned)uid, path);
}

gboolean
access_reset(const char *path, GError **error)
{
    g_autoptr(Acl) acl = acl_from_mode(0600);

    if (acl && acl_set_file(path, ACL_TYPE_ACCESS, acl) == 0)
        return TRUE;
    return util_set_errno(error, errno, "Cannot reset the access list of '%s'", path);
}

gboolean
access_inherit(const char *folder, GError **error)
{
    g_autoptr(Acl) acl = acl_from_text("u::rwx,g::-,o::-");

    if (acl && add_entry(&acl, geteuid(), "rwx") &&
        acl_set_file(folder, ACL_TYPE_DEFAULT, acl) == 0)
        return TRUE;
    return util_set_errno(error, errno, "Cannot set the default access list of '%s'", folder);
}
