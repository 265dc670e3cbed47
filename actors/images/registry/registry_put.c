/*
 * registry_put — documents into a registry: after all that they name, as the very bytes that hash
 * to their digest.
 *
 * The happy path is one PUT, answered with 201.  What the registry makes of the bytes is compared:
 * a registry that stores something else under the name must not pass for one that has the image.
 * Tags can go along with a digest; only those that the answer names are believed to be there, since
 * registries that know nothing of this answer 201 as well.
 */
#include <stdio.h>
#include <string.h>

#include "actors/images/registry/fetch.h"
#include "actors/images/registry_options.h"
#include "platform/scope.h"

static int is_there(struct line *line, const struct registry_put *put, const char *what,
                    const struct registry_caller *caller, bool *may_pass, struct error *err)
{
    const struct fetch head = { .what = what,
                                .method = "HEAD",
                                .kind = "manifests",
                                .name = put->name,
                                .accept = put->media_type,
                                .actions = "pull,push" };

    if (fetch_try(line, &head, caller, may_pass, err) == 0)
        return 1;
    return http_answer(line->http)->status >= 400 && !*may_pass &&
                   http_answer(line->http)->status != 401
               ? 0
               : -1;
}

/* Of another algorithm it may name whatever it likes. */
static int compare(const struct registry_put *put, const char *what,
                   const struct http_answer *answer, struct error *err)
{
    size_t algorithm = strcspn(put->digest, ":") + 1;
    char named[DIGEST_TEXT_SIZE];

    if (answer->digest[0] == '\0' || strncmp(answer->digest, put->digest, algorithm) != 0 ||
        strcmp(answer->digest, put->digest) == 0)
        return 0;
    return error_set(err, ERROR_DATA_LOSS, "%s: the registry made %s of it", what,
                     plain_text(answer->digest, strlen(answer->digest), named, sizeof(named)));
}

/* "tag=a&tag=b"; those that there is no room for are for the caller to put one by one. */
static const char *query_of(const struct registry_put *put, char *out, size_t room)
{
    size_t used = 0;

    for (size_t i = 0; i < put->tags.count && i < REGISTRY_TAGS; i++) {
        const char *tag = put->tags.items[i];

        if (strlen(tag) + 6 > room - used)
            break;
        used += (size_t)snprintf(out + used, room - used, "%stag=%s", used > 0 ? "&" : "", tag);
    }
    return used > 0 ? out : NULL;
}

/* OCI-Tag comes once for each, or with commas between; either way no tag holds what separates. */
static bool is_confirmed(const char *said, const char *tag)
{
    size_t size = strlen(tag);

    for (const char *at = said; *(at += strspn(at, ", \t\n")) != '\0'; at += strcspn(at, ", \t\n"))
        if (strcspn(at, ", \t\n") == size && memcmp(at, tag, size) == 0)
            return true;
    return false;
}

static uint64_t confirmed(const struct registry_put *put, const struct http_answer *answer)
{
    uint64_t tags = 0;

    for (size_t i = 0; i < put->tags.count && i < REGISTRY_TAGS; i++)
        tags |= (uint64_t)is_confirmed(answer->tags, put->tags.items[i]) << i;
    return tags;
}

static int try_once(struct line *line, const struct registry_put *put, const char *what,
                    const struct registry_caller *caller, bool *may_pass, struct error *err)
{
    const struct http_body body = { .file = put->file, .size = put->size, .type = put->media_type };
    char query[1024];
    const struct fetch fetch = { .what = what,
                                 .method = "PUT",
                                 .kind = "manifests",
                                 .name = put->name,
                                 .query = query_of(put, query, sizeof(query)),
                                 .body = &body,
                                 .actions = "pull,push" };

    if (put->only_missing) {
        int there = is_there(line, put, what, caller, may_pass, err);

        if (there != 0)
            return there > 0 ? 0 : -1;
    }
    if (fetch_try(line, &fetch, caller, may_pass, err) < 0)
        return -1;
    *may_pass = false;
    return compare(put, what, http_answer(line->http), err);
}

/* Some may take no such address, or not one so long: then the document alone. */
static bool drop_tags(struct registry_put *put, const struct http_answer *answer)
{
    bool refused = answer->status == 400 || answer->status == 405 || answer->status == 414;

    if (put->tags.count == 0 || !refused)
        return false;
    put->tags.count = 0;
    return true;
}

int registry_put(struct registry *registry, const struct registry_caller *caller,
                 const struct registry_put *put, struct registry_kept *kept, struct error *err)
{
    struct retry retry = { .options = &registry->options };
    CLEANUP(line_drop) struct line line = { 0 };
    struct registry_put now = *put;
    char what[700];
    bool may_pass;

    if (registry_put_check(put, err) < 0)
        return -1;
    snprintf(what, sizeof(what), "image %s/%s%s%s", registry->options.host,
             registry->options.repository, digest_is_usable(put->name) ? "@" : ":", put->name);
    if (line_take(registry, &line, err) < 0)
        return -1;
    while (try_once(&line, &now, what, caller, &may_pass, err) < 0)
        if (!drop_tags(&now, http_answer(line.http)) &&
            (!may_pass || retry_wait(&retry, line.http, caller, err) < 0))
            return -1;
    kept->subject = http_answer(line.http)->subject[0] != '\0';
    kept->tags = confirmed(&now, http_answer(line.http));
    return 0;
}
