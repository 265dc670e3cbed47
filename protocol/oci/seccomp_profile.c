/*
 * A user's seccomp profile: read, judged, and written anew with nothing but
 * what the OCI spec knows.  A part that is not understood is an error, not a
 * rule less.
 */
#include <stdio.h>
#include <string.h>

#include "protocol/oci/capabilities.h"
#include "protocol/oci/draft.h"
#include "protocol/oci/seccomp.h"
#include "protocol/oci/shown.h"

static const char *const actions[] = {
    "SCMP_ACT_KILL",  "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_TRAP",  "SCMP_ACT_ERRNO",       "SCMP_ACT_TRACE",
    "SCMP_ACT_ALLOW", "SCMP_ACT_LOG",         NULL,
};
static const char *const operators[] = {
    "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",        "SCMP_CMP_EQ",
    "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ", NULL,
};

/* Where the rules are filtered for. */
struct target {
    const struct seccomp_arch *arch;
    uint64_t caps;
};

static bool is_one_of(const json_t *word, const char *const *words)
{
    for (; *words != NULL; words++)
        if (json_is_string(word) && strcmp(json_string_value(word), *words) == 0)
            return true;
    return false;
}

static bool are_texts(const json_t *list)
{
    json_t *item;
    size_t i;

    if (!json_is_array(list))
        return false;
    json_array_foreach (list, i, item)
        if (!json_is_string(item) || json_string_length(item) == 0)
            return false;
    return true;
}

/* A member that is there and not null. */
static json_t *member(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    return json_is_null(value) ? NULL : value;
}

static int bad(struct error *err, const char *what)
{
    return error_set(err, ERROR_INVALID_ARGUMENT, "seccomp: %s", what);
}

static int action_copy(const json_t *from, const char *key, json_t *to, struct error *err)
{
    json_t *action = member(from, key);
    struct shown text;

    if (json_is_string(action) && strcmp(json_string_value(action), "SCMP_ACT_NOTIFY") == 0)
        return error_set(err, ERROR_UNIMPLEMENTED,
                         "seccomp: SCMP_ACT_NOTIFY needs a listener, which is not supported");
    if (!is_one_of(action, actions))
        return error_set(err, ERROR_INVALID_ARGUMENT, "seccomp: %s '%s' is not known", key,
                         shown(json_is_string(action) ? json_string_value(action) : "", &text));
    draft_put(to, key, json_incref(action));
    return 0;
}

static int errno_copy(const json_t *from, const char *key, json_t *to, struct error *err)
{
    json_t *number = member(from, key);

    if (number == NULL)
        return 0;
    if (!json_is_integer(number) || json_integer_value(number) < 0 ||
        json_integer_value(number) > 4095)
        return error_set(err, ERROR_INVALID_ARGUMENT, "seccomp: %s: say 0 to 4095", key);
    draft_put(to, key, json_incref(number));
    return 0;
}

/* ---- architectures ------------------------------------------------------------------ */

static int arch_map(const json_t *map, const struct target *target, json_t *out, struct error *err)
{
    json_t *entry, *list = draft_words(target->arch->native), *others;
    size_t i;

    draft_put(out, "architectures", list);
    if (!json_is_array(map))
        return bad(err, "archMap is not a list");
    json_array_foreach (map, i, entry) {
        const char *name = json_string_value(member(entry, "architecture"));

        if (name == NULL || strcmp(name, target->arch->native) != 0)
            continue;
        others = member(entry, "subArchitectures");
        if (others != NULL && !are_texts(others))
            return bad(err, "subArchitectures is not a list of names");
        if (others != NULL)
            draft_extend(list, draft_copy(others));
        return 0;
    }
    return 0;
}

static int architectures_copy(const json_t *from, const struct target *target, json_t *out,
                              struct error *err)
{
    json_t *list = member(from, "architectures"), *map = member(from, "archMap");

    if (list != NULL && json_array_size(list) > 0) {
        if (!are_texts(list))
            return bad(err, "architectures is not a list of names");
        draft_put(out, "architectures", draft_copy(list));
        return 0;
    }
    return map == NULL ? 0 : arch_map(map, target, out, err);
}

/* ---- rules -------------------------------------------------------------------------- */

static bool has_capability(const json_t *name, uint64_t caps)
{
    struct error ignored;
    uint64_t set;

    return json_is_string(name) && capability_parse(json_string_value(name), &set, &ignored) == 0 &&
           (set & ~caps) == 0;
}

/* How many of the condition's capabilities the container has; of `*all`. */
static size_t caps_matched(const json_t *condition, uint64_t caps, size_t *all)
{
    const json_t *list = member(condition, "caps");
    size_t i, matched = 0;
    json_t *name;

    *all = json_array_size(list);
    json_array_foreach (list, i, name)
        matched += has_capability(name, caps);
    return matched;
}

static bool arch_matched(const json_t *condition, const struct target *target, bool *asked)
{
    const json_t *list = member(condition, "arches");
    bool matched = false;
    json_t *name;
    size_t i;

    *asked = json_array_size(list) > 0;
    json_array_foreach (list, i, name)
        matched |= json_is_string(name) && strcmp(json_string_value(name), target->arch->arch) == 0;
    return matched;
}

/* Docker's conditions: all of includes, none of excludes. */
static bool is_meant(const json_t *rule, const struct target *target)
{
    const json_t *includes = member(rule, "includes"), *excludes = member(rule, "excludes");
    size_t all;
    bool asked;

    if (caps_matched(includes, target->caps, &all) < all)
        return false;
    if (!arch_matched(includes, target, &asked) && asked)
        return false;
    return caps_matched(excludes, target->caps, &all) == 0 &&
           !arch_matched(excludes, target, &asked);
}

static int arg_copy(const json_t *arg, json_t *args, struct error *err)
{
    json_t *index = member(arg, "index"), *value = member(arg, "value"), *copy,
           *second = member(arg, "valueTwo"), *op = member(arg, "op");

    if (!json_is_integer(index) || json_integer_value(index) < 0 || json_integer_value(index) > 5)
        return bad(err, "the index of an argument is 0 to 5");
    if (!json_is_number(value) || (second != NULL && !json_is_number(second)))
        return bad(err, "the value of an argument is a number");
    if (!is_one_of(op, operators))
        return bad(err, "an argument's op is not known; say e.g. SCMP_CMP_EQ");
    copy = draft_object();
    draft_put(copy, "index", json_incref(index));
    draft_put(copy, "value", json_incref(value));
    if (second != NULL)
        draft_put(copy, "valueTwo", json_incref(second));
    draft_put(copy, "op", json_incref(op));
    draft_add(args, copy);
    return 0;
}

static int args_copy(const json_t *from, json_t *rule, struct error *err)
{
    json_t *list = member(from, "args"), *args, *arg;
    size_t i;

    if (list == NULL || (json_is_array(list) && json_array_size(list) == 0))
        return 0;
    if (!json_is_array(list))
        return bad(err, "args is not a list");
    args = draft_array();
    draft_put(rule, "args", args);
    json_array_foreach (list, i, arg)
        if (arg_copy(arg, args, err) < 0)
            return -1;
    return 0;
}

static int names_copy(const json_t *from, json_t *rule, struct error *err)
{
    json_t *names = member(from, "names"), *name = member(from, "name"), *list;

    if (names == NULL && json_is_string(name)) {
        list = draft_array();
        draft_add(list, json_incref(name));
        draft_put(rule, "names", list);
        return 0;
    }
    if (!are_texts(names) || json_array_size(names) == 0)
        return bad(err, "a rule has no list of names");
    draft_put(rule, "names", draft_copy(names));
    return 0;
}

static int rule_copy(const json_t *from, const struct target *target, json_t *rules,
                     struct error *err)
{
    json_t *rule;

    if (!json_is_object(from))
        return bad(err, "a rule is not an object");
    if (!is_meant(from, target))
        return 0;
    rule = draft_object();
    draft_add(rules, rule);
    if (names_copy(from, rule, err) < 0 || action_copy(from, "action", rule, err) < 0 ||
        errno_copy(from, "errnoRet", rule, err) < 0)
        return -1;
    return args_copy(from, rule, err);
}

static int rules_copy(const json_t *from, const struct target *target, json_t *out,
                      struct error *err)
{
    json_t *list = member(from, "syscalls"), *rules = draft_array(), *rule;
    size_t i;

    draft_put(out, "syscalls", rules);
    if (list != NULL && !json_is_array(list))
        return bad(err, "syscalls is not a list");
    json_array_foreach (list, i, rule)
        if (rule_copy(rule, target, rules, err) < 0)
            return error_wrap(err, "rule %zu", i + 1);
    return 0;
}

static int flags_copy(const json_t *from, json_t *out, struct error *err)
{
    json_t *flags = member(from, "flags");

    if (member(from, "listenerPath") != NULL)
        return error_set(err, ERROR_UNIMPLEMENTED, "seccomp: listenerPath is not supported");
    if (flags == NULL)
        return 0;
    if (!are_texts(flags))
        return bad(err, "flags is not a list of names");
    draft_put(out, "flags", draft_copy(flags));
    return 0;
}

json_t *seccomp_profile(const char *text, const char *arch, uint64_t caps, struct error *err)
{
    const struct target target = { seccomp_arch_find(arch), caps };
    size_t size = strlen(text);
    json_t *from, *out;
    int failed;

    if (target.arch == NULL || size > SECCOMP_PROFILE_MAX) {
        if (target.arch == NULL)
            error_set(err, ERROR_UNIMPLEMENTED, "seccomp: not for machines of kind %.20s", arch);
        else
            error_set(err, ERROR_INVALID_ARGUMENT, "seccomp: the profile has %zu bytes; %u at most",
                      size, SECCOMP_PROFILE_MAX);
        return NULL;
    }
    from = draft_read(text, size, err);
    if (from == NULL) {
        error_wrap(err, "seccomp: say unconfined, or a profile as JSON");
        return NULL;
    }
    out = draft_object();
    failed = action_copy(from, "defaultAction", out, err) < 0 ||
             errno_copy(from, "defaultErrnoRet", out, err) < 0 ||
             architectures_copy(from, &target, out, err) < 0 || flags_copy(from, out, err) < 0 ||
             rules_copy(from, &target, out, err) < 0;
    json_decref(from);
    if (failed) {
        json_decref(out);
        return NULL;
    }
    return out;
}
