/* See spec_places.h. */
#include "protocol/oci/spec_places.h"

#include <string.h>

#include "protocol/oci/draft.h"
#include "protocol/schema.h"

int spec_places(const char *spec, size_t size, struct arena *arena, struct strs *paths,
                struct error *err)
{
    json_t *document = draft_read(spec, size, err), *mounts, *mount;
    const char **items;
    size_t i;

    if (document == NULL)
        return error_wrap(err, "spec");
    mounts = json_object_get(document, "mounts");
    items = arena_alloc(arena, (json_array_size(mounts) + 1) * sizeof(*items));
    *paths = (struct strs){ 0, items };
    json_array_foreach (mounts, i, mount) {
        const char *path = json_string_value(json_object_get(mount, "destination"));

        if (path != NULL)
            items[paths->count++] = arena_str(arena, path);
    }
    json_decref(document);
    return 0;
}

static bool lies_in(const char *path, const char *folder)
{
    size_t length = strlen(folder);

    return strncmp(path, folder, length) == 0 && path[length] == '/';
}

static struct strs texts_of(json_t *array, struct arena *arena)
{
    const char **items = arena_alloc(arena, (json_array_size(array) + 1) * sizeof(*items));
    size_t count = 0, i;
    json_t *one;

    json_array_foreach (array, i, one)
        if (json_is_string(one))
            items[count++] = arena_str(arena, json_string_value(one));
    return (struct strs){ count, items };
}

int spec_binds(const char *spec, size_t size, const char *except, struct arena *arena,
               struct list *mounts, struct error *err)
{
    json_t *document = draft_read(spec, size, err), *array, *one;
    struct mount *items;
    size_t i;

    if (document == NULL)
        return error_wrap(err, "spec");
    array = json_object_get(document, "mounts");
    items = arena_alloc(arena, (json_array_size(array) + 1) * sizeof(*items));
    *mounts = (struct list){ 0, items };
    json_array_foreach (array, i, one) {
        const char *type = json_string_value(json_object_get(one, "type"));
        const char *source = json_string_value(json_object_get(one, "source"));
        const char *target = json_string_value(json_object_get(one, "destination"));

        if (type != NULL && source != NULL && target != NULL && strcmp(type, "bind") == 0 &&
            !lies_in(source, except))
            items[mounts->count++] =
                (struct mount){ .type = "bind",
                                .source = arena_str(arena, source),
                                .target = arena_str(arena, target),
                                .options = texts_of(json_object_get(one, "options"), arena) };
    }
    json_decref(document);
    return 0;
}

int spec_is_read_only(const char *spec, size_t size, bool *read_only, struct error *err)
{
    json_t *document = draft_read(spec, size, err);

    if (document == NULL)
        return error_wrap(err, "spec");
    *read_only = json_is_true(json_object_get(json_object_get(document, "root"), "readonly"));
    json_decref(document);
    return 0;
}
