/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* server-fixture: cloche-vm's server, and a cloched that an attacker has taken over. */
#include "server-fixture.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

static void
on_end(gpointer data)
{
    ((Fixture *)data)->is_over = TRUE;
}

char *
path_of(const Fixture *fixture, const char *path)
{
    return g_build_filename(fixture->folder, path, NULL);
}

static void
write_file(const Fixture *fixture, const char *path)
{
    g_autofree char *full = path_of(fixture, path), *parent = g_path_get_dirname(full);

    g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
    g_assert_true(g_file_set_contents(full, "x", 1, /* error= */ NULL));
}

VmFactsAnswer
receive(Fixture *fixture, int *ret_fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    VmFactsAnswer packet, answer;
    struct iovec part = {.iov_base = &packet, .iov_len = sizeof packet};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *rights;
    gssize size;

    while ((size = recvmsg(fixture->fd, &message, MSG_DONTWAIT)) < 0)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
    rights = CMSG_FIRSTHDR(&message);
    *ret_fd = -1;
    if (rights)
        memcpy(ret_fd, CMSG_DATA(rights), sizeof *ret_fd);
    g_assert_true(vm_answer_unpack(&packet, (gsize)size, rights ? 1 : 0, &answer));
    return answer;
}

void
send_bytes(const Fixture *fixture, const void *bytes, gsize size, const int *fds, gsize n_fds)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * 8)];
    } control = {.bytes = {0}};
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (n_fds > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * n_fds);
    }
    g_assert_cmpint(sendmsg(fixture->fd, &message, MSG_NOSIGNAL), ==, size);
}

void
expect(Fixture *fixture, guint32 serial, VmAnswerType type, const char *text)
{
    int fd;
    VmFactsAnswer answer = receive(fixture, &fd);

    g_assert_cmpint(answer.head.type, ==, type);
    g_assert_cmpuint(answer.head.serial, ==, serial);
    if (text && !strstr(answer.head.text, text))
        g_error("'%s' is not in: %s", text, answer.head.text);
    g_assert_cmpint(fd >= 0, ==, type == VM_ANSWER_MACHINE || type == VM_ANSWER_NET);
    if (fd >= 0)
        close(fd);
}

void
connect_anew(Fixture *fixture)
{
    int fds[2];

    if (fixture->fd >= 0)
        close(fixture->fd);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), ==, 0);
    fixture->fd = fds[0];
    vmd_server_accept(fixture->server, fds[1]);
    expect(fixture, 0, VM_ANSWER_READY, "");
}

VmRequest
request_of(VmRequestType type, guint32 serial, const char *name)
{
    VmRequest request;

    vm_request_init(&request, type, serial);
    g_assert_true(vm_field_set(request.name, VM_NAME_SIZE, name));
    return request;
}

VmRequest
restore_of(guint32 serial, const char *name, uid_t uid)
{
    VmRequest request = request_of(VM_REQUEST_RESTORE, serial, name);

    g_assert_true(vm_field_set(request.image, VM_KEY_SIZE, "python-1"));
    g_assert_true(vm_field_set(request.version_key, VM_KEY_SIZE, "python-2"));
    request.uid = uid;
    request.vcpus = 1;
    request.memory_mib = 64;
    return request;
}

void
send_plain(const Fixture *fixture, const VmRequest *request)
{
    send_bytes(fixture, request, sizeof *request, NULL, 0);
}

void
send_with_file(const Fixture *fixture, const VmRequest *request, int mode)
{
    g_autofree char *path = path_of(fixture, "state/file");
    int fd = open(path, mode | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    send_bytes(fixture, request, sizeof *request, &fd, 1);
    close(fd);
}

void
restore(Fixture *fixture, guint32 serial, const char *name, uid_t uid)
{
    VmRequest request = restore_of(serial, name, uid);

    send_with_file(fixture, &request, O_RDONLY);
    expect(fixture, serial, VM_ANSWER_MACHINE, NULL);
}

void
recall(Fixture *fixture)
{
    VmRequest request;

    vm_request_init(&request, VM_REQUEST_RECALL, 1000);
    request.is_emulated = 1;
    send_plain(fixture, &request);
    expect(fixture, 1000, VM_ANSWER_FACTS, NULL);
}

void
set_up(Fixture *fixture, gconstpointer data)
{
    static const char *const files[] = {"state/images/python-1/kernel",
                                        "state/images/python-1/initrd",
                                        "state/machines/a/disk.qcow2",
                                        "state/machines/b/disk.qcow2",
                                        "ram/python-2",
                                        "own/agent/cloche-a",
                                        "own/console/cloche-a",
                                        "state/file"};

    fixture->folder = g_dir_make_tmp("cloche-server-XXXXXX", /* error= */ NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++)
        write_file(fixture, files[i]);
    fixture->config = (VmdConfig){
        .state = path_of(fixture, "state"),
        .ram = path_of(fixture, "ram"),
        .own = path_of(fixture, "own"),
        .uid_first = 2000,
        .uid_count = 16,
        .vcpus_max = 4,
        .memory_max_mib = 1024,
        .may_emulate = TRUE,
        .peer = geteuid(),
    };
    fixture->vm.base.ops = &mock_vm_ops;
    fixture->fd = -1;
    fixture->server = vmd_server_new(&fixture->config, &fixture->vm.base, on_end, fixture);
    connect_anew(fixture);
    recall(fixture);
}

void
tear_down(Fixture *fixture, gconstpointer data)
{
    while (g_main_context_iteration(NULL, /* may_block= */ FALSE))
        ;
    vmd_server_free(fixture->server);
    g_assert_cmpuint(fixture->vm.lives, ==, 0); /* all were left or destroyed */
    close(fixture->fd);
    g_free(fixture->vm.last_disk);
    g_free(fixture->vm.last_socket);
    g_free(fixture->vm.last_net_socket);
    g_free(fixture->config.state);
    g_free(fixture->config.ram);
    g_free(fixture->config.own);
    g_assert_true(util_remove_tree(fixture->folder, /* error= */ NULL));
    g_free(fixture->folder);
}
