/*
 * Random layers that were unpacked apart and put on top of their parents, as drivers do whose layers
 * hold their parents' files: each tree is what an overlay of the layers, unpacked one after the
 * other, shows.
 */
#include "tests/platform/compare_fixture.h"
#include "tests/platform/random_layer_fixture.h"

enum way {
    COPIED, /* the parent is copied by the helper, and files are moved */
    GIVEN,  /* the parent's files are there already */
    ACROSS, /* ... on another file system, so files are copied */
    WAYS
};

struct tally {
    unsigned layers, again, left_out;
};

/* The parent's files, where the driver has made them itself. */
static void give_parent(struct place *place, int number, enum way way)
{
    const char *whole = in(place, "%d/whole", number);

    if (way == COPIED)
        return;
    mkdir(whole, 0755);
    if (way == ACROSS && mount("whole", whole, "tmpfs", 0, "size=8m") < 0)
        fail_msg("tmpfs: %s", strerror(errno));
    mkdir(in(place, "copy"), 0755);
    mkdir(in(place, "copy/fs"), 0755);
    if (way == ACROSS && mount(whole, in(place, "copy/fs"), NULL, MS_BIND, NULL) < 0)
        fail_msg("bind: %s", strerror(errno));
    if (unpack_copy(in(place, "copy"), in(place, "%d/fs", number - 1), &place->err) < 0)
        fail_msg("copy of layer %d: %s", number - 1, place->err.text);
    if (way == ACROSS)
        assert_int_equal(umount(in(place, "copy/fs")), 0);
    else
        assert_int_equal(rename(in(place, "copy/fs"), keep(place, in(place, "%d/whole", number))), 0);
}

static int rebase_layer(struct place *place, int number, enum way way)
{
    place->err = (struct error){ 0 };
    return unpack_rebase(keep(place, in(place, "%d", number)),
                         way == COPIED ? keep(place, in(place, "%d/fs", number - 1)) : NULL,
                         &place->err);
}

/* fs was used up, and whole takes its place. */
static void take_whole(struct place *place, int number, enum way way)
{
    const char *whole = keep(place, in(place, "%d/whole", number));
    const char *fs = keep(place, in(place, "%d/fs", number));
    struct error err;

    assert_int_equal(fs_remove_tree(fs, &err), 0);
    if (way != ACROSS) {
        assert_int_equal(rename(whole, fs), 0);
        return;
    }
    assert_int_equal(mkdir(fs, 0755), 0);
    assert_int_equal(mount(whole, fs, NULL, MS_MOVE, NULL), 0);
}

static bool again(struct place *place, int number, const struct bytes *tar, enum way way)
{
    const char *lowers[1];
    char name[8];

    snprintf(name, sizeof(name), "%d", number);
    lowers[0] = keep(place, in(place, "%d/fs", number - 1));
    if (UNPACK(place, name, tar, .lowers = lowers, .lower_count = 1) < 0)
        fail_msg("layer %d again: %s", number, place->err.text);
    if (rebase_layer(place, number, way) < 0)
        fail_msg("rebase layer %d again: %s", number, place->err.text);
    return true;
}

/* False: one had to be unpacked again whose whiteouts come last, where order counts. */
static bool rebase_stack(struct place *place, struct bytes *tars, const bool *whiteouts_last,
                         int count, enum way way, struct tally *tally)
{
    char name[16];

    for (int i = count - 1; i >= 0; i--) {
        snprintf(name, sizeof(name), "%d", i);
        if (UNPACK(place, name, &tars[i], .base = i == 0) < 0)
            fail_msg("layer %d: %s", i, place->err.text);
    }
    for (int i = 1; i < count; i++) {
        place->kept_count = 0;
        give_parent(place, i, way);
        if (rebase_layer(place, i, way) < 0) {
            if (place->err.code != ERROR_ABORTED)
                fail_msg("rebase layer %d: %s", i, place->err.text);
            if (whiteouts_last[i])
                return false;
            tally->again++;
            again(place, i, &tars[i], way);
        }
        take_whole(place, i, way);
        tally->layers++;
    }
    return true;
}

static void let_go(struct place *place, int count)
{
    for (int i = 0; i < count; i++) {
        umount2(in(place, "%d/fs", i), MNT_DETACH);
        umount2(in(place, "%d/whole", i), MNT_DETACH);
    }
}

static void one_stack(struct place *place, enum way way, struct tally *tally)
{
    struct pairs *pairs = calloc(1, sizeof(*pairs));
    struct bytes tars[4] = { 0 };
    bool last[4];
    int count = 2 + (int)any(3);
    char option[4096];

    pairs->whole = true;
    for (int i = 0; i < count; i++)
        random_layer(place, i, &tars[i], &last[i]);
    if (rebase_stack(place, tars, last, count, way, tally)) {
        mkdir(in(place, "reference"), 0755);
        strcpy(option, lowers_word());
        option_lowers(place, "r", count - 1, option);
        if (mount("overlay", in(place, "reference"), "overlay", MS_RDONLY, option) < 0)
            fail_msg("overlay %s: %s", option, strerror(errno));
        compare("", in(place, "%d/fs", count - 1), in(place, "reference"), pairs);
        umount2(in(place, "reference"), 0);
    } else {
        tally->left_out++;
    }
    let_go(place, count);
    for (int i = 0; i < 4; i++)
        bytes_free(&tars[i]);
    free(pairs);
}

static void empty_place(struct place *place)
{
    struct error err;

    assert_int_equal(fs_remove_tree(place->root, &err), 0);
    mkdir(place->root, 0700);
    place->kept_count = 0;
}

static void a_rebased_layer_is_what_an_overlay_shows(void **state)
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
        one_stack(place, (enum way)(seed % WAYS), &tally);
        empty_place(place);
    }
    print_message("first seed %" PRIu64 ": %u layers, %u unpacked again, %u stacks left out\n", first,
                  tally.layers, tally.again, tally.left_out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_rebased_layer_is_what_an_overlay_shows),
    };
    int status = prepare();

    return status != 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
