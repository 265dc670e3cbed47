/*
 * Random layers that were unpacked apart from their parents, and stitched: the result is what
 * unpacking one after the other would have given.
 */
#include "tests/platform/compare_fixture.h"
#include "tests/platform/random_layer_fixture.h"
#include "tests/platform/stitch_fixture.h"

/* ---- a stack of layers ---- */

static void final_mount(struct place *place, const char *prefix, int number, const char *at)
{
    char option[4096];

    mkdir(in(place, "%s", at), 0755);
    strcpy(option, lowers_word());
    option_lowers(place, prefix, number, option);
    if (mount("overlay", in(place, "%s", at), "overlay", MS_RDONLY, option) < 0)
        fail_msg("overlay %s: %s", option, strerror(errno));
}

struct tally {
    unsigned stitched, again, left_out;
};

/* All layers are unpacked first, from the highest to the lowest, as if they had come that way.
   False: a layer had to be unpacked again whose whiteouts come last, where order counts. */
static bool unpack_stack(struct place *place, struct bytes *tars, const bool *whiteouts_last,
                         int count, struct tally *tally)
{
    char name[16];

    for (int i = count - 1; i >= 0; i--) {
        snprintf(name, sizeof(name), "%d", i);
        if (UNPACK(place, name, &tars[i], .base = i == 0) < 0)
            fail_msg("layer %d: %s", i, place->err.text);
    }
    for (int i = 1; i < count; i++) {
        place->kept_count = 0;
        if (stitch_layer(place, i) == 0) {
            tally->stitched++;
            continue;
        }
        if (place->err.code != ERROR_ABORTED)
            fail_msg("stitch layer %d: %s", i, place->err.text);
        if (whiteouts_last[i])
            return false;
        tally->again++;
        if (again_with_parents(place, i, &tars[i]) < 0)
            fail_msg("layer %d again: %s", i, place->err.text);
    }
    return true;
}

static void one_stack(struct place *place, struct tally *tally)
{
    struct pairs *pairs = calloc(1, sizeof(*pairs));
    struct bytes tars[4] = { 0 };
    bool last[4];
    int count = 2 + (int)any(3);

    for (int i = 0; i < count; i++)
        random_layer(place, i, &tars[i], &last[i]);
    if (unpack_stack(place, tars, last, count, tally)) {
        final_mount(place, "r", count - 1, "reference");
        final_mount(place, "", count - 1, "view");
        compare("", in(place, "view"), in(place, "reference"), pairs);
        umount2(in(place, "view"), 0);
        umount2(in(place, "reference"), 0);
    } else {
        tally->left_out++;
    }
    for (int i = 0; i < 4; i++)
        bytes_free(&tars[i]);
    free(pairs);
}

/* ---- the property: apart and stitched is the same as one after the other -------------------- */

static void empty_place(struct place *place)
{
    struct error err;

    assert_int_equal(fs_remove_tree(place->root, &err), 0);
    mkdir(place->root, 0700);
    place->kept_count = 0;
}

static void apart_and_stitched_is_the_same_as_one_after_the_other(void **state)
{
    struct place *place = *state;
    const char *given = getenv("GANTRY_TEST_SEED"), *rounds = getenv("GANTRY_TEST_ROUNDS");
    struct tally tally = { 0 };
    uint64_t first;

    random_bytes(&first, sizeof(first));
    if (given != NULL)
        first = strtoull(given, NULL, 10);
    for (unsigned i = 0; i < (rounds ? (unsigned)atoi(rounds) : 60); i++) {
        seed = first + i;
        print_message("GANTRY_TEST_SEED=%" PRIu64 "\r", first + i);
        any(2);
        one_stack(place, &tally);
        empty_place(place);
    }
    print_message("first seed %" PRIu64
                  ": %u layers stitched, %u unpacked again, %u stacks left out\n",
                  first, tally.stitched, tally.again, tally.left_out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(apart_and_stitched_is_the_same_as_one_after_the_other),
    };
    int status = prepare();

    return status != 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
