/*
 * Random layers that were unpacked apart from their parents, and stitched: the result is what
 * unpacking one after the other would have given.  Two thirds of the stacks lie with somebody else,
 * as with snapshot plugins: unpacked to folders that are bound, or merged into mounted overlays.
 */
#include "tests/platform/random_stack_fixture.h"
#include "tests/platform/stitch_fixture.h"

/* ---- layers that lie with somebody else: <root>/p<number> ---- */

struct theirs {
    const char *options[2];
    char option[4096];
    struct mount mount;
    struct list list;
};

static const struct list *bound(struct place *place, int number, const char *how, struct theirs *to)
{
    to->options[0] = how;
    to->options[1] = "rbind";
    to->mount = (struct mount){ .type = "bind",
                                .source = keep(place, in(place, "p%d", number)),
                                .options = { 2, to->options } };
    to->list = (struct list){ 1, &to->mount };
    return &to->list;
}

static const struct list *parents_of(struct place *place, int number, struct theirs *to)
{
    if (number == 1)
        return bound(place, 0, "ro", to);
    strcpy(to->option, "lowerdir=");
    for (int i = number - 1; i >= 0; i--)
        snprintf(to->option + strlen(to->option), sizeof(to->option) - strlen(to->option), "%s%s",
                 i < number - 1 ? ":" : "", in(place, "p%d", i));
    to->options[0] = to->option;
    to->options[1] = "userxattr";
    to->mount = (struct mount){ .type = "overlay",
                                .source = "overlay",
                                .options = { layer_marks()->option != NULL ? 2 : 1, to->options } };
    to->list = (struct list){ 1, &to->mount };
    return &to->list;
}

static int unpack_there(struct place *place, int number, const struct bytes *tar, bool again)
{
    struct theirs fs, parents;
    char name[16];

    snprintf(name, sizeof(name), "%d", number);
    mkdir(in(place, "p%d", number), 0755);
    return UNPACK(place, name, tar, .base = number == 0, .mounts = bound(place, number, "rw", &fs),
                  .lower_mounts = again ? parents_of(place, number, &parents) : NULL);
}

/* An overlay on the parents' folders, whose changes are theirs. */
static const struct list *merged(struct place *place, int number, struct theirs *to)
{
    static char upper[5000], work[5000];
    static const char *options[4];

    parents_of(place, number, to);
    mkdir(in(place, "p%d", number), 0755);
    mkdir(in(place, "w%d", number), 0755);
    copy_root(in(place, "p%d", number - 1), in(place, "p%d", number));
    if (number == 1)
        snprintf(to->option, sizeof(to->option), "lowerdir=%s", in(place, "p0"));
    snprintf(upper, sizeof(upper), "upperdir=%s", in(place, "p%d", number));
    snprintf(work, sizeof(work), "workdir=%s", in(place, "w%d", number));
    options[0] = to->option;
    options[1] = upper;
    options[2] = work;
    options[3] = "userxattr";
    to->mount = (struct mount){ .type = "overlay",
                                .source = "overlay",
                                .options = { layer_marks()->option != NULL ? 4 : 3, options } };
    return &to->list;
}

static int merge_there(struct place *place, int number)
{
    struct theirs theirs;

    place->err = (struct error){ 0 };
    if (unpack_rebase_on(keep(place, in(place, "%d", number)), merged(place, number, &theirs),
                         &place->err) < 0)
        return -1;
    assert_int_equal(fs_remove_tree(in(place, "%d/fs", number), &place->err), 0);
    assert_int_equal(mkdir(in(place, "%d/fs", number), 0755), 0);
    return 0;
}

/* With the parent's tree in sight, and then into it. */
static int merge_again(struct place *place, int number, const struct bytes *tar)
{
    struct theirs parents;
    char name[16];

    snprintf(name, sizeof(name), "%d", number);
    if (UNPACK(place, name, tar, .lower_mounts = parents_of(place, number, &parents)) < 0)
        return -1;
    return merge_there(place, number);
}

static int stitch_there(struct place *place, int number)
{
    struct theirs fs, parents;

    place->err = (struct error){ 0 };
    return unpack_stitch_on(keep(place, in(place, "%d", number)), bound(place, number, "rw", &fs),
                            parents_of(place, number, &parents), &place->err);
}

/* To where they are looked for; what is in their place must be empty. */
static void fetch(struct place *place, int count)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(rmdir(in(place, "%d/fs", i)), 0);
        assert_int_equal(rename(in(place, "p%d", i), in(place, "%d/fs", i)), 0);
    }
}

enum where { HERE, BOUND, MERGED, WHERES };

static int put_on(struct place *place, int number, enum where where)
{
    if (where == HERE)
        return stitch_layer(place, number);
    return where == BOUND ? stitch_there(place, number) : merge_there(place, number);
}

static int put_again(struct place *place, int number, const struct bytes *tar, enum where where)
{
    if (where == HERE)
        return again_with_parents(place, number, tar);
    return where == BOUND ? unpack_there(place, number, tar, true)
                          : merge_again(place, number, tar);
}

/* All layers are unpacked first, from the highest to the lowest, as if they had come that way.
   False: a layer had to be unpacked again whose whiteouts come last, where order counts. */
static bool unpack_stack(struct place *place, const struct random_stack *stack, enum where where,
                         struct tally *tally)
{
    char name[16];

    for (int i = stack->count - 1; i >= 0; i--) {
        snprintf(name, sizeof(name), "%d", i);
        if ((where == BOUND || (where == MERGED && i == 0)
                 ? unpack_there(place, i, &stack->tars[i], false)
                 : UNPACK(place, name, &stack->tars[i], .base = i == 0)) < 0)
            fail_msg("layer %d: %s", i, place->err.text);
    }
    for (int i = 1; i < stack->count; i++) {
        place->kept_count = 0;
        if (put_on(place, i, where) == 0) {
            tally->layers++;
            continue;
        }
        if (place->err.code != ERROR_ABORTED)
            fail_msg("stitch layer %d: %s", i, place->err.text);
        if (stack->whiteouts_last[i])
            return false;
        tally->again++;
        if (put_again(place, i, &stack->tars[i], where) < 0)
            fail_msg("layer %d again: %s", i, place->err.text);
    }
    return true;
}

static void stitch_and_compare(struct place *place, const struct random_stack *stack,
                               struct tally *tally)
{
    struct pairs *pairs = calloc(1, sizeof(*pairs));
    enum where where = any(WHERES);

    if (unpack_stack(place, stack, where, tally)) {
        if (where != HERE)
            fetch(place, stack->count);
        final_mount(place, "r", stack->count - 1, "reference");
        final_mount(place, "", stack->count - 1, "view");
        compare("", in(place, "view"), in(place, "reference"), pairs);
        umount2(in(place, "view"), 0);
        umount2(in(place, "reference"), 0);
    } else {
        tally->left_out++;
    }
    free(pairs);
}

static void apart_and_stitched_is_the_same_as_one_after_the_other(void **state)
{
    random_stacks(*state, stitch_and_compare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(apart_and_stitched_is_the_same_as_one_after_the_other),
    };
    int status = prepare();

    return status != 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
