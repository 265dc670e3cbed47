/*
 * Shims of protocol 1 will be met for years: they live as long as their containers.  What one
 * said, and what was said to it, is kept in tests/fixtures/shim-v1, a line per packet:
 *
 *      < T 83a2696401...  {"id":1,...}     from the shim: kind, bytes, meaning
 *      > A 82a2696401...  {"id":1,...}     from the daemon
 *
 * The tests hold today's code against it.  The recording is made by
 * `test_shim_v1 record FOLDER`, once per protocol, and not changed afterwards.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include "protocol/json.h"
#include "tests/platform/shim_fixture.h"

#define FIXTURES TEST_SOURCE "/tests/fixtures/shim-v1"

static const struct record *table_of(char kind)
{
    switch (kind) {
    case 'H': return shim_hello_record();
    case 'A': return shim_ask_record();
    case 'T': return shim_tell_record();
    case 'D': return shim_data_record();
    case 'K': return shim_task_record(); /* file `task` */
    case 'E': return shim_exit_record(); /* file `exit` */
    default: fail_msg("no packet is of kind '%c'", kind); return NULL;
    }
}

/* ---- recording ------------------------------------------------------------------- */

static void write_packet(FILE *out, char direction, char kind, const void *bytes, size_t size)
{
    struct arena *arena = arena_new();
    struct error err;
    void *record = arena_alloc(arena, table_of(kind)->size);
    json_t *meaning;
    char *text;

    if (record_unpack(table_of(kind), RECORD_STRICT, bytes, size, record, arena, &err) < 0)
        fail_msg("%s", err.text);
    meaning = record_json(table_of(kind), record);
    text = json_dumps(meaning, JSON_COMPACT);
    fprintf(out, "%c %c ", direction, kind);
    for (size_t i = 0; i < size; i++)
        fprintf(out, "%02x", ((const unsigned char *)bytes)[i]);
    fprintf(out, " %s\n", text);
    free(text);
    json_decref(meaning);
    arena_free(arena);
}

static int raw_connect(const char *folder)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/sock", folder);
    assert_int_equal(connect(connection, (struct sockaddr *)&address, sizeof(address)), 0);
    return connection;
}

/* Records what comes, up to the packet that holds `last` in its meaning or bytes. */
static void record_until(FILE *out, int connection, const char *last)
{
    static char packet[SHIM_PACKET_MAX];
    ssize_t size;

    do {
        size = recv(connection, packet, sizeof(packet), 0);
        if (size <= 0)
            return;
        write_packet(out, '<', packet[0], packet + 1, (size_t)size - 1);
    } while (memmem(packet, (size_t)size, last, strlen(last)) == NULL);
}

static void record_ask(FILE *out, int connection, struct shim_ask ask, const char *last)
{
    struct buffer packet = { 0 };

    shim_packet_add(SHIM_ASK, &ask, &packet);
    write_packet(out, '>', 'A', packet.data + 1, packet.size - 1);
    assert_int_equal(send(connection, packet.data, packet.size, 0), packet.size);
    buffer_free(&packet);
    record_until(out, connection, last);
}

static void record_file(FILE *out, struct container *c, char kind, const char *name)
{
    size_t size;
    char *bytes = fs_read(in_folder(c, name), 1 << 20, &size, &c->err);

    assert_non_null(bytes);
    write_packet(out, '<', kind, bytes, size);
    free(bytes);
}

static FILE *fixture_create(const char *folder, const char *name)
{
    char path[PATH_SIZE];
    FILE *out;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    out = fopen(path, "w");
    assert_non_null(out);
    return out;
}

static const char process_json[] = "{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"nosuch\"],"
                                   "\"env\":[\"PATH=/bin\"],\"cwd\":\"/\"}";

static void record_stream(const char *folder, struct container *c)
{
    FILE *out = fixture_create(folder, "stream.txt");
    int connection = raw_connect(c->starting.folder);
    char head[SHIM_HEAD_MAX + 8];
    size_t size;

    record_until(out, connection, "H");
    record_ask(out, connection,
               (struct shim_ask){ .id = 1, .what = "attach", SET(stdin, true), SET(hold, true) }, "ok");
    ask(c, .what = "start");
    size = shim_data_head("stdin", 5, true, head);
    memcpy(head + size, "hello", 5);
    write_packet(out, '>', 'D', head + 1, size + 4);
    assert_int_equal(send(connection, head, size + 5, 0), size + 5);
    record_until(out, connection, "\243end"); /* the tell: the data has no such key */
    close(connection);
    fclose(out);
}

static void record_link(const char *folder, struct container *c)
{
    FILE *out = fixture_create(folder, "link.txt");
    int connection = raw_connect(c->starting.folder);
    const struct window window = { .columns = 80, .rows = 24 };

    record_until(out, connection, "H");
    record_ask(out, connection, (struct shim_ask){ .id = 1, .what = "state" }, "ok");
    record_ask(out, connection, (struct shim_ask){ .id = 2, .what = "start" }, "ok");
    record_ask(out, connection, (struct shim_ask){ .id = 3, .what = "pids" }, "ok");
    record_ask(out, connection,
               (struct shim_ask){ .id = 4, .what = "exec", .exec = "e1", .process = "process.e1",
                                  SET(tty, false), SET(stdin, true), .window = &window },
               "ok");
    record_ask(out, connection, (struct shim_ask){ .id = 5, .what = "start", .exec = "e1" }, "error");
    record_ask(out, connection, (struct shim_ask){ .id = 6, .what = "delete", .exec = "e1" }, "ok");
    record_ask(out, connection, (struct shim_ask){ .id = 7, .what = "resize", .window = &window }, "error");
    record_ask(out, connection, (struct shim_ask){ .id = 8, .what = "kill", SET(signal, 9) }, "exit");
    record_ask(out, connection, (struct shim_ask){ .id = 9, .what = "state" }, "ok");
    record_ask(out, connection, (struct shim_ask){ .id = 10, .what = "delete" }, "ok");
    close(connection);
    fclose(out);
}

static int record_all(const char *folder)
{
    struct container talk = { .args = "[\"sleep\",\"1000\"]", .stdin = true };
    struct container echo = { .args = "[\"sh\",\"-c\",\"cat; echo oops >&2; exit 3\"]", .stdin = true,
                              .hold = true };
    FILE *out = fixture_create(folder, "files.txt");
    struct error err;

    if (!image_make() || program_look_up("runc", runtime, &err) < 0)
        return 1;
    create(&echo);
    record_file(out, &echo, 'K', "task");
    record_stream(folder, &echo);
    wait_exit(&echo, NULL);
    record_file(out, &echo, 'E', "exit");
    delete(&echo);
    create(&talk);
    task_process_write(talk.starting.folder, "process.e1", process_json, strlen(process_json), &err);
    record_link(folder, &talk);
    clear(&talk);
    fclose(out);
    image_remove();
    return 0;
}

/* ---- reading ---------------------------------------------------------------------- */

struct line {
    char direction, kind;
    unsigned char bytes[8192];
    size_t size;
    char meaning[8192];
};

static bool line_next(FILE *in, struct line *line)
{
    static char text[32768], hex[16384];
    unsigned byte;

    if (fgets(text, sizeof(text), in) == NULL)
        return false;
    if (sscanf(text, "%c %c %16383s %8191[^\n]", &line->direction, &line->kind, hex,
               line->meaning) != 4)
        fail_msg("not a line of a recording: %s", text);
    line->size = strlen(hex) / 2;
    for (size_t i = 0; i < line->size; i++) {
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        line->bytes[i] = (unsigned char)byte;
    }
    return true;
}

static FILE *fixture_open(const char *name)
{
    char path[PATH_SIZE];
    FILE *in;

    snprintf(path, sizeof(path), FIXTURES "/%s", name);
    in = fopen(path, "r");
    if (in == NULL)
        fail_msg("no recording %s", path);
    return in;
}

static void *line_decode(const struct line *line, struct arena *arena)
{
    void *record = arena_alloc(arena, table_of(line->kind)->size);
    struct error err;

    if (record_unpack(table_of(line->kind), RECORD_STRICT, line->bytes, line->size, record, arena,
                      &err) < 0)
        fail_msg("%s", err.text);
    return record;
}

static size_t lines_mean_what_they_meant(const char *name)
{
    static struct line line;
    FILE *in = fixture_open(name);
    size_t count = 0;

    for (; line_next(in, &line); count++) {
        struct arena *arena = arena_new();
        json_t *was = json_loads(line.meaning, 0, NULL);
        json_t *is = record_json(table_of(line.kind), line_decode(&line, arena));

        assert_non_null(was);
        if (!json_equal(was, is))
            fail_msg("%s: %s", name, line.meaning);
        json_decref(was);
        json_decref(is);
        arena_free(arena);
    }
    fclose(in);
    return count;
}

static void every_recorded_packet_means_what_it_meant(void **state UNUSED)
{
    assert_int_equal(lines_mean_what_they_meant("files.txt"), 2);
    assert_true(lines_mean_what_they_meant("link.txt") >= 22);
    assert_true(lines_mean_what_they_meant("stream.txt") >= 7);
}

/* ---- replaying --------------------------------------------------------------------- */

static char folder[] = "/tmp/gantry-shim-v1-XXXXXX";

/* The test is the shim: what a daemon connects to. */
static int shim_listen(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock", folder);
    unlink(address.sun_path);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    return listener;
}

static void shim_says(int connection, const struct line *line)
{
    char packet[sizeof(line->bytes) + 1];

    packet[0] = line->kind;
    memcpy(packet + 1, line->bytes, line->size);
    assert_int_equal(send(connection, packet, line->size + 1, 0), line->size + 1);
}

static void shim_hears(int connection, const struct line *line)
{
    char packet[sizeof(line->bytes) + 1];

    assert_int_equal(recv(connection, packet, sizeof(packet), 0), line->size + 1);
    assert_int_equal(packet[0], line->kind);
    assert_memory_equal(packet + 1, line->bytes, line->size);
}

/* An old shim refuses a key it does not know, so we say to it what was said then, no more. */
static void todays_daemon_talks_with_a_shim_of_protocol_1(void **state UNUSED)
{
    static struct line line;
    FILE *in = fixture_open("link.txt");
    struct arena *arena = arena_new();
    struct error err;
    struct shim_tell tell;
    int listener = shim_listen();
    struct task_link *link = task_link_open(folder, &err);
    int connection = accept(listener, NULL, NULL);
    size_t answers = 0;

    assert_non_null(link);
    while (line_next(in, &line)) {
        if (line.direction == '>') {
            const struct shim_ask *asked = line_decode(&line, arena);

            assert_int_equal(task_link_send(link, asked, &err), 0);
            shim_hears(connection, &line);
            continue;
        }
        shim_says(connection, &line);
        if (line.kind == 'H') {
            assert_int_equal(task_link_receive(link, arena, &tell, &err), 0);
        } else {
            assert_int_equal(task_link_receive(link, arena, &tell, &err), 1);
            answers++;
        }
    }
    assert_int_equal(answers, 11); /* ten answers, and the news of the end */
    close(connection);
    assert_int_equal(task_link_receive(link, arena, &tell, &err), -1);
    task_link_close(&link);
    close(listener);
    arena_free(arena);
    fclose(in);
}

static void todays_daemon_takes_the_streams_of_a_shim_of_protocol_1(void **state UNUSED)
{
    static struct line line;
    FILE *in = fixture_open("stream.txt");
    struct arena *arena = arena_new();
    struct error err;
    struct task_item item;
    struct shim_ask attach = { .id = 1, SET(stdin, true), SET(hold, true) };
    int listener = shim_listen();
    struct task_stream *stream = task_stream_open(folder, &attach, &err);
    int connection = accept(listener, NULL, NULL);
    char said[64] = "";
    uint64_t status = 0;

    assert_non_null(stream);
    while (line_next(in, &line)) {
        if (line.direction == '>') {
            if (line.kind == 'D')
                assert_int_equal(task_stream_send(stream, "hello", 5, true, &err), 1);
            shim_hears(connection, &line);
            continue;
        }
        shim_says(connection, &line);
        if (line.kind == 'H')
            continue;
        assert_int_equal(task_stream_receive(stream, &item, &err), 1);
        if (item.kind == TASK_ITEM_DATA)
            strncat(said, item.bytes, item.size);
        else if (item.tell.exit != NULL)
            status = item.tell.exit->status;
    }
    assert_non_null(strstr(said, "hello"));
    assert_non_null(strstr(said, "oops"));
    assert_int_equal(status, 3);
    task_stream_close(&stream);
    close(connection);
    close(listener);
    arena_free(arena);
    fclose(in);
}

static void a_shim_of_another_protocol_is_refused(void **state UNUSED)
{
    const struct shim_hello hello = { .protocol = 2, .version = "9.9.9" };
    struct buffer packet = { 0 };
    struct arena *arena = arena_new();
    struct shim_tell tell;
    struct error err;
    int listener = shim_listen();
    struct task_link *link = task_link_open(folder, &err);
    int connection = accept(listener, NULL, NULL);

    shim_packet_add(SHIM_HELLO, &hello, &packet);
    send(connection, packet.data, packet.size, 0);
    assert_int_equal(task_link_receive(link, arena, &tell, &err), -1);
    assert_int_equal(err.code, ERROR_FAILED_PRECONDITION);
    assert_non_null(strstr(err.text, "9.9.9"));
    buffer_free(&packet);
    task_link_close(&link);
    close(connection);
    close(listener);
    arena_free(arena);
}

static int folder_make(void **state UNUSED)
{
    return mkdtemp(folder) == NULL;
}

static int folder_remove(void **state UNUSED)
{
    struct error err;

    return fs_remove_tree(folder, &err);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_recorded_packet_means_what_it_meant),
        cmocka_unit_test(todays_daemon_talks_with_a_shim_of_protocol_1),
        cmocka_unit_test(todays_daemon_takes_the_streams_of_a_shim_of_protocol_1),
        cmocka_unit_test(a_shim_of_another_protocol_is_refused),
    };

    if (argc == 3 && strcmp(argv[1], "record") == 0)
        return record_all(argv[2]);
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
