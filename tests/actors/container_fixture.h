/*
 * container_fixture — a store with all actors and one image, `box`: a static busybox, a few
 * users.  Containers are real where a test starts them: gantry-shim and runc.
 *
 * What a test has made is removed by force at its end, and nothing may be left then.
 */
#ifndef TESTS_ACTORS_CONTAINER_FIXTURE_H
#define TESTS_ACTORS_CONTAINER_FIXTURE_H

#include <unistd.h>

#include "tests/actors/images/pull_fixture.h"

#define STRS(...)                                                                  \
    {                                                                              \
        sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *), (const char *[]) \
        {                                                                          \
            __VA_ARGS__                                                            \
        }                                                                          \
    }

static struct built_image *box; /* the same for all tests */
static char box_name[100];

static struct built_image *build_box(const char *busybox)
{
    static const char *const links[] = { "sh",   "cat",   "echo", "sleep", "dd",
                                         "true", "false", "id",   "stty",  "head",
                                         "yes",  "kill",  "seq",  "tr",    "wc" };
    struct layer_entry entries[32] = {
        { .path = "bin", .type = ENTRY_FOLDER },
        { .path = "proc", .type = ENTRY_FOLDER },
        { .path = "sys", .type = ENTRY_FOLDER },
        { .path = "dev", .type = ENTRY_FOLDER },
        { .path = "tmp", .type = ENTRY_FOLDER, .mode = 01777 },
        { .path = "etc", .type = ENTRY_FOLDER },
        { .path = "etc/passwd", .text = "root:x:0:0:root:/:/bin/sh\nweb:x:33:34:web:/:/bin/sh\n" },
        { .path = "etc/group", .text = "root:x:0:\nweb:x:34:\nmore:x:50:web\n" },
        { .path = "etc/plain", .text = "no program\n" },
        { .path = "bin/busybox", .mode = 0755 },
    };
    static char paths[COUNT_OF(links)][20];
    size_t count = 10;
    struct error err = { 0 };
    char *program = fs_read(busybox, 64 << 20, &entries[9].size, &err);
    struct built_image *image;

    if (program == NULL)
        return NULL;
    entries[9].text = program;
    for (size_t i = 0; i < COUNT_OF(links); i++) {
        snprintf(paths[i], sizeof(paths[i]), "bin/%s", links[i]);
        entries[count++] =
            (struct layer_entry){ .path = paths[i], .type = ENTRY_SYMLINK, .text = "busybox" };
    }
    image = image_build(&(struct image_plan){
        .layers = &(
            struct layer_plan){ .entries = entries, .entry_count = count, .packing = LAYER_PLAIN },
        .layer_count = 1,
        .config = "{\"Cmd\":[\"sh\"],\"Env\":[\"PATH=/bin\",\"KIND=box\"]}" });
    free(program);
    return image;
}

/* For the group: exits with 77 where there is nothing to run. */
UNUSED static int find_box(void **state)
{
    char busybox[PATH_SIZE], runc[PATH_SIZE];
    struct error err = { 0 };

    (void)state;
    if (program_look_up("busybox", busybox, &err) < 0 || program_look_up("runc", runc, &err) < 0) {
        printf("skipped: %s\n", err.text);
        exit(77);
    }
    box = build_box(busybox);
    return box != NULL ? 0 : -1;
}

UNUSED static int drop_box(void **state)
{
    (void)state;
    image_drop(&box);
    return 0;
}

UNUSED static int set_up_box(void **state)
{
    (void)state;
    store_open_with(&store, WITH_IMAGES | WITH_CONTAINERS | WITH_TASKS | WITH_DAEMON);
    server = server_start(SERVER_HTTP);
    image_serve(server, "app", "latest", box);
    must_pull();
    snprintf(box_name, sizeof(box_name), "%s", reference());
    return 0;
}

/* ---- what comes a moment behind an answer --------------------------------------------------- */

#define COMES_TRUE(condition)                                             \
    do {                                                                  \
        int64_t until = clock_monotonic() + PEER_PATIENCE_MS * 1000000ll; \
        while (!(condition) && clock_monotonic() < until)                 \
            zclock_sleep(2);                                              \
        if (!(condition))                                                 \
            fail_msg("it never came true: %s", #condition);               \
    } while (0)

/* ---- containers ----------------------------------------------------------------------------- */

/* The id in a buffer that the next call but three overwrites. */
UNUSED static const char *kept_id(const char *id)
{
    static char ids[4][80];
    static unsigned turn;
    char *kept = ids[turn++ % 4];

    snprintf(kept, sizeof(ids[0]), "%s", id);
    return kept;
}

UNUSED static enum error_code create_with(struct containers_create_request want)
{
    if (want.image == NULL && want.spec == NULL)
        want.image = box_name;
    return peer_ask(&store.containers, &op_containers_create, &want, &answer);
}

#define create(...) create_with((struct containers_create_request){ __VA_ARGS__ })

#define must_create(...)                                     \
    ({                                                       \
        must(create(__VA_ARGS__));                           \
        kept_id(((struct container_info *)answer.body)->id); \
    })

UNUSED static enum error_code container_get(const char *id)
{
    return peer_ask(&store.containers, &op_containers_get,
                    &(struct containers_get_request){ .id = id }, &answer);
}

/* Valid until the next question. */
UNUSED static const struct container_info *must_get(const char *id)
{
    must(container_get(id));
    return answer.body;
}

UNUSED static enum error_code remove_with(struct containers_remove_request want)
{
    return peer_ask(&store.containers, &op_containers_remove, &want, &answer);
}

#define remove_container(...) remove_with((struct containers_remove_request){ __VA_ARGS__ })

UNUSED static int64_t count_of(const char *what)
{
    char sql[400];

    snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", what);
    return store_number(&store, sql);
}

UNUSED static int64_t count_events(const char *topic, const char *id)
{
    char what[300];

    snprintf(what, sizeof(what), "events_journal WHERE topic = '%s' AND id = '%s'", topic, id);
    return count_of(what);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void remove_all_of(const char *namespace)
{
    const struct containers_list_request all = { 0 };
    struct answer listed = { 0 };
    const struct containers_list_reply *reply;
    const struct container_info *infos;

    store_use(&store, namespace);
    if (peer_ask(&store.containers, &op_containers_list, &all, &listed) != ERROR_NONE)
        fail_msg("%s", listed.message);
    reply = listed.body;
    infos = reply->containers.items;
    for (size_t i = 0; i < reply->containers.count; i++)
        must(remove_container(.id = infos[i].id, SET(force, true)));
    answer_free(&listed);
}

/* Nothing of a container: no folder, no snapshot, no row, no supervisor. */
UNUSED static void assert_no_containers(void)
{
    COMES_TRUE(files_in("state/t") == 0);
    COMES_TRUE(files_in("containers/default") == 0);
    assert_int_equal(count_of("containers_container"), 0);
    assert_int_equal(count_of("tasks_task"), 0);
    collect();
    assert_int_equal(count_of("snapshots_snapshot WHERE kind <> 'committed'"), 0);
    assert_int_equal(count_of("leases_lease"), 0);
    assert_int_equal(files_in("state/oci"), 0);
    assert_sound();
}

UNUSED static int tear_down_box(void **state)
{
    (void)state;
    if (store.running != NULL) {
        remove_all_of("other");
        remove_all_of(NULL);
        assert_no_containers();
    }
    answer_free(&answer);
    server_stop(&server);
    store_close(&store);
    return 0;
}

#define BOX_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_box, tear_down_box)

#endif
