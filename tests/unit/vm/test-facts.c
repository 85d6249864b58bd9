/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-facts: the facts that templates depend on are requested once for each new connection.
 *
 * This program's own virConnectGetDomainCapabilities() takes the place of libvirt's. The emulator
 * that it names is a script.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "error.h"
#include "vm-facts.h"

static struct {
    const char *emulator;
    const char *feature; /* of the CPU; NULL: libvirt answers with an error */
    const char *type;    /* of the last question */
    guint asked;
} libvirt;

char *
virConnectGetDomainCapabilities(virConnectPtr connection, const char *emulator, const char *arch,
                                const char *machine, const char *type, unsigned int flags)
{
    libvirt.asked++;
    libvirt.type = type;
    if (!libvirt.feature)
        return NULL;
    return g_strdup_printf("<path>%s</path><machine>pc-q35-7.2</machine>"
                           "<mode name='host-model' supported='yes'>"
                           "<model fallback='forbid'>EPYC</model>"
                           "<feature policy='require' name='%s'/></mode>",
                           libvirt.emulator, libvirt.feature);
}

typedef struct {
    KnownFacts known;
    guint opening;
    char *dir, *emulator;
} Fixture;

static void
write_emulator(Fixture *f, const char *version)
{
    g_autofree char *text =
        g_strdup_printf("#!/bin/sh\necho 'QEMU emulator version %s'\n", version);

    g_assert_true(g_file_set_contents(f->emulator, text, -1, NULL));
    g_assert_cmpint(g_chmod(f->emulator, 0755), ==, 0);
}

static void
set_up(Fixture *f, gconstpointer accelerator)
{
    const VmFacts known = {.accelerator = accelerator, .emulated = g_str_equal(accelerator, "tcg")};

    f->dir = g_dir_make_tmp("test-facts-XXXXXX", NULL);
    f->emulator = g_build_filename(f->dir, "qemu", NULL);
    write_emulator(f, "7.2.22");
    libvirt.emulator = f->emulator;
    libvirt.feature = "svm";
    g_assert_true(facts_ask(NULL, &known, &f->known.facts, NULL));
    libvirt.asked = 0;
    f->opening = 1;
}

static void
tear_down(Fixture *f, gconstpointer accelerator)
{
    facts_clear(&f->known.facts);
    g_unlink(f->emulator);
    g_rmdir(f->dir);
    g_free(f->emulator);
    g_free(f->dir);
}

static void
assert_holds(Fixture *f, guint asked)
{
    GError *error = NULL;

    g_assert_true(facts_check(&f->known, NULL, f->opening, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(libvirt.asked, ==, asked);
}

static void
assert_changed(Fixture *f, const char *part)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(facts_check(&f->known, NULL, f->opening, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_NOT_READY);
    g_assert_nonnull(strstr(error->message, part));
    g_assert_nonnull(strstr(error->message, "restart cloched"));
}

static void
test_once(Fixture *f, gconstpointer accelerator)
{
    assert_holds(f, 1);
    g_assert_cmpstr(libvirt.type, ==, f->known.facts.emulated ? "qemu" : "kvm");
    assert_holds(f, 1);
    f->opening++;
    assert_holds(f, 2);
    assert_holds(f, 2);
}

/* A change is found with the next connection, and stays one until it is undone. */
static void
test_cpu(Fixture *f, gconstpointer accelerator)
{
    assert_holds(f, 1);
    libvirt.feature = "avx512f";
    assert_holds(f, 1);
    f->opening++;
    assert_changed(f, "the CPU model was 'EPYC ");
    assert_changed(f, "the CPU model was 'EPYC ");
    libvirt.feature = "svm";
    assert_holds(f, 4);
}

static void
test_hypervisor(Fixture *f, gconstpointer accelerator)
{
    write_emulator(f, "7.2.23");
    assert_changed(f, "the hypervisor was 'QEMU 7.2.22' and is 'QEMU 7.2.23'");
}

/* An emulated CPU is not the host's: what libvirt would give to KVM does not matter. */
static void
test_emulated(Fixture *f, gconstpointer accelerator)
{
    g_assert_cmpstr(f->known.facts.host, ==, "");
    libvirt.feature = "avx512f";
    assert_holds(f, 1);
}

/* What cannot be told is no change, and is asked for again. */
static void
test_no_answer(Fixture *f, gconstpointer accelerator)
{
    g_autoptr(GError) error = NULL;

    libvirt.feature = NULL;
    g_assert_false(facts_check(&f->known, NULL, f->opening, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED);
    libvirt.feature = "svm";
    assert_holds(f, 2);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, accelerator)                                                                     \
    g_test_add("/vm/facts/" #name "/" accelerator, Fixture, accelerator, set_up, test_##name,      \
               tear_down)
    ADD(once, "kvm");
    ADD(once, "tcg");
    ADD(cpu, "kvm");
    ADD(hypervisor, "kvm");
    ADD(hypervisor, "tcg");
    ADD(emulated, "tcg");
    ADD(no_answer, "kvm");
    return g_test_run();
}
