/* stitch_fixture — what the tests of stitching share: layers, each stitched to its parents. */
#ifndef TESTS_STITCH_FIXTURE_H
#define TESTS_STITCH_FIXTURE_H

#include "tests/platform/unpack_layer.h"

/* The layers of a test, lowest first; each is <root>/<number>/fs. */
static const char *fs_of(struct place *place, int number)
{
    return keep(place, in(place, "%d/fs", number));
}

/* fs folders of the layers under `number`, highest first. */
static size_t lowers_of(struct place *place, int number, const char *lowers[])
{
    size_t count = 0;

    for (int i = number - 1; i >= 0; i--)
        lowers[count++] = fs_of(place, i);
    return count;
}

static int stitch_layer(struct place *place, int number)
{
    const char *lowers[32];
    size_t count = lowers_of(place, number, lowers);

    place->err = (struct error){ 0 };
    return unpack_stitch(in(place, "%d", number), lowers, count, &place->err);
}

static int again_with_parents(struct place *place, int number, const struct bytes *tar)
{
    const char *lowers[32];
    char name[8];

    snprintf(name, sizeof(name), "%d", number);
    return UNPACK(place, name, tar, .lowers = lowers,
                  .lower_count = lowers_of(place, number, lowers));
}

#endif
