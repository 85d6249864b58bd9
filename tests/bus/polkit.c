/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* polkit: sets the answers of the fake polkit, and reads its questions. */
#include "polkit.h"

#include "client.h"

static GVariant *
steer(Fixture *fixture, const char *method, GVariant *parameters)
{
    g_autoptr(GError) error = NULL;
    GVariant *answer = g_dbus_connection_call_sync(
        fixture->bus, "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
        "org.cloche1.FakePolkit", method, parameters, NULL, G_DBUS_CALL_FLAGS_NONE,
        /* timeout= */ 30000, NULL, &error);

    g_assert_no_error(error);
    return answer;
}

void
polkit_set_answer(Fixture *fixture, const char *action, const char *answer)
{
    g_variant_unref(steer(fixture, "SetAnswer", g_variant_new("(ss)", action, answer)));
}

void
polkit_release(Fixture *fixture, gboolean permit)
{
    g_variant_unref(steer(fixture, "Release", g_variant_new("(b)", permit)));
}

void
polkit_change(Fixture *fixture)
{
    g_variant_unref(steer(fixture, "Change", NULL));
    /* The signal was sent before the reply, so the service receives it before this call. */
    g_variant_unref(call(fixture->bus, MANAGER, "ListTemplates", "()"));
}

PolkitQuestion *
polkit_take_question(Fixture *fixture)
{
    g_autoptr(GVariant) answer = steer(fixture, "TakeQuestion", NULL);
    PolkitQuestion *question = g_new0(PolkitQuestion, 1);
    guint32 flags;

    g_variant_get(answer, "(ss@a{ss}u)", &question->subject, &question->action, &question->details,
                  &flags);
    question->is_interactive = flags & 1;
    return question;
}

void
polkit_question_free(PolkitQuestion *question)
{
    g_free(question->subject);
    g_free(question->action);
    g_variant_unref(question->details);
    g_free(question);
}

guint
polkit_count_questions(Fixture *fixture)
{
    g_autoptr(GVariant) answer = steer(fixture, "CountQuestions", NULL);
    guint count;

    g_variant_get(answer, "(u)", &count);
    return count;
}

guint
polkit_count_held(Fixture *fixture, gboolean is_interactive)
{
    g_autoptr(GVariant) answer = steer(fixture, "CountHeld", g_variant_new("(b)", is_interactive));
    guint count;

    g_variant_get(answer, "(u)", &count);
    return count;
}

void
polkit_forget_questions(Fixture *fixture)
{
    for (guint left = polkit_count_questions(fixture); left > 0; left--)
        polkit_question_free(polkit_take_question(fixture));
}

char *
polkit_take_cancelled(Fixture *fixture)
{
    g_autoptr(GVariant) answer = steer(fixture, "TakeCancelled", NULL);
    char *action;

    g_variant_get(answer, "(s)", &action);
    return action;
}
