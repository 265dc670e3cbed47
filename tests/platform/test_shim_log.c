/* The log file: its format, its pieces, its rotation, and a disk that is full. */
#include "tests/platform/shim_fixture.h"

/* The texts of one stream put together again: a newline after each F, nothing after a P. */
static void log_join(const char *path, const char *stream, struct buffer *out)
{
    struct error err;
    size_t size;
    char *text = fs_read(path, 256 << 20, &size, &err), *save = NULL;
    size_t length = strlen(stream);

    if (text == NULL)
        return;
    for (char *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        char *at = strchr(line, ' ');

        assert_non_null(at);
        assert_int_equal(at - line, 30); /* 2026-01-02T03:04:05.000000006Z */
        assert_int_equal(at[-1], 'Z');
        if (strncmp(at + 1, stream, length) != 0)
            continue;
        at += 1 + length;
        assert_true(at[1] == 'P' || at[1] == 'F');
        assert_true(at[2] == ' ' && strlen(at + 3) <= 16384);
        buffer_add(out, at + 3, strlen(at + 3));
        if (at[1] == 'F')
            buffer_add(out, "\n", 1);
    }
    free(text);
}

static void run_to_end(struct container *c)
{
    create(c);
    ask(c, .what = "start");
    wait_exit(c, NULL);
}

static unsigned mode_of(const char *path)
{
    struct stat found;

    assert_int_equal(stat(path, &found), 0);
    return found.st_mode & 07777;
}

static void lines_are_in_the_log_when_the_exit_is_told(void **state UNUSED)
{
    const char *log = in_base("log1");
    struct container c = { .args = "[\"sh\",\"-c\",\"echo one; echo two >&2; echo; printf 'no newline'\"]",
                           .log = log };
    struct buffer out = { 0 }, error = { 0 };

    run_to_end(&c);
    log_join(log, "stdout", &out);
    log_join(log, "stderr", &error);
    assert_int_equal(out.size, 15);
    assert_memory_equal(out.data, "one\n\nno newline", 15);
    assert_int_equal(error.size, 4);
    assert_memory_equal(error.data, "two\n", 4);
    assert_int_equal(mode_of(log), 0640);
    buffer_free(&out);
    buffer_free(&error);
    delete(&c);
    unlink(log);
}

static void a_long_line_is_split_and_can_be_joined(void **state UNUSED)
{
    const char *log = in_base("log2");
    struct container c = { .args = "[\"sh\",\"-c\",\"cat /etc/long\"]", .log = log };
    struct buffer out = { 0 };
    size_t size = 200000;
    char *text = malloc(size);
    struct error err;

    for (size_t i = 0; i < size; i++)
        text[i] = i % 50000 == 49999 ? '\n' : (char)('a' + i % 26);
    assert_int_equal(fs_write(in_base("image/etc/long"), text, size, 0644, false, &err), 0);
    run_to_end(&c);
    log_join(log, "stdout", &out);
    assert_int_equal(out.size, size);
    assert_memory_equal(out.data, text, size);
    buffer_free(&out);
    free(text);
    delete(&c);
    unlink(log);
}

static void a_terminal_is_logged_as_standard_output(void **state UNUSED)
{
    const char *log = in_base("log3");
    struct container c = { .args = "[\"sh\",\"-c\",\"echo out; echo err >&2\"]", .log = log, .tty = true };
    struct buffer out = { 0 };

    run_to_end(&c);
    log_join(log, "stdout", &out);
    assert_int_equal(out.size, 10);
    assert_memory_equal(out.data, "out\r\nerr\r\n", 10);
    buffer_free(&out);
    delete(&c);
    unlink(log);
}

static void the_log_is_rotated_and_no_line_is_lost_before_its_turn(void **state UNUSED)
{
    const char *log = in_base("log4");
    struct container c = {
        .args = "[\"sh\",\"-c\",\"i=0; while [ $i -lt 9000 ]; do echo line $i of the log; i=$((i+1)); done\"]",
        .log = log, .log_size = 200000, .log_files = 3
    };
    struct buffer out = { 0 };
    char path[PATH_SIZE], last[] = "line 8999 of the log\n";
    struct error err;
    unsigned number;
    char *at;

    run_to_end(&c);
    for (int i = 2; i >= 0; i--) {
        struct fs_info info;

        snprintf(path, sizeof(path), i > 0 ? "%s.%d" : "%s", log, i);
        assert_int_equal(fs_stat(path, &info, &err), 0);
        assert_true(info.size <= 200000);
        assert_int_equal(mode_of(path), 0640);
        log_join(path, "stdout", &out);
    }
    snprintf(path, sizeof(path), "%s.3", log);
    assert_false(fs_exists(path));
    /* what is left ends with the last line and has no hole */
    assert_memory_equal(out.data + out.size - strlen(last), last, strlen(last));
    buffer_add(&out, "", 1);
    at = strchr(out.data, 'l');
    assert_int_equal(sscanf(at, "line %u", &number), 1);
    for (; (at = strstr(at, "line ")) != NULL; at++, number++) {
        unsigned found;

        assert_int_equal(sscanf(at, "line %u", &found), 1);
        assert_int_equal(found, number);
    }
    assert_int_equal(number, 9000);
    buffer_free(&out);
    delete(&c);
    run_shell("rm %s*", log);
}

static void additional_processes_are_not_logged(void **state UNUSED)
{
    const char *log = in_base("log5");
    const char *json = "{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"echo\",\"exec speaks\"],"
                       "\"env\":[\"PATH=/bin\"],\"cwd\":\"/\"}";
    struct container c = { .args = "[\"sh\",\"-c\",\"echo container speaks; sleep 1000\"]", .log = log };
    struct buffer out = { 0 };

    create(&c);
    ask(&c, .what = "start");
    assert_int_equal(task_process_write(c.starting.folder, "p", json, strlen(json), &c.err), 0);
    ask(&c, .what = "exec", .exec = "e", .process = "p");
    ask(&c, .what = "start", .exec = "e");
    wait_exit(&c, "e");
    ask(&c, .what = "kill", SET(signal, SIGKILL));
    wait_exit(&c, NULL);
    log_join(log, "stdout", &out);
    assert_int_equal(out.size, 17);
    buffer_free(&out);
    delete(&c);
    unlink(log);
}

/* A log on a file system of 256 KiB; then there is room again. */
static void a_full_disk_neither_blocks_nor_kills(void **state UNUSED)
{
    char log[PATH_SIZE];
    struct container c = {
        .args = "[\"sh\",\"-c\",\"dd if=/dev/zero bs=64k count=64 2>/dev/null | tr '\\\\000' x; echo; "
                "echo full; cat; echo room again; exit 6\"]",
        .log = log, .stdin = true, .hold = true
    };
    struct output output = { 0 };
    struct task_stream *stream;
    struct buffer error = { 0 };
    struct error err;
    size_t size;
    char *text;

    run_shell("mkdir -p %s/small && mount -t tmpfs -o size=256k tmpfs %s/small && "
              "head -c 50000 /dev/zero > %s/small/ballast; ln -sf busybox %s/image/bin/tr",
              base, base, base, base);
    snprintf(log, sizeof(log), "%s/small/log", base);
    create(&c);
    stream = attach(&c, SET(hold, true), SET(stdin, true));
    ask(&c, .what = "start");
    take_until(stream, &output, "full\n");
    assert_int_equal(output.out.size, (4 << 20) + 1 + 5); /* the client had all of it */
    unlink(in_base("small/ballast"));
    type_in(stream, "", true);
    take_all(stream, &output);
    assert_int_equal(output.exit.status, 6);
    text = fs_read(log, 1 << 20, &size, &err);
    assert_non_null(text);
    assert_non_null(strstr(text, "bytes of output are missing here"));
    assert_non_null(strstr(text, "No space left on device"));
    assert_non_null(strstr(text, " stdout F room again\n"));
    free(text);
    log_join(log, "stderr", &error); /* every line is whole */
    buffer_free(&error);
    task_stream_close(&stream);
    output_free(&output);
    delete(&c);
    run_shell("umount %s/small && rmdir %s/small", base, base);
}

static void a_log_that_cannot_be_opened_stops_the_creation(void **state UNUSED)
{
    char log[PATH_SIZE];
    struct container c = { .args = "[\"true\"]", .log = log };

    snprintf(log, sizeof(log), "%s/nowhere/log", base);
    assert_int_equal(create_try(&c), -1);
    assert_non_null(strstr(c.err.text, "nowhere/log"));
    arena_drop(&c.arena);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, nothing_is_left)
    const struct CMUnitTest tests[] = {
        TEST(lines_are_in_the_log_when_the_exit_is_told),
        TEST(a_long_line_is_split_and_can_be_joined),
        TEST(a_terminal_is_logged_as_standard_output),
        TEST(the_log_is_rotated_and_no_line_is_lost_before_its_turn),
        TEST(additional_processes_are_not_logged),
        TEST(a_full_disk_neither_blocks_nor_kills),
        TEST(a_log_that_cannot_be_opened_stops_the_creation),
    };

    return run_with_every_runtime(tests);
}
