/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-server-capture: captures that a cloched asks for which an attacker has taken over. */
#include <fcntl.h>

#include "error.h"
#include "server-fixture.h"

static void
test_capture(Fixture *fixture, gconstpointer data)
{
    VmRequest capture = request_of(VM_REQUEST_CAPTURE, 6, "cloche-a");
    VmRequest release = request_of(VM_REQUEST_RELEASE, 7, "cloche-a");
    VmRequest destroy = request_of(VM_REQUEST_DESTROY, 8, "cloche-a");
    VmFactsAnswer answer;
    int fd;

    restore(fixture, 5, "cloche-a", 2000);
    send_with_file(fixture, &capture, O_RDONLY);
    expect(fixture, 6, VM_ANSWER_FAILED, "access mode");
    send_with_file(fixture, &capture, O_RDWR);
    expect(fixture, 6, VM_ANSWER_FAILED, "access mode");
    send_with_file(fixture, &capture, O_WRONLY);
    expect(fixture, 6, VM_ANSWER_DONE, NULL);
    g_assert_cmpuint(fixture->vm.captured, ==, 1);
    send_plain(fixture, &release);
    expect(fixture, 7, VM_ANSWER_DONE, NULL);
    g_assert_cmpuint(fixture->vm.captured, ==, 0);
    send_plain(fixture, &release);
    answer = receive(fixture, &fd);
    g_assert_cmpint(answer.head.type, ==, VM_ANSWER_FAILED);
    g_assert_cmpint(answer.head.number, ==, CLOCHE_ERROR_TIMED_OUT);
    send_with_file(fixture, &capture, O_WRONLY);
    expect(fixture, 6, VM_ANSWER_DONE, NULL);
    send_plain(fixture, &destroy);
    expect(fixture, 8, VM_ANSWER_DONE, NULL);
    send_plain(fixture, &release);
    expect(fixture, 7, VM_ANSWER_FAILED, "it is not held");
}

/* A destroy waits until the capture has finished. */
static void
test_destroy_during_capture(Fixture *fixture, gconstpointer data)
{
    VmRequest capture = request_of(VM_REQUEST_CAPTURE, 6, "cloche-a");
    VmRequest destroy = request_of(VM_REQUEST_DESTROY, 8, "cloche-a");

    restore(fixture, 5, "cloche-a", 2000);
    fixture->vm.holds_captures = TRUE;
    send_with_file(fixture, &capture, O_WRONLY);
    send_plain(fixture, &destroy);
    recall(fixture);
    g_assert_cmpuint(fixture->vm.destroyed, ==, 0);
    g_task_return_boolean(fixture->vm.held_capture, TRUE);
    g_clear_object(&fixture->vm.held_capture);
    expect(fixture, 6, VM_ANSWER_DONE, NULL);
    expect(fixture, 8, VM_ANSWER_DONE, NULL);
    g_assert_cmpuint(fixture->vm.destroyed, ==, 1);
}

/* The machine is left, which lets it run again. */
static void
test_end_during_capture(Fixture *fixture, gconstpointer data)
{
    VmRequest capture = request_of(VM_REQUEST_CAPTURE, 6, "cloche-a");

    restore(fixture, 5, "cloche-a", 2000);
    fixture->vm.holds_captures = TRUE;
    send_with_file(fixture, &capture, O_WRONLY);
    recall(fixture);
    connect_anew(fixture);
    g_assert_cmpuint(fixture->vm.lives, ==, 1);
    g_task_return_boolean(fixture->vm.held_capture, TRUE);
    g_clear_object(&fixture->vm.held_capture);
    recall(fixture);
    g_assert_cmpuint(fixture->vm.lives, ==, 0);
}

/* The configuration has changed since the machine was started. */
static void
test_capture_of_other_uid(Fixture *fixture, gconstpointer data)
{
    VmRequest capture = request_of(VM_REQUEST_CAPTURE, 6, "cloche-a");

    restore(fixture, 5, "cloche-a", 2000);
    fixture->config.uid_first = 2001;
    send_with_file(fixture, &capture, O_WRONLY);
    expect(fixture, 6, VM_ANSWER_FAILED, "Uids");
    g_assert_cmpuint(fixture->vm.captured, ==, 0);
}

static void
test_capture_of_unknown_machine(Fixture *fixture, gconstpointer data)
{
    VmRequest capture = request_of(VM_REQUEST_CAPTURE, 6, "cloche-a");
    VmRequest release = request_of(VM_REQUEST_RELEASE, 7, "cloche-a");

    send_with_file(fixture, &capture, O_WRONLY);
    expect(fixture, 6, VM_ANSWER_FAILED, "it is not held");
    send_plain(fixture, &release);
    expect(fixture, 7, VM_ANSWER_FAILED, "it is not held");
}

#define ADD(name, function)                                                                        \
    g_test_add("/vmd/server-capture/" name, Fixture, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL); /* warnings are expected */
    ADD("capture", test_capture);
    ADD("destroy-during-capture", test_destroy_during_capture);
    ADD("end-during-capture", test_end_during_capture);
    ADD("capture-of-other-uid", test_capture_of_other_uid);
    ADD("capture-of-unknown-machine", test_capture_of_unknown_machine);
    return g_test_run();
}
