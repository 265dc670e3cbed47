/* One graph, walked three ways: from all roots on, back from one thing, and back a step at a time. */
#include "actors/base/reach.h"

#include <string.h>

#include "actors/base/edge.h"
#include "platform/platform.h"
#include "platform/scope.h"

/* ?1 namespace, ?2 now. */
#define LIVE   "(l.expires IS NULL OR l.expires > ?2)"
#define STANDS "(i.expires IS NULL OR i.expires > ?2)"

/*
 * UNION drops what was reached before: cycles of labels end.  `flat` is 1 for what was reached only
 * from a lease with the label containerd.io/gc.flat: from there no label leads on, but what an
 * object is made of (an image's target, a snapshot's parent) does.
 */
#define WALK                                                                                     \
    "WITH RECURSIVE reach (kind, driver, key, flat) AS ("                                        \
    " SELECT 'image', '', i.name, 0 FROM images_image i WHERE i.namespace = ?1 AND " STANDS      \
    " UNION SELECT 'container', '', id, 0 FROM containers_container WHERE namespace = ?1"        \
    " UNION SELECT r.kind, r.driver, r.key, l.flat FROM leases_lease l JOIN leases_resource r"   \
    "       ON r.namespace = l.namespace AND r.lease = l.id"                                     \
    "       WHERE l.namespace = ?1 AND " LIVE                                                    \
    " UNION SELECT 'content', '', digest, 0 FROM content_blob WHERE namespace = ?1 AND root = 1" \
    " UNION SELECT 'snapshot', driver, key, 0 FROM snapshots_snapshot"                           \
    "       WHERE namespace = ?1 AND root = 1"                                                   \
    " UNION SELECT 'content', '', i.digest, r.flat FROM reach r JOIN images_image i"             \
    "       ON i.namespace = ?1 AND i.name = r.key WHERE r.kind = 'image'"                       \
    " UNION SELECT 'snapshot', c.driver, c.snapshot, 0 FROM reach r JOIN containers_container c" \
    "       ON c.namespace = ?1 AND c.id = r.key"                                                \
    "       WHERE r.kind = 'container' AND c.snapshot IS NOT NULL"                               \
    " UNION SELECT 'snapshot', s.driver, s.parent, r.flat FROM reach r JOIN snapshots_snapshot s" \
    "       ON s.namespace = ?1 AND s.driver = r.driver AND s.key = r.key"                       \
    "       WHERE r.kind = 'snapshot' AND s.parent IS NOT NULL"                                  \
    " UNION SELECT e.to_kind, e.to_driver, e.to_key, 0 FROM reach r JOIN collector_edge e"       \
    "       ON e.namespace = ?1 AND e.kind = r.kind AND e.driver = r.driver AND e.key = r.key"   \
    "       WHERE r.flat = 0)"

/*
 * The same graph from a thing upwards.  What leads to garbage is garbage, too, and mostly gone
 * before it, so this is short where the walk from the roots is long.
 */
#define CLIMB                                                                               \
    "WITH RECURSIVE up (kind, driver, key, flat) AS ("                                      \
    " VALUES (?3, ?4, ?5, 1)"                                                               \
    " UNION SELECT e.kind, e.driver, e.key, 0 FROM up u JOIN collector_edge e"              \
    "       ON e.namespace = ?1 AND e.to_kind = u.kind AND e.to_key = u.key"                \
    "       AND e.to_driver = u.driver"                                                     \
    " UNION SELECT 'image', '', i.name, u.flat FROM up u JOIN images_image i"               \
    "       ON i.namespace = ?1 AND i.digest = u.key WHERE u.kind = 'content'"              \
    " UNION SELECT 'container', '', c.id, 0 FROM up u JOIN containers_container c"          \
    "       ON c.namespace = ?1 AND c.driver = u.driver AND c.snapshot = u.key"             \
    "       WHERE u.kind = 'snapshot'"                                                      \
    " UNION SELECT 'snapshot', s.driver, s.key, u.flat FROM up u JOIN snapshots_snapshot s" \
    "       ON s.namespace = ?1 AND s.driver = u.driver AND s.parent = u.key"               \
    "       WHERE u.kind = 'snapshot')"

#define IS_ROOT                                                                                \
    "u.kind = 'image' AND EXISTS (SELECT 1 FROM images_image i"                                \
    "      WHERE i.namespace = ?1 AND i.name = u.key AND " STANDS ")"                          \
    " OR u.kind = 'container' AND EXISTS (SELECT 1 FROM containers_container"                  \
    "      WHERE namespace = ?1 AND id = u.key)"                                               \
    " OR u.kind = 'content' AND EXISTS (SELECT 1 FROM content_blob"                            \
    "      WHERE namespace = ?1 AND digest = u.key AND root = 1)"                              \
    " OR u.kind = 'snapshot' AND EXISTS (SELECT 1 FROM snapshots_snapshot"                     \
    "      WHERE namespace = ?1 AND driver = u.driver AND key = u.key AND root = 1)"           \
    " OR EXISTS (SELECT 1 FROM leases_resource r JOIN leases_lease l"                          \
    "      ON l.namespace = r.namespace AND l.id = r.lease"                                    \
    "      WHERE r.namespace = ?1 AND r.kind = u.kind AND r.key = u.key"                       \
    "      AND r.driver = u.driver AND (l.flat = 0 OR u.flat = 1) AND " LIVE ")"

int is_reachable(struct db *db, const char *namespace, const char *kind, const char *driver,
                 const char *key, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };

    if (db_query(db, &query, err,
                 CLIMB " SELECT EXISTS (SELECT 1 FROM up u WHERE " IS_ROOT ")", "sisss", namespace,
                 clock_now(), kind, driver, key) < 0 ||
        query_next(&query, err) != 1)
        return -1;
    return query_int(&query, 0) != 0;
}

int garbage_open(struct db *db, struct query *rows, const char *namespace, const char *after,
                 struct error *err)
{
    return db_query(db, rows, err,
                    WALK ", garbage (kind, driver, key) AS ("
                         " SELECT 'content', '', digest FROM content_blob WHERE namespace = ?1"
                         " UNION ALL SELECT 'snapshot', driver, key FROM snapshots_snapshot"
                         " WHERE namespace = ?1"
                         " UNION ALL SELECT 'image', '', i.name FROM images_image i"
                         " WHERE i.namespace = ?1 AND i.expires <= ?2"
                         " EXCEPT SELECT kind, driver, key FROM reach)"
                         " SELECT g.kind, g.driver, g.key, coalesce(b.size, 0) FROM garbage g"
                         " LEFT JOIN content_blob b ON g.kind = 'content'"
                         " AND b.namespace = ?1 AND b.digest = g.key"
                         " WHERE g.kind || ' ' || g.driver || ' ' || g.key > ?3"
                         " ORDER BY g.kind || ' ' || g.driver || ' ' || g.key",
                    "sis", namespace, clock_now(), after);
}

int roots_open(struct db *db, struct query *rows, const char *namespace, const char *kind,
               const char *driver, const char *key, bool flat, struct error *err)
{
    return db_query(
        db, rows, err,
        "SELECT 'image', i.name, i.expires FROM images_image i"
        " WHERE ?3 = 'image' AND i.namespace = ?1 AND i.name = ?5 AND " STANDS
        " UNION ALL SELECT 'container', id, NULL FROM containers_container"
        " WHERE ?3 = 'container' AND namespace = ?1 AND id = ?5"
        " UNION ALL SELECT 'label', '" LABEL_GC_ROOT "', NULL FROM content_blob"
        " WHERE ?3 = 'content' AND namespace = ?1 AND digest = ?5 AND root = 1"
        " UNION ALL SELECT 'label', '" LABEL_GC_ROOT "', NULL FROM snapshots_snapshot"
        " WHERE ?3 = 'snapshot' AND namespace = ?1 AND driver = ?4 AND key = ?5 AND root = 1"
        " UNION ALL SELECT 'lease', l.id, l.expires FROM leases_resource r JOIN leases_lease l"
        " ON l.namespace = r.namespace AND l.id = r.lease"
        " WHERE r.namespace = ?1 AND r.kind = ?3 AND r.driver = ?4 AND r.key = ?5 AND " LIVE
        " AND (l.flat = 0 OR ?6 = 1)",
        "sisssi", namespace, clock_now(), kind, driver, key, (int64_t)flat);
}

int pointers_open(struct db *db, struct query *rows, const char *namespace, const char *kind,
                  const char *driver, const char *key, struct error *err)
{
    return db_query(db, rows, err,
                    "SELECT 'image', '', name, 0 FROM images_image"
                    " WHERE ?2 = 'content' AND namespace = ?1 AND digest = ?4"
                    " UNION ALL SELECT 'container', '', id, 1 FROM containers_container"
                    " WHERE ?2 = 'snapshot' AND namespace = ?1 AND driver = ?3 AND snapshot = ?4"
                    " UNION ALL SELECT kind, driver, key, 1 FROM collector_edge"
                    " WHERE namespace = ?1 AND to_kind = ?2 AND to_key = ?4 AND to_driver = ?3"
                    " UNION ALL SELECT 'snapshot', driver, key, 0 FROM snapshots_snapshot"
                    " WHERE ?2 = 'snapshot' AND namespace = ?1 AND driver = ?3 AND parent = ?4",
                    "ssss", namespace, kind, driver, key);
}
