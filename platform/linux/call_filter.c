/*
 * See call_filter.h: libseccomp, spoken to in the words of the runtime spec.
 *
 * Each architecture is a filter of its own for libseccomp, and the programs are put behind each
 * other here: what libseccomp does for several in one grows faster than their number.  Rules are
 * kept until they are compiled, so that libseccomp has one architecture in memory at a time: it
 * takes a kilobyte for a rule.
 */
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
#define X32_BIT     0x40000000 /* __X32_SYSCALL_BIT: x32 has no architecture of its own */

struct filtered_arch {
    uint32_t token;
    int largest; /* number that a rule names; -1: none */
};

struct call_rule {
    int call; /* the machine's number; libseccomp's own for calls of other architectures */
    uint32_t action;
    size_t first, count; /* of `comparisons` */
};

struct call_filter {
    uint32_t otherwise;
    bool refuses; /* by default, and not with ENOSYS anyway */
    bool notifies;
    size_t arch_count;
    struct filtered_arch archs[ARCHS_MAX]; /* the first is the machine's */
    struct buffer rules;                   /* struct call_rule */
    struct buffer comparisons;             /* struct scmp_arg_cmp */
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

static struct filtered_arch *arch_find(const struct call_filter *filter, uint32_t token)
{
    for (size_t i = 0; i < filter->arch_count; i++)
        if (filter->archs[i].token == token)
            return (struct filtered_arch *)&filter->archs[i];
    return NULL;
}

/* A filter of libseccomp begins with the machine's own architecture.  NULL: *status is why. */
static scmp_filter_ctx context_new(uint32_t otherwise, uint32_t token, int *status)
{
    scmp_filter_ctx context = seccomp_init(otherwise);

    *status = context != NULL ? 0 : -ENOMEM;
    if (*status == 0 && token != seccomp_arch_native()) {
        *status = seccomp_arch_add(context, token);
        if (*status == 0)
            *status = seccomp_arch_remove(context, seccomp_arch_native());
    }
    if (*status == 0)
        return context;
    seccomp_release(context);
    return NULL;
}

/* The reason why it cannot be is looked for at once, and the context is gone again. */
static int arch_add(struct call_filter *filter, uint32_t token, const char *name, struct error *err)
{
    scmp_filter_ctx context;
    int status;

    if (filter->arch_count == ARCHS_MAX)
        return error_set(err, ERROR_UNIMPLEMENTED, "seccomp: more than %d architectures",
                         ARCHS_MAX);
    context = context_new(filter->otherwise, token, &status);
    if (context == NULL)
        return error_sys(err, -status, "seccomp: %.40s", name);
    seccomp_release(context);
    filter->archs[filter->arch_count++] = (struct filtered_arch){ .token = token, .largest = -1 };
    return 0;
}

struct call_filter *call_filter_new(const char *action, unsigned number, struct error *err)
{
    struct call_filter *filter = calloc(1, sizeof(*filter));
    uint32_t otherwise = 0;

    if (filter == NULL) {
        error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
        return NULL;
    }
    if (action_of(action, number, &otherwise, err) < 0) {
        call_filter_free(&filter);
        return NULL;
    }
    filter->otherwise = otherwise;
    /* a tracer answers ENOSYS itself where it wants to */
    filter->refuses = otherwise != SCMP_ACT_ALLOW && otherwise != SCMP_ACT_LOG &&
                      (otherwise & SECCOMP_RET_ACTION_FULL) != SCMP_ACT_TRACE(0) &&
                      otherwise != SCMP_ACT_ERRNO(ENOSYS);
    if (otherwise == SCMP_ACT_NOTIFY)
        error_set(err, ERROR_UNIMPLEMENTED,
                  "seccomp: SCMP_ACT_NOTIFY cannot be used as default action");
    else if (arch_add(filter, seccomp_arch_native(), action, err) == 0)
        return filter;
    call_filter_free(&filter);
    return NULL;
}

void call_filter_free(struct call_filter **filter)
{
    if (*filter != NULL) {
        buffer_free(&(*filter)->rules);
        buffer_free(&(*filter)->comparisons);
    }
    free(*filter);
    *filter = NULL;
}

int call_filter_arch(struct call_filter *filter, const char *arch, struct error *err)
{
    char name[32];
    uint32_t token;

    snprintf(name, sizeof(name), "%s", strncmp(arch, "SCMP_ARCH_", 10) == 0 ? arch + 10 : arch);
    for (char *at = name; *at != '\0'; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    token = seccomp_arch_resolve_name(name);
    if (token == 0)
        return error_set(err, ERROR_UNIMPLEMENTED, "seccomp: the architecture %.40s", arch);
    return arch_find(filter, token) != NULL ? 0 : arch_add(filter, token, arch, err);
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

int call_filter_rule(struct call_filter *filter, const char *name, const char *action,
                     unsigned number, const struct call_condition *conditions, size_t count,
                     struct error *err)
{
    struct scmp_arg_cmp args[CALL_CONDITIONS_MAX];
    struct call_rule rule = { .call = seccomp_syscall_resolve_name(name),
                              .first = filter->comparisons.size / sizeof(*args),
                              .count = count };

    if (count > CALL_CONDITIONS_MAX)
        return error_set(err, ERROR_UNIMPLEMENTED, "seccomp: %zu conditions for %.40s", count,
                         name);
    if (action_of(action, number, &rule.action, err) < 0)
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
    if (rule.call == __NR_SCMP_ERROR)
        return 0;
    note_number(filter, name);
    if (rule.action == filter->otherwise)
        return 0;
    filter->notifies |= rule.action == SCMP_ACT_NOTIFY;
    buffer_add(&filter->rules, &rule, sizeof(rule));
    buffer_add(&filter->comparisons, args, count * sizeof(*args));
    return 0;
}

/* ---- the program ---------------------------------------------------------------- */

static void add(struct buffer *program, struct sock_filter instruction)
{
    buffer_add(program, &instruction, sizeof(instruction));
}

static void add_load(struct buffer *program, size_t offset)
{
    add(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

/* Over `block`, to what is behind it, unless the accumulator compares. */
static void add_unless(struct buffer *program, unsigned short compare, uint32_t value, bool holds,
                       const struct buffer *block)
{
    uint32_t over = (uint32_t)(block->size / sizeof(struct sock_filter));

    add(program, (struct sock_filter)BPF_JUMP((unsigned short)(BPF_JMP | compare | BPF_K), value,
                                              holds ? 1 : 0, holds ? 0 : 1));
    add(program, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, over));
}

static void close_it(const int *file)
{
    if (*file >= 0)
        close(*file);
}

static bool is_about_one_argument_twice(const struct scmp_arg_cmp *args, size_t count)
{
    unsigned seen = 0;

    for (size_t i = 0; i < count; i++) {
        if (seen & 1u << args[i].arg)
            return true;
        seen |= 1u << args[i].arg;
    }
    return false;
}

static int add_rule(scmp_filter_ctx context, const struct call_rule *rule,
                    const struct scmp_arg_cmp *args)
{
    int status = 0;

    if (!is_about_one_argument_twice(args, rule->count))
        return seccomp_rule_add_array(context, rule->action, rule->call, (unsigned)rule->count,
                                      args);
    for (size_t i = 0; i < rule->count && status == 0; i++)
        status = seccomp_rule_add_array(context, rule->action, rule->call, 1, &args[i]);
    return status;
}

static int add_all_rules(const struct call_filter *filter, scmp_filter_ctx context,
                         struct error *err)
{
    const struct call_rule *rules = (const void *)filter->rules.data;
    const struct scmp_arg_cmp *args = (const void *)filter->comparisons.data;

    for (size_t i = 0; i < filter->rules.size / sizeof(*rules); i++) {
        int status =
            add_rule(context, &rules[i], rules[i].count > 0 ? args + rules[i].first : args);

        if (status < 0)
            return error_sys(err, -status, "seccomp: a rule for call %d", rules[i].call);
    }
    return 0;
}

static int export_program(scmp_filter_ctx context, struct buffer *program, struct error *err)
{
    CLEANUP(close_it) int file = memfd_create("filter", MFD_CLOEXEC);
    char bytes[PROGRAM_MAX];
    ssize_t size;
    int status;

    if (file < 0)
        return error_sys(err, errno, "memory file");
    status = seccomp_export_bpf(context, file);
    if (status < 0)
        return error_sys(err, -status, "seccomp: compile");
    size = lseek(file, 0, SEEK_END);
    if (size <= 0 || (size_t)size > sizeof(bytes) || size % 8 != 0 ||
        pread(file, bytes, (size_t)size, 0) != size)
        return error_set(err, ERROR_INTERNAL, "seccomp: a program of %zd bytes", size);
    buffer_add(program, bytes, (size_t)size);
    return 0;
}

static int add_rules(const struct call_filter *filter, uint32_t token, struct buffer *program,
                     struct error *err)
{
    int status;
    scmp_filter_ctx context = context_new(filter->otherwise, token, &status);

    if (context == NULL)
        return error_sys(err, -status, "seccomp: a filter for one architecture");
    status = add_all_rules(filter, context, err);
    if (status == 0)
        status = export_program(context, program, err);
    seccomp_release(context);
    return status;
}

/* Numbers above the largest that is named are of calls that nobody knew of. */
static void add_limit(const struct filtered_arch *arch, struct buffer *program)
{
    add_load(program, offsetof(struct seccomp_data, nr));
    if (arch->token == SCMP_ARCH_X86_64) /* those of x32 are not newer but other */
        add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 2, 0));
    add(program,
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)arch->largest, 0, 1));
    add(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
}

/*
 * Is it this architecture?  no: to the next;  the limit, and libseccomp's program, which does not
 * come back.  x32 has the architecture of x86_64 for the kernel, and numbers with a bit of its own;
 * where it is not asked for, the program of x86_64 refuses those itself, so it has to see them.
 */
static int add_arch(const struct call_filter *filter, const struct filtered_arch *arch,
                    struct buffer *program, struct error *err)
{
    bool is_x32 = arch->token == SCMP_ARCH_X32,
         is_by_bit =
             is_x32 || (arch->token == SCMP_ARCH_X86_64 && arch_find(filter, SCMP_ARCH_X32));
    CLEANUP(buffer_free) struct buffer rules = { 0 }, block = { 0 };

    if (add_rules(filter, arch->token, &rules, err) < 0)
        return -1;
    if (is_by_bit) {
        CLEANUP(buffer_free) struct buffer own = { 0 };

        if (filter->refuses && arch->largest >= 0)
            add_limit(arch, &own);
        buffer_add(&own, rules.data, rules.size);
        add_load(&block, offsetof(struct seccomp_data, nr));
        add_unless(&block, BPF_JGE, X32_BIT, is_x32, &own);
        buffer_add(&block, own.data, own.size);
    } else {
        if (filter->refuses && arch->largest >= 0)
            add_limit(arch, &block);
        buffer_add(&block, rules.data, rules.size);
    }
    add_load(program, offsetof(struct seccomp_data, arch));
    add_unless(program, BPF_JEQ, is_x32 ? SCMP_ARCH_X86_64 : arch->token, true, &block);
    buffer_add(program, block.data, block.size);
    return 0;
}

int call_filter_program(const struct call_filter *filter, struct buffer *program, struct error *err)
{
    CLEANUP(buffer_free) struct buffer all = { 0 };

    for (size_t i = 0; i < filter->arch_count; i++)
        if (add_arch(filter, &filter->archs[i], &all, err) < 0)
            return -1;
    /* libseccomp's word for other architectures */
    add(&all, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL));
    if (all.size > PROGRAM_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "seccomp: a program of %zu bytes",
                         all.size);
    buffer_add(program, all.data, all.size);
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
