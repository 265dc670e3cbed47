/*
 * What leases hold: kinds and names, whether there are such things yet or not.
 *
 * A lease may hold what comes only later; what is no name at all is refused.
 */
#include "actors/base/page.h"
#include "actors/base/writer.h"
#include "actors/leases/store.h"
#include "platform/scope.h"
#include "protocol/oci/digest.h"
#include "protocol/oci/name.h"

#define KEY_MAX 1024 /* bytes, as of snapshots and ingests */

/* ---- what is meant ------------------------------------------------------------------------ */

static int check_key(struct resource *resource, struct arena *arena, struct error *err)
{
    struct reference reference;
    char full[REFERENCE_TEXT_SIZE];
    size_t length = strlen(resource->key);

    if (length == 0 || length > KEY_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s: its name has to have 1 to %d bytes",
                         resource->kind, KEY_MAX);
    if (streq(resource->kind, "content"))
        return digest_require(resource->key, err);
    if (streq(resource->kind, "volume"))
        return volume_name_check(resource->key, err);
    if (!streq(resource->kind, "image"))
        return 0;
    if (reference_parse(resource->key, &reference, err) < 0)
        return -1;
    resource->key = arena_str(arena, reference_text(&reference, full));
    return 0;
}

static int check(struct resource *resource, struct arena *arena, struct error *err)
{
    bool is_snapshot = streq(resource->kind, "snapshot");

    if (!is_snapshot && !streq(resource->kind, "content") && !streq(resource->kind, "ingest") &&
        !streq(resource->kind, "image") && !streq(resource->kind, "volume"))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "resource kind '%.40s': not content, snapshot, ingest, image or volume",
                         resource->kind);
    if (is_snapshot && (resource->driver == NULL || resource->driver[0] == '\0'))
        return error_set(err, ERROR_INVALID_ARGUMENT, "snapshot %.200s: say whose, with driver",
                         resource->key);
    resource->driver = is_snapshot ? resource->driver : "";
    return check_key(resource, arena, err);
}

/* The same, by their full names. */
static int read_resources(struct request *request, struct list *resources, struct error *err)
{
    const struct leases_add_request *in = request_body(request);
    struct arena *arena = request_arena(request);
    struct resource *items =
        arena_copy(arena, in->resources.items, in->resources.count * sizeof(*items));

    *resources = (struct list){ .items = items, .count = in->resources.count };
    for (size_t i = 0; i < resources->count; i++)
        if (check(&items[i], arena, err) < 0)
            return -1;
    return 0;
}

/* ---- adding and releasing ----------------------------------------------------------------- */

static int add_write(struct write *write, const void *in_record, void *out, struct error *err)
{
    const struct leases_add_request *in = in_record;
    const struct list *list = write_ctx(write);
    const struct resource *resources = list->items;

    (void)out;
    if (lease_need(write, in->id, err) < 0)
        return -1;
    for (size_t i = 0; i < list->count; i++)
        if (db_run(write_db(write), err,
                   "INSERT OR IGNORE INTO leases_resource (namespace, lease, kind, driver, key)"
                   " VALUES (?, ?, ?, ?, ?)",
                   "sssss", write_namespace(write), in->id, resources[i].kind, resources[i].driver,
                   resources[i].key) < 0)
            return -1;
    return 0;
}

static int release_write(struct write *write, const void *in_record, void *out, struct error *err)
{
    const struct leases_release_request *in = in_record;
    const struct list *list = write_ctx(write);
    const struct resource *resources = list->items;
    struct lease_info info;

    (void)out;
    if (lease_find(write_db(write), write_namespace(write), in->id, &info, write_arena(write),
                   err) < 0)
        return -1;
    for (size_t i = 0; i < list->count; i++) {
        if (db_run(write_db(write), err,
                   "DELETE FROM leases_resource WHERE namespace = ? AND lease = ? AND kind = ?"
                   " AND driver = ? AND key = ?",
                   "sssss", write_namespace(write), in->id, resources[i].kind, resources[i].driver,
                   resources[i].key) < 0)
            return -1;
        if (db_changes(write_db(write)) == 0)
            return error_set(err, ERROR_NOT_FOUND, "lease %.60s: does not hold %s %.120s", in->id,
                             resources[i].kind, resources[i].key);
    }
    loosen(write);
    return 0;
}

static int change(struct request *request, write_body *body, struct error *err)
{
    const struct leases_add_request *in = request_body(request);
    struct list *list = arena_alloc(request_arena(request), sizeof(*list));

    if (lease_is_ours(in->id, request, err) < 0 || read_resources(request, list, err) < 0)
        return -1;
    return request_write(request, body, NULL, list, err);
}

int on_lease_add(void *self, struct request *request, struct error *err)
{
    (void)self;
    return change(request, add_write, err);
}

int on_lease_release(void *self, struct request *request, struct error *err)
{
    (void)self;
    return change(request, release_write, err);
}

/* ---- listing ------------------------------------------------------------------------------ */

static int read_held(struct leases *leases, struct request *request, const char *id,
                     struct page *page, struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    struct lease_info info;
    int found;

    if (lease_find(leases->db, request_namespace(request), id, &info, page->arena, err) < 0 ||
        db_query(leases->db, &row, err,
                 "SELECT kind, key, driver FROM leases_resource WHERE namespace = ? AND lease = ?"
                 " ORDER BY kind, key, driver",
                 "ss", request_namespace(request), id) < 0)
        return -1;
    while ((found = query_next(&row, err)) == 1) {
        struct resource resource = { query_str(&row, 0, page->arena),
                                     query_str(&row, 1, page->arena),
                                     query_str(&row, 2, page->arena) };

        page_add(page, &resource, NULL);
    }
    return found < 0 ? -1 : 0;
}

int on_lease_resources(void *self, struct request *request, struct error *err)
{
    const struct leases_get_request *in = request_body(request);
    struct leases_resources_reply out;
    struct page page;

    page_open(&page, request_arena(request), sizeof(struct resource), 0);
    if (read_held(self, request, in->id, &page, err) < 0)
        return -1;
    out.resources = page.list;
    return request_reply(request, &out);
}
