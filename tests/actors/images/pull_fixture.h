/*
 * pull_fixture — a store with the images actor, a scripted registry, and what every test of
 * pulls asks: did it work, what was said, and is nothing left that should not be.
 */
#ifndef TESTS_ACTORS_IMAGES_PULL_FIXTURE_H
#define TESTS_ACTORS_IMAGES_PULL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "platform/scope.h"
#include "tests/actors/store.h"
#include "tests/helpers/image_builder.h"

static struct store store;
static struct registry_server *server;
static struct answer answer;

UNUSED static int set_up(void **state)
{
    (void)state;
    store_open_with(&store, WITH_IMAGES | WITH_DAEMON);
    server = server_start(SERVER_HTTP);
    return 0;
}

UNUSED static int tear_down(void **state)
{
    (void)state;
    answer_free(&answer);
    server_stop(&server);
    store_close(&store);
    return 0;
}

#define PULL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

UNUSED static void must(enum error_code code)
{
    if (code != ERROR_NONE)
        fail_msg("%s: %s", error_code_name(code), answer.message);
}

UNUSED static void assert_says(const char *what)
{
    if (strstr(answer.message, what) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", answer.message, what);
}

/* ---- images ------------------------------------------------------------------------------ */

/* One layer with one file. */
UNUSED static struct layer_plan *small_layer(void)
{
    static const struct layer_entry entries[] = { { .path = "etc", .type = ENTRY_FOLDER },
                                                  { .path = "etc/motd", .text = "hello\n" } };
    static struct layer_plan layer = { .entries = entries, .entry_count = COUNT_OF(entries) };

    return &layer;
}

/* A file of random bytes: its layer is as large, packed or not. */
UNUSED static struct layer_plan noise_layer(const char *path, size_t size,
                                            struct layer_entry *entry)
{
    char *noise = malloc(size);

    assert_non_null(noise);
    random_bytes(noise, size);
    *entry = (struct layer_entry){ .path = path, .text = noise, .size = size };
    return (struct layer_plan){ .entries = entry, .entry_count = 1 };
}

/* Serves an image of one layer, mostly a file of noise, so that it is larger than what goes in one
 * piece. */
UNUSED static struct built_image *noisy_image(size_t size)
{
    struct layer_entry entry;
    struct layer_plan layer = noise_layer("noise", size, &entry);
    struct built_image *image =
        image_build(&(struct image_plan){ .layers = &layer, .layer_count = 1 });

    free((char *)(uintptr_t)entry.text);
    image_serve(server, "app", "latest", image);
    return image;
}

/* "/v2/app/blobs/sha256:..." in a buffer that the next call but three overwrites. */
UNUSED static const char *blob_path(const struct built_blob *blob)
{
    static char paths[4][200];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    snprintf(path, sizeof(paths[0]), "/v2/app/blobs/%s", blob->digest);
    return path;
}

UNUSED static const char *manifest_path(const char *tag_or_digest)
{
    static char paths[4][200];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    snprintf(path, sizeof(paths[0]), "/v2/app/manifests/%s", tag_or_digest);
    return path;
}

/* Replaces what the server says of a blob. */
UNUSED static void serve_blob(const struct built_blob *blob, const struct server_reply *reply)
{
    server_forget(server, blob_path(blob));
    server_add(server, blob_path(blob), reply);
}

/* ---- pulling ------------------------------------------------------------------------------ */

UNUSED static const char *reference(void)
{
    static char text[100];

    snprintf(text, sizeof(text), "%s/app:latest", server_host(server));
    return text;
}

UNUSED static enum error_code pull_with(struct images_pull_request want)
{
    if (want.reference == NULL)
        want.reference = reference();
    return peer_ask(&store.images, &op_images_pull, &want, &answer);
}

#define pull(...) pull_with((struct images_pull_request){ __VA_ARGS__ })

/* Pulls, and takes no for no answer. */
UNUSED static const struct images_pull_reply *must_pull(void)
{
    must(pull());
    return answer.body;
}

/* Without waiting for the answer. */
UNUSED static uint64_t begin_pull(struct peer *peer)
{
    const struct images_pull_request want = { .reference = reference() };

    return peer_send(peer, &op_images_pull, &want);
}

/* Until the pull says that it is at this stage with this blob. */
UNUSED static void await_stage(struct peer *peer, const char *stage, const struct built_blob *blob)
{
    const struct progress *progress;

    while (peer_receive(peer, &op_images_pull, &answer)) {
        if (strcmp(answer.envelope.kind, "progress") != 0)
            fail_msg("%s before %s: %s", answer.envelope.kind, stage, answer.message);
        progress = answer.body;
        if (strcmp(progress->stage, stage) == 0 && progress->item != NULL &&
            strcmp(progress->item, blob->digest) == 0)
            return;
    }
    fail_msg("never came to %s", stage);
}

UNUSED static enum error_code end_pull(struct peer *peer)
{
    return peer_finish(peer, &op_images_pull, &answer);
}

/* Serves the plan's image and pulls it; the error is in `answer`. */
UNUSED static enum error_code pull_plan(const struct image_plan *plan)
{
    CLEANUP(image_drop) struct built_image *image = image_build(plan);

    image_serve(server, "app", "latest", image);
    return pull();
}

UNUSED static enum error_code pull_layer(const struct layer_plan *layer)
{
    return pull_plan(&(struct image_plan){ .layers = layer, .layer_count = 1 });
}

/* ---- what is there -------------------------------------------------------------------------- */

UNUSED static void collect(void)
{
    const struct nothing nothing = { 0 };
    struct answer collected = { 0 };

    if (peer_ask(&store.collector, &op_collector_run, &nothing, &collected) != ERROR_NONE)
        fail_msg("collect: %s", collected.message);
    answer_free(&collected);
}

static int count_name(void *ctx, const char *name, struct error *err)
{
    (void)name, (void)err;
    ++*(int64_t *)ctx;
    return 0;
}

UNUSED static int64_t files_in(const char *folder)
{
    struct error err = { 0 };
    int64_t count = 0;

    if (fs_exists(store_path(&store, "%s", folder)) &&
        fs_folder_each(store_path(&store, "%s", folder), count_name, &count, &err) < 0)
        fail_msg("%s", err.text);
    return count;
}

UNUSED static void assert_sound(void)
{
    const struct daemon_check_request deep = { SET(deep, true) };
    const struct daemon_check_reply *reply;
    const struct finding *findings;
    struct answer checked = { 0 };

    if (peer_ask(&store.daemon, &op_daemon_check, &deep, &checked) != ERROR_NONE)
        fail_msg("check: %s", checked.message);
    reply = checked.body;
    findings = reply->findings.items;
    if (reply->findings.count > 0)
        fail_msg("%s: %s", findings[0].what, findings[0].problem);
    answer_free(&checked);
}

/* Whatever the pull's end was: no lease, no snapshot that is being written, all in order. */
UNUSED static void assert_nothing_half_done(void)
{
    collect();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM leases_lease"), 0);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_snapshot"
                                          " WHERE kind <> 'committed'"),
                     0);
    assert_sound();
}

/* Nothing at all but `ingests` unfinished downloads. */
UNUSED static void assert_nothing_left(int64_t ingests)
{
    assert_nothing_half_done();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM images_image"), 0);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_blob"), 0);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_layer"), 0);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_ingest"), ingests);
    assert_int_equal(files_in("ingests"), ingests);
}

UNUSED static bool has_blob(const char *digest)
{
    char sql[300];

    snprintf(sql, sizeof(sql), "SELECT count(*) FROM content_blob WHERE digest = '%s'", digest);
    return store_number(&store, sql) > 0;
}

/* fs folder of the committed snapshot with this chain id. */
UNUSED static const char *layer_path(const char *chain_id, const char *name)
{
    char sql[400];

    snprintf(sql, sizeof(sql), "SELECT layer FROM snapshots_snapshot WHERE key = '%s'", chain_id);
    return store_path(&store, "snapshots/%lld/fs/%s", (long long)store_number(&store, sql), name);
}

UNUSED static void assert_file(const char *path, const char *text)
{
    struct error err = { 0 };
    size_t size;
    char *found = fs_read(path, 1 << 20, &size, &err);

    if (found == NULL)
        fail_msg("%s", err.text);
    assert_string_equal(found, text);
    free(found);
}

#endif
