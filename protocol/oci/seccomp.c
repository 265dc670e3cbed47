/* The default profile, put together from seccomp_calls.c for one machine and one container. */
#include "protocol/oci/seccomp.h"

#include <string.h>

#include "protocol/oci/capabilities.h"
#include "protocol/oci/draft.h"

#define LINUX_EPERM  1 /* the container's numbers, whatever system this is */
#define LINUX_ENOSYS 38

#define AF_VSOCK_NUMBER 40 /* talks to the hypervisor, past every network namespace */

/* NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET of clone(2). */
static const json_int_t new_namespace[] = { 0x00020000, 0x02000000, 0x04000000, 0x08000000,
                                            0x10000000, 0x20000000, 0x40000000 };
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Linux, Linux for 32-bit programs, each also as "2.6"; and "which is it now?". */
static const json_int_t personalities[] = { 0x0, 0x8, 0x20000, 0x20008, 0xffffffff };
/* Switching off what makes attacks hard: addresses at random, pages without execute. */
static const json_int_t personalities_refused[] = { 0x40000, 0x40008, 0x400000, 0x100000,
                                                    0x440000 };

/*
 * What each machine runs besides its own programs.  x32 is left out: nobody
 * ships programs for it, and every architecture makes the runtime's compiling
 * of the filter, a large part of a container's start, longer (quadratically).
 */
static const struct seccomp_arch architectures[] = {
    { "amd64", "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", 0 },
    { "arm64", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", 0 },
    { "386", "SCMP_ARCH_X86", "", 0 },
    { "arm", "SCMP_ARCH_ARM", "", 0 },
    { "riscv64", "SCMP_ARCH_RISCV64", "", 0 },
    { "ppc64le", "SCMP_ARCH_PPC64LE", "", 0 },
    { "s390x", "SCMP_ARCH_S390X", "SCMP_ARCH_S390", 1 },
};

const struct seccomp_arch *seccomp_arch_find(const char *arch)
{
    for (size_t i = 0; i < COUNT(architectures); i++)
        if (strcmp(architectures[i].arch, arch) == 0)
            return &architectures[i];
    return NULL;
}

static void rule_add(json_t *rules, json_t *names, bool allow, json_t *args)
{
    json_t *rule = draft_object();

    draft_put(rule, "names", names);
    draft_put(rule, "action", draft_text(allow ? "SCMP_ACT_ALLOW" : "SCMP_ACT_ERRNO"));
    if (!allow)
        draft_put(rule, "errnoRet", draft_number(LINUX_EPERM));
    if (args != NULL)
        draft_put(rule, "args", args);
    draft_add(rules, rule);
}

/* A list of one comparison; `masked` is ignored unless `op` is the masked one. */
static json_t *compare(unsigned index, const char *op, json_int_t value, json_int_t masked)
{
    json_t *args = draft_array(), *arg = draft_object();

    draft_put(arg, "index", draft_number(index));
    draft_put(arg, "value", draft_number(value));
    draft_put(arg, "valueTwo", draft_number(masked));
    draft_put(arg, "op", draft_text(op));
    draft_add(args, arg);
    return args;
}

/* What the capabilities decide as a whole. */
static void groups_add(json_t *rules, uint64_t caps)
{
    json_t *allowed = draft_array(), *refused = draft_words(seccomp_refused);

    for (const struct seccomp_group *group = seccomp_groups; group->calls != NULL; group++) {
        bool allow = group->caps == 0 || (group->caps & caps) != 0;

        draft_extend(allow ? allowed : refused, draft_words(group->calls));
    }
    if (caps & CAP_SET(SYS_ADMIN))
        draft_extend(allowed, draft_words("clone clone3"));
    rule_add(rules, allowed, true, NULL);
    rule_add(rules, refused, false, NULL);
}

/* Processes and threads, but no namespaces. */
static void clone_add(json_t *rules, unsigned flags_arg)
{
    json_int_t any = 0;

    for (size_t i = 0; i < COUNT(new_namespace); i++) {
        any |= new_namespace[i];
        rule_add(rules, draft_words("clone"), false,
                 compare(flags_arg, "SCMP_CMP_MASKED_EQ", new_namespace[i], new_namespace[i]));
    }
    rule_add(rules, draft_words("clone"), true, compare(flags_arg, "SCMP_CMP_MASKED_EQ", any, 0));
}

static void personality_add(json_t *rules)
{
    for (size_t i = 0; i < COUNT(personalities); i++)
        rule_add(rules, draft_words("personality"), true,
                 compare(0, "SCMP_CMP_EQ", personalities[i], 0));
    for (size_t i = 0; i < COUNT(personalities_refused); i++)
        rule_add(rules, draft_words("personality"), false,
                 compare(0, "SCMP_CMP_EQ", personalities_refused[i], 0));
}

static void socket_add(json_t *rules)
{
    rule_add(rules, draft_words("socket"), true, compare(0, "SCMP_CMP_NE", AF_VSOCK_NUMBER, 0));
    rule_add(rules, draft_words("socket"), false, compare(0, "SCMP_CMP_EQ", AF_VSOCK_NUMBER, 0));
}

static json_t *architectures_json(const struct seccomp_arch *arch)
{
    json_t *list = draft_words(arch->native);

    draft_extend(list, draft_words(arch->others));
    return list;
}

json_t *seccomp_default(const char *arch_name, uint64_t caps)
{
    const struct seccomp_arch *arch = seccomp_arch_find(arch_name);
    json_t *profile, *rules;

    if (arch == NULL)
        return NULL;
    profile = draft_object();
    rules = draft_array();
    draft_put(profile, "defaultAction", draft_text("SCMP_ACT_ERRNO"));
    draft_put(profile, "defaultErrnoRet", draft_number(LINUX_ENOSYS));
    draft_put(profile, "architectures", architectures_json(arch));
    draft_put(profile, "syscalls", rules);
    groups_add(rules, caps);
    if (!(caps & CAP_SET(SYS_ADMIN)))
        clone_add(rules, arch->clone_flags_arg);
    personality_add(rules);
    socket_add(rules);
    return profile;
}
