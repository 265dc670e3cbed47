/* Rows: found, described and listed.  Who holds a volume is read from the rows of containers. */
#include "actors/base/page.h"
#include "actors/volumes/store.h"
#include "platform/scope.h"

/* Ids have no comma: they are identifiers. */
#define COLUMNS                                                                     \
    "SELECT v.name, v.labels, v.anonymous, v.created,"                              \
    " (SELECT group_concat(c.container, ',') FROM containers_volume c"              \
    " WHERE c.namespace = v.namespace AND c.volume = v.name) FROM volumes_volume v" \
    " WHERE v.namespace = ? AND "

static struct strs split(const char *text, struct arena *arena)
{
    struct strs list = { 0 };

    if (text == NULL)
        return list;
    list.items = arena_alloc(arena, (strlen(text) / 2 + 1) * sizeof(char *));
    for (const char *at = text; *at != '\0'; at += *at == ',') {
        size_t length = strcspn(at, ",");

        list.items[list.count++] = arena_printf(arena, "%.*s", (int)length, at);
        at += length;
    }
    return list;
}

static int take(const struct volumes *volumes, struct query *row, const char *namespace,
                struct volume_info *info, struct arena *arena, struct error *err)
{
    const char *holders = query_text(row, 4);
    char folder[PATH_SIZE];

    *info = (struct volume_info){
        .name = query_str(row, 0, arena),
        .driver = VOLUME_DRIVER,
        .labels = query_labels(row, 1, arena),
        SET(anonymous, query_int(row, 2) != 0),
        SET(created, query_int(row, 3)),
        SET(used, holders != NULL),
        .containers = split(holders, arena),
    };
    if (volume_folder(volumes, namespace, info->name, folder, err) < 0)
        return -1;
    info->path = arena_printf(arena, "%s/data", folder);
    return 0;
}

int volume_read(const struct volumes *volumes, struct db *db, const char *namespace,
                const char *name, struct volume_info *info, struct arena *arena, struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    int found;

    if (db_query(db, &row, err, COLUMNS "v.name = ?", "ss", namespace, name) < 0 ||
        (found = query_next(&row, err)) < 0)
        return -1;
    if (found == 1 && take(volumes, &row, namespace, info, arena, err) < 0)
        return -1;
    return found;
}

int volume_find(const struct volumes *volumes, struct db *db, const char *namespace,
                const char *name, struct volume_info *info, struct arena *arena, struct error *err)
{
    int found = volume_read(volumes, db, namespace, name, info, arena, err);

    if (found == 0)
        return error_set(err, ERROR_NOT_FOUND, "volume %.80s: there is none", name);
    return found < 0 ? -1 : 0;
}

int on_volume_get(void *self, struct request *request, struct error *err)
{
    const struct volumes *volumes = self;
    const struct volumes_get_request *in = request_body(request);
    struct volume_info info;

    if (volume_find(volumes, volumes->db, request_namespace(request), in->name, &info,
                    request_arena(request), err) < 0)
        return -1;
    return request_reply(request, &info);
}

static int list(const struct volumes *volumes, const char *namespace, const char *after,
                struct page *page, struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    int found;

    if (db_query(volumes->db, &row, err, COLUMNS "v.name > ? ORDER BY v.name", "ss", namespace,
                 after != NULL ? after : "") < 0)
        return -1;
    while ((found = query_next(&row, err)) == 1 && !page_is_full(page)) {
        struct volume_info info;

        if (take(volumes, &row, namespace, &info, page->arena, err) < 0)
            return -1;
        page_add(page, &info, &info.labels);
    }
    return found < 0 ? -1 : 0;
}

int on_volume_list(void *self, struct request *request, struct error *err)
{
    const struct page_request *in = request_body(request);
    struct volumes_list_reply out;
    struct page page;

    page_open(&page, request_arena(request), sizeof(struct volume_info), in->limit);
    if (page_filter(&page, &in->filters, volume_info_record(), err) < 0 ||
        list(self, request_namespace(request), in->after, &page, err) < 0)
        return -1;
    out = (struct volumes_list_reply){ .volumes = page.list, SET(more, page.more) };
    return request_reply(request, &out);
}
