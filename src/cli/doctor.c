/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor: checks whether this host can run sandboxes, and says what to do.
 *
 * It must work when nothing else does, so it needs neither bus nor service, and reports a check
 * that cannot be made as a finding. It changes nothing and starts nothing.
 */
#include <unistd.h>

#include "doctor-checks.h"
#include "doctor-kvm.h"
#include "doctor-libvirt.h"
#include "doctor-service.h"
#include "term.h"
#include "verbs.h"

/* --- the caller --- */

typedef struct {
    gid_t *groups;
    Opener opener;
} Self;

static void
self_init(Self *self)
{
    int n = MAX(getgroups(0, NULL), 0);

    self->groups = g_new(gid_t, (gsize)n + 1);
    n = MAX(getgroups(n, self->groups), 0);
    self->groups[n] = getegid();
    self->opener = (Opener){geteuid(), self->groups, (gsize)n + 1};
}

static void
self_clear(Self *self)
{
    g_clear_pointer(&self->groups, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Self, self_clear)

/* --- the checks, topic by topic --- */

static Processor
check_virtualization(const DoctorHost *host, Report *report)
{
    Processor processor;
    g_auto(Device) device = {0};
    g_auto(Self) self = {0};

    report_begin(report, "Virtualization");
    processor = doctor_check_processor(host, report);
    doctor_check_modules(host, report, &processor);
    self_init(&self);
    device_read(host, &device);
    doctor_check_device(host, report, &processor, &device, &self.opener);
    return processor;
}

static void
check_service(const DoctorHost *host, Report *report, const ServiceFacts *facts,
              const Processor *processor)
{
    report_begin(report, "Service");
    doctor_check_service(host, report, facts);
    doctor_check_user(host, report, facts);
    doctor_check_network(host, report);
    doctor_check_accelerator(report, facts, processor->flag != NULL);
    doctor_check_templates(report, facts);
}

/* cloched --user contains libvirt, and runs machines as its own user, without a profile. */
static void
check_libvirt(const DoctorHost *host, Report *report, const ServiceFacts *facts)
{
    report_begin(report, "libvirt and QEMU");
    if (!host->of_user) {
        doctor_check_libvirt(host, report, facts->libvirt_state,
                             host_has_systemd(host) && !service_has_accelerator(facts));
        doctor_check_confinement(host, report);
    }
    doctor_check_qemu(host, report);
}

static void
check_hardening(const DoctorHost *host, Report *report)
{
    report_begin(report, "Hardening");
    doctor_check_smt(host, report);
    doctor_check_nested(host, report);
    doctor_check_vulnerabilities(host, report);
    doctor_check_ksm(host, report);
}

static void
check_space(const DoctorHost *host, Report *report, const ServiceFacts *facts)
{
    const Needs needs = service_needs(facts);
    const Space ram = space_read(host, host->ram), state = space_read(host, host->state);

    report_begin(report, "Space");
    doctor_check_ram(host, report, &ram, &needs);
    doctor_check_state(host, report, &state, &needs);
}

static void
check_time(const DoctorHost *host, Report *report)
{
    const Clock clock = clock_read();

    report_begin(report, "Time");
    doctor_check_clock(report, &clock);
    doctor_check_clocksource(host, report);
}

static Report *
examine(Cli *cli)
{
    gboolean of_user = cli->bus == G_BUS_TYPE_SESSION;
    g_autofree char *state = of_user ? g_build_filename(g_get_user_data_dir(), "cloche", NULL)
                                     : g_strdup("/var/lib/cloche");
    g_autofree char *ram = of_user ? g_build_filename(g_get_user_runtime_dir(), "cloche/ram", NULL)
                                   : g_strdup("/run/cloche/ram");
    const DoctorHost host = {"", of_user, geteuid() == 0, state, ram};
    g_auto(ServiceFacts) facts = {0};
    Report *report = report_new();
    Processor processor;

    service_facts_ask(cli->bus, &facts);
    processor = check_virtualization(&host, report);
    check_service(&host, report, &facts, &processor);
    check_libvirt(&host, report, &facts);
    check_hardening(&host, report);
    check_space(&host, report, &facts);
    check_time(&host, report);
    return report;
}

/* --- the verb --- */

static void
print_for_people(const Report *report, gboolean only_problems)
{
    const ReportStyle style = {
        .bold = term_style(stdout, STYLE_BOLD),
        .red = term_style(stdout, STYLE_RED),
        .yellow = term_style(stdout, STYLE_YELLOW),
        .off = term_style(stdout, STYLE_OFF),
    };
    g_autofree char *lines = report_render(report, only_problems, &style);

    fputs(lines, stdout);
}

static int
run(Cli *cli, char **argv)
{
    gboolean only_problems = FALSE;
    g_autoptr(Report) report = NULL;
    int status;
    const GOptionEntry entries[] = {
        {"problems", 0, 0, G_OPTION_ARG_NONE, &only_problems, "Show only problems", NULL},
        G_OPTION_ENTRY_NULL,
    };

    if (!cli_parse_arguments(cli, entries, argv, /* min= */ 0, /* max= */ 0, &status))
        return status;
    report = examine(cli);
    if (cli->json)
        cli_print_json(report_to_json(report, only_problems));
    else
        print_for_people(report, only_problems);
    if (!cli_flush())
        return CLI_FAILED;
    return report_count(report, VERDICT_PROBLEM) > 0 ? CLI_PROBLEM : CLI_OK;
}

const Verb verb_doctor = {
    .name = "doctor",
    .synopsis = "",
    .summary = "Check whether this host can run sandboxes, and say what to do.",
    .description =
        "The verdict of each check is ok, warning, problem, or not known. Nothing is changed. The\n"
        "exit status is 1 if there is a problem, and 0 otherwise. Root may see more.\n"
        "\n"
        "Examples:\n"
        "  cloche doctor\n"
        "  cloche doctor --problems\n"
        "  cloche doctor --json | jq -r '.checks[] | select(.verdict != \"ok\") | .action'",
    .run = run,
};
