/* See changes.h. */
#include "protocol/oci/changes.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* A word up to a blank, or in quotes; NULL when there is none.  *at goes behind it. */
static char *word_take(char **at)
{
    char *start = *at + strspn(*at, " \t"), *end;

    if (*start == '\0')
        return NULL;
    if (*start == '"' && (end = strchr(start + 1, '"')) != NULL) {
        start++;
    } else {
        end = start;
        while (*end != '\0' && *end != ' ' && *end != '\t')
            end = *end == '"' && strchr(end + 1, '"') != NULL ? strchr(end + 1, '"') + 1 : end + 1;
    }
    *at = *end != '\0' ? end + 1 : end;
    *end = '\0';
    return start;
}

/* ["a", "b"], or words for a shell. */
static int command_set(json_t *config, const char *key, char *value)
{
    json_t *list = *value == '[' ? json_loads(value, 0, NULL) : NULL, *one;
    size_t i;

    if (*value != '[')
        list = json_pack("[s, s, s]", "/bin/sh", "-c", value);
    json_array_foreach (list, i, one)
        if (!json_is_string(one)) {
            json_decref(list);
            return -1;
        }
    return list != NULL && json_is_array(list) ? json_object_set_new(config, key, list) : -1;
}

static int text_set(json_t *config, const char *key, char *value)
{
    return *value != '\0' ? json_object_set_new(config, key, json_string(value)) : -1;
}

/* A relative one goes on from where it was. */
static int folder_set(json_t *config, const char *key, char *value)
{
    const char *old = json_string_value(json_object_get(config, key));
    char path[4096];

    if (*value == '/' || *value == '\0')
        return text_set(config, key, value);
    if (snprintf(path, sizeof(path), "%s/%s", old != NULL && strcmp(old, "/") != 0 ? old : "",
                 value) >= (int)sizeof(path))
        return -1;
    return text_set(config, key, path);
}

static json_t *member(json_t *config, const char *key, json_t *(*make)(void))
{
    json_t *old = json_object_get(config, key);

    if (old == NULL || json_is_null(old))
        json_object_set_new(config, key, make());
    return json_object_get(config, key);
}

/* One line for a build that begins with this image. */
static int trigger_add(json_t *config, const char *key, char *value)
{
    return *value != '\0'
               ? json_array_append_new(member(config, key, json_array), json_string(value))
               : -1;
}

/* KEY=VALUE...; quotes around a value are not of it. */
static char *value_of(char *word)
{
    char *value = strchr(word, '=');
    size_t size;

    if (value == NULL || value == word)
        return NULL;
    *value++ = '\0';
    size = strlen(value);
    if (size >= 2 && *value == '"' && value[size - 1] == '"') {
        value[size - 1] = '\0';
        value++;
    }
    return value;
}

/* In the place of one with the same name. */
static int pair_put(json_t *list, const char *pair)
{
    size_t i, length = strcspn(pair, "=") + 1;
    json_t *one;

    json_array_foreach (list, i, one)
        if (json_is_string(one) && strncmp(json_string_value(one), pair, length) == 0)
            return json_array_set_new(list, i, json_string(pair));
    return json_array_append_new(list, json_string(pair));
}

void config_env_put(json_t *config, const char *pair)
{
    pair_put(member(config, "Env", json_array), pair);
}

/* Also docker's old form ENV KEY VALUE. */
static int env_set(json_t *config, const char *key, char *line)
{
    json_t *list = member(config, key, json_array);
    char *word, *value, *rest = line, pair[4096];
    bool is_any = false;

    while ((word = word_take(&rest)) != NULL) {
        value = value_of(word);
        if (value == NULL && (is_any || *rest == '\0'))
            return -1;
        if (value == NULL)
            value = rest;
        if (snprintf(pair, sizeof(pair), "%s=%s", word, value) >= (int)sizeof(pair) ||
            pair_put(list, pair) < 0)
            return -1;
        if (value == rest)
            return 0;
        is_any = true;
    }
    return is_any ? 0 : -1;
}

static int label_set(json_t *config, const char *key, char *line)
{
    json_t *map = member(config, key, json_object);
    char *word, *rest = line;
    bool is_any = false;

    while ((word = word_take(&rest)) != NULL) {
        char *value = value_of(word);

        if (value == NULL)
            return -1;
        json_object_set_new(map, word, json_string(value));
        is_any = true;
    }
    return is_any ? 0 : -1;
}

static int port_set(json_t *config, const char *key, char *line)
{
    json_t *map = member(config, key, json_object);
    char *word, *rest = line, port[64];
    bool is_any = false;

    while ((word = word_take(&rest)) != NULL) {
        if (snprintf(port, sizeof(port), "%s%s", word, strchr(word, '/') ? "" : "/tcp") >=
            (int)sizeof(port))
            return -1;
        json_object_set_new(map, port, json_object());
        is_any = true;
    }
    return is_any ? 0 : -1;
}

static int volume_set(json_t *config, const char *key, char *line)
{
    json_t *map = member(config, key, json_object), *list, *one;
    char *word, *rest = line;
    bool is_any = false;
    size_t i;

    if (*line == '[') {
        list = json_loads(line, 0, NULL);
        json_array_foreach (list, i, one)
            if (json_is_string(one))
                is_any |= json_object_set_new(map, json_string_value(one), json_object()) == 0;
        json_decref(list);
        return is_any ? 0 : -1;
    }
    while ((word = word_take(&rest)) != NULL)
        is_any |= json_object_set_new(map, word, json_object()) == 0;
    return is_any ? 0 : -1;
}

static const struct {
    const char *word, *key;
    int (*set)(json_t *config, const char *key, char *value);
} instructions[] = {
    { "CMD", "Cmd", command_set },
    { "ENTRYPOINT", "Entrypoint", command_set },
    { "ENV", "Env", env_set },
    { "EXPOSE", "ExposedPorts", port_set },
    { "LABEL", "Labels", label_set },
    { "ONBUILD", "OnBuild", trigger_add },
    { "STOPSIGNAL", "StopSignal", text_set },
    { "USER", "User", text_set },
    { "VOLUME", "Volumes", volume_set },
    { "WORKDIR", "WorkingDir", folder_set },
};

static bool is_instruction(const char *text, const char *word)
{
    while (*word != '\0' && toupper((unsigned char)*text) == *word)
        text++, word++;
    return *word == '\0' && *text == '\0';
}

/* *is_set: by a line before. */
static void entrypoint_settle(json_t *config, const char *key, bool *is_set)
{
    if (strcmp(key, "Cmd") == 0)
        *is_set = true;
    else if (strcmp(key, "Entrypoint") == 0 && !*is_set &&
             json_array_size(json_object_get(config, key)) > 0)
        json_object_del(config, "Cmd");
}

static int change_apply(json_t *config, const char *line, bool *has_command, struct arena *arena,
                        struct error *err)
{
    char *text = arena_str(arena, line);
    size_t size = strcspn(text, " \t=");
    char *value = text + size;

    if (*value != '\0')
        *value++ = '\0';
    value += strspn(value, " \t");
    for (size_t i = 0; i < sizeof(instructions) / sizeof(*instructions); i++)
        if (is_instruction(text, instructions[i].word)) {
            if (instructions[i].set(config, instructions[i].key, value) < 0)
                return error_set(err, ERROR_INVALID_ARGUMENT, "--change '%.200s': malformed", line);
            entrypoint_settle(config, instructions[i].key, has_command);
            return 0;
        }
    error_set(err, ERROR_INVALID_ARGUMENT, "--change '%.200s': no instruction that is known", line);
    return error_hint(err,
                      "known are CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, "
                      "VOLUME "
                      "and WORKDIR");
}

int changes_apply(json_t *config, const struct strs *lines, struct error *err)
{
    struct arena *arena = arena_new();
    bool has_command = false;
    int result = 0;

    for (size_t i = 0; i < lines->count && result == 0; i++)
        result = change_apply(config, lines->items[i], &has_command, arena, err);
    arena_free(arena);
    return result;
}
