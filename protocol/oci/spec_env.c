/*
 * The environment of a container's process.
 *
 * It is kept as an object while it is put together: the later word for a key
 * replaces the earlier one in its place, and an image with a million entries
 * costs a million look-ups, not their square.
 */
#include <string.h>

#include "protocol/oci/spec_parts.h"

int env_merge(json_t *env, const struct strs *entries, bool strict, struct error *err)
{
    struct shown text;

    for (size_t i = 0; i < entries->count; i++) {
        const char *entry = entries->items[i], *equals = strchr(entry, '=');
        struct buffer key = { 0 };

        if (equals == NULL || equals == entry) {
            if (strict)
                return error_set(err, ERROR_INVALID_ARGUMENT, "env '%s': say KEY=VALUE",
                                 shown(entry, &text));
            continue;
        }
        if (!utf8_is_valid(entry, strlen(entry)))
            continue; /* the image's; options were checked */
        buffer_add(&key, entry, (size_t)(equals - entry));
        buffer_add(&key, "", 1);
        draft_put(env, key.data, draft_text(equals + 1));
        buffer_free(&key);
    }
    return 0;
}

void env_default(json_t *env, const char *key, const char *value)
{
    if (json_object_get(env, key) == NULL)
        draft_put(env, key, draft_text(value));
}

json_t *env_list(const json_t *env)
{
    json_t *list = draft_array(), *value, *whole = (json_t *)(uintptr_t)env;
    struct buffer entry = { 0 };
    const char *key;

    json_object_foreach (whole, key, value) {
        entry.size = 0;
        buffer_add(&entry, key, strlen(key));
        buffer_add(&entry, "=", 1);
        buffer_add(&entry, json_string_value(value), json_string_length(value) + 1);
        draft_add(list, draft_text(entry.data));
    }
    buffer_free(&entry);
    return list;
}
