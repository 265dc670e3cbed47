/* See call_filter.h: libseccomp, spoken to in the words of the runtime spec. */
#include "platform/call_filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "platform/scope.h"

#define PROGRAM_MAX (4096u * 8) /* BPF_MAXINSNS */
#define ARCHS_MAX   24
#define X32_BIT \
    0x40000000 /* __X32_SYSCALL_BIT: in all numbers of x32, which has no arch of its own */

struct known_arch {
    uint32_t token;
    int largest; /* number that a rule names; -1: none */
};

struct call_filter {
    scmp_filter_ctx rules;
    uint32_t otherwise;
    bool refuses; /* by default, and not with ENOSYS anyway */
    bool notifies;
    size_t arch_count;
    struct known_arch archs[ARCHS_MAX];
};

/* ---- words ------------------------------------------------------------------ */

static const char *const action_words[] = {
    "SCMP_ACT_ALLOW",       "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",        "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",      "SCMP_ACT_TRACE",
    "SCMP_ACT_TRAP",        NULL,
};

static const uint32_t action_values[] = {
    SCMP_ACT_ALLOW,        SCMP_ACT_ERRNO(0),    SCMP_ACT_KILL,
    SCMP_ACT_KILL_PROCESS, SCMP_ACT_KILL_THREAD, SCMP_ACT_LOG,
    SCMP_ACT_NOTIFY,       SCMP_ACT_TRACE(0),    SCMP_ACT_TRAP,
};

static const char *const operator_words[] = {
    "SCMP_CMP_EQ", "SCMP_CMP_GE",        "SCMP_CMP_GT", "SCMP_CMP_LE",
    "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE", NULL,
};

static const enum scmp_compare operator_values[] = {
    SCMP_CMP_EQ, SCMP_CMP_GE,        SCMP_CMP_GT, SCMP_CMP_LE,
    SCMP_CMP_LT, SCMP_CMP_MASKED_EQ, SCMP_CMP_NE,
};

static const char *const arch_words[] = {
    "SCMP_ARCH_AARCH64",   "SCMP_ARCH_ARM",      "SCMP_ARCH_MIPS",     "SCMP_ARCH_MIPS64",
    "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL",   "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PARISC",    "SCMP_ARCH_PARISC64", "SCMP_ARCH_PPC",      "SCMP_ARCH_PPC64",
    "SCMP_ARCH_PPC64LE",   "SCMP_ARCH_RISCV64",  "SCMP_ARCH_S390",     "SCMP_ARCH_S390X",
    "SCMP_ARCH_X32",       "SCMP_ARCH_X86",      "SCMP_ARCH_X86_64",   NULL,
};

const char *const *call_filter_actions(void)
{
    return action_words;
}

const char *const *call_filter_operators(void)
{
    return operator_words;
}

const char *const *call_filter_archs(void)
{
    return arch_words;
}

static int word_index(const char *const *words, const char *word)
{
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}

static int action_of(const char *word, unsigned number, uint32_t *action, struct error *err)
{
    int i = word_index(action_words, word);

    if (i < 0)
        return error_set(err, ERROR_UNIMPLEMENTED, "seccomp: the action %.40s", word);
    *action = action_values[i];
    if (*action == SCMP_ACT_ERRNO(0) || *action == SCMP_ACT_TRACE(0))
        *action |= number & 0xffff;
    return 0;
}

static int comparison_of(const char *word, enum scmp_compare *op, struct error *err)
{
    int i = word_index(operator_words, word);

    if (i < 0)
        return error_set(err, ERROR_UNIMPLEMENTED, "seccomp: the operator %.40s", word);
    *op = operator_values[i];
    return 0;
}

/* ---- the filter -------------------------------------------------------------- */

struct call_filter *call_filter_new(const char *action, unsigned number, struct error *err)
{
    struct call_filter new = { 0 }, *filter;

    if (action_of(action, number, &new.otherwise, err) < 0)
        return NULL;
    if (new.otherwise == SCMP_ACT_NOTIFY) {
        error_set(err, ERROR_UNIMPLEMENTED,
                  "seccomp: SCMP_ACT_NOTIFY cannot be used as default action");
        return NULL;
    }
    /* a tracer answers ENOSYS itself where it wants to */
    new.refuses = new.otherwise != SCMP_ACT_ALLOW &&new.otherwise != SCMP_ACT_LOG &&
                  (new.otherwise &SECCOMP_RET_ACTION_FULL) != SCMP_ACT_TRACE(0) &&
                  new.otherwise != SCMP_ACT_ERRNO(ENOSYS);
    new.archs[new.arch_count++] = (struct known_arch){ seccomp_arch_native(), -1 };
    new.rules = seccomp_init(new.otherwise);
    filter = malloc(sizeof(*filter));
    if (new.rules == NULL || filter == NULL) {
        seccomp_release(new.rules);
        free(filter);
        error_set(err, ERROR_RESOURCE_EXHAUSTED, "seccomp: no filter that begins with %.40s",
                  action);
        return NULL;
    }
    *filter = new;
    return filter;
}

void call_filter_free(struct call_filter **filter)
{
    if (*filter != NULL)
        seccomp_release((*filter)->rules);
    free(*filter);
    *filter = NULL;
}

int call_filter_arch(struct call_filter *filter, const char *arch, struct error *err)
{
    char name[32];
    uint32_t token;
    int status;

    snprintf(name, sizeof(name), "%s", strncmp(arch, "SCMP_ARCH_", 10) == 0 ? arch + 10 : arch);
    for (char *at = name; *at != '\0'; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    token = seccomp_arch_resolve_name(name);
    if (token == 0)
        return error_set(err, ERROR_UNIMPLEMENTED, "seccomp: the architecture %.40s", arch);
    status = seccomp_arch_add(filter->rules, token);
    if (status == -EEXIST)
        return 0;
    if (status < 0)
        return error_sys(err, -status, "seccomp: %.40s", arch);
    if (filter->arch_count == ARCHS_MAX)
        return error_set(err, ERROR_UNIMPLEMENTED, "seccomp: more than %d architectures",
                         ARCHS_MAX);
    filter->archs[filter->arch_count++] = (struct known_arch){ token, -1 };
    return 0;
}

/* Rules that say nothing new count as well: who wrote them knew the call. */
static void note_number(struct call_filter *filter, const char *name)
{
    for (size_t i = 0; i < filter->arch_count && filter->refuses; i++) {
        int call = seccomp_syscall_resolve_name_arch(filter->archs[i].token, name);

        if (call > filter->archs[i].largest)
            filter->archs[i].largest = call;
    }
}

static bool is_about_one_argument_twice(const struct call_condition *conditions, size_t count)
{
    unsigned seen = 0;

    for (size_t i = 0; i < count; i++) {
        if (seen & 1u << conditions[i].index)
            return true;
        seen |= 1u << conditions[i].index;
    }
    return false;
}

int call_filter_rule(struct call_filter *filter, const char *name, const char *action,
                     unsigned number, const struct call_condition *conditions, size_t count,
                     struct error *err)
{
    struct scmp_arg_cmp args[CALL_CONDITIONS_MAX];
    int call = seccomp_syscall_resolve_name(name), status = 0;
    uint32_t what = filter->otherwise;

    if (count > CALL_CONDITIONS_MAX)
        return error_set(err, ERROR_UNIMPLEMENTED, "seccomp: %zu conditions for %.40s", count,
                         name);
    if (action_of(action, number, &what, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (conditions[i].index >= CALL_CONDITIONS_MAX)
            return error_set(err, ERROR_UNIMPLEMENTED, "seccomp: argument %u of %.40s",
                             conditions[i].index, name);
        args[i] = (struct scmp_arg_cmp){ .arg = conditions[i].index,
                                         .datum_a = conditions[i].value,
                                         .datum_b = conditions[i].value_2 };
        if (comparison_of(conditions[i].op, &args[i].op, err) < 0)
            return -1;
    }
    if (call == __NR_SCMP_ERROR)
        return 0;
    note_number(filter, name);
    if (what == filter->otherwise)
        return 0;
    filter->notifies |= what == SCMP_ACT_NOTIFY;
    if (!is_about_one_argument_twice(conditions, count))
        status = seccomp_rule_add_array(filter->rules, what, call, (unsigned)count, args);
    else
        for (size_t i = 0; i < count && status == 0; i++)
            status = seccomp_rule_add_array(filter->rules, what, call, 1, &args[i]);
    return status < 0 ? error_sys(err, -status, "seccomp: a rule for %.40s", name) : 0;
}

/* ---- calls that nobody knew of ------------------------------------------------- */

static const struct known_arch *arch_find(const struct call_filter *filter, uint32_t token)
{
    for (size_t i = 0; i < filter->arch_count; i++)
        if (filter->archs[i].token == token)
            return &filter->archs[i];
    return NULL;
}

static void add(struct buffer *program, struct sock_filter instruction)
{
    buffer_add(program, &instruction, sizeof(instruction));
}

/* The number is loaded: ENOSYS when it is above `largest`, else on to the next. */
static void add_limit(struct buffer *program, int largest)
{
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)largest, 0, 1));
    add(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
}

/* Numbers of x32 come with the arch of x86_64, and are above all of its own. */
static void add_limits_of_x86_64(const struct call_filter *filter, const struct known_arch *arch,
                                 struct buffer *program)
{
    const struct known_arch *x32 = arch_find(filter, SCMP_ARCH_X32);
    bool has_x32 = x32 != NULL && x32->largest >= 0;

    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT,
                                              arch->largest >= 0 ? 2 : 0, 0));
    if (arch->largest >= 0)
        add_limit(program, arch->largest);
    if (has_x32)
        add_limit(program, x32->largest);
}

/*
 * For each architecture: is it this one?  no: over all of it;  the number;  its limits.  What is
 * above no limit, or of no architecture that is named, goes on to the rules behind.
 */
static void add_limits(const struct call_filter *filter, struct buffer *program)
{
    for (size_t i = 0; i < filter->arch_count && filter->refuses; i++) {
        const struct known_arch *arch = &filter->archs[i];
        CLEANUP(buffer_free) struct buffer limits = { 0 };

        add(&limits, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                  offsetof(struct seccomp_data, nr)));
        if (arch->token == SCMP_ARCH_X86_64)
            add_limits_of_x86_64(filter, arch, &limits);
        else if (arch->largest >= 0 && arch->token != SCMP_ARCH_X32)
            add_limit(&limits, arch->largest);
        else
            continue;
        add(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                  offsetof(struct seccomp_data, arch)));
        add(program, (struct sock_filter)BPF_JUMP(
                         BPF_JMP | BPF_JEQ | BPF_K, arch->token, 0,
                         (unsigned char)(limits.size / sizeof(struct sock_filter))));
        buffer_add(program, limits.data, limits.size);
    }
}

/* ---- the program ---------------------------------------------------------------- */

static void close_it(const int *file)
{
    if (*file >= 0)
        close(*file);
}

int call_filter_program(const struct call_filter *filter, struct buffer *program, struct error *err)
{
    CLEANUP(close_it) int file = memfd_create("filter", MFD_CLOEXEC);
    CLEANUP(buffer_free) struct buffer limits = { 0 };
    char bytes[PROGRAM_MAX];
    ssize_t size;
    int status;

    if (file < 0)
        return error_sys(err, errno, "memory file");
    status = seccomp_export_bpf(filter->rules, file);
    if (status < 0)
        return error_sys(err, -status, "seccomp: compile");
    add_limits(filter, &limits);
    size = lseek(file, 0, SEEK_END);
    if (size <= 0 || (size_t)size + limits.size > sizeof(bytes) || size % 8 != 0 ||
        pread(file, bytes, (size_t)size, 0) != size)
        return error_set(err, ERROR_INTERNAL, "seccomp: a program of %zd bytes", size);
    buffer_add(program, limits.data, limits.size);
    buffer_add(program, bytes, (size_t)size);
    return 0;
}

bool call_filter_notifies(const struct call_filter *filter)
{
    return filter->notifies;
}

void call_filter_version(char text[32])
{
    const struct scmp_version *version = seccomp_version();

    snprintf(text, 32, "%u.%u.%u", version->major, version->minor, version->micro);
}
