/* What is named stays, what is not goes: references at random, against a model. */
#include <stdlib.h>
#include <time.h>

#include "tests/actors/collector/collector_fixture.h"

/* ---- against a model ------------------------------------------------------------------------ */

#define BLOBS       12
#define SNAPSHOTS   9
#define IMAGES      5
#define ALL         (BLOBS + SNAPSHOTS + IMAGES)
#define FIRST_IMAGE (BLOBS + SNAPSHOTS)

enum holder_kind { NOBODY, LIVE_LEASE, FLAT_LEASE, LAPSED_LEASE };

struct thing {
    bool exists, is_root;
    bool is_named; /* a blob: by an image, a snapshot: by a container; both besides those below */
    bool refs_from_container; /* a container has a label gc.ref to it */
    bool bref_to_container;   /* it has a label gc.bref.container to one that is there */
    enum holder_kind held;
    bool refs[ALL];  /* its labels gc.ref */
    bool brefs[ALL]; /* its labels gc.bref: the other keeps it */
    int parent;      /* of a snapshot; -1: none */
    int target;      /* of an image: a blob; -1: something else */
    bool has_lapsed; /* an image whose gc.expire has come */
};

static struct thing things[ALL];

static bool is_blob(int i)
{
    return i < BLOBS;
}

static bool is_image(int i)
{
    return i >= FIRST_IMAGE;
}

static const char *kind_of(int i)
{
    return is_blob(i) ? "content" : is_image(i) ? "image" : "snapshot";
}

static const char *driver_of(int i)
{
    return is_blob(i) || is_image(i) ? "" : "overlay";
}

static char *key_of(int i, char key[80])
{
    if (is_blob(i))
        snprintf(key, 80, "sha256:%064d", i);
    else if (is_image(i))
        snprintf(key, 80, "docker.io/library/i%d:latest", i);
    else
        snprintf(key, 80, "snapshot-%d", i - BLOBS);
    return key;
}

/* The model: sixty lines that say the same as five hundred of SQL and C. */
static void model_reach(int i, bool flat, bool kept[ALL][2])
{
    const struct thing *thing = &things[i];

    if (kept[i][flat] || kept[i][false])
        return;
    kept[i][flat] = true;
    if (thing->exists && thing->parent >= 0)
        model_reach(thing->parent, flat, kept);
    if (thing->exists && thing->target >= 0)
        model_reach(thing->target, flat, kept);
    for (int to = 0; to < ALL && !flat; to++) {
        if (thing->exists && thing->refs[to]) /* what is gone points nowhere any more */
            model_reach(to, false, kept);
        if (things[to].exists && things[to].brefs[i])
            model_reach(to, false, kept);
    }
}

static void model_collect(void)
{
    bool kept[ALL][2] = { { false } };

    for (int i = 0; i < ALL; i++) {
        const struct thing *thing = &things[i];

        if (thing->is_named || thing->held == LIVE_LEASE || thing->refs_from_container ||
            (thing->exists && thing->bref_to_container) ||
            (thing->exists && thing->is_root && !is_image(i)) ||
            (thing->exists && is_image(i) && !thing->has_lapsed))
            model_reach(i, false, kept);
    }
    for (int i = 0; i < ALL; i++)
        if (things[i].held == FLAT_LEASE)
            model_reach(i, true, kept);
    for (int i = 0; i < ALL; i++)
        things[i].exists = things[i].exists && (kept[i][false] || kept[i][true]);
}

static int dice(int sides)
{
    return rand() % sides;
}

static void make(int i)
{
    struct thing *thing = &things[i];

    *thing = (struct thing){ .exists = true, .is_root = dice(12) == 0, .parent = -1, .target = -1 };
    for (int to = 0; to < ALL; to++) {
        thing->refs[to] = dice(14) == 0;
        thing->brefs[to] = dice(24) == 0;
    }
    thing->bref_to_container = dice(14) == 0;
    thing->has_lapsed = is_image(i) && dice(3) > 0;
    if (is_image(i))
        thing->target = dice(BLOBS);
    if (!is_blob(i) && !is_image(i) && i > BLOBS && dice(3) > 0)
        thing->parent = BLOBS + dice(i - BLOBS);
    if (thing->parent >= 0 && !things[thing->parent].exists)
        thing->parent = -1;
}

static void scramble(void)
{
    for (int i = 0; i < ALL; i++) {
        if (!things[i].exists && dice(2) == 0)
            make(i);
        things[i].is_named = !is_image(i) && dice(9) == 0;
        things[i].refs_from_container = dice(20) == 0;
        things[i].held = dice(7) == 0 ? LIVE_LEASE + (enum holder_kind)dice(3) : NOBODY;
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

static void write_edge(struct buffer *sql, int from, int to, bool back)
{
    char key[80], to_key[80];

    add(sql,
        "INSERT OR IGNORE INTO collector_edge VALUES ('default', '%s', '%s', '%s', '%s', '%s', "
        "'%s', %d);",
        kind_of(from), driver_of(from), key_of(from, key), kind_of(to), driver_of(to),
        key_of(to, to_key), back);
}

static void write_edges(struct buffer *sql, int i)
{
    char key[80];

    for (int to = 0; to < ALL; to++) {
        if (things[i].refs[to])
            write_edge(sql, i, to, false);
        if (things[i].brefs[to])
            write_edge(sql, to, i, true);
    }
    if (things[i].bref_to_container)
        add(sql,
            "INSERT INTO collector_edge VALUES ('default', 'container', '', 'keeper', '%s', '%s', "
            "'%s', 1);",
            kind_of(i), driver_of(i), key_of(i, key));
}

static void write_object(struct buffer *sql, int i)
{
    const struct thing *thing = &things[i];
    char key[80], parent[84] = "NULL", other[80];

    key_of(i, key);
    if (thing->parent >= 0)
        snprintf(parent, sizeof(parent), "'%s'", key_of(thing->parent, other));
    if (is_blob(i))
        add(sql, "INSERT INTO content_blob VALUES ('default', '%s', 1, NULL, %d, 1, 1);", key,
            thing->is_root);
    else if (is_image(i))
        add(sql,
            "INSERT INTO images_image (namespace, name, media_type, digest, size, created, "
            "updated, expires)"
            " VALUES ('default', '%s', 'm', '%s', 1, 1, 1, %s);",
            key, key_of(thing->target, other), thing->has_lapsed ? "1" : "NULL");
    else
        add(sql,
            "INSERT INTO snapshots_layer (id, driver, parent, apart, created) VALUES (%d, "
            "'overlay', NULL, 0, 1);"
            "INSERT INTO snapshots_snapshot VALUES ('default', 'overlay', '%s', 'committed', %d, "
            "%s, NULL, %d, 1, 1);",
            i + 1, key, i + 1, parent, thing->is_root);
    write_edges(sql, i);
}

static void write_thing(struct buffer *sql, int i)
{
    const struct thing *thing = &things[i];
    char key[80];

    key_of(i, key);
    if (thing->exists)
        write_object(sql, i);
    if (thing->is_named && is_blob(i))
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
    if (thing->refs_from_container)
        add(sql,
            "INSERT INTO collector_edge VALUES ('default', 'container', '', 'keeper', '%s', '%s', "
            "'%s', 0);",
            kind_of(i), driver_of(i), key);
    if (thing->held != NOBODY)
        add(sql,
            "INSERT INTO leases_lease VALUES ('default', 'lease-%d', NULL, %d, 1, %s);"
            "INSERT INTO leases_resource VALUES ('default', 'lease-%d', '%s', '%s', '%s');",
            i, thing->held == FLAT_LEASE, thing->held == LAPSED_LEASE ? "1" : "NULL", i, kind_of(i),
            driver_of(i), key);
}

static void write_all(void)
{
    struct buffer sql = { 0 };

    add(&sql,
        "PRAGMA foreign_keys = ON; BEGIN;"
        "DELETE FROM content_blob; DELETE FROM collector_edge; DELETE FROM snapshots_snapshot;"
        "DELETE FROM snapshots_layer; DELETE FROM images_image;"
        "DELETE FROM containers_container; DELETE FROM leases_lease;"
        "INSERT INTO containers_container (namespace, id, created, updated, record)"
        " VALUES ('default', 'keeper', 1, 1, X'80');");
    for (int i = 0; i < ALL; i++)
        write_thing(&sql, i);
    add(&sql, "COMMIT;");
    buffer_add(&sql, "", 1);
    store_sql(&store, sql.data);
    buffer_free(&sql);
}

static void compare(unsigned seed, int round)
{
    char key[80], sql[240];

    for (int i = 0; i < ALL; i++) {
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s = '%s'",
                 is_blob(i)    ? "content_blob WHERE digest"
                 : is_image(i) ? "images_image WHERE name"
                               : "snapshots_snapshot WHERE key",
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

/* Whatever is listed is garbage. */
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

            if (things[thing].exists)
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

    for (int i = 0; i < FIRST_IMAGE; i++) {
        int kept = is_said_to_be_kept(key_of(i, key));

        if (kept == 1 && !things[i].exists)
            fail_msg("seed %u, round %d: %s is said to be kept", seed, round, key);
        if (kept != 1 && things[i].exists)
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
    for (int round = 0; round < 40; round++) {
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
