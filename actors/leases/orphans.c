/*
 * Orphans: leases of the daemon's own work that nobody will ask about again.  All that an earlier
 * daemon has left; and those whose removal failed, on a full disk for example, where keeping what
 * they hold would be worst.  They go as soon as that works.
 */
#include "actors/base/lease.h"
#include "actors/base/writer.h"
#include "actors/leases/store.h"

#define RETRY_MS     1000
#define RETRY_MS_MAX 60000

struct orphan {
    struct orphan *next;
    char namespace[80];
    char id[LEASE_ID_MAX + 1]; /* "": all that jobs had, and there are no jobs yet */
};

static int orphan_delete(struct db *db, const struct orphan *orphan, struct error *err)
{
    if (orphan->id[0] == '\0')
        return db_run(db, err, "DELETE FROM leases_lease WHERE substr(id, 1, length(?1)) = ?1", "s",
                      JOB_LEASE);
    return db_run(db, err, "DELETE FROM leases_lease WHERE namespace = ? AND id = ?", "ss",
                  orphan->namespace, orphan->id);
}

static int orphan_write(struct write *write, const void *in, void *out, struct error *err)
{
    (void)in, (void)out;
    if (orphan_delete(write_db(write), write_ctx(write), err) < 0)
        return -1;
    if (db_changes(write_db(write)) > 0)
        loosen(write);
    return 0;
}

static void keep(struct leases *leases, const struct orphan *orphan);

static int orphan_after(void *self, struct request *request, void *ctx, void *out,
                        struct error *err)
{
    struct leases *leases = self;

    (void)request, (void)out;
    if (err == NULL)
        leases->retry_ms = RETRY_MS;
    else if (!loop_is_stopping(leases->loop))
        keep(leases, ctx);
    return 0;
}

static void on_retry(void *self, void *arg)
{
    struct leases *leases = self;

    (void)arg;
    leases->retry = -1;
    while (leases->orphans != NULL) {
        struct orphan *orphan = leases->orphans;

        leases->orphans = orphan->next;
        loop_write(leases->loop, NULL, orphan_write, orphan_after, orphan, sizeof(*orphan));
        free(orphan);
    }
}

static void keep(struct leases *leases, const struct orphan *orphan)
{
    struct orphan *kept = zmalloc(sizeof(*kept));

    *kept = *orphan;
    kept->next = leases->orphans;
    leases->orphans = kept;
    if (leases->retry >= 0)
        return;
    leases->retry = loop_timer(leases->loop, leases->retry_ms, 1, on_retry, NULL);
    leases->retry_ms = 2 * leases->retry_ms < RETRY_MS_MAX ? 2 * leases->retry_ms : RETRY_MS_MAX;
}

void orphan_add(struct leases *leases, const char *namespace, const char *id)
{
    struct orphan orphan = { 0 };

    snprintf(orphan.namespace, sizeof(orphan.namespace), "%s", namespace);
    snprintf(orphan.id, sizeof(orphan.id), "%s", id);
    keep(leases, &orphan);
}

void orphans_start(struct leases *leases)
{
    const struct orphan all = { 0 };

    leases->retry = -1;
    leases->retry_ms = RETRY_MS;
    loop_write(leases->loop, NULL, orphan_write, orphan_after, &all, sizeof(all));
}

void orphans_stop(struct leases *leases)
{
    while (leases->orphans != NULL) {
        struct orphan *next = leases->orphans->next;

        free(leases->orphans);
        leases->orphans = next;
    }
}
