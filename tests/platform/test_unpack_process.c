/*
 * gantry-unpack as a process: what it waits for, what it says, what it may not do, how its death
 * is told; and the image's users.
 */
#include <sys/file.h>
#include <time.h>

#include "tests/platform/unpack_layer.h"

static void sized_tar(struct bytes *tar, size_t size)
{
    char *data = calloc(1, size);

    assert_non_null(data);
    TAR(tar, .name = "f", .data = data, .size = size);
    tar_end(tar);
    free(data);
}

static struct unpack_options options_for(struct place *place, const struct bytes *blob)
{
    struct unpack_options options = { .blob = keep(place, in(place, "blob")),
                                      .folder = keep(place, in(place, "x")),
                                      .compression = "none",
                                      .base = true };

    put_file(options.blob, blob->at, blob->size);
    mkdir(options.folder, 0700);
    return options;
}

static bool has_news(const struct unpack *unpack, int wait_ms)
{
    struct pollfd fd = { .fd = unpack_fd(unpack), .events = POLLIN };

    return poll(&fd, 1, wait_ms) == 1;
}

/* ---- the watermark ----------------------------------------------------------------- */

static void nothing_beyond_the_watermark_is_read(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    struct unpack_options options;
    struct unpack unpack;
    struct unpack_news news;
    struct error err = { 0 };
    struct stat st;

    sized_tar(&tar, 1 << 20);
    options = options_for(place, &tar);
    put_file(options.blob, tar.at, 300000); /* the rest is not there yet */
    assert_int_equal(unpack_start(&options, &unpack, &err), 0);
    assert_int_equal(unpack_allow(&unpack, 300000, &err), 0);
    do /* until it has written what it may know: it does not fail, and it does not end */
        assert_int_equal(unpack_next(&unpack, &news, &err), 0);
    while (false);
    assert_int_equal(news.kind, UNPACK_PROGRESS);
    while (stat(in(place, "x/fs/f"), &st) < 0 || st.st_size < 300000 - 512)
        sched_yield();
    assert_int_equal(st.st_size, 300000 - 512);
    put_file(options.blob, tar.at, tar.size);
    assert_int_equal(unpack_end(&unpack, tar.size, &err), 0);
    do
        if (unpack_next(&unpack, &news, &err) < 0)
            fail_msg("%s", err.text);
    while (news.kind != UNPACK_DONE);
    assert_int_equal(stat_of(in(place, "x/fs/f")).st_size, 1 << 20);
    unpack_drop(&unpack);
    bytes_free(&tar);
}

static void nothing_is_done_before_the_end_was_told(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    struct unpack_options options;
    struct unpack unpack;
    struct unpack_news news;
    struct error err = { 0 };

    sized_tar(&tar, 100000);
    options = options_for(place, &tar);
    assert_int_equal(unpack_start(&options, &unpack, &err), 0);
    assert_int_equal(unpack_allow(&unpack, tar.size, &err), 0);
    assert_int_equal(unpack_next(&unpack, &news, &err), 0);
    assert_int_equal(news.kind, UNPACK_PROGRESS);
    while (has_news(&unpack, 300)) {
        assert_int_equal(unpack_next(&unpack, &news, &err), 0);
        assert_int_equal(news.kind, UNPACK_PROGRESS);
    }
    assert_int_equal(unpack_end(&unpack, tar.size, &err), 0);
    do
        assert_int_equal(unpack_next(&unpack, &news, &err), 0);
    while (news.kind != UNPACK_DONE);
    unpack_drop(&unpack);
    bytes_free(&tar);
}

static void an_end_of_the_pipe_without_the_word_discards(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    struct unpack_options options;
    struct unpack unpack;
    struct unpack_news news;
    struct error err = { 0 };
    int status;

    sized_tar(&tar, 100000);
    options = options_for(place, &tar);
    assert_int_equal(unpack_start(&options, &unpack, &err), 0);
    assert_int_equal(unpack_allow(&unpack, tar.size, &err), 0);
    file_close(&unpack.child.input);
    while ((status = unpack_next(&unpack, &news, &err)) == 0)
        assert_int_equal(news.kind, UNPACK_PROGRESS);
    assert_int_equal(err.code, ERROR_CANCELLED);
    assert_int_equal(child_wait(&unpack.child, &status, &err), 0);
    assert_int_equal(status, 1);
    unpack_drop(&unpack);
    bytes_free(&tar);
}

static void a_blob_shorter_or_longer_than_told_is_data_loss(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    struct unpack_options options;
    struct unpack_news news;
    struct error err = { 0 };

    sized_tar(&tar, 100000);
    options = options_for(place, &tar);
    assert_int_equal(unpack_whole(&options, tar.size + 1, &news, &err), -1);
    assert_int_equal(err.code, ERROR_DATA_LOSS);
    assert_int_equal(unpack_whole(&options, 50000, &news, &err), -1);
    assert_int_equal(err.code, ERROR_DATA_LOSS);
    bytes_free(&tar);
}

static void progress_comes_at_most_ten_times_a_second(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    struct unpack_options options;
    struct unpack unpack;
    struct unpack_news news = { 0 }, last;
    struct error err = { 0 };
    int64_t start = clock_monotonic();
    unsigned lines = 0;

    for (int i = 0; i < 5000; i++) {
        char name[32];

        snprintf(name, sizeof(name), "d/%d", i);
        TAR(&tar, .name = name, .data = "x");
    }
    tar_end(&tar);
    options = options_for(place, &tar);
    assert_int_equal(unpack_start(&options, &unpack, &err), 0);
    assert_int_equal(unpack_end(&unpack, tar.size, &err), 0);
    do {
        last = news;
        assert_int_equal(unpack_next(&unpack, &news, &err), 0);
        if (news.kind == UNPACK_PROGRESS) {
            lines++;
            assert_true(news.uncompressed >= last.uncompressed && news.entries >= last.entries);
        }
    } while (news.kind != UNPACK_DONE);
    assert_true(lines >= 1);
    assert_true(lines <= 2 + (clock_monotonic() - start) / 100000000);
    assert_int_equal(news.inodes, 5001);
    unpack_drop(&unpack);
    bytes_free(&tar);
}

/* ---- its life ------------------------------------------------------------------------ */

static void the_folder_is_locked_while_it_runs(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    struct unpack_options options;
    struct unpack unpack;
    struct unpack_news news;
    struct error err = { 0 };
    int lock;

    sized_tar(&tar, 100000);
    options = options_for(place, &tar);
    assert_int_equal(unpack_start(&options, &unpack, &err), 0);
    assert_int_equal(unpack_allow(&unpack, tar.size, &err), 0);
    assert_int_equal(unpack_next(&unpack, &news, &err), 0); /* so it has begun */
    lock = open(in(place, "x/lock"), O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), -1);
    assert_int_equal(unpack_whole(&options, tar.size, &news, &err), -1);
    assert_int_equal(err.code, ERROR_FAILED_PRECONDITION);
    unpack_drop(&unpack);
    assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
    close(lock);
    bytes_free(&tar);
}

static void a_helper_that_is_killed_is_told_as_such(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    struct unpack_options options;
    struct unpack unpack;
    struct unpack_news news;
    struct error err = { 0 };

    sized_tar(&tar, 100000);
    options = options_for(place, &tar);
    assert_int_equal(unpack_start(&options, &unpack, &err), 0);
    child_kill(&unpack.child);
    while (unpack_next(&unpack, &news, &err) == 0)
        ;
    assert_int_equal(err.code, ERROR_INTERNAL);
    assert_non_null(strstr(err.text, "signal 9"));
    assert_int_equal(unpack_allow(&unpack, 100000, &err), 0); /* no SIGPIPE either */
    unpack_drop(&unpack);
    unpack_drop(&unpack);
    bytes_free(&tar);
}

static void a_missing_helper_is_named(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    struct unpack_options options;
    struct unpack_news news;
    struct error err = { 0 };
    char path[4096];

    sized_tar(&tar, 10);
    options = options_for(place, &tar);
    snprintf(path, sizeof(path), "%s", getenv("PATH"));
    setenv("PATH", "/usr/bin", 1);
    assert_int_equal(unpack_whole(&options, tar.size, &news, &err), -1);
    setenv("PATH", path, 1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_non_null(strstr(err.text, "gantry-unpack"));
    bytes_free(&tar);
}

static void missing_files_and_folders_are_named(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    struct unpack_options options;
    struct unpack_news news;
    struct error err = { 0 };

    sized_tar(&tar, 10);
    options = options_for(place, &tar);
    options.folder = in(place, "nowhere");
    assert_int_equal(unpack_whole(&options, tar.size, &news, &err), -1);
    assert_non_null(strstr(err.text, "nowhere"));
    options = options_for(place, &tar);
    options.blob = in(place, "no-blob");
    assert_int_equal(unpack_whole(&options, tar.size, &news, &err), -1);
    assert_non_null(strstr(err.text, "no-blob"));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    bytes_free(&tar);
}

/* A file name may not make a line of the report, or a control character on a terminal. */
static void names_in_errors_are_made_harmless(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = "a\ndone sha256:0 0 0 0 0\n\x1b[2J/.wh.", .data = "");
    expect_refused(place, &tar, ERROR_INVALID_ARGUMENT, "a?done");
    assert_null(strchr(place->err.text, '\n'));
    assert_null(strchr(place->err.text, '\x1b'));
}

/* A disk that is full: an error that says so. */
static void a_full_disk_is_told(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    mkdir(in(place, "refused"), 0700);
    assert_int_equal(mount("small", in(place, "refused"), "tmpfs", 0, "size=256k"), 0);
    sized_tar(&tar, 1 << 20);
    tar.size -= 1024;
    expect_refused(place, &tar, ERROR_RESOURCE_EXHAUSTED, "No space left");
    umount2(in(place, "refused"), MNT_DETACH);
}

/* The process may take 512 MiB of addresses, whatever a layer asks for: this one names fifteen
   million pieces of a sparse file.  The tar reader gives up the whole process then. */
static void memory_is_bounded(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 }, records = { 0 }, map = { 0 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    print_message("left out: a sanitizer needs more addresses than the limit\n");
    skip();
#endif
    bytes_add(&map, "30000000\n", 9);
    while (map.size < (60u << 20))
        bytes_add(&map, "0\n0\n", 4);
    pax_add(&records, "GNU.sparse.major", "1", 1);
    pax_add(&records, "GNU.sparse.minor", "0", 1);
    pax_add(&records, "GNU.sparse.realsize", "20000", 5);
    pax_end(&tar, &records);
    TAR(&tar, .name = "bomb", .data = map.at, .size = map.size);
    bytes_free(&map);
    tar_end(&tar);
    assert_int_equal(UNPACK(place, "x", &tar), -1);
    assert_true(place->err.code == ERROR_RESOURCE_EXHAUSTED || place->err.code == ERROR_INTERNAL);
    bytes_free(&tar);
}

/* ---- its cage ------------------------------------------------------------------------- */

static void expect_caught(struct place *place, const char *how, const char *message)
{
    struct bytes tar = { 0 };

    sized_tar(&tar, 10);
    setenv("GANTRY_UNPACK_MISBEHAVE", how, 1);
    assert_int_equal(UNPACK(place, "x", &tar, .base = true), -1);
    unsetenv("GANTRY_UNPACK_MISBEHAVE");
    if (strstr(place->err.text, message) == NULL)
        fail_msg("%s: %s", how, place->err.text);
    bytes_free(&tar);
}

static void a_helper_that_was_taken_over_cannot_open_a_device(void **state)
{
#ifdef GANTRY_TEST_HOOKS
    expect_caught(*state, "device", "device refused: Permission denied");
#else
    (void)state;
    skip();
#endif
}

static void a_helper_that_was_taken_over_cannot_leave_its_folder(void **state)
{
#ifdef GANTRY_TEST_HOOKS
    expect_caught(*state, "escape", "escape refused: Read-only file system");
#else
    (void)state;
    skip();
#endif
}

static void a_helper_that_was_taken_over_cannot_call_what_it_does_not_need(void **state)
{
#ifdef GANTRY_TEST_HOOKS
    static const char *const calls[] = { "socket", "exec",  "ptrace", "mount", "fork",
                                         "bpf",    "setns", "chroot", "kill",  "executable" };

    for (size_t i = 0; i < COUNT_OF(calls); i++)
        expect_caught(*state, calls[i], "stopped by its system call filter");
#else
    (void)state;
    skip();
#endif
}

static void it_keeps_seven_capabilities_and_nothing_that_was_open(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    struct unpack_options options;
    struct unpack unpack;
    struct unpack_news news;
    struct error err = { 0 };
    char path[64], *status;
    uint64_t wanted = 1u << 0 | 1u << 1 | 1u << 3 | 1u << 4 | 1u << 21 | 1u << 27 | 1u << 31;
    uint64_t found;
    char *line;

    sized_tar(&tar, 100000);
    options = options_for(place, &tar);
    assert_int_equal(unpack_start(&options, &unpack, &err), 0);
    assert_int_equal(unpack_allow(&unpack, tar.size, &err), 0);
    assert_int_equal(unpack_next(&unpack, &news, &err), 0);
    snprintf(path, sizeof(path), "/proc/%d/status", unpack.child.pid);
    status = fs_read(path, 65536, NULL, &err);
    assert_non_null(status);
    line = strstr(status, "CapEff:");
    assert_non_null(line);
    found = strtoull(line + 7, NULL, 16);
    assert_int_equal(found & ~wanted, 0);
    assert_true(found != 0);
    assert_non_null(strstr(status, "NoNewPrivs:\t1"));
    assert_non_null(strstr(status, "Seccomp:\t2"));
    free(status);
    snprintf(path, sizeof(path), "/proc/%d/mounts", unpack.child.pid);
    status = fs_read(path, 65536, NULL, &err);
    assert_non_null(status);
    assert_non_null(strstr(status, " /folder "));
    assert_null(strstr(status, "/proc"));
    free(status);
    unpack_drop(&unpack);
    bytes_free(&tar);
}

static void no_mount_is_seen_outside(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    char *before, *after;
    struct error err;

    before = fs_read("/proc/self/mountinfo", 1 << 20, NULL, &err);
    TAR(&tar, .name = "f", .data = "x");
    expect_layer(place, "x", &tar);
    after = fs_read("/proc/self/mountinfo", 1 << 20, NULL, &err);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

/* ---- users --------------------------------------------------------------------------------- */

/* Makes <root>/<layer>/fs with etc in it. */
static const char *image_layer(struct place *place, const char *layer)
{
    mkdir(in(place, "%s", layer), 0700);
    mkdir(in(place, "%s/fs", layer), 0755);
    mkdir(in(place, "%s/fs/etc", layer), 0755);
    mkdir(in(place, "out"), 0700);
    return keep(place, in(place, "%s/fs", layer));
}

static void put_text(const char *path, const char *text)
{
    put_file(path, text, strlen(text));
}

static void users_come_from_the_highest_layer_that_has_them(void **state)
{
    struct place *place = *state;
    struct error err = { 0 };
    const char *lowers[3] = { image_layer(place, "3"), image_layer(place, "2"),
                              image_layer(place, "1") };

    put_text(in(place, "1/fs/etc/passwd"), "root:old");
    put_text(in(place, "2/fs/etc/passwd"), "root:new");
    put_text(in(place, "1/fs/etc/group"), "group");
    if (unpack_users(in(place, "out"), lowers, 3, &err) < 0)
        fail_msg("%s", err.text);
    expect_text(in(place, "out/passwd"), "root:new");
    expect_text(in(place, "out/group"), "group");
    assert_int_equal(stat_of(in(place, "out/passwd")).st_mode, S_IFREG | 0600);

    assert_int_equal(mknod(in(place, "3/fs/etc/passwd"), S_IFCHR, 0), 0); /* removed */
    if (unpack_users(in(place, "out"), lowers, 3, &err) < 0)
        fail_msg("%s", err.text);
    assert_false(is_there(in(place, "out/passwd")));
    expect_text(in(place, "out/group"), "group");
}

static void users_of_a_single_layer_are_read_too(void **state)
{
    struct place *place = *state;
    struct error err = { 0 };
    const char *lowers[1] = { image_layer(place, "1") };

    put_text(in(place, "1/fs/etc/real"), "root:0");
    symlink("/etc/real", in(place, "1/fs/etc/passwd"));
    symlink("../../../../../../etc/real", in(place, "1/fs/etc/group"));
    if (unpack_users(in(place, "out"), lowers, 1, &err) < 0)
        fail_msg("%s", err.text);
    expect_text(in(place, "out/passwd"), "root:0");
    expect_text(in(place, "out/group"), "root:0");
}

static void users_from_outside_the_image_are_not_found(void **state)
{
    struct place *place = *state;
    struct error err = { 0 };
    const char *lowers[1] = { image_layer(place, "1") };

    put_text(in(place, "secret"), "secret");
    symlink(in(place, "secret"), in(place, "1/fs/etc/passwd"));
    symlink("../../../secret", in(place, "1/fs/etc/group"));
    assert_int_equal(unpack_users(in(place, "out"), lowers, 1, &err), 0);
    assert_false(is_there(in(place, "out/passwd")));
    assert_false(is_there(in(place, "out/group")));
}

static void users_in_pipes_devices_folders_and_circles_are_refused(void **state)
{
    struct place *place = *state;
    struct error err = { 0 };
    const char *lowers[1] = { image_layer(place, "1") };
    const char *passwd = in(place, "1/fs/etc/passwd");

    for (int i = 0; i < 4; i++) {
        if (i == 0)
            assert_int_equal(mkfifo(passwd, 0600), 0);
        else if (i == 1)
            assert_int_equal(mknod(passwd, S_IFCHR | 0666, makedev(1, 5)), 0); /* /dev/zero */
        else if (i == 2)
            assert_int_equal(mkdir(passwd, 0700), 0);
        else
            assert_int_equal(symlink("passwd", passwd), 0);
        assert_int_equal(unpack_users(in(place, "out"), lowers, 1, &err), -1);
        assert_int_equal(err.code, ERROR_INVALID_ARGUMENT);
        assert_non_null(strstr(err.text, "/etc/passwd is not a file"));
        remove(passwd);
    }
}

static void users_of_two_megabytes_are_refused(void **state)
{
    struct place *place = *state;
    struct error err = { 0 };
    const char *lowers[1] = { image_layer(place, "1") };
    char *large = calloc(1, 2 << 20);

    put_file(in(place, "1/fs/etc/group"), large, 2 << 20);
    free(large);
    assert_int_equal(unpack_users(in(place, "out"), lowers, 1, &err), -1);
    assert_int_equal(err.code, ERROR_RESOURCE_EXHAUSTED);
}

/* 150 parents: more than fit into mount()'s one page by their paths. */
static void many_layers_are_merged(void **state)
{
    struct place *place = *state;
    struct error err = { 0 };
    const char *lowers[150];

    for (int i = 0; i < 150; i++) {
        char name[8];

        snprintf(name, sizeof(name), "%d", i);
        lowers[i] = image_layer(place, name);
    }
    put_text(in(place, "149/fs/etc/passwd"), "lowest");
    if (unpack_users(in(place, "out"), lowers, 150, &err) < 0)
        fail_msg("%s", err.text);
    expect_text(in(place, "out/passwd"), "lowest");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_beyond_the_watermark_is_read),
        TEST(nothing_is_done_before_the_end_was_told),
        TEST(an_end_of_the_pipe_without_the_word_discards),
        TEST(a_blob_shorter_or_longer_than_told_is_data_loss),
        TEST(progress_comes_at_most_ten_times_a_second),
        TEST(the_folder_is_locked_while_it_runs),
        TEST(a_helper_that_is_killed_is_told_as_such),
        TEST(a_missing_helper_is_named),
        TEST(missing_files_and_folders_are_named),
        TEST(names_in_errors_are_made_harmless),
        TEST(a_full_disk_is_told),
        TEST(memory_is_bounded),
        TEST(a_helper_that_was_taken_over_cannot_open_a_device),
        TEST(a_helper_that_was_taken_over_cannot_leave_its_folder),
        TEST(a_helper_that_was_taken_over_cannot_call_what_it_does_not_need),
        TEST(it_keeps_seven_capabilities_and_nothing_that_was_open),
        TEST(no_mount_is_seen_outside),
        TEST(users_come_from_the_highest_layer_that_has_them),
        TEST(users_of_a_single_layer_are_read_too),
        TEST(users_from_outside_the_image_are_not_found),
        TEST(users_in_pipes_devices_folders_and_circles_are_refused),
        TEST(users_of_two_megabytes_are_refused),
        TEST(many_layers_are_merged),
    };
    int status = prepare();

    return status != 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
