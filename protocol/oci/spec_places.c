/* See spec_places.h. */
#include "protocol/oci/spec_places.h"

#include "protocol/oci/draft.h"

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

int spec_is_read_only(const char *spec, size_t size, bool *read_only, struct error *err)
{
    json_t *document = draft_read(spec, size, err);

    if (document == NULL)
        return error_wrap(err, "spec");
    *read_only = json_is_true(json_object_get(json_object_get(document, "root"), "readonly"));
    json_decref(document);
    return 0;
}
