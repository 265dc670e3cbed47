/* test_check — a store that was broken on purpose, in every way that the check has a word for. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/actors/container_fixture.h"

/* Until the next of these but three. */
__attribute__((format(printf, 1, 2))) static const char *text_of(const char *fmt, ...)
{
    static char texts[4][400];
    static unsigned turn;
    char *text = texts[turn++ % 4];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(texts[0]), fmt, args);
    va_end(args);
    return text;
}

static const struct daemon_check_reply *check(bool deep)
{
    const struct daemon_check_request want = { SET(deep, deep) };

    must(peer_ask(&store.daemon, &op_daemon_check, &want, &answer));
    return answer.body;
}

static void assert_clean(void)
{
    const struct daemon_check_reply *reply = check(true);
    const struct finding *findings = reply->findings.items;

    if (reply->findings.count > 0)
        fail_msg("%s: %s", findings[0].what, findings[0].problem);
    assert_true(reply->checked > 0);
}

/* This alone, and with a way out. */
static void assert_found(bool deep, const char *what, const char *problem)
{
    const struct daemon_check_reply *reply = check(deep);
    const struct finding *findings = reply->findings.items;

    if (reply->findings.count != 1)
        fail_msg("%zu findings instead of %s: %s", reply->findings.count, what, problem);
    assert_string_equal(findings[0].what, what);
    assert_string_equal(findings[0].problem, problem);
    assert_non_null(findings[0].hint);
    assert_true(strlen(findings[0].hint) > 10);
}

#define found(problem, ...)                          \
    do {                                             \
        char what_[300];                             \
        snprintf(what_, sizeof(what_), __VA_ARGS__); \
        assert_found(true, what_, problem);          \
    } while (0)

/* The same name is moved away and back. */
static void move(const char *from, const char *to)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "%s", store_path(&store, "%s", from));
    assert_int_equal(rename(path, store_path(&store, "%s", to)), 0);
}

/* The text of one cell; valid until the next of these. */
static const char *cell(const char *sql)
{
    static char text[300];
    struct query query = { 0 };
    struct error err = { 0 };
    struct db *db;

    assert_int_equal(db_open(store.database, true, &db, &err), 0);
    assert_int_equal(db_query(db, &query, &err, sql, ""), 0);
    assert_int_equal(query_next(&query, &err), 1);
    snprintf(text, sizeof(text), "%s", query_text(&query, 0));
    query_done(&query);
    db_close(&db);
    return text;
}

static void make_file(const char *name)
{
    int file = open(store_path(&store, "%s", name), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(file >= 0);
    close(file);
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void a_sound_store_is_clean(void **state)
{
    (void)state;
    must_create(.id = "one");
    assert_clean();
}

static void a_blob_without_its_file_is_found(void **state)
{
    char digest[200], file[200];

    (void)state;
    snprintf(digest, sizeof(digest), "%s",
             cell("SELECT digest FROM content_blob ORDER BY size DESC"));
    snprintf(file, sizeof(file), "blobs/sha256/%s", digest + 7);
    move(file, "away");
    found("its file is missing", "content %s", digest);
    move("away", file);
    assert_clean();
}

static void a_blob_of_another_size_is_found(void **state)
{
    char digest[200];
    struct stat before;
    const char *path;

    (void)state;
    snprintf(digest, sizeof(digest), "%s",
             cell("SELECT digest FROM content_blob ORDER BY size DESC"));
    path = store_path(&store, "blobs/sha256/%s", digest + 7);
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(truncate(path, before.st_size + 1), 0);
    assert_found(false, text_of("content %s", digest), "its file has another size");
    assert_int_equal(truncate(store_path(&store, "blobs/sha256/%s", digest + 7), before.st_size),
                     0);
    assert_clean();
}

static void a_changed_byte_is_found_by_a_deep_check_alone(void **state)
{
    char digest[200], byte;
    int file;

    (void)state;
    snprintf(digest, sizeof(digest), "%s",
             cell("SELECT digest FROM content_blob ORDER BY size DESC"));
    file = open(store_path(&store, "blobs/sha256/%s", digest + 7), O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(file, &byte, 1, 1000), 1);
    byte ^= 1;
    assert_int_equal(pwrite(file, &byte, 1, 1000), 1);
    assert_int_equal(check(false)->findings.count, 0);
    found("its file has other bytes", "content %s", digest);
    byte ^= 1;
    assert_int_equal(pwrite(file, &byte, 1, 1000), 1);
    close(file);
    assert_clean();
}

static void a_lost_snapshot_folder_is_found(void **state)
{
    int64_t number;

    (void)state;
    number = store_number(&store, "SELECT id FROM snapshots_layer");
    move(text_of("snapshots/%lld", (long long)number), "away");
    found("is missing", "snapshot folder %lld", (long long)number);
    move("away", text_of("snapshots/%lld", (long long)number));
    assert_clean();
}

static void a_lost_container_folder_is_found(void **state)
{
    (void)state;
    must_create(.id = "one");
    move("containers/default/one", "away");
    found("its folder is missing", "container one");
    move("away", "containers/default/one");
    assert_clean();
}

static void an_ingest_without_its_file_is_found_and_the_next_start_makes_it(void **state)
{
    struct content_ingest_request want = { .ref = "half" };
    const struct content_ingest_reply *reply;
    char path[PATH_SIZE];

    (void)state;
    must(peer_ask(&store.content, &op_content_ingest, &want, &answer));
    reply = answer.body;
    snprintf(path, sizeof(path), "%s", reply->path);
    assert_clean();
    assert_int_equal(unlink(path), 0);
    found("its file is missing", "ingest half");
    store_stop(&store);
    store_start(&store);
    assert_clean();
}

static void files_that_no_row_names_are_found(void **state)
{
    static const char name[] = "0000000000000000000000000000000000000000000000000000000000000000";
    struct error err = { 0 };

    (void)state;
    must_create(.id = "one");
    make_file(text_of("blobs/sha256/%s", name));
    found("no row names it", "content file %s", name);
    assert_int_equal(unlink(store_path(&store, "blobs/sha256/%s", name)), 0);
    make_file(text_of("blobs/sha512/%s", name));
    found("no row names it", "content file %s", name);
    assert_int_equal(unlink(store_path(&store, "blobs/sha512/%s", name)), 0);
    make_file("ingests/stray");
    found("no row names it", "ingest file stray");
    assert_int_equal(unlink(store_path(&store, "ingests/stray")), 0);
    assert_int_equal(fs_folder_make(store_path(&store, "snapshots/4711"), 0700, &err), 0);
    found("no row names it", "snapshot folder 4711");
    assert_int_equal(rmdir(store_path(&store, "snapshots/4711")), 0);
    assert_int_equal(fs_folder_make_all(store_path(&store, "volumes/default/stray"), 0700, &err), 0);
    found("no row names it", "volume folder stray");
    assert_int_equal(rmdir(store_path(&store, "volumes/default/stray")), 0);
    assert_int_equal(fs_folder_make(store_path(&store, "containers/default/stray"), 0700, &err), 0);
    found("no row names it", "container folder stray");
    assert_int_equal(rmdir(store_path(&store, "containers/default/stray")), 0);
    assert_clean();
}

/* What is said of each kind of record, both ways round. */
static void a_record_and_its_event_are_there_together_or_it_is_found(void **state)
{
    static const struct {
        const char *topic, *what, *id;
    } kinds[] = {
        { "/images/create", "image", "SELECT name FROM images_image" },
        { "/containers/create", "container", "SELECT 'one'" },
        { "/content/create", "content", "SELECT digest FROM content_blob ORDER BY size DESC" },
        { "/snapshot/prepare", "snapshot", "SELECT 'one'" },
    };
    char id[300], sql[700];

    (void)state;
    must_create(.id = "one");
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        snprintf(id, sizeof(id), "%s", cell(kinds[i].id));
        snprintf(sql, sizeof(sql),
                 "UPDATE events_journal SET id = 'x' || id WHERE topic = '%s' AND id = '%s'",
                 kinds[i].topic, id);
        store_sql(&store, sql);
        {
            const struct daemon_check_reply *reply = check(false);
            const struct finding *findings = reply->findings.items;
            char what[320], other[320];

            snprintf(what, sizeof(what), "%s %s", kinds[i].what, id);
            snprintf(other, sizeof(other), "%s x%s", kinds[i].what, id);
            assert_int_equal(reply->findings.count, 2);
            assert_string_equal(findings[0].what, what);
            assert_string_equal(findings[0].problem, "the journal has no event of its making");
            assert_string_equal(findings[1].what, other);
            assert_string_equal(findings[1].problem, "the journal says it exists, and it does not");
        }
        snprintf(sql, sizeof(sql),
                 "UPDATE events_journal SET id = '%s' WHERE topic = '%s' AND id = 'x%s'", id,
                 kinds[i].topic, id);
        store_sql(&store, sql);
    }
    store_sql(&store, "INSERT INTO tasks_task (namespace, id, status, boot) VALUES ('default', "
                      "'nobody', 'stopped', '')");
    found("there is no such container", "task nobody");
    store_sql(&store, "DELETE FROM tasks_task WHERE id = 'nobody'");
    assert_clean();
}

/* A download stands still in the midst, its ingest and its place to unpack are there. */
static void what_a_running_pull_is_making_is_no_finding(void **state)
{
    struct layer_entry entry;
    const struct layer_plan layer = noise_layer("noise", 300000, &entry);
    CLEANUP(image_drop)
    struct built_image *image =
        image_build(&(struct image_plan){ .layers = &layer, .layer_count = 1 });
    const struct built_blob *blob = &image->layers[0].packed;

    (void)state;
    image_serve(server, "app", "latest", image);
    serve_blob(blob, &(struct server_reply){
                         .body = blob->data, .size = blob->size, .ranges = true, .gate = true });
    begin_pull(&store.images);
    server_wait(server, blob_path(blob), 1);
    assert_true(store_number(&store, "SELECT count(*) FROM content_ingest") > 0);
    assert_clean();
    server_release(server);
    must(end_pull(&store.images));
    assert_clean();
    free((void *)(uintptr_t)entry.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOX_TEST(a_sound_store_is_clean),
        BOX_TEST(a_blob_without_its_file_is_found),
        BOX_TEST(a_blob_of_another_size_is_found),
        BOX_TEST(a_changed_byte_is_found_by_a_deep_check_alone),
        BOX_TEST(a_lost_snapshot_folder_is_found),
        BOX_TEST(a_lost_container_folder_is_found),
        BOX_TEST(an_ingest_without_its_file_is_found_and_the_next_start_makes_it),
        BOX_TEST(files_that_no_row_names_are_found),
        BOX_TEST(a_record_and_its_event_are_there_together_or_it_is_found),
        BOX_TEST(what_a_running_pull_is_making_is_no_finding),
    };

    return cmocka_run_group_tests_name("check", tests, find_box, drop_box);
}
