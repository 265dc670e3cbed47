/*
 * registry_list — lists that come in pages, as one document; and removing.
 *
 * The happy path is a GET per page, until an answer has no Link with rel="next".  Where that leads
 * to another host, no credentials go along, and where it leads in circles, the limit of pages or of
 * bytes ends it.
 *
 * Tags are asked for by the thousand (n), which spares round trips where a registry's own pages are
 * of 50 or 100, and behind a tag (last).  A registry may know neither, as docker-registry 2.8, and
 * send all in no order: then the part that is wanted is cut out here.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/images/registry/fetch.h"
#include "actors/images/registry/redirect.h"
#include "actors/images/registry_options.h"
#include "platform/scope.h"
#include "protocol/oci/media.h"

#define PAGES_MAX 10000
#define PAGE_TAGS 1000

struct listing {
    char what[600];
    const struct registry_list *list;
    bool no_size;      /* the registry does not want to be told how large a page is */
    bool unpaged;      /* it has sent more than it was asked for, and all at once */
    struct place next; /* no URL: the first page */
    char *page;        /* REGISTRY_DOCUMENT_MAX bytes of room */
    size_t size, total;
    json_t *all;
};

static void listing_drop(struct listing *listing)
{
    place_drop(&listing->next);
    free(listing->page);
    json_decref(listing->all);
}

static int on_begin(void *ctx, const struct http_answer *answer, struct error *err)
{
    struct listing *listing = ctx;

    (void)answer, (void)err;
    listing->size = 0;
    return 0;
}

static int on_data(void *ctx, const void *data, size_t size, struct error *err)
{
    struct listing *listing = ctx;

    if (size > REGISTRY_DOCUMENT_MAX - listing->total - listing->size)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "%s: the list is larger than %u MiB",
                         listing->what, REGISTRY_DOCUMENT_MAX >> 20);
    memcpy(listing->page + listing->size, data, size);
    listing->size += size;
    return 0;
}

static void json_drop(json_t **json)
{
    json_decref(*json);
}

/* A registry without any may also say null. */
static int add_page(struct listing *listing, const char *key, struct error *err)
{
    CLEANUP(json_drop)
    json_t *page = json_loadb(listing->page, listing->size, JSON_REJECT_DUPLICATES, NULL);
    json_t *items = json_object_get(page, key);

    listing->total += listing->size;
    if (!json_is_object(page) || (items != NULL && !json_is_null(items) && !json_is_array(items)))
        return error_set(err, ERROR_DATA_LOSS, "%s: what the registry sends is no such list",
                         listing->what);
    if (json_is_array(items) && json_array_extend(listing->all, items) < 0)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "%s: no memory for it", listing->what);
    return 0;
}

/* <ADDRESS>; rel="next", among others, with commas between (RFC 8288). */
static bool next_of(const char *link, char out[2048])
{
    for (const char *at = strchr(link, '<'); at != NULL; at = strchr(at, '<')) {
        size_t size = strcspn(at + 1, ">");
        const char *rest = at + 1 + size, *end;

        if (*rest == '\0' || size >= 2048)
            return false;
        end = rest + strcspn(rest, ",");
        snprintf(out, 2048, "%.*s", (int)(end - rest), rest);
        if (strstr(out, "rel=\"next\"") != NULL || strstr(out, "rel=next") != NULL) {
            snprintf(out, 2048, "%.*s", (int)size, at + 1);
            return true;
        }
        at = end;
    }
    return false;
}

/* ---- a part of the tags ----------------------------------------------------------------- */

static uint64_t page_tags(const struct registry_list *list)
{
    return list->limit > 0 && list->limit < PAGE_TAGS ? list->limit : PAGE_TAGS;
}

static const char *tag_of(const json_t *item)
{
    const char *tag = json_string_value(item);

    return tag != NULL ? tag : "";
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(tag_of(*(json_t *const *)a), tag_of(*(json_t *const *)b));
}

/* No order that registries have, by bytes or by letters, puts this one behind `after`. */
static bool is_before(const char *tag, const char *after)
{
    return strcmp(tag, after) <= 0 && strcasecmp(tag, after) <= 0;
}

/* A registry that knows pages gives neither more than it was asked for nor what was before. */
static bool is_unpaged(const struct listing *listing)
{
    const struct registry_list *list = listing->list;

    if (list->limit > 0 && json_array_size(listing->all) > page_tags(list))
        return true;
    for (size_t i = 0; list->after != NULL && i < json_array_size(listing->all); i++)
        if (is_before(tag_of(json_array_get(listing->all, i)), list->after))
            return true;
    return false;
}

/* In the order of bytes, and nothing that is not behind `after`. */
static int sort_tags(json_t *all, const char *after, struct error *err)
{
    size_t count = json_array_size(all);
    json_t **tags = calloc(count + 1, sizeof(json_t *));
    CLEANUP(json_drop) json_t *sorted = json_array();
    int rc = tags != NULL && sorted != NULL ? 0 : -1;

    for (size_t i = 0; rc == 0 && i < count; i++)
        tags[i] = json_array_get(all, i);
    if (rc == 0)
        qsort(tags, count, sizeof(json_t *), by_bytes);
    for (size_t i = 0; rc == 0 && i < count; i++)
        if (after == NULL || strcmp(tag_of(tags[i]), after) > 0)
            rc = json_array_append(sorted, tags[i]);
    free(tags);
    if (rc < 0 || json_array_clear(all) < 0 || json_array_extend(all, sorted) < 0)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for so many tags");
    return 0;
}

/* What was asked for, whoever has to see to it. */
static int cut_tags(struct listing *listing, struct error *err)
{
    const struct registry_list *list = listing->list;

    if (listing->unpaged && sort_tags(listing->all, list->after, err) < 0)
        return -1;
    while (list->limit > 0 && json_array_size(listing->all) > list->limit)
        json_array_remove(listing->all, json_array_size(listing->all) - 1);
    return 0;
}

/* ---- pages ------------------------------------------------------------------------------ */

static bool is_enough(const struct listing *listing)
{
    return listing->list->limit > 0 && json_array_size(listing->all) >= listing->list->limit;
}

/* 1: there is another page, and it is wanted. */
static int take_page(struct listing *listing, struct line *line, const char *key, struct error *err)
{
    char home[HOST_TEXT_SIZE + 16], next[2048];
    bool first = listing->next.url == NULL;

    if (add_page(listing, key, err) < 0)
        return -1;
    if (!next_of(http_answer(line->http)->link, next)) {
        listing->unpaged = first && listing->list->subject == NULL && is_unpaged(listing);
        return 0;
    }
    if (is_enough(listing))
        return 0;
    fetch_home(line->registry, home);
    return place_take(&listing->next, line->http, next, home, err) < 0
               ? error_wrap(err, "%.120s", listing->what)
               : 1;
}

/* The first page's: the others are where the registry says.  NULL: none. */
static const char *query_of(const struct listing *listing, char *out, size_t room)
{
    const struct registry_list *list = listing->list;
    char size[40] = "";

    if (list->subject != NULL) {
        if (list->artifact_type == NULL ||
            strpbrk(list->artifact_type, "&=#% +?") != NULL || /* it is sorted out here alone */
            snprintf(out, room, "artifactType=%s", list->artifact_type) >= (int)room)
            return NULL;
        return out;
    }
    if (!listing->no_size)
        snprintf(size, sizeof(size), "n=%llu", (unsigned long long)page_tags(list));
    snprintf(out, room, "%s%s%s%s", size, *size != '\0' && list->after != NULL ? "&" : "",
             list->after != NULL ? "last=" : "", list->after != NULL ? list->after : "");
    return *out != '\0' ? out : NULL;
}

/* Some take no page of that size (PAGINATION_NUMBER_INVALID): theirs will do. */
static bool drop_size(struct listing *listing, const struct http_answer *answer)
{
    if (answer->status != 400 || listing->list->subject != NULL || listing->no_size ||
        listing->next.url != NULL)
        return false;
    listing->no_size = true;
    return true;
}

static int fetch_page(struct listing *listing, struct line *line, const struct registry_list *list,
                      const struct registry_caller *caller, struct error *err)
{
    struct retry retry = { .options = &line->registry->options };
    char query[400];
    struct fetch fetch = { .what = listing->what,
                           .kind = list->subject != NULL ? "referrers" : "tags",
                           .name = list->subject != NULL ? list->subject : "list",
                           .query = query_of(listing, query, sizeof(query)),
                           .place = listing->next.url != NULL ? &listing->next : NULL,
                           .begin = on_begin,
                           .data = on_data,
                           .ctx = listing };
    bool may_pass;

    while (fetch_try(line, &fetch, caller, &may_pass, err) < 0) {
        if (drop_size(listing, http_answer(line->http)))
            fetch.query = query_of(listing, query, sizeof(query));
        else if (!may_pass || retry_wait(&retry, line->http, caller, err) < 0)
            return -1;
    }
    return take_page(listing, line, list->subject != NULL ? "manifests" : "tags", err);
}

static int write_all(struct listing *listing, bool index, struct registry_document *out,
                     struct error *err)
{
    CLEANUP(json_drop) json_t *whole = NULL;

    if (index)
        whole = json_pack("{s:i, s:s, s:O}", "schemaVersion", 2, "mediaType", MEDIA_OCI_INDEX,
                          "manifests", listing->all);
    else
        whole = json_pack("{s:O}", "tags", listing->all);
    out->bytes = whole != NULL ? json_dumps(whole, JSON_COMPACT) : NULL;
    if (out->bytes == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "%s: no memory for it", listing->what);
    out->size = strlen(out->bytes);
    return 0;
}

int registry_list(struct registry *registry, const struct registry_caller *caller,
                  const struct registry_list *list, struct registry_document *out,
                  struct error *err)
{
    CLEANUP(line_drop) struct line line = { 0 };
    CLEANUP(listing_drop) struct listing listing = { .list = list, .all = json_array() };
    int more = 1;

    memset(out, 0, sizeof(*out));
    if (registry_list_check(list, err) < 0)
        return -1;
    snprintf(listing.what, sizeof(listing.what), "%s of %s/%s",
             list->subject != NULL ? "referrers" : "tags", registry->options.host,
             registry->options.repository != NULL ? registry->options.repository : "");
    listing.page = malloc(REGISTRY_DOCUMENT_MAX);
    if (listing.page == NULL || listing.all == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "%s: no memory for it", listing.what);
    if (line_take(registry, &line, err) < 0)
        return -1;
    for (unsigned pages = 0; more > 0; pages++) {
        if (pages == PAGES_MAX)
            return error_set(err, ERROR_RESOURCE_EXHAUSTED, "%s: the list does not end",
                             listing.what);
        more = fetch_page(&listing, &line, list, caller, err);
        if (more < 0)
            return -1;
    }
    if (list->subject == NULL && cut_tags(&listing, err) < 0)
        return -1;
    return write_all(&listing, list->subject != NULL, out, err);
}

int registry_delete(struct registry *registry, const struct registry_caller *caller,
                    const char *tag_or_digest, bool blob, struct error *err)
{
    struct retry retry = { .options = &registry->options };
    CLEANUP(line_drop) struct line line = { 0 };
    char what[700];
    struct fetch fetch = { .what = what,
                           .method = "DELETE",
                           .kind = blob ? "blobs" : "manifests",
                           .name = tag_or_digest,
                           .actions = "pull,delete" };
    bool by_digest = digest_is_usable(tag_or_digest), may_pass;

    if (registry_delete_check(tag_or_digest, blob, err) < 0)
        return -1;
    snprintf(what, sizeof(what), "%s %s/%s%s%s", blob ? "blob" : "image", registry->options.host,
             registry->options.repository, by_digest ? "@" : ":", tag_or_digest);
    if (line_take(registry, &line, err) < 0)
        return -1;
    while (fetch_try(&line, &fetch, caller, &may_pass, err) < 0) {
        int status = http_answer(line.http)->status;

        if (status == 405 || (status == 400 && (blob || !by_digest))) {
            err->code = ERROR_UNIMPLEMENTED;
            return -1;
        }
        if (!may_pass || retry_wait(&retry, line.http, caller, err) < 0)
            return -1;
    }
    return 0;
}
