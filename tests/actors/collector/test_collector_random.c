/* What is named stays, what is not goes: references at random, against a model. */
#include <stdlib.h>
#include <time.h>

#include "tests/actors/collector/collector_fixture.h"

/* ---- against a model ------------------------------------------------------------------------ */

#define BLOBS     14
#define SNAPSHOTS 10
#define ALL       (BLOBS + SNAPSHOTS)

enum holder_kind { NOBODY, LIVE_LEASE, FLAT_LEASE, LAPSED_LEASE };

struct thing {
    bool exists, is_root, is_named; /* by an image or a container */
    enum holder_kind held;
    bool edges[ALL]; /* labels */
    int parent;      /* of a snapshot; -1: none */
};

static struct thing things[ALL];

static char *key_of(int i, char key[80])
{
    if (i < BLOBS)
        snprintf(key, 80, "sha256:%064d", i);
    else
        snprintf(key, 80, "snapshot-%d", i - BLOBS);
    return key;
}

/* The model: forty lines that say the same as three hundred of SQL and C. */
static void model_reach(int i, bool kept[ALL])
{
    if (kept[i])
        return;
    kept[i] = true;
    if (!things[i].exists)
        return; /* it points nowhere any more */
    for (int to = 0; to < ALL; to++)
        if (things[i].edges[to])
            model_reach(to, kept);
    if (things[i].parent >= 0)
        model_reach(things[i].parent, kept);
}

static void model_collect(void)
{
    bool kept[ALL] = { false };

    for (int i = 0; i < ALL; i++)
        if (things[i].is_named || things[i].held == LIVE_LEASE ||
            (things[i].exists && things[i].is_root))
            model_reach(i, kept);
    for (int i = 0; i < ALL; i++)
        if (things[i].held == FLAT_LEASE)
            kept[i] = true;
    for (int i = ALL - 1; i >= BLOBS; i--) /* children have higher numbers */
        if (kept[i] && things[i].exists && things[i].parent >= 0)
            kept[things[i].parent] = true; /* it cannot go before its child */
    for (int i = 0; i < ALL; i++)
        things[i].exists = things[i].exists && kept[i];
}

static int dice(int sides)
{
    return rand() % sides;
}

static void scramble(void)
{
    for (int i = 0; i < ALL; i++) {
        struct thing *thing = &things[i];

        if (!thing->exists && dice(2) == 0) {
            *thing = (struct thing){ .exists = true, .is_root = dice(12) == 0, .parent = -1 };
            for (int to = 0; to < ALL; to++)
                thing->edges[to] = dice(12) == 0;
            if (i > BLOBS && dice(3) > 0)
                thing->parent = BLOBS + dice(i - BLOBS);
            if (thing->parent >= 0 && !things[thing->parent].exists)
                thing->parent = -1;
        }
        thing->is_named = dice(8) == 0;
        thing->held = dice(6) == 0 ? LIVE_LEASE + (enum holder_kind)dice(3) : NOBODY;
    }
}

static void add(struct buffer *sql, const char *fmt, ...)
{
    char text[600];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    buffer_add(sql, text, strlen(text));
}

static void write_edges(struct buffer *sql, int i)
{
    char from[80], to_key[80];

    for (int to = 0; to < ALL; to++) {
        const char *kind = to < BLOBS ? "content" : "snapshot",
                   *driver = to < BLOBS ? "" : "overlay";

        if (!things[i].edges[to])
            continue;
        if (i < BLOBS)
            add(sql, "INSERT INTO content_edge VALUES ('default', '%s', '%s', '%s', '%s');",
                key_of(i, from), kind, driver, key_of(to, to_key));
        else
            add(sql,
                "INSERT INTO snapshots_edge VALUES ('default', 'overlay', '%s', '%s', '%s', '%s');",
                key_of(i, from), kind, driver, key_of(to, to_key));
    }
}

static void write_thing(struct buffer *sql, int i)
{
    const struct thing *thing = &things[i];
    char key[80], parent[84] = "NULL", parent_key[80];

    key_of(i, key);
    if (thing->parent >= 0)
        snprintf(parent, sizeof(parent), "'%s'", key_of(thing->parent, parent_key));
    if (thing->exists && i < BLOBS)
        add(sql, "INSERT INTO content_blob VALUES ('default', '%s', 1, NULL, %d, 1, 1);", key,
            thing->is_root);
    else if (thing->exists)
        add(sql,
            "INSERT INTO snapshots_layer (id, driver, parent, apart, created) VALUES (%d, "
            "'overlay', NULL, 0, 1);"
            "INSERT INTO snapshots_snapshot VALUES ('default', 'overlay', '%s', 'committed', %d, "
            "%s, NULL, %d, 1, 1);",
            i + 1, key, i + 1, parent, thing->is_root);
    if (thing->exists)
        write_edges(sql, i);
    if (thing->is_named && i < BLOBS)
        add(sql,
            "INSERT INTO images_image (namespace, name, media_type, digest, size, created, updated)"
            " VALUES ('default', 'image-%d', 'm', '%s', 1, 1, 1);",
            i, key);
    else if (thing->is_named)
        add(sql,
            "INSERT INTO containers_container (namespace, id, driver, snapshot, created, updated, "
            "record)"
            " VALUES ('default', 'c-%d', 'overlay', '%s', 1, 1, X'80');",
            i, key);
    if (thing->held != NOBODY)
        add(sql,
            "INSERT INTO leases_lease VALUES ('default', 'lease-%d', NULL, %d, 1, %s);"
            "INSERT INTO leases_resource VALUES ('default', 'lease-%d', '%s', '%s', '%s');",
            i, thing->held == FLAT_LEASE, thing->held == LAPSED_LEASE ? "1" : "NULL", i,
            i < BLOBS ? "content" : "snapshot", i < BLOBS ? "" : "overlay", key);
}

static void write_all(void)
{
    struct buffer sql = { 0 };

    add(&sql, "PRAGMA foreign_keys = ON; BEGIN;"
              "DELETE FROM content_blob; DELETE FROM content_edge; DELETE FROM snapshots_snapshot;"
              "DELETE FROM snapshots_layer; DELETE FROM snapshots_edge; DELETE FROM images_image;"
              "DELETE FROM containers_container; DELETE FROM leases_lease;");
    for (int i = 0; i < ALL; i++)
        write_thing(&sql, i);
    add(&sql, "COMMIT;");
    buffer_add(&sql, "", 1);
    store_sql(&store, sql.data);
    buffer_free(&sql);
}

static void compare(unsigned seed, int round)
{
    char key[80], sql[200];

    for (int i = 0; i < ALL; i++) {
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s = '%s'",
                 i < BLOBS ? "content_blob WHERE digest" : "snapshots_snapshot WHERE key",
                 key_of(i, key));
        if (store_number(&store, sql) != things[i].exists)
            fail_msg("seed %u, round %d: %s %s", seed, round, key,
                     things[i].exists ? "is gone" : "is still there");
    }
}

/* 1: something keeps it, 0: nothing does, -1: it is gone already (a run may be on its way). */
static int is_said_to_be_kept(const char *key)
{
    const struct collector_why_request in = { .name = key };
    enum error_code code = peer_ask(&store.collector, &op_collector_why, &in, &answer);
    const struct collector_why_reply *reply = answer.body;
    const struct kept_thing *thing;

    if (code == ERROR_NOT_FOUND)
        return -1;
    must(code);
    assert_int_equal(reply->things.count, 1);
    thing = reply->things.items;
    assert_string_equal(thing->key, key);
    return thing->way.count > 0;
}

static int thing_of(const char *key)
{
    char text[80];

    for (int i = 0; i < ALL; i++)
        if (strcmp(key_of(i, text), key) == 0)
            return i;
    fail_msg("nothing has the key %s", key);
    return -1;
}

/* Whatever is listed is garbage; a snapshot may stay all the same, for its child. */
static void compare_list(unsigned seed, int round)
{
    struct page_request in = { SET(limit, 3) };
    const struct collector_list_reply *reply;
    char after[200];

    do {
        const struct garbage_info *items;

        must(peer_ask(&store.collector, &op_collector_list, &in, &answer));
        reply = answer.body;
        items = reply->garbage.items;
        for (size_t i = 0; i < reply->garbage.count; i++) {
            int thing = thing_of(items[i].key);

            if (things[thing].exists && thing < BLOBS)
                fail_msg("seed %u, round %d: %s is said to go", seed, round, items[i].key);
            snprintf(after, sizeof(after), "%s %s %s", items[i].kind,
                     items[i].driver != NULL ? items[i].driver : "", items[i].key);
        }
        in.after = after;
    } while (reply->has_more && reply->more);
}

/* Before the run, when the model has run. */
static void compare_reasons(unsigned seed, int round)
{
    char key[80];

    for (int i = 0; i < ALL; i++) {
        int kept = is_said_to_be_kept(key_of(i, key));

        if (kept == 1 && !things[i].exists)
            fail_msg("seed %u, round %d: %s is said to be kept", seed, round, key);
        if (kept != 1 && things[i].exists && i < BLOBS)
            fail_msg("seed %u, round %d: nothing is said to keep %s", seed, round, key);
    }
    compare_list(seed, round);
}

static void random_references_agree_with_the_model(void **state)
{
    unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : (unsigned)time(NULL);

    (void)state;
    print_message("SEED=%u\n", seed);
    srand(seed);
    memset(things, 0, sizeof(things));
    for (int round = 0; round < 25; round++) {
        scramble();
        write_all();
        model_collect();
        compare_reasons(seed, round);
        collect();
        compare(seed, round);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(random_references_agree_with_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
