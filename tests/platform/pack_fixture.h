/*
 * pack_fixture — for the tests of gantry-pack: mounts in a few words, and a layer made of two
 * trees.
 */
#ifndef TESTS_PACK_FIXTURE_H
#define TESTS_PACK_FIXTURE_H

#include "platform/packing.h"
#include "tests/platform/unpack_layer.h"

struct packed_layer {
    struct packing_news news; /* the last */
    const char *file;
};

static UNUSED struct list bind_of(struct arena *arena, const char *path)
{
    static const char *const options[] = { "rbind", "ro" };
    struct mount *mount = arena_alloc(arena, sizeof(*mount));

    *mount = (struct mount){ .type = "bind",
                             .source = arena_str(arena, path),
                             .options = { 2, (const char **)(uintptr_t)options } };
    return (struct list){ 1, mount };
}

/* `upper` NULL: for reading. */
static UNUSED struct list overlay_of(struct arena *arena, const char *lowers, const char *upper,
                                     const char *work)
{
    const char **options = arena_alloc(arena, 6 * sizeof(*options));
    struct mount *mount = arena_alloc(arena, sizeof(*mount));

    *mount = (struct mount){ .type = "overlay", .source = "overlay" };
    options[0] = "index=off";
    options[1] = "metacopy=off";
    options[2] = "redirect_dir=off";
    options[3] = arena_printf(arena, "lowerdir=%s", lowers);
    mount->options = (struct strs){ 4, options };
    if (upper != NULL) {
        options[4] = arena_printf(arena, "upperdir=%s", upper);
        options[5] = arena_printf(arena, "workdir=%s", work);
        mount->options.count = 6;
    }
    return (struct list){ 1, mount };
}

static UNUSED int packing_end(struct packing *packing, struct packing_news *news,
                              struct bytes *data, struct error *err)
{
    do {
        if (packing_next(packing, news, err) < 0)
            return -1;
        if (news->kind == PACKING_DATA && data != NULL)
            bytes_add(data, news->data, news->size);
    } while (news->kind != PACKING_DONE);
    return 0;
}

/* At <root>/<name>; -1 with place->err. */
static UNUSED int pack_layer(struct place *place, const char *name,
                             const struct packing_layer *want, struct packing_news *news)
{
    CLEANUP(packing_drop) struct packing packing = { 0 };
    struct packing_layer layer = *want;

    layer.file = in(place, "%s", name);
    if (layer.compression == NULL)
        layer.compression = "none";
    put_file(layer.file, "", 0);
    place->err = (struct error){ 0 };
    if (packing_layer(&layer, &packing, &place->err) < 0)
        return -1;
    return packing_end(&packing, news, NULL, &place->err);
}

static UNUSED void file_bytes(const char *path, struct bytes *bytes)
{
    struct error err = { 0 };
    size_t size;
    char *text = fs_read(path, 64u << 20, &size, &err);

    if (text == NULL)
        fail_msg("%s", err.text);
    bytes_add(bytes, text, size);
    free(text);
}

#endif
