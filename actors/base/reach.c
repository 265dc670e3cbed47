/* One recursive query, in two uses; and the same references backwards, a step at a time. */
#include "actors/base/reach.h"

#include <string.h>

#include "actors/base/edge.h"
#include "platform/platform.h"
#include "platform/scope.h"

#define LIVE "(l.expires IS NULL OR l.expires > ?2)"

/* ?1 namespace, ?2 now.  UNION drops what was reached before: cycles of labels end. */
#define WALK                                                                                  \
    "WITH RECURSIVE reach (kind, driver, key) AS ("                                           \
    " SELECT 'content', '', digest FROM images_image WHERE namespace = ?1"                    \
    " UNION SELECT 'snapshot', driver, snapshot FROM containers_container"                    \
    "       WHERE namespace = ?1 AND snapshot IS NOT NULL"                                    \
    " UNION SELECT r.kind, r.driver, r.key FROM leases_lease l JOIN leases_resource r"        \
    "       ON r.namespace = l.namespace AND r.lease = l.id"                                  \
    "       WHERE l.namespace = ?1 AND l.flat = 0 AND " LIVE                                  \
    " UNION SELECT 'content', '', digest FROM content_blob WHERE namespace = ?1 AND root = 1" \
    " UNION SELECT 'snapshot', driver, key FROM snapshots_snapshot"                           \
    "       WHERE namespace = ?1 AND root = 1"                                                \
    " UNION SELECT e.kind, e.driver, e.key FROM reach r JOIN content_edge e"                  \
    "       ON e.namespace = ?1 AND e.digest = r.key WHERE r.kind = 'content'"                \
    " UNION SELECT 'snapshot', s.driver, s.parent FROM reach r JOIN snapshots_snapshot s"     \
    "       ON s.namespace = ?1 AND s.driver = r.driver AND s.key = r.key"                    \
    "       WHERE r.kind = 'snapshot' AND s.parent IS NOT NULL"                               \
    " UNION SELECT e.kind, e.driver, e.key FROM reach r JOIN snapshots_edge e"                \
    "       ON e.namespace = ?1 AND e.from_driver = r.driver AND e.from_key = r.key"          \
    "       WHERE r.kind = 'snapshot')"

/* A flat lease (containerd.io/gc.flat) keeps what it holds, and nothing behind it. */
#define FLAT                                                                    \
    "SELECT r.kind, r.driver, r.key FROM leases_lease l JOIN leases_resource r" \
    " ON r.namespace = l.namespace AND r.lease = l.id"                          \
    " WHERE l.namespace = ?1 AND l.flat = 1 AND " LIVE

static int ask(struct db *db, const char *sql, const char *namespace, const char *kind,
               const char *driver, const char *key, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };

    if (db_query(db, &query, err, sql, "sisss", namespace, clock_now(), kind, driver, key) < 0 ||
        query_next(&query, err) != 1)
        return -1;
    return query_int(&query, 0) != 0;
}

/* Does anything at all point at it, be it garbage itself? */
static int is_pointed_at(struct db *db, const char *namespace, const char *kind, const char *driver,
                         const char *key, struct error *err)
{
    if (strcmp(kind, "content") == 0)
        return ask(db,
                   "SELECT EXISTS (SELECT 1 FROM images_image"
                   "               WHERE namespace = ?1 AND digest = ?5)"
                   " OR EXISTS (SELECT 1 FROM leases_resource r JOIN leases_lease l"
                   "            ON l.namespace = r.namespace AND l.id = r.lease"
                   "            WHERE r.namespace = ?1 AND r.kind = ?3 AND r.key = ?5 AND " LIVE ")"
                   " OR EXISTS (SELECT 1 FROM content_edge"
                   "            WHERE namespace = ?1 AND kind = ?3 AND key = ?5)"
                   " OR EXISTS (SELECT 1 FROM snapshots_edge"
                   "            WHERE namespace = ?1 AND kind = ?3 AND key = ?5)"
                   " OR EXISTS (SELECT 1 FROM content_blob"
                   "            WHERE namespace = ?1 AND digest = ?5 AND root = 1)",
                   namespace, kind, driver, key, err);
    return ask(db,
               "SELECT EXISTS (SELECT 1 FROM containers_container"
               "               WHERE namespace = ?1 AND driver = ?4 AND snapshot = ?5)"
               " OR EXISTS (SELECT 1 FROM snapshots_snapshot"
               "            WHERE namespace = ?1 AND driver = ?4 AND parent = ?5)"
               " OR EXISTS (SELECT 1 FROM leases_resource r JOIN leases_lease l"
               "            ON l.namespace = r.namespace AND l.id = r.lease"
               "            WHERE r.namespace = ?1 AND r.kind = ?3 AND r.key = ?5"
               "            AND r.driver = ?4 AND " LIVE ")"
               " OR EXISTS (SELECT 1 FROM content_edge"
               "            WHERE namespace = ?1 AND kind = ?3 AND key = ?5 AND driver = ?4)"
               " OR EXISTS (SELECT 1 FROM snapshots_edge"
               "            WHERE namespace = ?1 AND kind = ?3 AND key = ?5 AND driver = ?4)"
               " OR EXISTS (SELECT 1 FROM snapshots_snapshot"
               "            WHERE namespace = ?1 AND driver = ?4 AND key = ?5 AND root = 1)",
               namespace, kind, driver, key, err);
}

int is_reachable(struct db *db, const char *namespace, const char *kind, const char *driver,
                 const char *key, struct error *err)
{
    int pointed_at = is_pointed_at(db, namespace, kind, driver, key, err);

    if (pointed_at != 1)
        return pointed_at;
    return ask(db,
               WALK
               " SELECT EXISTS (SELECT 1 FROM reach WHERE kind = ?3 AND driver = ?4 AND key = ?5)"
               " OR EXISTS (SELECT 1 FROM (" FLAT ")"
               "            WHERE kind = ?3 AND driver = ?4 AND key = ?5)",
               namespace, kind, driver, key, err);
}

int garbage_open(struct db *db, struct query *rows, const char *namespace, const char *after,
                 struct error *err)
{
    return db_query(db, rows, err,
                    WALK ", garbage (kind, driver, key) AS ("
                         " SELECT 'content', '', digest FROM content_blob WHERE namespace = ?1"
                         " UNION ALL SELECT 'snapshot', driver, key FROM snapshots_snapshot"
                         " WHERE namespace = ?1"
                         " EXCEPT SELECT kind, driver, key FROM reach"
                         " EXCEPT " FLAT ")"
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
        "SELECT 'image', name, NULL FROM images_image"
        " WHERE ?3 = 'content' AND namespace = ?1 AND digest = ?5"
        " UNION ALL SELECT 'container', id, NULL FROM containers_container"
        " WHERE ?3 = 'snapshot' AND namespace = ?1 AND driver = ?4 AND snapshot = ?5"
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
                    "SELECT 'content', '', digest FROM content_edge"
                    " WHERE namespace = ?1 AND kind = ?2 AND driver = ?3 AND key = ?4"
                    " UNION ALL SELECT 'snapshot', from_driver, from_key FROM snapshots_edge"
                    " WHERE namespace = ?1 AND kind = ?2 AND driver = ?3 AND key = ?4"
                    " UNION ALL SELECT 'snapshot', driver, key FROM snapshots_snapshot"
                    " WHERE ?2 = 'snapshot' AND namespace = ?1 AND driver = ?3 AND parent = ?4",
                    "ssss", namespace, kind, driver, key);
}
