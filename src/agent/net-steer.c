/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-steer: the program, as a table of instructions, and its two maps.
 *
 * In pseudo code:
 *
 *     address = family is IPv6 ? local_ip6 : (local_ip4 is 127/8 ? PASS : local_ip4, mapped)
 *     if address is in the map `own`: PASS
 *     if protocol is not TCP and local_port is not 53: PASS
 *     socket = sockets[protocol is TCP ? 0 : 1], or DROP
 *     assign it; PASS
 */
#include "net-steer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OWN_MAX 1024u /* addresses; further ones are steered away from their owners */
#define DNS_PORT 53
#define SOCKET_TCP 0
#define SOCKET_UDP 1

static int own = -1;

static int
bpf(enum bpf_cmd command, union bpf_attr *attributes)
{
    int r = (int)syscall(SYS_bpf, command, attributes, sizeof *attributes);
    return r < 0 ? -errno : r;
}

/* --- the program --- */

typedef enum {
    NOWHERE,
    IPV6,
    HAVE_ADDRESS,
    STEER,
    PASS,
    DROP,
    _LABELS,
} Label;

typedef enum {
    NO_MAP,
    MAP_OWN,
    MAP_SOCKETS,
} MapName;

typedef struct {
    Label label; /* of this line */
    struct bpf_insn insn;
    Label target; /* of a jump */
    MapName map;
} Line;

#define CODE(...) .insn = {__VA_ARGS__}
#define CONTEXT(field) ((int16_t)offsetof(struct bpf_sk_lookup, field))
#define SET(to, number)                                                                            \
    {CODE(.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (to), .imm = (number))}
#define COPY(to, from)                                                                             \
    {CODE(.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (to), .src_reg = (from))}
#define ADD(to, number)                                                                            \
    {CODE(.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = (to), .imm = (number))}
#define SHIFT_RIGHT(to, bits)                                                                      \
    {CODE(.code = BPF_ALU64 | BPF_RSH | BPF_K, .dst_reg = (to), .imm = (bits))}
#define FROM_NETWORK_ORDER(to)                                                                     \
    {CODE(.code = BPF_ALU | BPF_END | BPF_TO_BE, .dst_reg = (to), .imm = 32)}
#define LOAD(to, from, offset)                                                                     \
    {CODE(.code = BPF_LDX | BPF_W | BPF_MEM, (to), (from), (int16_t)(offset))}
#define STORE(offset, from) /* to the stack */                                                     \
    {CODE(.code = BPF_STX | BPF_W | BPF_MEM, BPF_REG_10, (from), (int16_t)(offset))}
#define STORE_NUMBER(offset, number)                                                               \
    {CODE(.code = BPF_ST | BPF_W | BPF_MEM, BPF_REG_10, 0, (int16_t)(offset), (number))}
#define LOAD_MAP(to, name)                                                                         \
    {CODE(.code = BPF_LD | BPF_DW | BPF_IMM, (to), BPF_PSEUDO_MAP_FD), .map = (name)},             \
    {                                                                                              \
        CODE(0)                                                                                    \
    }
#define CALL(helper) {CODE(.code = BPF_JMP | BPF_CALL, .imm = (helper))}
#define GOTO(where) {CODE(.code = BPF_JMP | BPF_JA), .target = (where)}
#define GOTO_IF(reg, number, where)                                                                \
    {CODE(.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = (reg), .imm = (number)), .target = (where)}
#define GOTO_UNLESS(reg, number, where)                                                            \
    {CODE(.code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = (reg), .imm = (number)), .target = (where)}
#define LABEL(name) {.label = (name)}
#define EXIT {CODE(.code = BPF_JMP | BPF_EXIT)}

/* On the stack. */
#define ADDRESS (-16)
#define INDEX (-20)

static const Line program[] = {
    COPY(BPF_REG_6, BPF_REG_1), /* the context; helpers leave registers 6 to 9 alone */
    LOAD(BPF_REG_2, BPF_REG_6, CONTEXT(family)),
    GOTO_IF(BPF_REG_2, AF_INET6, IPV6),

    LOAD(BPF_REG_2, BPF_REG_6, CONTEXT(local_ip4)),
    COPY(BPF_REG_3, BPF_REG_2),
    FROM_NETWORK_ORDER(BPF_REG_3),
    SHIFT_RIGHT(BPF_REG_3, 24),
    GOTO_IF(BPF_REG_3, IN_LOOPBACKNET, PASS),
    STORE_NUMBER(ADDRESS, 0),
    STORE_NUMBER(ADDRESS + 4, 0),
    SET(BPF_REG_3, 0xffff),
    FROM_NETWORK_ORDER(BPF_REG_3), /* the same as to network order */
    STORE(ADDRESS + 8, BPF_REG_3),
    STORE(ADDRESS + 12, BPF_REG_2),
    GOTO(HAVE_ADDRESS),

    LABEL(IPV6),
    LOAD(BPF_REG_2, BPF_REG_6, CONTEXT(local_ip6[0])),
    STORE(ADDRESS, BPF_REG_2),
    LOAD(BPF_REG_2, BPF_REG_6, CONTEXT(local_ip6[1])),
    STORE(ADDRESS + 4, BPF_REG_2),
    LOAD(BPF_REG_2, BPF_REG_6, CONTEXT(local_ip6[2])),
    STORE(ADDRESS + 8, BPF_REG_2),
    LOAD(BPF_REG_2, BPF_REG_6, CONTEXT(local_ip6[3])),
    STORE(ADDRESS + 12, BPF_REG_2),

    LABEL(HAVE_ADDRESS),
    LOAD_MAP(BPF_REG_1, MAP_OWN),
    COPY(BPF_REG_2, BPF_REG_10),
    ADD(BPF_REG_2, ADDRESS),
    CALL(BPF_FUNC_map_lookup_elem),
    GOTO_UNLESS(BPF_REG_0, 0, PASS),

    SET(BPF_REG_7, SOCKET_TCP),
    LOAD(BPF_REG_2, BPF_REG_6, CONTEXT(protocol)),
    GOTO_IF(BPF_REG_2, IPPROTO_TCP, STEER),
    LOAD(BPF_REG_2, BPF_REG_6, CONTEXT(local_port)), /* in host order */
    GOTO_UNLESS(BPF_REG_2, DNS_PORT, PASS),
    SET(BPF_REG_7, SOCKET_UDP),

    LABEL(STEER),
    STORE(INDEX, BPF_REG_7),
    LOAD_MAP(BPF_REG_1, MAP_SOCKETS),
    COPY(BPF_REG_2, BPF_REG_10),
    ADD(BPF_REG_2, INDEX),
    CALL(BPF_FUNC_map_lookup_elem),
    GOTO_IF(BPF_REG_0, 0, DROP),
    COPY(BPF_REG_7, BPF_REG_0),
    COPY(BPF_REG_1, BPF_REG_6),
    COPY(BPF_REG_2, BPF_REG_7),
    SET(BPF_REG_3, 0), /* flags */
    CALL(BPF_FUNC_sk_assign),
    COPY(BPF_REG_1, BPF_REG_7),
    CALL(BPF_FUNC_sk_release),

    LABEL(PASS),
    SET(BPF_REG_0, SK_PASS),
    EXIT,
    LABEL(DROP),
    SET(BPF_REG_0, SK_DROP),
    EXIT,
};
#define LINES (sizeof program / sizeof *program)

/* Labels are no instructions. Returns the number of instructions. */
static uint32_t
assemble(struct bpf_insn *out, int sockets)
{
    uint32_t places[_LABELS] = {0}, n = 0;

    for (size_t i = 0; i < LINES; i++)
        if (program[i].label != NOWHERE)
            places[program[i].label] = n;
        else
            n++;
    n = 0;
    for (size_t i = 0; i < LINES; i++) {
        if (program[i].label != NOWHERE)
            continue;
        out[n] = program[i].insn;
        if (program[i].target != NOWHERE)
            out[n].off = (int16_t)(places[program[i].target] - n - 1);
        if (program[i].map != NO_MAP)
            out[n].imm = program[i].map == MAP_OWN ? own : sockets;
        n++;
    }
    return n;
}

/* --- in the kernel --- */

static int
make_map(enum bpf_map_type type, uint32_t key_size, uint32_t value_size, uint32_t entries)
{
    union bpf_attr map = {
        .map_type = type, .key_size = key_size, .value_size = value_size, .max_entries = entries};

    return bpf(BPF_MAP_CREATE, &map);
}

static int
set_entry(int map, const void *key, const void *value)
{
    union bpf_attr entry = {
        .map_fd = (uint32_t)map, .key = (uintptr_t)key, .value = (uintptr_t)value};

    return bpf(BPF_MAP_UPDATE_ELEM, &entry);
}

/* Returns a map of the two sockets. */
static int
make_sockets(int tcp, int udp)
{
    const uint64_t fds[] = {[SOCKET_TCP] = (uint64_t)tcp, [SOCKET_UDP] = (uint64_t)udp};

    int map = make_map(BPF_MAP_TYPE_SOCKMAP, sizeof(uint32_t), sizeof(uint64_t), 2);
    for (uint32_t i = 0; map >= 0 && i < 2; i++) {
        int r = set_entry(map, &i, &fds[i]);
        if (r < 0)
            return r;
    }
    return map;
}

static int
load(int sockets)
{
    struct bpf_insn code[LINES];
    union bpf_attr attributes = {
        .prog_type = BPF_PROG_TYPE_SK_LOOKUP,
        .insn_cnt = assemble(code, sockets),
        .insns = (uintptr_t)code,
        .license = (uintptr_t)"LGPL-2.1-or-later",
        .expected_attach_type = BPF_SK_LOOKUP,
    };

    return bpf(BPF_PROG_LOAD, &attributes);
}

/* The link lives as long as its descriptor, which is never closed. */
static int
attach(int code)
{
    int namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (namespace < 0)
        return -errno;
    union bpf_attr link = {.link_create = {.prog_fd = (uint32_t)code,
                                           .target_fd = (uint32_t)namespace,
                                           .attach_type = BPF_SK_LOOKUP}};
    int r = bpf(BPF_LINK_CREATE, &link);
    close(namespace);
    return r;
}

int
net_steer_open(int tcp, int udp)
{
    own = make_map(BPF_MAP_TYPE_HASH, sizeof(struct in6_addr), sizeof(uint32_t), OWN_MAX);
    int sockets = own < 0 ? own : make_sockets(tcp, udp);
    int code = sockets < 0 ? sockets : load(sockets);
    int r = code < 0 ? code : attach(code);
    if (code >= 0)
        close(code); /* the link holds it, and it holds the maps */
    if (sockets >= 0)
        close(sockets);
    return r < 0 ? r : 0;
}

void
net_steer_set_own(const uint8_t address[16], bool is_own)
{
    const uint32_t value = 1;
    union bpf_attr entry = {.map_fd = (uint32_t)own, .key = (uintptr_t)address};

    if (is_own)
        set_entry(own, address, &value);
    else
        bpf(BPF_MAP_DELETE_ELEM, &entry);
}
