/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-kvm: whether the host should have KVM, and why it does not work. */
#include "vm-kvm.h"

#include <string.h>

#define LONGEST_PAUSE_S 60

static gboolean
has_flag(const char *line)
{
    g_auto(GStrv) words = g_strsplit_set(line, " \t", /* max_tokens= */ -1);

    return g_strv_contains((const char *const *)words, "vmx") ||
           g_strv_contains((const char *const *)words, "svm");
}

/* Only the line "flags" counts: "vmx flags" lists the features of VMX. */
gboolean
kvm_is_promised(const char *cpuinfo)
{
    g_auto(GStrv) lines = g_strsplit(cpuinfo, "\n", /* max_tokens= */ -1);

    for (char **line = lines; *line; line++)
        if (g_str_has_prefix(*line, "flags\t") && has_flag(*line))
            return TRUE;
    return FALSE;
}

/* Cuts at the boundary of a character. */
static void
truncate_text(GString *text, gsize length)
{
    if (text->len > length)
        g_string_truncate(
            text, (gsize)(g_utf8_find_prev_char(text->str, text->str + length + 1) - text->str));
}

/* QEMU's lines begin with the time, so the reason of each probe would be a different text. */
static char *
remove_times(const char *text)
{
    g_autoptr(GRegex) time = g_regex_new("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?Z ",
                                         G_REGEX_DEFAULT, G_REGEX_MATCH_DEFAULT, /* error= */ NULL);
    char *removed = g_regex_replace_literal(time, text, /* length= */ -1, /* start= */ 0, "",
                                            G_REGEX_MATCH_DEFAULT, /* error= */ NULL);

    return removed ? removed : g_strdup(text);
}

char *
kvm_reason(const char *text)
{
    g_autofree char *utf8 = g_utf8_make_valid(text, /* len= */ -1);
    g_autofree char *valid = remove_times(utf8);
    GString *line = g_string_new(NULL);

    for (const char *c = valid; *c; c = g_utf8_next_char(c)) {
        gunichar character = g_utf8_get_char(c);

        if (!g_unichar_isspace(character) && g_unichar_isprint(character))
            g_string_append_unichar(line, character);
        else if (line->len > 0 && line->str[line->len - 1] != ' ')
            g_string_append_c(line, ' ');
    }
    truncate_text(line, KVM_REASON_MAX);
    g_strchomp(line->str);
    if (*line->str == '\0')
        g_string_assign(line, "no reason was given");
    return g_string_free(line, /* free_segment= */ FALSE);
}

const char *
kvm_end_reason(MachineEnd how)
{
    switch (how) {
    case MACHINE_SHUT_DOWN:
        return NULL;
    case MACHINE_PANICKED:
        return "the kernel of a guest panicked under KVM";
    case MACHINE_DIED:
        return "QEMU died while a guest booted under KVM";
    }
    return "a guest under KVM ended in an unknown way";
}
