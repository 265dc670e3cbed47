/*
 * The reading of `process`: everything that can be wrong in it is refused here, before anything
 * is made for the container.  Parts with rules of their own are in files of their own.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "platform/linux/runtime/process_parts.h"
#include "platform/scope.h"

#define OOM_SCORE_MIN (-1000) /* proc_pid_oom_score_adj(5) */
#define OOM_SCORE_MAX 1000

int word_find(const char *const *words, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (words[i] != NULL && strcmp(words[i], word) == 0)
            return (int)i;
    return -1;
}

int words_find(const struct place *up, const char *key, const char *const *words, size_t count,
               uint64_t *found, struct arena *arena, struct error *err)
{
    struct place array = place_member(up, key);
    struct strs texts;

    *found = 0;
    if (place_texts(up, key, &texts, arena, err) < 0)
        return -1;
    for (size_t i = 0; i < texts.count; i++) {
        struct place one = place_element(&array, i);
        int index = word_find(words, count, texts.items[i]);

        if (index < 0)
            return place_failure(&one, err, "\"%.60s\" is not known", texts.items[i]);
        *found |= UINT64_C(1) << index;
    }
    return 0;
}

void process_warn(struct process_spec *spec, const char *fmt, ...)
{
    const char **items = arena_alloc(spec->arena, (spec->warnings.count + 1) * sizeof(*items));
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    for (size_t i = 0; i < spec->warnings.count; i++)
        items[i] = spec->warnings.items[i];
    items[spec->warnings.count++] = arena_str(spec->arena, text);
    spec->warnings.items = items;
}

static int read_command(struct process_spec *spec, const struct place *process, struct error *err)
{
    struct place args = place_member(process, "args"), cwd = place_member(process, "cwd");

    if (place_texts(process, "args", &spec->args, spec->arena, err) < 0 ||
        place_text(process, "cwd", &spec->cwd, err) < 0)
        return -1;
    if (spec->args.count == 0)
        return place_failure(&args, err, "args must not be empty");
    if (spec->cwd == NULL || spec->cwd[0] == '\0')
        return place_failure(&cwd, err, "Cwd property must not be empty");
    if (spec->cwd[0] != '/')
        return place_failure(&cwd, err, "Cwd must be an absolute path");
    if (strlen(spec->cwd) >= PATH_MAX)
        return place_failure(&cwd, err, "is longer than %d bytes", PATH_MAX - 1);
    return 0;
}

static int read_terminal(struct process_spec *spec, const struct place *process, struct error *err)
{
    struct place size = place_member(process, "consoleSize");
    uint32_t rows, columns;

    if (place_bool(process, "terminal", &spec->terminal, NULL, err) < 0 ||
        place_u32(&size, "height", &rows, NULL, err) < 0 ||
        place_u32(&size, "width", &columns, NULL, err) < 0)
        return -1;
    if (rows > UINT16_MAX || columns > UINT16_MAX)
        return place_failure(&size, err, "a terminal has at most 65535 rows and columns");
    spec->rows = (uint16_t)rows;
    spec->columns = (uint16_t)columns;
    return 0;
}

static int read_oom_score(struct process_spec *spec, const struct place *process, struct error *err)
{
    struct place place = place_member(process, "oomScoreAdj");
    int64_t score;

    if (place_i64(process, "oomScoreAdj", &score, &spec->has_oom_score, err) < 0)
        return -1;
    if (score < OOM_SCORE_MIN || score > OOM_SCORE_MAX)
        return place_failure(&place, err, "must be from %d to %d", OOM_SCORE_MIN, OOM_SCORE_MAX);
    spec->oom_score = (int)score;
    return 0;
}

/* A user namespace, be it new or joined, gives its members all capabilities. */
static bool has_new_user(const struct place *linux_)
{
    const json_t *namespace;
    size_t i;

    json_array_foreach (json_object_get(linux_->json, "namespaces"), i, namespace) {
        const char *type = json_string_value(json_object_get(namespace, "type"));

        if (type != NULL && strcmp(type, "user") == 0)
            return true;
    }
    return false;
}

static int read_all(struct process_spec *spec, const struct place *process,
                    const struct place *linux_, struct error *err)
{
    if (process->json == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "process property must not be empty");
    spec->new_user = has_new_user(linux_);
    if (read_command(spec, process, err) < 0 || read_terminal(spec, process, err) < 0 ||
        read_oom_score(spec, process, err) < 0 || env_read(spec, process, err) < 0 ||
        user_read(spec, process, err) < 0 || rlimits_read(spec, process, err) < 0 ||
        place_bool(process, "noNewPrivileges", &spec->no_new_privs, NULL, err) < 0)
        return -1;
    if (capabilities_read(spec, process, err) < 0 || labels_read(spec, process, err) < 0 ||
        schedule_read(spec, process, err) < 0 || affinity_read(spec, process, err) < 0)
        return -1;
    if (personality_read(spec, linux_, err) < 0)
        return -1;
    return memory_policy_read(spec, linux_, err);
}

struct process_spec *process_read(const struct place *process, const struct place *linux_,
                                  struct error *err)
{
    struct arena *arena = arena_new();
    struct process_spec *spec = arena_alloc(arena, sizeof(*spec));

    spec->arena = arena;
    spec->io_priority = -1;
    if (read_all(spec, process, linux_, err) == 0)
        return spec;
    process_free(&spec);
    return NULL;
}

void process_free(struct process_spec **spec)
{
    if (*spec != NULL)
        arena_free((*spec)->arena);
    *spec = NULL;
}
