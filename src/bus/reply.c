/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reply: converts objects of the core to the GVariants that dbus/org.cloche1.xml documents. */
#include "reply.h"

#include <string.h>

#include "error.h"
#include "guest-text.h"
#include "message.h"
#include "options.h"

static void
add(GVariantBuilder *dict, const char *key, GVariant *value)
{
    g_variant_builder_add(dict, "{sv}", key, value);
}

char *
reply_path(const char *id)
{
    return g_strconcat(SANDBOX_PATH "/", id, NULL);
}

/* --- output --- */

/* Adds NAME-size, NAME-truncated and NAME-invalid; returns the text, floating. */
static GVariant *
add_output(GVariantBuilder *dict, const char *name, const GuestOutput *output)
{
    g_autofree char *size = g_strconcat(name, "-size", NULL);
    g_autofree char *truncated = g_strconcat(name, "-truncated", NULL);
    g_autofree char *invalid = g_strconcat(name, "-invalid", NULL);
    gsize length = output->bytes->len;
    gboolean is_invalid, is_cut;
    char *text;

    if (output->size > length)
        length = guest_text_without_partial((const char *)output->bytes->data, length);
    text = guest_text(output->bytes->data, length, GUEST_OUTPUT_MAX, &is_invalid, &is_cut);
    add(dict, size, g_variant_new_uint64(output->size));
    add(dict, truncated, g_variant_new_boolean(is_cut || output->size > output->bytes->len));
    add(dict, invalid, g_variant_new_boolean(is_invalid));
    return g_variant_new_take_string(text);
}

/* --- run --- */

const char *
reply_how(const GuestExit *end)
{
    static const char *const names[_WIRE_EXIT_MAX] = {
        [WIRE_EXIT_STATUS] = "exited",
        [WIRE_EXIT_SIGNAL] = "signaled",
        [WIRE_EXIT_TIMEOUT] = "timed-out",
        [WIRE_EXIT_OUT_OF_MEMORY] = "out-of-memory",
    };

    return names[end->how];
}

GVariant *
reply_run(const GuestRun *run)
{
    gboolean by_signal = run->exit.how != WIRE_EXIT_STATUS;
    GVariantBuilder details;
    GVariant *out, *err;

    g_variant_builder_init(&details, G_VARIANT_TYPE_VARDICT);
    add(&details, "pid", g_variant_new_uint32(run->pid));
    add(&details, "how", g_variant_new_string(reply_how(&run->exit)));
    if (by_signal)
        add(&details, "signal", g_variant_new_uint32(run->exit.status));
    add(&details, "duration-us", g_variant_new_uint64((guint64)run->duration_us));
    add(&details, "user-us", g_variant_new_uint64(run->exit.user_us));
    add(&details, "system-us", g_variant_new_uint64(run->exit.system_us));
    add(&details, "peak-rss-kib", g_variant_new_uint64(run->exit.peak_rss_kib));
    out = add_output(&details, "stdout", &run->out);
    err = add_output(&details, "stderr", &run->err);
    return g_variant_new("(i@s@sa{sv})", (int)run->exit.status + (by_signal ? 128 : 0), out, err,
                         &details);
}

/* --- executions --- */

static GVariant *
reply_part(const RunnerPart *part)
{
    gsize size;
    const guint8 *bytes = g_bytes_get_data(part->data, &size);
    gboolean invalid, cut;

    if (!guest_text_is_mime_type(part->mime_type))
        return g_variant_new_from_bytes(G_VARIANT_TYPE_BYTESTRING, part->data, TRUE);
    return g_variant_new_take_string(
        guest_text(bytes, size, GUEST_RESULTS_SIZE_MAX, &invalid, &cut));
}

static GVariant *
reply_result(const RunnerMessage *message)
{
    GVariantBuilder result, data, saved;

    g_variant_builder_init(&result, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_init(&data, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_init(&saved, G_VARIANT_TYPE("a{ss}"));
    for (guint i = 0; i < message->result.n_parts; i++)
        add(&data, message->result.parts[i].mime_type, reply_part(&message->result.parts[i]));
    for (guint i = 0; i < message->result.n_saved; i++)
        g_variant_builder_add(&saved, "{ss}", message->result.saved[i].mime_type,
                              message->result.saved[i].path);
    add(&result, "is-main-result", g_variant_new_boolean(message->result.is_main));
    add(&result, "data", g_variant_builder_end(&data));
    add(&result, "display-id", g_variant_new_string(message->result.display_id));
    add(&result, "update", g_variant_new_boolean(message->result.is_update));
    add(&result, "truncated", g_variant_new_boolean(message->result.is_cut));
    add(&result, "saved", g_variant_builder_end(&saved));
    return g_variant_builder_end(&result);
}

/* Bytes that are not UTF-8 become three each, so results that the guest sent may have no room. */
static GVariant *
reply_results(const GuestExecution *execution, MessageRoom *room, gboolean *ret_are_cut)
{
    GVariantBuilder results;

    *ret_are_cut = execution->results_truncated;
    g_variant_builder_init(&results, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < execution->results->len; i++) {
        g_autoptr(GVariant) result = g_variant_ref_sink(reply_result(execution->results->pdata[i]));

        if (message_room_take(room, result))
            g_variant_builder_add_value(&results, result);
        else
            *ret_are_cut = TRUE;
    }
    return g_variant_builder_end(&results);
}

/* Adds an entry for which there is always room: output and errors have bounds of their own. */
static void
add_counted(GVariantBuilder *dict, MessageRoom *room, const char *key, GVariant *value)
{
    gboolean has_room = message_room_take(room, value);

    g_assert(has_room);
    add(dict, key, value);
}

static GVariant *
reply_error(const GuestExecution *execution)
{
    GVariantBuilder error;

    g_variant_builder_init(&error, G_VARIANT_TYPE("a{ss}"));
    g_variant_builder_add(&error, "{ss}", "name", execution->error_name);
    g_variant_builder_add(&error, "{ss}", "value", execution->error_value);
    g_variant_builder_add(&error, "{ss}", "traceback", execution->traceback);
    return g_variant_builder_end(&error);
}

GVariant *
reply_execution(const GuestExecution *execution)
{
    MessageRoom room = {MESSAGE_LIST_MAX};
    GVariantBuilder dict;
    gboolean are_cut;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add(&dict, "status", g_variant_new_string(guest_execution_status_name(execution)));
    add_counted(&dict, &room, "stdout", add_output(&dict, "stdout", &execution->out));
    add_counted(&dict, &room, "stderr", add_output(&dict, "stderr", &execution->err));
    if (execution->error_name)
        add_counted(&dict, &room, "error", reply_error(execution));
    add(&dict, "results", reply_results(execution, &room, &are_cut));
    add(&dict, "results-truncated", g_variant_new_boolean(are_cut));
    add(&dict, "execution-count", g_variant_new_uint32(execution->count));
    add(&dict, "duration-us", g_variant_new_uint64((guint64)execution->duration_us));
    return g_variant_builder_end(&dict);
}

GVariant *
reply_context(const Context *context)
{
    static const char *const states[] = {
        [GUEST_INTERPRETER_NOT_STARTED] = "not-started",
        [GUEST_INTERPRETER_STARTING] = "starting",
        [GUEST_INTERPRETER_IDLE] = "idle",
        [GUEST_INTERPRETER_BUSY] = "busy",
    };
    GuestInterpreterState state = guest_interpreter_state(context->interpreter);
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add(&dict, "id", g_variant_new_string(context->id));
    add(&dict, "language", g_variant_new_string(context->language));
    add(&dict, "cwd", g_variant_new_string(context->cwd));
    add(&dict, "default", g_variant_new_boolean(context->is_default));
    add(&dict, "state", g_variant_new_string(states[state]));
    add(&dict, "execution-count",
        g_variant_new_uint32(guest_interpreter_count(context->interpreter)));
    return g_variant_builder_end(&dict);
}

/* --- sandboxes --- */

static GVariant *
reply_metadata(char **metadata)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE("a{ss}"));
    for (; *metadata; metadata += 2)
        g_variant_builder_add(&dict, "{ss}", metadata[0], metadata[1]);
    return g_variant_builder_end(&dict);
}

GVariant *
reply_sandbox(const Sandbox *sandbox)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add(&dict, "Id", g_variant_new_string(sandbox->id));
    add(&dict, "Name", g_variant_new_string(sandbox->name));
    add(&dict, "Template", g_variant_new_string(sandbox->template));
    add(&dict, "Snapshot", g_variant_new_string(sandbox->snapshot ? sandbox->snapshot : ""));
    add(&dict, "State", g_variant_new_string(sandbox_state_name(sandbox->state)));
    add(&dict, "Owner", g_variant_new_uint32(sandbox->owner));
    add(&dict, "Created", g_variant_new_uint64((guint64)sandbox->created_us));
    add(&dict, "Expires", g_variant_new_uint64((guint64)sandbox_expires_us(sandbox)));
    add(&dict, "OnTimeout", g_variant_new_string(sandbox->pauses_on_timeout ? "pause" : "kill"));
    add(&dict, "AutoResume", g_variant_new_boolean(sandbox->resumes_for_calls));
    add(&dict, "Metadata", reply_metadata(sandbox->metadata));
    add(&dict, "Vcpus", g_variant_new_uint32(sandbox->vcpus));
    add(&dict, "MemoryMiB", g_variant_new_uint64(sandbox->memory_mib));
    add(&dict, "Network", reply_network(sandbox->network));
    add(&dict, "EndReason", g_variant_new_string(end_reason_name(sandbox->end_reason)));
    return g_variant_builder_end(&dict);
}

/* --- manager --- */

GVariant *
reply_template(const Template *template)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add(&dict, "name", g_variant_new_string(template->name));
    add(&dict, "description", g_variant_new_string(template->description));
    add(&dict, "state", g_variant_new_string(template_state_name(template->state)));
    add(&dict, "step", g_variant_new_string(template->step));
    add(&dict, "progress", g_variant_new_double(template->progress));
    if (template->error)
        add(&dict, "error", g_variant_new_string(template->error->message));
    add(&dict, "languages", g_variant_new_strv((const char *const *)template->languages, -1));
    add(&dict, "memory-mib", g_variant_new_uint64(template->memory_mib));
    add(&dict, "vcpus", g_variant_new_uint32(template->vcpus));
    if (template->state == TEMPLATE_READY) {
        add(&dict, "key", g_variant_new_string(template_key(template)));
        add(&dict, "size", g_variant_new_uint64(template_files_disk_usage(template->files)));
    }
    return g_variant_builder_end(&dict);
}

GVariant *
reply_snapshot(const Core *core, const Template *template)
{
    const Snapshot *snapshot = template->snapshot;
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add(&dict, "id", g_variant_new_string(snapshot->id));
    add(&dict, "name", g_variant_new_string(snapshot->name));
    add(&dict, "description", g_variant_new_string(snapshot->description));
    add(&dict, "owner", g_variant_new_uint32(snapshot->owner));
    add(&dict, "sandbox", g_variant_new_string(snapshot->sandbox));
    add(&dict, "parent", g_variant_new_string(snapshot->parent ? snapshot->parent : ""));
    add(&dict, "template", g_variant_new_string(snapshot->template));
    add(&dict, "created", g_variant_new_uint64((guint64)snapshot->created_us));
    add(&dict, "size", g_variant_new_uint64(snapshot->size));
    add(&dict, "memory-mib", g_variant_new_uint64(snapshot->memory_mib));
    add(&dict, "vcpus", g_variant_new_uint32(snapshot->vcpus));
    add(&dict, "sandboxes", g_variant_new_uint32(core_count_sandboxes_of(core, template)));
    add(&dict, "children", g_variant_new_uint32(core_count_snapshots_on(core, template)));
    return g_variant_builder_end(&dict);
}

static GVariant *
reply_pool(const PoolFigures *figures)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add(&dict, "target", g_variant_new_uint32(figures->target));
    add(&dict, "ready", g_variant_new_uint32(figures->ready));
    add(&dict, "starting", g_variant_new_uint32(figures->starting));
    add(&dict, "waiting", g_variant_new_uint32(figures->waiting));
    add(&dict, "claimed", g_variant_new_uint64(figures->claimed));
    add(&dict, "restored", g_variant_new_uint64(figures->restored));
    add(&dict, "failed", g_variant_new_uint64(figures->failed));
    return g_variant_builder_end(&dict);
}

static GVariant *
reply_pools(Core *core)
{
    g_autoptr(GList) templates = templates_list(core_templates(core));
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE("a{sa{sv}}"));
    for (GList *l = templates; l; l = l->next) {
        const Template *template = l->data;
        const PoolFigures figures = core_pool_figures(core, template);

        g_variant_builder_add(&dict, "{s@a{sv}}", template->name, reply_pool(&figures));
    }
    return g_variant_builder_end(&dict);
}

static GVariant *
reply_limits(Core *core)
{
    const CoreConfig *config = core_config(core);
    const QuotaAmounts *each = quota_limits_of_each(core_quota(core));
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add(&dict, "lifetime", g_variant_new_uint64(config->lifetime_max_s));
    add(&dict, "paused", g_variant_new_uint64(config->paused_max_s));
    for (QuotaResource r = 0; r < _QUOTA_MAX; r++)
        add(&dict, quota_resource_name(r), g_variant_new_uint64(each->amount[r]));
    add(&dict, QUOTA_BUFFERS_NAME, g_variant_new_uint64(QUOTA_BUFFERS_EACH));
    add(&dict, "code-size", g_variant_new_uint64(OPTION_CODE_MAX));
    add(&dict, "output-size", g_variant_new_uint64(GUEST_OUTPUT_MAX));
    return g_variant_builder_end(&dict);
}

typedef struct {
    QuotaAmounts amounts;
    guint64 buffers;
} Amounts;

/* `used` NULL: an empty dictionary. */
static GVariant *
reply_amounts(const Amounts *used, const Amounts *limits)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE("a{s(tt)}"));
    for (QuotaResource r = 0; used && r < _QUOTA_MAX; r++)
        g_variant_builder_add(&dict, "{s(tt)}", quota_resource_name(r), used->amounts.amount[r],
                              limits->amounts.amount[r]);
    if (used)
        g_variant_builder_add(&dict, "{s(tt)}", QUOTA_BUFFERS_NAME, used->buffers, limits->buffers);
    return g_variant_builder_end(&dict);
}

GVariant *
reply_quota(Core *core, const Viewer *viewer)
{
    const Quota *quota = core_quota(core);
    gboolean sees_all = viewer->sees_all || viewer->uid == 0;
    const Amounts own = {quota_used(quota, viewer->uid), quota_buffers_used(quota, viewer->uid)};
    const Amounts all = {quota_used_by_all(quota), quota_buffers_used_by_all(quota)};
    const Amounts own_limits = {*quota_limits_of_each(quota), QUOTA_BUFFERS_EACH};
    const Amounts all_limits = {*quota_limits_of_all(quota), QUOTA_BUFFERS_ALL};

    return g_variant_new("(@a{s(tt)}@a{s(tt)})", reply_amounts(&own, &own_limits),
                         reply_amounts(sees_all ? &all : NULL, &all_limits));
}

GVariant *
reply_manager(Core *core)
{
    const VmFacts *facts = core_facts(core);
    const char *error = core_acceleration_error(core);
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add(&dict, "Version", g_variant_new_string(CLOCHE_VERSION));
    add(&dict, "DefaultTemplate", g_variant_new_string(core_config(core)->default_template));
    add(&dict, "Accelerator", g_variant_new_string(facts ? facts->accelerator : ""));
    add(&dict, "Emulated", g_variant_new_boolean(facts && facts->emulated));
    add(&dict, "AccelerationError", g_variant_new_string(error ? error : ""));
    add(&dict, "Pool", reply_pools(core));
    add(&dict, "Limits", reply_limits(core));
    return g_variant_builder_end(&dict);
}
