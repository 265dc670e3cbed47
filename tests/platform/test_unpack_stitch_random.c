/*
 * Random layers that were unpacked apart from their parents, and stitched: the result is what
 * unpacking one after the other would have given.
 */
#include "tests/platform/random_layer_fixture.h"
#include "tests/platform/stitch_fixture.h"

/* ---- comparing ---- */

struct pairs { /* inodes of one view and what they are in the other */
    uint64_t a[4096], b[4096];
    unsigned count;
};

static void compare_inodes(struct pairs *pairs, const struct stat *a, const struct stat *b,
                           const char *path)
{
    for (unsigned i = 0; i < pairs->count; i++)
        if ((pairs->a[i] == a->st_ino) != (pairs->b[i] == b->st_ino))
            fail_msg("%s: shares its file with others in one view only", path);
    pairs->a[pairs->count] = a->st_ino;
    pairs->b[pairs->count++] = b->st_ino;
}

static void compare_stat(const char *path, const char *one, const char *two, struct pairs *pairs)
{
    struct stat a = stat_of(one), b = stat_of(two);
    char x[256] = { 0 }, y[256] = { 0 };

    if (a.st_mode != b.st_mode || a.st_uid != b.st_uid || a.st_gid != b.st_gid)
        fail_msg("%s: %o %u:%u, reference %o %u:%u", path, a.st_mode, a.st_uid, a.st_gid, b.st_mode,
                 b.st_uid, b.st_gid);
    if (a.st_mtim.tv_sec != b.st_mtim.tv_sec || a.st_mtim.tv_nsec != b.st_mtim.tv_nsec)
        fail_msg("%s: time %lld, reference %lld", path, (long long)a.st_mtim.tv_sec,
                 (long long)b.st_mtim.tv_sec);
    if (S_ISREG(a.st_mode) || S_ISDIR(a.st_mode)) {
        ssize_t i = lgetxattr(one, "user.k", x, 255), j = lgetxattr(two, "user.k", y, 255);

        if (i != j || strcmp(x, y) != 0)
            fail_msg("%s: attribute \"%s\", reference \"%s\"", path, x, y);
    }
    if (S_ISDIR(a.st_mode))
        return;
    compare_inodes(pairs, &a, &b, path);
    if (a.st_nlink != b.st_nlink)
        fail_msg("%s: %d names, reference %d", path, (int)a.st_nlink, (int)b.st_nlink);
    if (S_ISLNK(a.st_mode)) {
        memset(x, 0, sizeof(x));
        memset(y, 0, sizeof(y));
        if (readlink(one, x, 255) < 0 || readlink(two, y, 255) < 0 || strcmp(x, y) != 0)
            fail_msg("%s: leads to %s, reference %s", path, x, y);
    }
    if (S_ISREG(a.st_mode)) {
        struct error err;
        char *text = fs_read(two, 64, NULL, &err);

        expect_text(one, text);
        free(text);
    }
}

static void compare(const char *path, const char *one, const char *two, struct pairs *pairs)
{
    static const char names[] = "abcd";
    char inner[64], a[512], b[512];

    compare_stat(path, one, two, pairs);
    for (const char *c = names; S_ISDIR(stat_of(one).st_mode) && *c != '\0'; c++) {
        snprintf(inner, sizeof(inner), "%s/%c", path, *c);
        snprintf(a, sizeof(a), "%s/%c", one, *c);
        snprintf(b, sizeof(b), "%s/%c", two, *c);
        if (is_there(a) != is_there(b))
            fail_msg("%s: is %sthere, reference otherwise", inner, is_there(a) ? "" : "not ");
        if (is_there(a))
            compare(inner, a, b, pairs);
    }
}

/* ---- a stack of layers ---- */

static void final_mount(struct place *place, const char *prefix, int number, const char *at)
{
    char option[4096] = "lowerdir=";

    mkdir(in(place, "%s", at), 0755);
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
