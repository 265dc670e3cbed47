/*
 * Random layers that were unpacked apart from their parents, and stitched: the result is what
 * unpacking one after the other would have given.  Two thirds of the stacks lie with somebody else, as with snapshot
 * plugins: unpacked to folders that are bound, or merged into mounted overlays.
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
    return where == BOUND ? unpack_there(place, number, tar, true) : merge_again(place, number, tar);
}

struct tally {
    unsigned stitched, again, left_out;
};

/* All layers are unpacked first, from the highest to the lowest, as if they had come that way.
   False: a layer had to be unpacked again whose whiteouts come last, where order counts. */
static bool unpack_stack(struct place *place, struct bytes *tars, const bool *whiteouts_last,
                         int count, enum where where, struct tally *tally)
{
    char name[16];

    for (int i = count - 1; i >= 0; i--) {
        snprintf(name, sizeof(name), "%d", i);
        if ((where == BOUND || (where == MERGED && i == 0)
                 ? unpack_there(place, i, &tars[i], false)
                 : UNPACK(place, name, &tars[i], .base = i == 0)) < 0)
            fail_msg("layer %d: %s", i, place->err.text);
    }
    for (int i = 1; i < count; i++) {
        place->kept_count = 0;
        if (put_on(place, i, where) == 0) {
            tally->stitched++;
            continue;
        }
        if (place->err.code != ERROR_ABORTED)
            fail_msg("stitch layer %d: %s", i, place->err.text);
        if (whiteouts_last[i])
            return false;
        tally->again++;
        if (put_again(place, i, &tars[i], where) < 0)
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
    enum where where = any(WHERES);

    for (int i = 0; i < count; i++)
        random_layer(place, i, &tars[i], &last[i]);
    if (unpack_stack(place, tars, last, count, where, tally)) {
        if (where != HERE)
            fetch(place, count);
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
