/*
 * Volumes that go by themselves: anonymous ones that were to go with a container, or with a job,
 * that is not there any more.
 *
 * Mostly who removes the container removes them, too.  Here is what that left: at the start what
 * a crash did, later what a lease still held at that moment.
 */
#include "actors/base/lease.h"
#include "actors/volumes/store.h"
#include "platform/scope.h"

#define WAIT_MS     1000
#define WAIT_MS_MAX 60000

struct forgotten {
    bool at_start; /* leases say nothing but what died */
    char namespace[IDENTIFIER_MAX + 4], name[VOLUME_NAME_MAX + 1];
};

static int forget_write(struct write *write, const void *in, void *out, struct error *err)
{
    const struct forgotten *forgotten = write_ctx(write);
    const char *containers;

    (void)in, (void)out;
    if (!forgotten->at_start)
        return volume_check_free(write, forgotten->name, err) < 0
                   ? -1
                   : volume_delete(write, forgotten->name, err);
    if (volume_holders(write, forgotten->name, &containers, err) < 0)
        return -1;
    return containers == NULL ? volume_delete(write, forgotten->name, err) : 0;
}

static int forget_after(void *self, struct request *request, void *ctx, void *out,
                        struct error *err)
{
    const struct forgotten *forgotten = ctx;
    struct volumes *volumes = self;

    (void)request, (void)out;
    if (err == NULL)
        volume_away(volumes, forgotten->namespace, forgotten->name);
    else
        forget_soon(volumes);
    return 0;
}

static int forget(struct volumes *volumes, bool at_start, struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    int found;

    if (db_query(volumes->db, &row, err,
                 "SELECT v.namespace, v.name FROM volumes_volume v WHERE v.anonymous = 1"
                 " AND NOT EXISTS (SELECT 1 FROM containers_volume c"
                 "     WHERE c.namespace = v.namespace AND c.volume = v.name)"
                 " AND (v.passing = 1 OR ?1 AND EXISTS (SELECT 1 FROM leases_resource r"
                 "     WHERE r.namespace = v.namespace AND r.kind = 'volume' AND r.key = v.name"
                 "     AND substr(r.lease, 1, length(?2)) = ?2))",
                 "is", (int64_t)at_start, JOB_LEASE) < 0)
        return -1;
    while ((found = query_next(&row, err)) == 1) {
        struct forgotten forgotten = { .at_start = at_start };

        snprintf(forgotten.namespace, sizeof(forgotten.namespace), "%s", query_text(&row, 0));
        snprintf(forgotten.name, sizeof(forgotten.name), "%s", query_text(&row, 1));
        loop_write(volumes->loop, forgotten.namespace, forget_write, forget_after, &forgotten,
                   sizeof(forgotten));
    }
    return found;
}

/* ---- at the start, and a moment later ------------------------------------------------- */

int forget_at_start(struct volumes *volumes, struct error *err)
{
    volumes->timer = -1;
    volumes->wait_ms = WAIT_MS;
    return forget(volumes, true, err);
}

/* One that is just being made is held by its lease; the next look will find its container. */
static void look(void *self, void *arg)
{
    struct volumes *volumes = self;
    struct error ignored = { 0 };

    (void)arg;
    volumes->timer = -1;
    if (forget(volumes, false, &ignored) < 0)
        forget_soon(volumes);
}

void forget_soon(struct volumes *volumes)
{
    if (volumes->timer >= 0 || loop_is_stopping(volumes->loop))
        return;
    volumes->timer = loop_timer(volumes->loop, volumes->wait_ms, 1, look, NULL);
    volumes->wait_ms = 2 * volumes->wait_ms < WAIT_MS_MAX ? 2 * volumes->wait_ms : WAIT_MS_MAX;
}
