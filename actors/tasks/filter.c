/*
 * The system call filter, compiled once for all containers that have the same.
 *
 * Compiling the default profile takes a runtime 17 ms of processor time at every start.  crun
 * takes a compiled program instead, as an annotation.  It is added to the copy of the spec
 * that the runtime gets, next to the profile, which stays: a crun that does not know the
 * annotation, or an exec, finds what it needs.  Our own engine takes the file's name instead of the
 * profile.  Programs lie in the state folder, which ends with the boot, as may what the kernel
 * knows; their names are digests of all that makes them.
 */
#include <stdlib.h>

#include "actors/base/log.h"
#include "actors/tasks/task.h"
#include "platform/call_filter.h"
#include "platform/scope.h"
#include "protocol/oci/digest.h"
#include "protocol/oci/draft.h"
#include "protocol/json.h"

#define ANNOTATION   "run.oci.seccomp_bpf_data"
#define PROGRAM_MAX  (64u * 1024)
#define PROGRAMS_MAX 256 /* clients may bring any number of profiles: the rest is compiled each time */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

static unsigned number_of(const json_t *object, const char *key, unsigned otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_integer(value) ? (unsigned)json_integer_value(value) : otherwise;
}

/* ---- compiling ------------------------------------------------------------------------ */

static int read_conditions(const json_t *args, struct call_condition *conditions, size_t *count,
                           struct error *err)
{
    const json_t *arg;
    size_t i;

    *count = 0;
    if (json_array_size(args) > CALL_CONDITIONS_MAX)
        return error_set(err, ERROR_UNIMPLEMENTED, "seccomp: %zu conditions", json_array_size(args));
    json_array_foreach (args, i, arg) {
        const json_t *value = json_object_get(arg, "value"), *two = json_object_get(arg, "valueTwo");

        if (!json_is_integer(value) || (two != NULL && !json_is_integer(two)))
            return error_set(err, ERROR_UNIMPLEMENTED, "seccomp: a value that is not an integer");
        conditions[(*count)++] = (struct call_condition){
            .index = number_of(arg, "index", CALL_CONDITIONS_MAX),
            .op = text_of(arg, "op"),
            .value = (uint64_t)json_integer_value(value),
            .value_2 = (uint64_t)json_integer_value(two),
        };
    }
    return 0;
}

static int add_rule(struct call_filter *filter, const json_t *rule, struct error *err)
{
    struct call_condition conditions[CALL_CONDITIONS_MAX];
    const json_t *names = json_object_get(rule, "names"), *name;
    size_t count, i;

    if (read_conditions(json_object_get(rule, "args"), conditions, &count, err) < 0)
        return -1;
    json_array_foreach (names, i, name)
        if (!json_is_string(name) ||
            call_filter_rule(filter, json_string_value(name), text_of(rule, "action"),
                             number_of(rule, "errnoRet", 1), conditions, count, err) < 0)
            return -1;
    return 0;
}

static int compile(const json_t *seccomp, struct buffer *program, struct error *err)
{
    CLEANUP(call_filter_free) struct call_filter *filter = call_filter_new(
        text_of(seccomp, "defaultAction"), number_of(seccomp, "defaultErrnoRet", 1), err);
    const json_t *one;
    size_t i;

    if (filter == NULL)
        return -1;
    json_array_foreach (json_object_get(seccomp, "architectures"), i, one)
        if (!json_is_string(one) || call_filter_arch(filter, json_string_value(one), err) < 0)
            return -1;
    json_array_foreach (json_object_get(seccomp, "syscalls"), i, one)
        if (add_rule(filter, one, err) < 0)
            return -1;
    if (call_filter_notifies(filter)) /* the runtime has to make the listener with it */
        return error_set(err, ERROR_UNIMPLEMENTED, "seccomp: a rule that asks a listener");
    return call_filter_program(filter, program, err);
}

/* ---- keeping -------------------------------------------------------------------------- */

static int count_one(void *ctx, const char *name, struct error *err)
{
    size_t *count = ctx;

    (void)name, (void)err;
    ++*count;
    return 0;
}

/* Renamed there whole, from a name of our own: others may be at the same. */
static int keep(const char *folder, const char *path, const struct buffer *program, struct error *err)
{
    char beside[PATH_SIZE], random[17];
    size_t count = 0;

    random_hex(random, 16);
    if (fs_folder_make(folder, 0700, err) < 0 || fs_folder_each(folder, count_one, &count, err) < 0 ||
        path_format(beside, err, "%s/%s", folder, random) < 0)
        return -1;
    if (count >= PROGRAMS_MAX)
        return 0;
    if (fs_write(beside, program->data, program->size, 0600, false, err) < 0)
        return -1;
    return fs_rename(beside, path, err);
}

/* What the same bytes may be compiled differently by is in the name too. */
static int path_of(const char *state, const struct bin *section, char folder[PATH_SIZE], char path[PATH_SIZE],
                   struct error *err)
{
    char version[32], digest[DIGEST_TEXT_SIZE];
    CLEANUP(buffer_free) struct buffer all = { 0 };

    call_filter_version(version);
    buffer_add(&all, version, strlen(version) + 1);
    buffer_add(&all, section->data, section->size);
    if (digest_of("sha256", all.data, all.size, digest, err) < 0 || path_format(folder, err, "%s/seccomp", state) < 0)
        return -1;
    return path_format(path, err, "%s/%s", folder, digest_hex(digest));
}

/* What is not in the program is left to the runtime, and all of it with it. */
static int check_plain(const json_t *seccomp, struct error *err)
{
    if (json_object_get(seccomp, "listenerPath") != NULL)
        return error_set(err, ERROR_UNIMPLEMENTED, "seccomp: a listener");
    if (json_array_size(json_object_get(seccomp, "flags")) > 0)
        return error_set(err, ERROR_UNIMPLEMENTED, "seccomp: flags");
    return 0;
}

static int compile_section(const struct bin *section, struct buffer *program, struct error *err)
{
    json_t *seccomp = draft_read(section->data, section->size, err);
    int result = seccomp == NULL || check_plain(seccomp, err) < 0 ? -1 : compile(seccomp, program, err);

    json_decref(seccomp);
    return result;
}

/* `path` is where it is kept, if it could be; `program` NULL: only that is wanted. */
static int program_of(const char *state, const struct bin *section, char path[PATH_SIZE], struct buffer *program,
                      struct error *err)
{
    CLEANUP(buffer_free) struct buffer made = { 0 };
    char folder[PATH_SIZE], *kept;
    struct error failed = { 0 };
    size_t size;

    if (path_of(state, section, folder, path, err) < 0)
        return -1;
    if (fs_exists(path) && program == NULL)
        return 0;
    kept = fs_exists(path) ? fs_read(path, PROGRAM_MAX, &size, &failed) : NULL;
    if (kept != NULL) {
        buffer_add(program, kept, size);
        free(kept);
        return 0;
    }
    if (compile_section(section, &made, err) < 0)
        return -1;
    if (keep(folder, path, &made, &failed) < 0)
        log_warn("tasks", "%s: %s", path, failed.text);
    if (program != NULL)
        buffer_add(program, made.data, made.size);
    return 0;
}

static bool is_made(int result, const struct error *err)
{
    if (result < 0)
        log_debug("tasks", "left to the runtime: %s", err->text);
    return result == 0;
}

bool task_filter_file(const char *state, const struct bin *section, char path[PATH_SIZE])
{
    struct error err = { 0 };

    return is_made(program_of(state, section, path, NULL, &err), &err) && fs_exists(path);
}

bool task_filter_add(const char *state, const struct bin *section, json_t *spec)
{
    json_t *annotations = json_object_get(spec, "annotations");
    CLEANUP(buffer_free) struct buffer program = { 0 };
    char path[PATH_SIZE];
    struct error err = { 0 };

    if (json_object_get(annotations, ANNOTATION) != NULL ||
        !is_made(program_of(state, section, path, &program, &err), &err))
        return false;
    if (!json_is_object(annotations))
        draft_put(spec, "annotations", annotations = draft_object());
    draft_put(annotations, ANNOTATION, json_base64(program.data, program.size));
    return true;
}
