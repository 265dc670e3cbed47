/* From docker's filters to the protocol's; see filters.h. */
#include "tools/gantry/filters.h"

#include <stdio.h>
#include <string.h>

#define GROUPS_MAX  16
#define FILTERS_MAX 64

const struct filter_key filter_container_keys[] = {
    { "name", "name~=%s", true },        { "id", "id~=%s", true },
    { "status", "status==%s", false },   { "image", "image~=%s", true },
    { "ancestor", "image~=%s", true },   { "runtime", "runtime==%s", false },
    { "network", "network==%s", false }, { 0 },
};

const struct filter_key filter_image_keys[] = {
    { "reference", "name~=%s", true },
    { "name", "name~=%s", true },
    { 0 },
};

/* dangling=true: not used. */
const struct filter_key filter_volume_keys[] = {
    { "name", "name~=%s", true },
    { "driver", "driver==%s", false },
    { "dangling", "used!=%s", false },
    { "anonymous", "anonymous==%s", false },
    { 0 },
};

/* Alternatives of one key. */
struct group {
    const char *key;
    size_t count;
    const char *selectors[FILTERS_MAX];
};

static const char *quote(const char *text, struct arena *arena)
{
    char *out = arena_alloc(arena, 2 * strlen(text) + 2), *at = out;

    *at++ = '"';
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            *at++ = '\\';
        *at++ = *text;
    }
    *at = '"';
    return out;
}

/* A regular expression that means the text itself. */
static const char *escape(const char *text, struct arena *arena)
{
    char *out = arena_alloc(arena, 2 * strlen(text) + 1), *at = out;

    for (; *text != '\0'; text++) {
        if (strchr("\\^$.|?*+()[]{}", *text) != NULL)
            *at++ = '\\';
        *at++ = *text;
    }
    return out;
}

/* label=KEY or label=KEY=VALUE. */
static const char *label_selector(const char *value, struct arena *arena)
{
    const char *equals = strchr(value, '=');
    char *key = arena_str(arena, value);

    if (equals == NULL)
        return arena_printf(arena, "labels.%s~=\".*\"", quote(key, arena)); /* also an empty one */
    key[equals - value] = '\0';
    return arena_printf(arena, "labels.%s==%s", quote(key, arena), quote(equals + 1, arena));
}

static const char *key_selector(const struct filter_key *key, const char *value,
                                struct arena *arena)
{
    const char *quoted = quote(key->is_pattern ? escape(value, arena) : value, arena);
    const char *at = strstr(key->selector, "%s");

    return arena_printf(arena, "%.*s%s", (int)(at - key->selector), key->selector, quoted);
}

static int unknown_key(const struct filter_key *keys, const char *word, struct error *err)
{
    char known[120] = "";

    for (; keys->name != NULL; keys++) {
        strcat(known, keys->name);
        strcat(known, ", ");
    }
    return error_set(err, ERROR_INVALID_ARGUMENT,
                     "--filter: '%.60s' is not KEY=VALUE with one of %slabel", word, known);
}

static int selector_of(const char *word, const struct filter_key *keys, const char **key,
                       const char **selector, struct arena *arena, struct error *err)
{
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : 0;

    *key = word; /* in the protocol's language: a group of its own */
    *selector = word;
    if (strstr(word, "==") != NULL || strstr(word, "~=") != NULL || strstr(word, "!=") != NULL)
        return 0;
    if (length == 5 && memcmp(word, "label", 5) == 0) {
        *key = word + length; /* labels must all match, as docker's do */
        *selector = label_selector(equals + 1, arena);
        return 0;
    }
    for (const struct filter_key *at = keys; at->name != NULL; at++)
        if (length == strlen(at->name) && memcmp(word, at->name, length) == 0) {
            *key = at->name;
            *selector = key_selector(at, equals + 1, arena);
            return 0;
        }
    return unknown_key(keys, word, err);
}

static int add_to_group(struct group *groups, size_t *count, const char *key, const char *selector,
                        struct error *err)
{
    struct group *group = groups;

    while (group < groups + *count && group->key != key)
        group++;
    if (group == groups + GROUPS_MAX || (group < groups + *count && group->count == FILTERS_MAX))
        return error_set(err, ERROR_INVALID_ARGUMENT, "--filter: too many filters");
    if (group == groups + *count) {
        *group = (struct group){ .key = key };
        (*count)++;
    }
    group->selectors[group->count++] = selector;
    return 0;
}

/* One of every group, joined: each combination is an alternative. */
static int combine(const struct group *groups, size_t count, struct strs *filters,
                   struct arena *arena, struct error *err)
{
    size_t total = 1;

    for (size_t i = 0; i < count; i++)
        if ((total *= groups[i].count) > FILTERS_MAX)
            return error_set(err, ERROR_INVALID_ARGUMENT, "--filter: too many combinations");
    filters->items = arena_alloc(arena, total * sizeof(char *));
    for (size_t number = 0; number < total; number++) {
        const char *joined = "";
        size_t rest = number;

        for (size_t i = 0; i < count; i++) {
            joined = arena_printf(arena, "%s%s%s", joined, i > 0 ? "," : "",
                                  groups[i].selectors[rest % groups[i].count]);
            rest /= groups[i].count;
        }
        filters->items[filters->count++] = joined;
    }
    return 0;
}

int filters_of_words(const struct strs *words, const struct filter_key *keys, struct strs *filters,
                     struct arena *arena, struct error *err)
{
    struct group *groups = arena_alloc(arena, GROUPS_MAX * sizeof(*groups));
    size_t count = 0;

    *filters = (struct strs){ 0 };
    for (size_t i = 0; i < words->count; i++) {
        const char *key, *selector;

        if (selector_of(words->items[i], keys, &key, &selector, arena, err) < 0 ||
            add_to_group(groups, &count, key, selector, err) < 0)
            return -1;
    }
    return count > 0 ? combine(groups, count, filters, arena, err) : 0;
}

int filters_of_args(const struct args *args, const struct filter_key *keys, struct strs *filters,
                    struct arena *arena, struct error *err)
{
    const struct strs words = args_list(args, "filter", arena);

    return filters_of_words(&words, keys, filters, arena, err);
}
