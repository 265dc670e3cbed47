/*
 * cgroup_devices_bpf — rules about devices, as the program that version 2 asks for each access.
 *
 * The program plays the rules from the last to the first: one that speaks of the device decides
 * those of the wanted accesses that it names, and what is left goes on to the rules before it. What
 * is left at the end is denied.  So any list of rules means exactly what it says, and a rule is at
 * most seven instructions (bpf(2), Documentation/bpf/instruction-set.rst).
 *
 * What takes the time is the kernel's check of the program, which follows both ways of each jump
 * (2 us each): so a device's number is compared as one, and its kind once for rules in a row.
 *
 * An update attaches its program in the old one's place (BPF_F_REPLACE, Linux 5.6): no moment is
 * without rules, and none has both.  Ours is known by its name; what others have attached to
 * the group (systemd for its units) stays, and must allow as well.
 */
#include "platform/linux/runtime/cgroup_devices_bpf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RULE_INSNS   8
#define FRAME_INSNS  11
#define ROW_INSNS    16000 /* a jump leads over 32767 at most */
#define MAJOR_BITS   12    /* makedev(3), as the kernel has them */
#define MINOR_BITS   20
#define PROGRAM_NAME "gantry_devices" /* at most 15 characters */
#define PROGRAMS_MAX 64               /* the kernel's limit for one group */

/* ---- instructions ----------------------------------------------------------------------- */

#define INSN(c, d, s, o, i) \
    ((struct bpf_insn){     \
        .code = (c), .dst_reg = (d), .src_reg = (s), .off = (short)(o), .imm = (i) })
#define LOAD(to, offset)        INSN(BPF_LDX | BPF_MEM | BPF_W, to, BPF_REG_1, offset, 0)
#define MOVE(to, from)          INSN(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0)
#define AND(to, bits)           INSN(BPF_ALU64 | BPF_AND | BPF_K, to, 0, 0, (int)(bits))
#define OR(to, from)            INSN(BPF_ALU64 | BPF_OR | BPF_X, to, from, 0, 0)
#define SHIFT_LEFT(to, count)   INSN(BPF_ALU64 | BPF_LSH | BPF_K, to, 0, 0, count)
#define SHIFT_RIGHT(to, count)  INSN(BPF_ALU64 | BPF_RSH | BPF_K, to, 0, 0, count)
#define IF_NOT(what, value, by) INSN(BPF_JMP | BPF_JNE | BPF_K, what, 0, by, (int)(value))
#define IF_NOT_32(what, value, by) \
    INSN(BPF_JMP32 | BPF_JNE | BPF_K, what, 0, by, (int)(value)) /* Linux 5.1 */
#define IF(what, value, by) INSN(BPF_JMP | BPF_JEQ | BPF_K, what, 0, by, (int)(value))
#define ANSWER(value)       INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, value)
#define END                 INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

enum {
    WANTED = BPF_REG_2,
    TYPE = BPF_REG_3,
    MAJOR = BPF_REG_4,
    MINOR = BPF_REG_5,
    BOTH = BPF_REG_6, /* a device's number: 12 bits and 20 (makedev(3)) */
    SOME = BPF_REG_0
};

static uint32_t access_bits(uint8_t access)
{
    return (access & DEVICE_READ ? BPF_DEVCG_ACC_READ : 0u) |
           (access & DEVICE_WRITE ? BPF_DEVCG_ACC_WRITE : 0u) |
           (access & DEVICE_MAKE ? BPF_DEVCG_ACC_MKNOD : 0u);
}

/* Numbers beyond what a device can have: nothing matches. */
static bool never_matches(const struct device_rule *rule)
{
    return rule->major >= 1 << MAJOR_BITS || rule->minor >= 1 << MINOR_BITS;
}

/* Whether it is this device; else `left` instructions are left out. */
static size_t number_write(const struct device_rule *rule, struct bpf_insn *out, short left)
{
    if (rule->major != DEVICE_ANY && rule->minor != DEVICE_ANY)
        *out = IF_NOT_32(BOTH, (uint32_t)rule->major << MINOR_BITS | (uint32_t)rule->minor, left);
    else if (rule->major != DEVICE_ANY)
        *out = IF_NOT(MAJOR, rule->major, left);
    else if (rule->minor != DEVICE_ANY)
        *out = IF_NOT(MINOR, rule->minor, left);
    else
        return 0;
    return 1;
}

/* For a device of its kind.  true: whatever gets there ends there. */
static bool rule_write(const struct device_rule *rule, struct bpf_insn *out, size_t *count)
{
    struct bpf_insn body[5];
    bool whole = rule->access == DEVICE_ALL;
    size_t size = 0;

    if (!whole && rule->allow) {
        body[size++] = AND(WANTED, ~access_bits(rule->access));
        body[size++] = IF_NOT(WANTED, 0, 2);
    } else if (!whole) {
        body[size++] = MOVE(SOME, WANTED);
        body[size++] = AND(SOME, access_bits(rule->access));
        body[size++] = IF(SOME, 0, 2);
    }
    body[size++] = ANSWER(rule->allow);
    body[size++] = END;
    *count += number_write(rule, out + *count, (short)size);
    memcpy(out + *count, body, size * sizeof(*body));
    *count += size;
    return whole && rule->type == 'a' && rule->major == DEVICE_ANY && rule->minor == DEVICE_ANY;
}

/* Those in a row, up from the last of `left`, that speak of one kind; yields how many are left. */
static size_t row_write(const struct device_rules *rules, size_t left, struct bpf_insn *out,
                        size_t *count, bool *ended)
{
    char type = rules->items[left - 1].type;
    size_t check = *count;

    if (type != 'a')
        (*count)++; /* of the kind; written when it is known how far it leads */
    for (; left > 0 && !*ended && rules->items[left - 1].type == type && *count - check < ROW_INSNS;
         left--)
        if (!never_matches(&rules->items[left - 1]))
            *ended = rule_write(&rules->items[left - 1], out, count);
    if (type != 'a')
        out[check] = IF_NOT(TYPE, type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR,
                            (short)(*count - check - 1));
    return left;
}

struct bpf_insn *devices_program(const struct device_rules *rules, size_t *count)
{
    struct bpf_insn *out = calloc(rules->count * RULE_INSNS + FRAME_INSNS, sizeof(*out));
    bool ended = false;

    *count = 0;
    if (out == NULL)
        return NULL;
    out[(*count)++] = LOAD(TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
    out[(*count)++] = MOVE(WANTED, TYPE);
    out[(*count)++] = AND(TYPE, 0xffff);
    out[(*count)++] = SHIFT_RIGHT(WANTED, 16);
    out[(*count)++] = LOAD(MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
    out[(*count)++] = LOAD(MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
    out[(*count)++] = MOVE(BOTH, MAJOR);
    out[(*count)++] = SHIFT_LEFT(BOTH, MINOR_BITS);
    out[(*count)++] = OR(BOTH, MINOR);
    for (size_t left = rules->count; left > 0 && !ended;)
        left = row_write(rules, left, out, count, &ended);
    if (!ended) {
        out[(*count)++] = ANSWER(0);
        out[(*count)++] = END;
    }
    return out;
}

bool devices_allow_all(const struct device_rules *rules)
{
    for (size_t i = rules->count; i > 0; i--) {
        const struct device_rule *rule = &rules->items[i - 1];

        if (!rule->allow)
            return false;
        if (rule->type == 'a' && rule->access == DEVICE_ALL && rule->major == DEVICE_ANY &&
            rule->minor == DEVICE_ANY)
            return true;
    }
    return false;
}

/* ---- the kernel ----------------------------------------------------------------------------- */

static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
    return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int program_load(const struct bpf_insn *program, size_t count)
{
    union bpf_attr attr = {
        .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
        .insns = (uintptr_t)program,
        .insn_cnt = (uint32_t)count,
        .license = (uintptr_t) "Apache-2.0",
        .prog_name = PROGRAM_NAME,
    };

    return bpf(BPF_PROG_LOAD, &attr);
}

/* A descriptor of the program that we attached before; -1: there is none. */
static int program_before(int folder)
{
    uint32_t ids[PROGRAMS_MAX];
    union bpf_attr query = {
        .query = { .target_fd = (uint32_t)folder,
                   .attach_type = BPF_CGROUP_DEVICE,
                   .prog_ids = (uintptr_t)ids,
                   .prog_cnt = PROGRAMS_MAX },
    };

    if (bpf(BPF_PROG_QUERY, &query) < 0)
        return -1;
    for (uint32_t i = 0; i < query.query.prog_cnt; i++) {
        struct bpf_prog_info info = { 0 };
        union bpf_attr by_id = { .prog_id = ids[i] };
        int program = bpf(BPF_PROG_GET_FD_BY_ID, &by_id);
        union bpf_attr ask = { .info = { .bpf_fd = (uint32_t)program,
                                         .info_len = sizeof(info),
                                         .info = (uintptr_t)&info } };

        if (program < 0)
            continue;
        if (bpf(BPF_OBJ_GET_INFO_BY_FD, &ask) == 0 && strcmp(info.name, PROGRAM_NAME) == 0)
            return program;
        close(program);
    }
    return -1;
}

static int program_attach(int folder, int program, int before)
{
    union bpf_attr attr = {
        .target_fd = (uint32_t)folder,
        .attach_bpf_fd = (uint32_t)program,
        .attach_type = BPF_CGROUP_DEVICE,
        .attach_flags = BPF_F_ALLOW_MULTI | (before >= 0 ? BPF_F_REPLACE : 0u),
        .replace_bpf_fd = before >= 0 ? (uint32_t)before : 0,
    };

    return bpf(BPF_PROG_ATTACH, &attr);
}

int devices_apply_bpf(const struct group *group, const struct device_rules *rules, bool fresh,
                      struct error *err)
{
    int folder = -1, program = -1, before = -1, done = -1;
    struct bpf_insn *code;
    size_t count;

    if (fresh && devices_allow_all(rules))
        return 0;
    code = devices_program(rules, &count);
    if (code != NULL)
        program = program_load(code, count);
    free(code);
    if (program >= 0)
        folder = open(group->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0 && !fresh)
        before = program_before(folder);
    if (folder >= 0)
        done = program_attach(folder, program, before);
    if (done < 0)
        error_sys(err, errno, "linux.resources.devices: %s a BPF program for %s",
                  program < 0 ? "load" : "attach", group->folder);
    if (program >= 0)
        close(program);
    if (folder >= 0)
        close(folder);
    if (before >= 0)
        close(before);
    return done;
}
