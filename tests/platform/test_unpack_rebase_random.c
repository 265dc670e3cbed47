/*
 * Random layers that were unpacked apart and put on top of their parents, as drivers do whose layers
 * hold their parents' files: each tree is what an overlay of the layers, unpacked one after the
 * other, shows.
 */
#include "tests/platform/random_stack_fixture.h"

enum way {
    COPIED, /* the parent is copied by the helper, and files are moved */
    GIVEN,  /* the parent's files are there already */
    ACROSS, /* ... on another file system, so files are copied */
    WAYS
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
static bool rebase_stack(struct place *place, const struct random_stack *stack, enum way way,
                         struct tally *tally)
{
    char name[16];

    for (int i = stack->count - 1; i >= 0; i--) {
        snprintf(name, sizeof(name), "%d", i);
        if (UNPACK(place, name, &stack->tars[i], .base = i == 0) < 0)
            fail_msg("layer %d: %s", i, place->err.text);
    }
    for (int i = 1; i < stack->count; i++) {
        place->kept_count = 0;
        give_parent(place, i, way);
        if (rebase_layer(place, i, way) < 0) {
            if (place->err.code != ERROR_ABORTED)
                fail_msg("rebase layer %d: %s", i, place->err.text);
            if (stack->whiteouts_last[i])
                return false;
            tally->again++;
            again(place, i, &stack->tars[i], way);
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

static void rebase_and_compare(struct place *place, const struct random_stack *stack, struct tally *tally)
{
    struct pairs *pairs = calloc(1, sizeof(*pairs));
    int top = stack->count - 1;

    pairs->whole = true;
    if (rebase_stack(place, stack, any(WAYS), tally)) {
        final_mount(place, "r", top, "reference");
        compare("", in(place, "%d/fs", top), in(place, "reference"), pairs);
        umount2(in(place, "reference"), 0);
    } else {
        tally->left_out++;
    }
    let_go(place, stack->count);
    free(pairs);
}

static void a_rebased_layer_is_what_an_overlay_shows(void **state)
{
    random_stacks(*state, rebase_and_compare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_rebased_layer_is_what_an_overlay_shows),
    };
    int status = prepare();

    return status != 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
