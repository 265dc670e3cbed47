/* See filter.h: what linux.seccomp says, and the program in shared memory. */
#include "platform/linux/runtime/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/call_filter.h"
#include "platform/linux/runtime/filter_parts.h"
#include "platform/scope.h"

#define ERRNO_MAX 0xffff /* SECCOMP_RET_DATA */

static const struct {
    const char *word;
    unsigned flag;
} flags_known[] = {
    { "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
    { "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
    { "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
    { "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", WAIT_KILLABLE_RECV },
};

const char *filter_flag_word(size_t index)
{
    return index < COUNT_OF(flags_known) ? flags_known[index].word : NULL;
}

unsigned filter_flag(size_t index)
{
    return flags_known[index].flag;
}

/* ---- the section -------------------------------------------------------------- */

/* Absent, it is what runc does: no mitigation that the container did not ask for. */
static int read_flags(struct filter *filter, struct error *err)
{
    struct place array = place_member(&filter->seccomp, "flags");
    struct strs words;

    if (place_texts(&filter->seccomp, "flags", &words, filter->arena, err) < 0)
        return -1;
    if (array.json == NULL)
        filter->flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    for (size_t i = 0; i < words.count; i++) {
        struct place place = place_element(&array, i);
        size_t at = 0;

        while (at < COUNT_OF(flags_known) && strcmp(flags_known[at].word, words.items[i]) != 0)
            at++;
        if (at == COUNT_OF(flags_known))
            return place_failure(&place, err, "unknown seccomp flag \"%.60s\"", words.items[i]);
        filter->flags |= flags_known[at].flag;
    }
    return 0;
}

/* The number that goes with an action, from `key` of the same object. */
static int read_number(const struct place *up, const char *key, const char *action,
                       unsigned *number, struct error *err)
{
    struct place place = place_member(up, key);
    uint32_t value;
    bool has;

    if (place_u32(up, key, &value, &has, err) < 0)
        return -1;
    if (has && strcmp(action, "SCMP_ACT_ERRNO") != 0 && strcmp(action, "SCMP_ACT_TRACE") != 0)
        return place_failure(&place, err, "%.40s takes no number", action);
    if (has && value > ERRNO_MAX)
        return place_failure(&place, err, "is %u, must be at most %d", value, ERRNO_MAX);
    *number = has ? value : EPERM;
    return 0;
}

static int read_condition(const struct place *arg, struct call_condition *condition,
                          struct error *err)
{
    struct place index = place_member(arg, "index");
    uint32_t number;

    if (place_u32(arg, "index", &number, NULL, err) < 0 ||
        place_u64(arg, "value", &condition->value, NULL, err) < 0 ||
        place_u64(arg, "valueTwo", &condition->value_2, NULL, err) < 0 ||
        place_needs(arg, "index", err) < 0 || place_needs(arg, "op", err) < 0 ||
        place_text(arg, "op", &condition->op, err) < 0)
        return -1;
    condition->index = number;
    if (number >= CALL_CONDITIONS_MAX)
        return place_failure(&index, err, "a system call has arguments 0 to 5");
    return 0;
}

static int read_conditions(const struct place *rule, struct call_condition *conditions,
                           size_t *count, struct error *err)
{
    struct place args = place_member(rule, "args");

    if (place_count(&args, count, err) < 0)
        return -1;
    if (*count > CALL_CONDITIONS_MAX)
        return place_failure(&args, err, "more than %d conditions", CALL_CONDITIONS_MAX);
    for (size_t i = 0; i < *count; i++) {
        struct place arg = place_element(&args, i);

        conditions[i] = (struct call_condition){ 0 };
        if (read_condition(&arg, &conditions[i], err) < 0)
            return -1;
    }
    return 0;
}

static int add_rule(struct call_filter *rules, const struct place *rule, struct arena *arena,
                    struct error *err)
{
    struct call_condition conditions[CALL_CONDITIONS_MAX];
    struct place where = place_member(rule, "names");
    const char *action;
    struct strs names;
    unsigned number;
    size_t count;

    if (place_needs(rule, "action", err) < 0 || place_text(rule, "action", &action, err) < 0 ||
        place_texts(rule, "names", &names, arena, err) < 0 ||
        read_number(rule, "errnoRet", action, &number, err) < 0 ||
        read_conditions(rule, conditions, &count, err) < 0)
        return -1;
    if (names.count == 0)
        return place_failure(&where, err, "is empty");
    for (size_t i = 0; i < names.count; i++) {
        struct error why = { 0 };

        if (call_filter_rule(rules, names.items[i], action, number, conditions, count, &why) < 0)
            return place_failure(rule, err, "%s", why.text);
    }
    return 0;
}

static int add_archs(struct call_filter *rules, const struct place *seccomp, struct arena *arena,
                     struct error *err)
{
    struct place array = place_member(seccomp, "architectures");
    struct strs archs;

    if (place_texts(seccomp, "architectures", &archs, arena, err) < 0)
        return -1;
    for (size_t i = 0; i < archs.count; i++) {
        struct place place = place_element(&array, i);
        struct error why = { 0 };

        if (call_filter_arch(rules, archs.items[i], &why) < 0)
            return place_failure(&place, err, "%s", why.text);
    }
    return 0;
}

/* ---- the program ---------------------------------------------------------------- */

static int keep_program(struct filter *filter, const void *bytes, size_t size, struct error *err)
{
    if (size == 0 || size > sizeof(filter->shared->program) ||
        size % sizeof(struct sock_filter) != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "seccomp: a program of %zu bytes is none (whole instructions, %d at most)",
                         size, BPF_MAXINSNS);
    memcpy(filter->shared->program, bytes, size);
    filter->shared->count = (unsigned)(size / sizeof(struct sock_filter));
    return 0;
}

int filter_compile(struct filter *filter, struct error *err)
{
    struct place where = place_member(&filter->seccomp, "defaultAction"),
                 array = place_member(&filter->seccomp, "syscalls");
    CLEANUP(call_filter_free) struct call_filter *rules = NULL;
    CLEANUP(buffer_free) struct buffer program = { 0 };
    struct error why = { 0 };
    size_t count;

    if (filter->shared->count > 0)
        return 0;
    rules = call_filter_new(filter->action, filter->number, &why);
    if (rules == NULL)
        return place_failure(&where, err, "%s", why.text);
    if (add_archs(rules, &filter->seccomp, filter->arena, err) < 0 ||
        place_count(&array, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        struct place rule = place_element(&array, i);

        if (add_rule(rules, &rule, filter->arena, err) < 0)
            return -1;
    }
    if (call_filter_program(rules, &program, err) < 0)
        return error_wrap(err, "linux.seccomp");
    return keep_program(filter, program.data, program.size, err);
}

static void close_it(const int *file)
{
    if (*file >= 0)
        close(*file);
}

static int read_program(struct filter *filter, const char *path, struct error *err)
{
    CLEANUP(close_it) int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char bytes[sizeof(filter->shared->program) + 1];
    size_t size = 0;
    ssize_t more;

    if (file < 0)
        return error_sys(err, errno, "seccomp program %s", path);
    while (size < sizeof(bytes) && (more = read(file, bytes + size, sizeof(bytes) - size)) != 0) {
        if (more < 0)
            return error_sys(err, errno, "seccomp program %s", path);
        size += (size_t)more;
    }
    return keep_program(filter, bytes, size, err) < 0 ? error_wrap(err, "%s", path) : 0;
}

/* ---- the filter ----------------------------------------------------------------- */

/* A section that says nothing at all is none.  One that only lacks its default is a mistake, and a
   container without the filter that it meant would be a hole. */
static bool is_empty(const struct place *seccomp)
{
    return json_object_size(seccomp->json) == 0;
}

static int read_all(struct filter *filter, const char *program, struct error *err)
{
    filter->shared = mmap(NULL, sizeof(*filter->shared), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (filter->shared == MAP_FAILED)
        return error_sys(err, errno, "memory for a seccomp program");
    if (filter->seccomp.json == NULL)
        return read_program(filter, program, err);
    if (place_needs(&filter->seccomp, "defaultAction", err) < 0 ||
        place_text(&filter->seccomp, "defaultAction", &filter->action, err) < 0 ||
        read_number(&filter->seccomp, "defaultErrnoRet", filter->action, &filter->number, err) <
            0 ||
        read_flags(filter, err) < 0 || listener_read(filter, err) < 0)
        return -1;
    return program != NULL ? read_program(filter, program, err) : 0;
}

int filter_read(const struct place *linux_, const char *program, struct filter **filter,
                struct error *err)
{
    struct place seccomp = place_member(linux_, "seccomp");
    struct filter *new;
    struct arena *arena;

    *filter = NULL;
    if (seccomp.json != NULL && !json_is_object(seccomp.json))
        return place_failure(&seccomp, err, "must be an object");
    if (is_empty(&seccomp) && program == NULL)
        return 0;
    arena = arena_new();
    new = arena_alloc(arena, sizeof(*new));
    *new = (struct filter){
        .arena = arena, .linux_ = *linux_, .shared = MAP_FAILED, .socket = -1, .loading = -1
    };
    new->seccomp = place_member(&new->linux_, "seccomp");
    if (read_all(new, program, err) < 0) {
        filter_free(&new);
        return -1;
    }
    *filter = new;
    return 0;
}

void filter_free(struct filter **filter)
{
    if (*filter == NULL)
        return;
    listener_close(*filter);
    if ((*filter)->shared != MAP_FAILED)
        munmap((*filter)->shared, sizeof(*(*filter)->shared));
    arena_free((*filter)->arena);
    *filter = NULL;
}

int filter_load(struct filter *filter, struct error *err)
{
    const struct sock_fprog program = { .len = (unsigned short)filter->shared->count,
                                        .filter = filter->shared->program };
    unsigned flags = filter->flags;

    if (filter->shared->count == 0)
        return error_set(err, ERROR_INTERNAL, "seccomp: the program is not compiled yet");
    if (filter_has_listener(filter))
        return listener_load(filter, &program, err);
    flags &= ~WAIT_KILLABLE_RECV; /* there is nobody to wait for */
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) != 0)
        return error_sys(err, errno, "linux.seccomp: unable to init seccomp");
    return 0;
}
