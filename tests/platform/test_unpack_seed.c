/*
 * test_unpack_seed — a volume is filled from an image: with all that files have, from inside the
 * image alone, and after an accident too.
 */
#include <dirent.h>
#include <sys/file.h>

#include "protocol/schema.h"
#include "tests/platform/unpack_layer.h"

static const char *const plain[] = { "rbind", "ro" };

/* image/, volume/data. */
static int set_up(void **state)
{
    struct place *place;

    if (place_make_in_memory(state) < 0)
        return -1;
    place = *state;
    mkdir(in(place, "image"), 0755);
    mkdir(in(place, "volume"), 0700);
    mkdir(in(place, "volume/data"), 0755);
    return 0;
}

static int seed_with(struct place *place, const char *source, const struct list *mounts, bool sync)
{
    CLEANUP(unpack_drop) struct unpack unpack = { 0 };
    const struct unpack_seed options = {
        .volume = in(place, "volume"), .source = source, .mounts = mounts, .sync = sync
    };

    place->err = (struct error){ 0 };
    if (unpack_seed_start(&options, &unpack, &place->err) < 0)
        return -1;
    return unpack_seed_end(&unpack, &place->err);
}

static struct mount bind_of(struct place *place)
{
    return (struct mount){ .type = "bind",
                           .source = keep(place, in(place, "image")),
                           .options = { 2, (const char **)(uintptr_t)plain } };
}

static int seed_from(struct place *place, const char *source)
{
    struct mount mount = bind_of(place);

    return seed_with(place, source, &(struct list){ 1, &mount }, true);
}

static void must_seed(struct place *place, const char *source)
{
    if (seed_from(place, source) < 0)
        fail_msg("%s: %s", source, place->err.text);
}

static void refused(struct place *place, const char *source, enum error_code code, const char *says)
{
    assert_int_equal(seed_from(place, source), -1);
    if (place->err.code != code || strstr(place->err.text, says) == NULL)
        fail_msg("%s: %s", error_code_name(place->err.code), place->err.text);
}

static size_t names_in(const char *path)
{
    size_t count = 0;
    DIR *listing = opendir(path);
    const struct dirent *found;

    assert_non_null(listing);
    while ((found = readdir(listing)) != NULL)
        count += strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0;
    closedir(listing);
    return count;
}

static void aged(const char *path, time_t seconds)
{
    const struct timespec times[2] = { { .tv_sec = seconds }, { .tv_sec = seconds, .tv_nsec = 5 } };

    assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

/* ---- what is copied ------------------------------------------------------------------- */

static void owners_modes_times_and_attributes_are_kept(void **state)
{
    struct place *place = *state;

    mkdir(in(place, "image/d"), 0755);
    mkdir(in(place, "image/d/sub"), 0700);
    put_file(in(place, "image/d/f"), "text", 4);
    put_file(in(place, "image/d/sub/g"), "more", 4);
    assert_int_equal(chown(in(place, "image/d/f"), 12, 34), 0);
    assert_int_equal(chmod(in(place, "image/d/f"), 06751), 0);
    assert_int_equal(setxattr(in(place, "image/d/sub"), "trusted.color", "blue", 4, 0), 0);
    assert_int_equal(chown(in(place, "image/d"), 5, 6), 0);
    assert_int_equal(chmod(in(place, "image/d"), 01777), 0);
    aged(in(place, "image/d/f"), 1000);
    aged(in(place, "image/d/sub"), 2000);
    aged(in(place, "image/d"), 3000);
    must_seed(place, "/d");
    expect_text(in(place, "volume/data/f"), "text");
    expect_text(in(place, "volume/data/sub/g"), "more");
    assert_int_equal(stat_of(in(place, "volume/data/f")).st_uid, 12);
    assert_int_equal(stat_of(in(place, "volume/data/f")).st_gid, 34);
    assert_int_equal(stat_of(in(place, "volume/data/f")).st_mode, S_IFREG | 06751);
    assert_int_equal(stat_of(in(place, "volume/data")).st_uid, 5);
    assert_int_equal(stat_of(in(place, "volume/data")).st_mode, S_IFDIR | 01777);
    assert_true(mtime_ns(in(place, "volume/data/f")) == 1000000000005);
    assert_true(mtime_ns(in(place, "volume/data/sub")) == 2000000000005);
    assert_true(mtime_ns(in(place, "volume/data")) == 3000000000005);
    assert_int_equal(getxattr(in(place, "volume/data/sub"), "trusted.color", NULL, 0), 4);
    assert_false(is_there(in(place, "volume/seed")));
    assert_false(is_there(in(place, "volume/seeded")));
}

static void links_and_special_files_stay_what_they_are(void **state)
{
    struct place *place = *state;

    mkdir(in(place, "image/d"), 0755);
    mkdir(in(place, "image/d/sub"), 0755);
    put_file(in(place, "image/d/one"), "text", 4);
    assert_int_equal(link(in(place, "image/d/one"), in(place, "image/d/sub/two")), 0);
    assert_int_equal(symlink("/etc/shadow", in(place, "image/d/link")), 0);
    assert_int_equal(lchown(in(place, "image/d/link"), 7, 8), 0);
    assert_int_equal(lsetxattr(in(place, "image/d/link"), "trusted.of", "link", 4, 0), 0);
    aged(in(place, "image/d/link"), 4000);
    assert_int_equal(mkfifo(in(place, "image/d/pipe"), 0640), 0);
    assert_int_equal(mknod(in(place, "image/d/null"), S_IFCHR | 0666, makedev(1, 3)), 0);
    assert_int_equal(mknod(in(place, "image/d/socket"), S_IFSOCK | 0600, 0), 0);
    assert_int_equal(chown(in(place, "image/d/pipe"), 3, 4), 0);
    must_seed(place, "d");
    assert_int_equal(stat_of(in(place, "volume/data/one")).st_nlink, 2);
    assert_int_equal(stat_of(in(place, "volume/data/one")).st_ino,
                     stat_of(in(place, "volume/data/sub/two")).st_ino);
    expect_link(in(place, "volume/data/link"), "/etc/shadow");
    assert_int_equal(stat_of(in(place, "volume/data/link")).st_uid, 7);
    assert_int_equal(lgetxattr(in(place, "volume/data/link"), "trusted.of", NULL, 0), 4);
    assert_true(mtime_ns(in(place, "volume/data/link")) == 4000000000005);
    assert_int_equal(stat_of(in(place, "volume/data/pipe")).st_mode, S_IFIFO | 0640);
    assert_int_equal(stat_of(in(place, "volume/data/pipe")).st_uid, 3);
    assert_true(stat_of(in(place, "volume/data/null")).st_rdev == makedev(1, 3));
    assert_int_equal(stat_of(in(place, "volume/data/socket")).st_mode & S_IFMT, S_IFSOCK);
}

static void holes_stay_holes(void **state)
{
    struct place *place = *state;
    char text[5] = "";
    int fd;

    mkdir(in(place, "image/d"), 0755);
    fd = open(in(place, "image/d/holes"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, 1l << 40), 0);
    assert_int_equal(pwrite(fd, "here", 4, 1l << 39), 4);
    close(fd);
    must_seed(place, "/d");
    assert_true(stat_of(in(place, "volume/data/holes")).st_size == 1l << 40);
    assert_true(stat_of(in(place, "volume/data/holes")).st_blocks < 1000);
    fd = open(in(place, "volume/data/holes"), O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, text, 4, 1l << 39), 4);
    assert_string_equal(text, "here");
    close(fd);
}

static void deep_trees_need_no_more_descriptors(void **state)
{
    struct place *place = *state;
    char deep[4000] = "";

    mkdir(in(place, "image/d"), 0755);
    for (int i = 0; i < 1500; i++) {
        strcat(deep, "/a");
        assert_int_equal(mkdir(in(place, "image/d%s", deep), 0755), 0);
    }
    must_seed(place, "/d");
    assert_true(is_there(in(place, "volume/data%s", deep)));
}

static void overlays_are_looked_at_as_they_are(void **state)
{
    struct place *place = *state;
    const char *options[] = { "index=off", NULL, NULL, "volatile", NULL };
    struct mount mount = { .type = "overlay", .source = "overlay", .options = { 5, options } };
    char upper[300], work[300], lower[600];

    for (int i = 0; i < 4; i++) {
        static const char *const names[] = { "low", "high", "up", "w" };

        mkdir(in(place, "%s", names[i]), 0755);
        mkdir(in(place, "%s/d", names[i]), 0755);
    }
    put_file(in(place, "low/d/a"), "low", 3);
    put_file(in(place, "low/d/gone"), "low", 3);
    put_file(in(place, "high/d/a"), "high", 4);
    put_file(in(place, "low/d/b"), "low", 3);
    put_file(in(place, "up/d/c"), "up", 2);
    assert_int_equal(mknod(in(place, "high/d/gone"), S_IFCHR, 0), 0);
    snprintf(upper, sizeof(upper), "upperdir=%s", in(place, "up"));
    snprintf(work, sizeof(work), "workdir=%s", in(place, "w"));
    snprintf(lower, sizeof(lower), "lowerdir=%s:%s", in(place, "high"), in(place, "low"));
    options[1] = upper;
    options[2] = work;
    options[4] = lower;
    if (seed_with(place, "/d", &(struct list){ 1, &mount }, true) < 0)
        fail_msg("%s", place->err.text);
    expect_text(in(place, "volume/data/a"), "high");
    expect_text(in(place, "volume/data/b"), "low");
    expect_text(in(place, "volume/data/c"), "up");
    assert_false(is_there(in(place, "volume/data/gone")));
    assert_int_equal(names_in(in(place, "w")), 1); /* d: nobody mounted it to write */
}

/* ---- whence --------------------------------------------------------------------------- */

static void links_of_the_image_are_followed_inside_it(void **state)
{
    struct place *place = *state;

    put_file(in(place, "secret"), "host", 4);
    mkdir(in(place, "image/etc"), 0755);
    put_file(in(place, "image/etc/mark"), "image", 5);
    assert_int_equal(symlink("/etc", in(place, "image/absolute")), 0);
    must_seed(place, "/absolute");
    assert_int_equal(names_in(in(place, "volume/data")), 1);
    expect_text(in(place, "volume/data/mark"), "image");
}

static void nothing_of_the_host_comes_into_a_volume(void **state)
{
    struct place *place = *state;
    static const char *const sources[] = {
        "/up",           "/absolute", "/magic",         "/../../secrets",
        "../../secrets", "/chain/x",  "/proc/self/root"
    };

    mkdir(in(place, "secrets"), 0755);
    put_file(in(place, "secrets/f"), "host", 4);
    assert_int_equal(symlink("../../secrets", in(place, "image/up")), 0);
    assert_int_equal(symlink(in(place, "secrets"), in(place, "image/absolute")), 0);
    assert_int_equal(symlink("/proc/self/root/etc", in(place, "image/magic")), 0);
    assert_int_equal(symlink("up", in(place, "image/chain")), 0);
    for (size_t i = 0; i < COUNT_OF(sources); i++) {
        must_seed(place, sources[i]);
        assert_int_equal(names_in(in(place, "volume/data")), 0);
    }
}

static void what_is_no_folder_is_refused_and_what_is_not_there_is_nothing(void **state)
{
    struct place *place = *state;

    put_file(in(place, "image/file"), "x", 1);
    assert_int_equal(symlink("loop", in(place, "image/loop")), 0);
    refused(place, "/file", ERROR_INVALID_ARGUMENT, "/file is not a folder in the image");
    refused(place, "/file/below", ERROR_INVALID_ARGUMENT, "is not a folder in the image");
    refused(place, "/loop", ERROR_INVALID_ARGUMENT, "is not a folder in the image");
    must_seed(place, "/nothing");
    must_seed(place, "/nothing/below");
    assert_int_equal(names_in(in(place, "volume/data")), 0);
}

static void the_helper_is_confined_when_it_copies(void **state)
{
    static const char *const ways[] = { "socket", "exec", "mount", "ptrace", "setns" };
    struct place *place = *state;

    mkdir(in(place, "image/d"), 0755);
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        setenv("GANTRY_UNPACK_MISBEHAVE", ways[i], 1);
        assert_int_equal(seed_from(place, "/d"), -1);
        if (strstr(place->err.text, "system call filter") == NULL)
            fail_msg("%s: %s", ways[i], place->err.text);
    }
    unsetenv("GANTRY_UNPACK_MISBEHAVE");
}

/* ---- when ----------------------------------------------------------------------------- */

static void a_volume_with_something_in_it_stays_as_it_is(void **state)
{
    struct place *place = *state;

    mkdir(in(place, "image/d"), 0700);
    put_file(in(place, "image/d/f"), "image", 5);
    put_file(in(place, "volume/data/.own"), "own", 3);
    must_seed(place, "/d");
    assert_int_equal(names_in(in(place, "volume/data")), 1);
    assert_int_equal(stat_of(in(place, "volume/data")).st_mode, S_IFDIR | 0755);
}

/* A crash while it was moved: some things are in the volume, one a container has made itself. */
static void what_is_complete_is_moved_to_the_end_and_the_own_files_stay(void **state)
{
    struct place *place = *state;

    mkdir(in(place, "image/d"), 0755);
    put_file(in(place, "image/d/a"), "image", 5);
    mkdir(in(place, "volume/seeded"), 0710);
    put_file(in(place, "volume/seeded/b"), "seed", 4);
    put_file(in(place, "volume/seeded/c"), "seed", 4);
    put_file(in(place, "volume/data/a"), "moved", 5);
    put_file(in(place, "volume/data/c"), "own", 3);
    must_seed(place, "/d");
    expect_text(in(place, "volume/data/a"), "moved");
    expect_text(in(place, "volume/data/b"), "seed");
    expect_text(in(place, "volume/data/c"), "own");
    assert_int_equal(stat_of(in(place, "volume/data")).st_mode, S_IFDIR | 0710);
}

static void a_disk_that_is_full_is_said_and_the_volume_stays_empty(void **state)
{
    struct place *place = *state;
    char *much = calloc(1, 2 << 20);

    assert_int_equal(mount("small", in(place, "volume"), "tmpfs", 0, "size=1m,mode=700"), 0);
    mkdir(in(place, "volume/data"), 0755);
    mkdir(in(place, "image/d"), 0755);
    memset(much, 'x', 2 << 20);
    put_file(in(place, "image/d/much"), much, 2 << 20);
    free(much);
    refused(place, "/d", ERROR_RESOURCE_EXHAUSTED, "much");
    assert_int_equal(names_in(in(place, "volume/data")), 0);
    assert_true(is_there(in(place, "volume/seed"))); /* which the caller removes */
    assert_int_equal(umount(in(place, "volume")), 0);
}

/* The helper of a daemon that was killed, for example: it works on. */
static void who_comes_second_waits(void **state)
{
    struct place *place = *state;
    CLEANUP(unpack_drop) struct unpack unpack = { 0 };
    struct mount mount = bind_of(place);
    const struct unpack_seed options = { .volume = in(place, "volume"),
                                         .source = "/d",
                                         .mounts = &(struct list){ 1, &mount } };
    struct pollfd says = { .events = POLLIN };
    int fd = open(in(place, "volume/lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    mkdir(in(place, "image/d"), 0755);
    put_file(in(place, "image/d/f"), "text", 4);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(unpack_seed_start(&options, &unpack, &place->err), 0);
    says.fd = unpack_fd(&unpack);
    assert_int_equal(poll(&says, 1, 100), 0); /* it says nothing as long as that is held */
    close(fd);
    assert_int_equal(unpack_seed_end(&unpack, &place->err), 0);
    expect_text(in(place, "volume/data/f"), "text");
}

static void what_was_cut_off_is_begun_anew(void **state)
{
    struct place *place = *state;

    mkdir(in(place, "image/d"), 0755);
    put_file(in(place, "image/d/f"), "text", 4);
    mkdir(in(place, "volume/seed"), 0750);
    mkdir(in(place, "volume/seed/half"), 0750);
    put_file(in(place, "volume/seed/half/g"), "half", 4);
    put_file(in(place, "volume/seed/f"), "ha", 2);
    must_seed(place, "/d");
    assert_int_equal(names_in(in(place, "volume/data")), 1);
    expect_text(in(place, "volume/data/f"), "text");
    assert_int_equal(stat_of(in(place, "volume/data")).st_mode, S_IFDIR | 0755);
    assert_false(is_there(in(place, "volume/seed")));
}

#define SEED_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, place_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SEED_TEST(owners_modes_times_and_attributes_are_kept),
        SEED_TEST(links_and_special_files_stay_what_they_are),
        SEED_TEST(holes_stay_holes),
        SEED_TEST(deep_trees_need_no_more_descriptors),
        SEED_TEST(overlays_are_looked_at_as_they_are),
        SEED_TEST(links_of_the_image_are_followed_inside_it),
        SEED_TEST(nothing_of_the_host_comes_into_a_volume),
        SEED_TEST(what_is_no_folder_is_refused_and_what_is_not_there_is_nothing),
        SEED_TEST(the_helper_is_confined_when_it_copies),
        SEED_TEST(a_volume_with_something_in_it_stays_as_it_is),
        SEED_TEST(what_is_complete_is_moved_to_the_end_and_the_own_files_stay),
        SEED_TEST(a_disk_that_is_full_is_said_and_the_volume_stays_empty),
        SEED_TEST(who_comes_second_waits),
        SEED_TEST(what_was_cut_off_is_begun_anew),
    };
    int status = prepare();

    return status != 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
