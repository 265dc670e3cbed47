/*
 * registry_put — documents into a registry: after all that they name, as the very bytes that hash
 * to their digest.
 *
 * The happy path is one PUT, answered with 201.  What the registry makes of the bytes is compared:
 * a registry that stores something else under the name must not pass for one that has the image.
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

static int try_once(struct line *line, const struct registry_put *put, const char *what,
                    const struct registry_caller *caller, bool *may_pass, struct error *err)
{
    const struct http_body body = { .file = put->file, .size = put->size, .type = put->media_type };
    const struct fetch fetch = { .what = what,
                                 .method = "PUT",
                                 .kind = "manifests",
                                 .name = put->name,
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

int registry_put(struct registry *registry, const struct registry_caller *caller,
                 const struct registry_put *put, bool *subject, struct error *err)
{
    struct retry retry = { .options = &registry->options };
    CLEANUP(line_drop) struct line line = { 0 };
    char what[700];
    bool may_pass;

    if (registry_put_check(put, err) < 0)
        return -1;
    snprintf(what, sizeof(what), "image %s/%s%s%s", registry->options.host,
             registry->options.repository, digest_is_usable(put->name) ? "@" : ":", put->name);
    if (line_take(registry, &line, err) < 0)
        return -1;
    while (try_once(&line, put, what, caller, &may_pass, err) < 0)
        if (!may_pass || retry_wait(&retry, line.http, caller, err) < 0)
            return -1;
    *subject = http_answer(line.http)->subject[0] != '\0';
    return 0;
}
