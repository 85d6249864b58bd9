/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* master-secrets: values of secrets, from cloched or the store to a worker. */
#include <string.h>

#include "master-private.h"
#include "secret-file.h"
#include "secrets.h"

void
master_values_clear(MasterValue *values)
{
    for (guint i = 0; i < NET_SECRETS_MAX; i++) {
        secret_file_free(values[i].bytes, values[i].size);
        values[i] = (MasterValue){0};
    }
}

static void
send_value(MasterWorker *worker, guint index, const char *bytes, gsize size)
{
    EgressHead head;

    egress_head_init(&head, (EgressType)INTERNAL_VALUE, worker->id, /* serial= */ 0);
    head.number = index;
    master_worker_send(worker, &head, bytes, size, /* fd= */ -1);
}

/* A value that cloched has not sent may be in the store: the worker may be new. */
static void
send_one(MasterWorker *worker, guint index, const char *key)
{
    const MasterValue *fresh = &worker->values[index];
    gsize size = 0;
    char *stored;

    if (fresh->bytes) {
        send_value(worker, index, fresh->bytes, fresh->size);
        return;
    }
    stored = store_get(worker->master->store, worker->id, key, &size);
    if (stored)
        send_value(worker, index, stored, size);
    secret_file_free(stored, size);
}

void
master_secrets_send(MasterWorker *worker, const EgressHead *head, const guint8 *payload,
                    MasterRequest *request)
{
    EgressSetting setting = {0};
    const GPtrArray *secrets;

    if (!egress_setting_get(payload, head->length, &setting))
        return; /* the worker refuses it */
    secrets = setting.layers[setting.count - 1]->secrets;
    request->keys = g_new0(char *, secrets->len + 1);
    for (guint i = 0; i < secrets->len; i++) {
        request->keys[i] = secrets_key(secrets->pdata[i]);
        send_one(worker, i, request->keys[i]);
    }
    memcpy(request->values, worker->values, sizeof request->values);
    memset(worker->values, 0, sizeof worker->values);
    egress_setting_clear(&setting);
}

void
master_secrets_store(MasterWorker *worker, const MasterRequest *request)
{
    Store *store = worker->master->store;

    for (guint i = 0; request->keys && request->keys[i]; i++) {
        const MasterValue *value = &request->values[i];
        g_autoptr(GError) error = NULL;

        if (value->bytes &&
            !store_put(store, worker->id, request->keys[i], value->bytes, value->size, &error))
            g_warning("A secret of sandbox %s is lost when this service restarts: %s", worker->id,
                      error->message);
    }
    if (request->keys)
        store_keep(store, worker->id, request->keys);
}
