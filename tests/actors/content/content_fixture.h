/*
 * content_fixture — a store, two digests, and short words for what every test of blobs asks:
 * ingest, commit, stat, remove.
 */
#ifndef TESTS_ACTORS_CONTENT_CONTENT_FIXTURE_H
#define TESTS_ACTORS_CONTENT_CONTENT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "platform/scope.h"
#include "tests/actors/store.h"

static struct store store;
static struct answer answer;

UNUSED static int set_up(void **state)
{
    (void)state;
    store_open(&store);
    return 0;
}

UNUSED static int tear_down(void **state)
{
    (void)state;
    answer_free(&answer);
    store_close(&store);
    return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#define HELLO "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

UNUSED static const struct content_ingest_reply *ingest(const char *ref, const char *digest)
{
    const struct content_ingest_request in = { .ref = ref, .digest = digest };

    if (peer_ask(&store.content, &op_content_ingest, &in, &answer) != ERROR_NONE)
        fail_msg("ingest: %s", answer.message);
    return answer.body;
}

UNUSED static enum error_code commit(const char *ref, const char *digest)
{
    const struct content_commit_request in = { .ref = ref, .digest = digest };

    return peer_ask(&store.content, &op_content_commit, &in, &answer);
}

UNUSED static enum error_code stat_blob(const char *digest)
{
    const struct content_stat_request in = { .digest = digest };

    return peer_ask(&store.content, &op_content_stat, &in, &answer);
}

UNUSED static enum error_code remove_blob(const char *digest)
{
    const struct content_remove_request in = { .digest = digest };

    return peer_ask(&store.content, &op_content_remove, &in, &answer);
}

UNUSED static const char *blob_file(const char *digest)
{
    return store_path(&store, "blobs/sha256/%s", digest + 7);
}

#endif
