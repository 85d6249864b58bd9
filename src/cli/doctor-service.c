/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor-service: checks of the service, by facts from the bus. */
#include "doctor-service.h"

#include <errno.h>

#include "dictionary.h"

#define NAME_SERVICE "service"
#define NAME_USER "user"
#define USER "cloche"
#define VM_USER "cloche-vm"
#define UNIT "cloched.service"
#define MIB ((guint64)1024 * 1024)
#define SEE_JOURNAL "journalctl -u cloched -b -n 50"

void
service_facts_clear(ServiceFacts *facts)
{
    g_clear_pointer(&facts->bus_error, g_free);
    g_clear_pointer(&facts->call_error, g_free);
    g_clear_pointer(&facts->properties, g_variant_unref);
    g_clear_pointer(&facts->templates, g_variant_unref);
    g_clear_pointer(&facts->unit_file_state, g_free);
    g_clear_pointer(&facts->unit_state, g_free);
    g_clear_pointer(&facts->libvirt_state, g_free);
}

/* --- reading the answers --- */

static gboolean
is_emulated(const ServiceFacts *facts)
{
    gboolean emulated = FALSE;

    g_variant_lookup(facts->properties, "Emulated", "b", &emulated);
    return emulated;
}

gboolean
service_has_accelerator(const ServiceFacts *facts)
{
    return *dictionary_text(facts->properties, "Accelerator") != '\0';
}

/* A template's memory is at most a 32-bit number of MiB. */
static guint64
template_memory(GVariant *template)
{
    guint64 mib = 0;

    g_variant_lookup(template, "memory-mib", "t", &mib);
    return MIN(mib, G_MAXUINT32) * MIB;
}

static gsize
n_templates(const ServiceFacts *facts)
{
    return facts->templates != NULL ? g_variant_n_children(facts->templates) : 0;
}

Needs
service_needs(const ServiceFacts *facts)
{
    gsize n = n_templates(facts);
    Needs needs = {0};

    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) template = g_variant_get_child_value(facts->templates, i);
        guint64 memory = template_memory(template);

        needs.largest = MAX(needs.largest, memory);
        needs.all += memory;
    }
    return needs.largest > 0 ? needs : (Needs){NEEDS_OF_SHIPPED, NEEDS_OF_SHIPPED};
}

/* --- the service --- */

static void
report_running(const DoctorHost *host, Report *report, const ServiceFacts *facts)
{
    const char *version = dictionary_text(facts->properties, "Version");
    g_autofree char *user = NULL;

    if (facts->call_error != NULL) {
        report_add(report, VERDICT_PROBLEM, NAME_SERVICE, "runs, but does not answer: %s",
                   facts->call_error);
        report_advise(report, SEE_JOURNAL "; then: systemctl restart cloched");
    } else if (facts->has_owner) {
        user = host_user_name(host, facts->uid);
        report_add(report, VERDICT_OK, NAME_SERVICE, "cloched %s runs as process %u of the user %s",
                   version, facts->pid, user);
    } else {
        report_add(report, VERDICT_OK, NAME_SERVICE, "cloched %s runs", version);
    }
}

static void
report_stopped_unit(Report *report, const ServiceFacts *facts)
{
    if (facts->unit_file_state != NULL && g_str_has_prefix(facts->unit_file_state, "masked")) {
        report_add(report, VERDICT_PROBLEM, NAME_SERVICE, "is masked, so it cannot be started");
        report_advise(report, "systemctl unmask %scloched; systemctl start cloched",
                      g_str_has_suffix(facts->unit_file_state, "-runtime") ? "--runtime " : "");
    } else if (g_strcmp0(facts->unit_state, "failed") == 0 ||
               g_strcmp0(facts->unit_state, "activating") == 0) {
        report_add(report, VERDICT_PROBLEM, NAME_SERVICE,
                   "does not become ready: systemd reports that " UNIT " is %s", facts->unit_state);
        report_advise(report, SEE_JOURNAL);
    } else {
        report_add(report, VERDICT_WARNING, NAME_SERVICE,
                   "is not running; the first call of a program starts it");
        report_advise(report, "systemctl start cloched");
    }
}

static const char *
bus_advice(const DoctorHost *host)
{
    if (host->of_user)
        return "dbus-run-session starts one";
    if (host_has_systemd(host))
        return "systemctl start dbus";
    return "if ./quickstart.sh has started the service: eval \"$(./quickstart.sh env)\"";
}

void
doctor_check_service(const DoctorHost *host, Report *report, const ServiceFacts *facts)
{
    const char *bus = host->of_user ? "session" : "system";

    if (facts->bus_error != NULL) {
        report_add(report, VERDICT_PROBLEM, NAME_SERVICE, "the %s bus cannot be reached: %s", bus,
                   facts->bus_error);
        report_advise(report, "%s", bus_advice(host));
    } else if (facts->is_on_bus) {
        report_running(host, report, facts);
    } else if (host->of_user) {
        report_add(report, VERDICT_WARNING, NAME_SERVICE, "is not running on the session bus");
        report_advise(report, CLOCHED " --user");
    } else if (!host_has_unit(host) || !host_has_systemd(host)) {
        report_add(report, VERDICT_PROBLEM, NAME_SERVICE, "is not running on the system bus%s",
                   host_has_unit(host) ? ", and PID 1 is not systemd, which would start it"
                                       : ", and is not installed");
        report_advise(report, "sudo ./quickstart.sh in the folder of cloche's source");
    } else {
        report_stopped_unit(report, facts);
    }
}

/* --- the service's users --- */

static gboolean
is_member(const HostGroup *group, const char *user, gid_t primary)
{
    return group->gid == primary || g_strv_contains((const char *const *)group->members, user);
}

/* A user of the service, its group in /etc/passwd, and a group that it must be in. */
typedef struct {
    const char *user, *group;
} Membership;

/* FALSE: there is a finding. */
static gboolean
check_exists(const DoctorHost *host, Report *report, const char *user, gid_t *ret_primary)
{
    uid_t uid;

    if (host_find_user(host, user, &uid, ret_primary))
        return TRUE;
    if (errno != ENOENT) {
        host_report_unreadable(host, report, NAME_USER, "/etc/passwd");
    } else {
        report_add(report, VERDICT_PROBLEM, NAME_USER, "the user %s does not exist", user);
        report_advise(report, "as root: systemd-sysusers cloche.conf");
    }
    return FALSE;
}

static gboolean
check_member(const DoctorHost *host, Report *report, const Membership *wanted)
{
    g_auto(HostGroup) group = {0};
    gid_t primary;

    if (!check_exists(host, report, wanted->user, &primary))
        return FALSE;
    if (!host_find_group(host, wanted->group, &group)) {
        report_add(report, VERDICT_PROBLEM, NAME_USER, "the group %s does not exist",
                   wanted->group);
        report_advise(report, "apt install libvirt-daemon-system; systemd-sysusers cloche.conf");
        return FALSE;
    }
    if (is_member(&group, wanted->user, primary))
        return TRUE;
    report_add(report, VERDICT_PROBLEM, NAME_USER, "%s is not in the group %s", wanted->user,
               wanted->group);
    report_advise(report, "as root: adduser %s %s; systemctl restart cloched", wanted->user,
                  wanted->group);
    return FALSE;
}

/* Earlier versions of cloche had it there. */
static gboolean
check_no_member(const DoctorHost *host, Report *report, const Membership *unwanted)
{
    g_auto(HostGroup) group = {0};
    gid_t primary;

    if (!check_exists(host, report, unwanted->user, &primary))
        return FALSE;
    if (!host_find_group(host, unwanted->group, &group) ||
        !is_member(&group, unwanted->user, primary))
        return TRUE;
    report_add(report, VERDICT_PROBLEM, NAME_USER,
               "%s is in the group %s, whose members can become root", unwanted->user,
               unwanted->group);
    report_advise(report, "as root: deluser %s %s; systemctl restart cloched", unwanted->user,
                  unwanted->group);
    return FALSE;
}

/* Without its unit, the service runs as the user who started it. */
static gboolean
user_matters(const DoctorHost *host, const ServiceFacts *facts)
{
    if (host->of_user || !host_has_unit(host) || !host_has_systemd(host))
        return FALSE;
    return !facts->is_on_bus || g_strcmp0(facts->unit_state, "active") == 0 ||
           g_strcmp0(facts->unit_state, "activating") == 0;
}

void
doctor_check_user(const DoctorHost *host, Report *report, const ServiceFacts *facts)
{
    static const Membership wanted[] = {
        {USER, "libvirt-qemu"}, {VM_USER, "libvirt"}, {VM_USER, "libvirt-qemu"}};
    static const Membership unwanted = {USER, "libvirt"};

    if (!user_matters(host, facts))
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++)
        if (!check_member(host, report, &wanted[i]))
            return;
    if (check_no_member(host, report, &unwanted))
        report_add(report, VERDICT_OK, NAME_USER,
                   USER " is in the group libvirt-qemu only, and " VM_USER
                        " in the groups libvirt and libvirt-qemu");
}

/* --- accelerator and templates --- */

static void
report_emulated(Report *report, const char *reason, gboolean has_virtualization)
{
    if (!has_virtualization) {
        report_add(report, VERDICT_WARNING, "accelerator",
                   "machines are emulated, which is slow and not a security boundary");
        report_advise(report, "run only code that you trust; AllowEmulation=no in [Machines] of "
                              "cloched.conf forbids emulation");
        return;
    }
    report_add(report, VERDICT_PROBLEM, "accelerator",
               "machines are emulated, although the processor has hardware virtualization: %s",
               *reason != '\0' ? reason : "the service does not report why");
    report_advise(report, "solve the problems of virtualization above; then: systemctl restart "
                          "cloched");
}

void
doctor_check_accelerator(Report *report, const ServiceFacts *facts, gboolean has_virtualization)
{
    const char *accelerator = dictionary_text(facts->properties, "Accelerator");
    const char *reason = dictionary_text(facts->properties, "AccelerationError");

    if (facts->properties == NULL)
        return;
    /* The service tries KVM with the kernel of an image. */
    if (*accelerator == '\0' && *reason == '\0' && n_templates(facts) == 0)
        return;
    if (*accelerator == '\0' && *reason != '\0') {
        report_add(report, VERDICT_PROBLEM, "accelerator", "KVM does not work: %s", reason);
        report_advise(
            report,
            "solve the problems of virtualization above; the service tries again by itself");
    } else if (*accelerator == '\0') {
        report_add(report, VERDICT_UNKNOWN, "accelerator",
                   "the service is still determining what works");
        report_advise(report, "run cloche doctor again in a minute");
    } else if (is_emulated(facts)) {
        report_emulated(report, reason, has_virtualization);
    } else {
        report_add(report, VERDICT_OK, "accelerator", "%s", accelerator);
    }
}

static void
check_template(Report *report, GVariant *template)
{
    const char *state = dictionary_text(template, "state");
    g_autofree char *name = g_strdup_printf("template %s", dictionary_text(template, "name"));
    double progress = 0;

    if (g_str_equal(state, "ready")) {
        report_add(report, VERDICT_OK, name, "is ready");
    } else if (g_str_equal(state, "failed")) {
        report_add(report, VERDICT_PROBLEM, name, "%s", dictionary_text(template, "error"));
        report_advise(report, SEE_JOURNAL);
    } else {
        g_variant_lookup(template, "progress", "d", &progress);
        report_add(report, VERDICT_UNKNOWN, name, "%s %.0f %%: %s", state, progress * 100,
                   dictionary_text(template, "step"));
        report_advise(report, "cloche status shows the progress");
    }
}

void
doctor_check_templates(Report *report, const ServiceFacts *facts)
{
    if (facts->templates == NULL)
        return;
    for (gsize i = 0; i < g_variant_n_children(facts->templates); i++) {
        g_autoptr(GVariant) template = g_variant_get_child_value(facts->templates, i);

        check_template(report, template);
    }
    if (g_variant_n_children(facts->templates) > 0)
        return;
    report_add(report, VERDICT_PROBLEM, "templates", "no image is installed");
    report_advise(report, "sudo ./quickstart.sh, or build-image as described in "
                          "vm-images/README.md; then: systemctl restart cloched");
}
