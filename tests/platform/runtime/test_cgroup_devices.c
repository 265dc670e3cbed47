/* Rules about devices as a BPF program: what it answers, played here, and what the kernel does. */
#include <sys/sysmacros.h>
#include <time.h>

#include "platform/linux/runtime/cgroup_devices_bpf.h"
#include "tests/platform/runtime/cgroup_fixture.h"

/* ---- a processor for the instructions that are used ------------------------------------ */

static int run(const struct bpf_insn *code, size_t count, const struct bpf_cgroup_dev_ctx *device)
{
    uint64_t reg[11] = { 0 };

    for (size_t at = 0, steps = 0; at < count && steps < count; at++, steps++) {
        const struct bpf_insn *i = &code[at];
        uint64_t imm = (uint64_t)(int64_t)i->imm;

        switch (i->code) {
        case BPF_LDX | BPF_MEM | BPF_W:
            assert_int_equal(i->src_reg, BPF_REG_1);
            reg[i->dst_reg] = *(const uint32_t *)((const char *)device + i->off);
            break;
        case BPF_ALU64 | BPF_MOV | BPF_X:
            reg[i->dst_reg] = reg[i->src_reg];
            break;
        case BPF_ALU64 | BPF_MOV | BPF_K:
            reg[i->dst_reg] = imm;
            break;
        case BPF_ALU64 | BPF_AND | BPF_K:
            reg[i->dst_reg] &= imm;
            break;
        case BPF_ALU64 | BPF_OR | BPF_X:
            reg[i->dst_reg] |= reg[i->src_reg];
            break;
        case BPF_ALU64 | BPF_LSH | BPF_K:
            reg[i->dst_reg] <<= imm;
            break;
        case BPF_ALU64 | BPF_RSH | BPF_K:
            reg[i->dst_reg] >>= imm;
            break;
        case BPF_JMP | BPF_JNE | BPF_K:
            at += reg[i->dst_reg] != imm ? (size_t)i->off : 0;
            break;
        case BPF_JMP32 | BPF_JNE | BPF_K:
            at += (uint32_t)reg[i->dst_reg] != (uint32_t)imm ? (size_t)i->off : 0;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            at += reg[i->dst_reg] == imm ? (size_t)i->off : 0;
            break;
        case BPF_JMP | BPF_EXIT:
            return (int)reg[0];
        default:
            fail_msg("instruction %zu has the code %x", at, i->code);
        }
    }
    fail_msg("the program does not end");
    return -1;
}

struct asked {
    char type;
    uint8_t access;
    uint32_t major, minor;
};

static int answer(const struct device_rules *rules, struct asked asked)
{
    struct bpf_cgroup_dev_ctx device = { .major = asked.major, .minor = asked.minor };
    uint32_t access = (asked.access & DEVICE_READ ? BPF_DEVCG_ACC_READ : 0u) |
                      (asked.access & DEVICE_WRITE ? BPF_DEVCG_ACC_WRITE : 0u) |
                      (asked.access & DEVICE_MAKE ? BPF_DEVCG_ACC_MKNOD : 0u);
    size_t count;
    struct bpf_insn *code = devices_program(rules, &count);
    int got;

    device.access_type =
        access << 16 | (uint32_t)(asked.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
    got = run(code, count, &device);
    free(code);
    return got;
}

/* What the rules mean, said in another way. */
static int meaning(const struct device_rules *rules, struct asked asked)
{
    for (uint8_t bit = 1; bit <= DEVICE_MAKE; bit = (uint8_t)(bit << 1)) {
        bool allow = false;

        if (!(asked.access & bit))
            continue;
        for (size_t i = 0; i < rules->count; i++) {
            const struct device_rule *rule = &rules->items[i];

            if ((rule->type == 'a' || rule->type == asked.type) && (rule->access & bit) &&
                (rule->major == DEVICE_ANY || rule->major == asked.major) &&
                (rule->minor == DEVICE_ANY || rule->minor == asked.minor))
                allow = rule->allow;
        }
        if (!allow)
            return 0;
    }
    return 1;
}

static void the_last_rule_that_speaks_of_it_decides(void **state UNUSED)
{
    struct device_rule items[] = {
        { 'a', false, DEVICE_ALL, DEVICE_ANY, DEVICE_ANY },
        { 'c', true, DEVICE_READ, 10, DEVICE_ANY },
        { 'c', true, DEVICE_WRITE, 10, 229 },
        { 'b', true, DEVICE_MAKE, DEVICE_ANY, DEVICE_ANY },
    };
    struct device_rules rules = { .items = items, .count = COUNT_OF(items) };

    assert_int_equal(answer(&rules, (struct asked){ 'c', DEVICE_READ | DEVICE_WRITE, 10, 229 }), 1);
    assert_int_equal(answer(&rules, (struct asked){ 'c', DEVICE_READ | DEVICE_WRITE, 10, 1 }), 0);
    assert_int_equal(answer(&rules, (struct asked){ 'c', DEVICE_READ, 10, 1 }), 1);
    assert_int_equal(answer(&rules, (struct asked){ 'b', DEVICE_MAKE, 8, 0 }), 1);
    assert_int_equal(answer(&rules, (struct asked){ 'b', DEVICE_READ, 8, 0 }), 0);
    assert_false(devices_allow_all(&rules));
}

static void any_rules_mean_what_they_say(void **state UNUSED)
{
    unsigned seed = (unsigned)time(NULL);
    struct device_rule items[12];
    struct device_rules rules = { .items = items };

    printf("seed %u\n", seed);
    srandom(seed);
    for (int round = 0; round < 3000; round++) {
        rules.count = (size_t)random() % (COUNT_OF(items) + 1);
        for (size_t i = 0; i < rules.count; i++)
            items[i] = (struct device_rule){ "abc"[random() % 3], random() % 2,
                                             (uint8_t)(1 + random() % 7), random() % 4 - 1,
                                             random() % 4 - 1 };
        for (int i = 0; i < 10; i++) {
            struct asked asked = { "bc"[random() % 2], (uint8_t)(1 + random() % 7),
                                   (uint32_t)random() % 3, (uint32_t)random() % 3 };

            assert_int_equal(answer(&rules, asked), meaning(&rules, asked));
        }
        if (devices_allow_all(&rules))
            assert_int_equal(meaning(&rules, (struct asked){ 'c', DEVICE_ALL, 77, 77 }), 1);
    }
}

static void numbers_that_no_device_has_match_nothing(void **state UNUSED)
{
    struct device_rule items[] = { { 'c', true, DEVICE_ALL, 0xffffffff, DEVICE_ANY } };
    struct device_rules rules = { .items = items, .count = 1 };

    assert_int_equal(answer(&rules, (struct asked){ 'c', DEVICE_READ, 0xffffffff, 0 }), 0);
}

static void lists_longer_than_a_jump_mean_what_they_say(void **state UNUSED)
{
    static struct device_rule items[30000];
    struct device_rules rules = { .items = items, .count = COUNT_OF(items) };

    for (size_t i = 0; i < COUNT_OF(items); i++)
        items[i] = (struct device_rule){ i % 10000 < 9999 ? 'c' : 'b', true, DEVICE_ALL,
                                         (int64_t)i / 1000, (int64_t)i % 1000 };
    assert_int_equal(answer(&rules, (struct asked){ 'c', DEVICE_READ, 0, 0 }), 1);
    assert_int_equal(answer(&rules, (struct asked){ 'c', DEVICE_READ, 29, 998 }), 1);
    assert_int_equal(answer(&rules, (struct asked){ 'b', DEVICE_READ, 29, 999 }), 1);
    assert_int_equal(answer(&rules, (struct asked){ 'b', DEVICE_READ, 0, 0 }), 0);
    assert_int_equal(answer(&rules, (struct asked){ 'c', DEVICE_READ, 30, 0 }), 0);
}

/* ---- the kernel ---------------------------------------------------------------------------- */

/* 0, or why the child could not open it. */
static int child_opens(const char *path, int flags)
{
    struct clone_args args = { .flags = CLONE_INTO_CGROUP,
                               .cgroup = (__u64)cgroup_folder(cgroup),
                               .exit_signal = SIGCHLD };
    int status, fd;
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

    if (pid == 0) {
        fd = open(path, flags | O_CLOEXEC);
        _exit(fd < 0 ? errno : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static void rules_are_attached_and_replaced_at_once(void **state UNUSED)
{
    struct device_rule none[] = { { 'a', false, DEVICE_ALL, DEVICE_ANY, DEVICE_ANY } };
    struct device_rule full[] = { { 'c', true, DEVICE_READ, 1, 7 } };
    struct device_rules rules = { .items = none, .count = 1 };
    const struct group *group;

    if (geteuid() != 0)
        skip_because("needs root");
    group_made("{\"devices\":[{\"allow\":true}]}");
    group = cgroup_group(cgroup, "");
    if (group == NULL)
        skip_because("this host has no cgroup v2");
    assert_int_equal(child_opens("/dev/full", O_RDONLY), 0);
    if (devices_apply_bpf(group, &rules, true, &err) < 0) {
        if (err.os == EPERM)
            skip_because("BPF is not allowed here");
        fail_msg("%s", err.text);
    }
    assert_int_equal(child_opens("/dev/full", O_RDONLY), EPERM);
    rules.items = full;
    if (devices_apply_bpf(group, &rules, false, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(child_opens("/dev/full", O_RDONLY), 0);
    assert_int_equal(child_opens("/dev/full", O_RDWR), EPERM);
    assert_int_equal(child_opens("/dev/null", O_RDONLY), EPERM);
}

static void an_element_with_a_wrong_value_is_named(void **state UNUSED)
{
    assert_null(
        group_new("{\"devices\":[{\"allow\":false},{\"allow\":true,\"type\":\"x\"}]}", NULL));
    assert_string_equal(err.text, "linux.resources.devices[1].type: is x, must be a, b or c");
    assert_null(group_new("{\"devices\":[{\"type\":\"c\"}]}", NULL));
    assert_string_equal(err.text, "linux.resources.devices[0].allow: is missing");
    assert_null(group_new("{\"devices\":[{\"allow\":true,\"access\":\"rx\"}]}", NULL));
    assert_string_equal(err.text,
                        "linux.resources.devices[0].access: has x, must be of r, w and m");
}

#define T(test) cmocka_unit_test_setup_teardown(test, cgroup_setup, cgroup_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_last_rule_that_speaks_of_it_decides),     T(any_rules_mean_what_they_say),
        T(numbers_that_no_device_has_match_nothing),    T(rules_are_attached_and_replaced_at_once),
        T(lists_longer_than_a_jump_mean_what_they_say), T(an_element_with_a_wrong_value_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
