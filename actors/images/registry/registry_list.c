/*
 * registry_list — lists that come in pages, as one document; and removing.
 *
 * The happy path is a GET per page, until an answer has no Link with rel="next".  Where that leads
 * to another host, no credentials go along, and where it leads in circles, the limit of pages or of
 * bytes ends it.
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

struct listing {
    char what[600];
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

/* 1: there is another page. */
static int take_page(struct listing *listing, struct line *line, const char *key, struct error *err)
{
    char home[HOST_TEXT_SIZE + 16], next[2048];

    if (add_page(listing, key, err) < 0)
        return -1;
    if (!next_of(http_answer(line->http)->link, next))
        return 0;
    fetch_home(line->registry, home);
    return place_take(&listing->next, line->http, next, home, err) < 0
               ? error_wrap(err, "%.120s", listing->what)
               : 1;
}

static int fetch_page(struct listing *listing, struct line *line, const struct registry_list *list,
                      const struct registry_caller *caller, struct error *err)
{
    struct retry retry = { .options = &line->registry->options };
    char query[400];
    struct fetch fetch = { .what = listing->what,
                           .kind = list->subject != NULL ? "referrers" : "tags",
                           .name = list->subject != NULL ? list->subject : "list",
                           .place = listing->next.url != NULL ? &listing->next : NULL,
                           .begin = on_begin,
                           .data = on_data,
                           .ctx = listing };
    bool may_pass;

    if (list->subject != NULL && list->artifact_type != NULL &&
        snprintf(query, sizeof(query), "artifactType=%s", list->artifact_type) < 400 &&
        strpbrk(list->artifact_type, "&=#% +?") == NULL) /* else it is sorted out here alone */
        fetch.query = query;
    while (fetch_try(line, &fetch, caller, &may_pass, err) < 0)
        if (!may_pass || retry_wait(&retry, line->http, caller, err) < 0)
            return -1;
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
    CLEANUP(listing_drop) struct listing listing = { .all = json_array() };
    int more = 1;

    memset(out, 0, sizeof(*out));
    if (list->subject != NULL && !digest_is_usable(list->subject))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "\"%.140s\" is no digest that can be verified", list->subject);
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
    return write_all(&listing, list->subject != NULL, out, err);
}

int registry_delete(struct registry *registry, const struct registry_caller *caller,
                    const char *tag_or_digest, struct error *err)
{
    struct retry retry = { .options = &registry->options };
    CLEANUP(line_drop) struct line line = { 0 };
    char what[700];
    struct fetch fetch = { .what = what,
                           .method = "DELETE",
                           .kind = "manifests",
                           .name = tag_or_digest,
                           .actions = "pull,delete" };
    bool by_digest = digest_is_usable(tag_or_digest), may_pass;

    if (!by_digest && !registry_is_tag(tag_or_digest))
        return error_set(err, ERROR_INVALID_ARGUMENT, "\"%.140s\" is neither tag nor digest",
                         tag_or_digest);
    snprintf(what, sizeof(what), "image %s/%s%s%s", registry->options.host,
             registry->options.repository, by_digest ? "@" : ":", tag_or_digest);
    if (line_take(registry, &line, err) < 0)
        return -1;
    while (fetch_try(&line, &fetch, caller, &may_pass, err) < 0) {
        int status = http_answer(line.http)->status;

        if (status == 405 || (status == 400 && !by_digest)) {
            err->code = ERROR_UNIMPLEMENTED;
            return -1;
        }
        if (!may_pass || retry_wait(&retry, line.http, caller, err) < 0)
            return -1;
    }
    return 0;
}
