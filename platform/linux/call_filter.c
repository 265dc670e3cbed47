/* See call_filter.h: libseccomp, spoken to in the words of the runtime spec. */
#include "platform/call_filter.h"

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "platform/platform.h"
#include "platform/scope.h"

#define PROGRAM_MAX (4096u * 8) /* BPF_MAXINSNS */

struct call_filter {
    scmp_filter_ctx rules;
    uint32_t otherwise;
};

/* ---- words ------------------------------------------------------------------ */

static int action_of(const char *word, unsigned number, uint32_t *action, struct error *err)
{
    static const struct {
        const char *word;
        uint32_t action;
    } actions[] = {
        { "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
        { "SCMP_ACT_KILL", SCMP_ACT_KILL },
        { "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
        { "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
        { "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
        { "SCMP_ACT_LOG", SCMP_ACT_LOG },
    };

    if (strcmp(word, "SCMP_ACT_ERRNO") == 0) {
        *action = SCMP_ACT_ERRNO(number);
        return 0;
    }
    for (size_t i = 0; i < COUNT_OF(actions); i++)
        if (strcmp(word, actions[i].word) == 0) {
            *action = actions[i].action;
            return 0;
        }
    return error_set(err, ERROR_UNIMPLEMENTED, "seccomp: the action %.40s", word);
}

static int comparison_of(const char *word, enum scmp_compare *op, struct error *err)
{
    static const struct {
        const char *word;
        enum scmp_compare op;
    } comparisons[] = {
        { "SCMP_CMP_NE", SCMP_CMP_NE }, { "SCMP_CMP_LT", SCMP_CMP_LT },
        { "SCMP_CMP_LE", SCMP_CMP_LE }, { "SCMP_CMP_EQ", SCMP_CMP_EQ },
        { "SCMP_CMP_GE", SCMP_CMP_GE }, { "SCMP_CMP_GT", SCMP_CMP_GT },
        { "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
    };

    for (size_t i = 0; i < COUNT_OF(comparisons); i++)
        if (strcmp(word, comparisons[i].word) == 0) {
            *op = comparisons[i].op;
            return 0;
        }
    return error_set(err, ERROR_UNIMPLEMENTED, "seccomp: the operator %.40s", word);
}

/* ---- the filter -------------------------------------------------------------- */

struct call_filter *call_filter_new(const char *action, unsigned number, struct error *err)
{
    struct call_filter new = { 0 }, *filter;

    if (action_of(action, number, &new.otherwise, err) < 0)
        return NULL;
    new.rules = seccomp_init(new.otherwise);
    filter = malloc(sizeof(*filter));
    if (new.rules == NULL || filter == NULL) {
        seccomp_release(new.rules);
        free(filter);
        error_set(err, ERROR_RESOURCE_EXHAUSTED, "seccomp: no filter that begins with %.40s", action);
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
    return status < 0 && status != -EEXIST ? error_sys(err, -status, "seccomp: %.40s", arch) : 0;
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
        return error_set(err, ERROR_UNIMPLEMENTED, "seccomp: %zu conditions for %.40s", count, name);
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
    if (call == __NR_SCMP_ERROR || what == filter->otherwise)
        return 0;
    if (!is_about_one_argument_twice(conditions, count))
        status = seccomp_rule_add_array(filter->rules, what, call, (unsigned)count, args);
    else
        for (size_t i = 0; i < count && status == 0; i++)
            status = seccomp_rule_add_array(filter->rules, what, call, 1, &args[i]);
    return status < 0 ? error_sys(err, -status, "seccomp: a rule for %.40s", name) : 0;
}

int call_filter_program(const struct call_filter *filter, struct buffer *program,
                        struct error *err)
{
    CLEANUP(file_close) int file = memfd_create("filter", MFD_CLOEXEC);
    char bytes[PROGRAM_MAX];
    ssize_t size;
    int status;

    if (file < 0)
        return error_sys(err, errno, "memory file");
    status = seccomp_export_bpf(filter->rules, file);
    if (status < 0)
        return error_sys(err, -status, "seccomp: compile");
    size = lseek(file, 0, SEEK_END);
    if (size <= 0 || (size_t)size > sizeof(bytes) || size % 8 != 0 ||
        pread(file, bytes, (size_t)size, 0) != size)
        return error_set(err, ERROR_INTERNAL, "seccomp: a program of %zd bytes", size);
    buffer_add(program, bytes, (size_t)size);
    return 0;
}

void call_filter_version(char text[32])
{
    const struct scmp_version *version = seccomp_version();

    snprintf(text, 32, "%u.%u.%u", version->major, version->minor, version->micro);
}
