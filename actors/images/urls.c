/*
 * urls — layers that no registry may give away: their descriptor says where else they are (REG-21).
 *
 * Whoever makes an image writes these addresses, and the daemon asks them: so nobody's credentials
 * go there (CVE-2020-15157), a 401 is not answered, and only https is followed, or hosts that may
 * be spoken to without it.  This machine is such a host for images of this machine alone: else any
 * image could have its services asked.  What comes is believed by size and digest.
 *
 * The happy path is the first address -> all bytes -> their digest.  Not unpacked while they come:
 * they are base layers of Windows.
 */
#include <stdio.h>

#include "actors/images/hosts.h"
#include "actors/images/work.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"
#include "protocol/oci/shown.h"

#define URL_MAX 1500
#define NOBODYS "layer" /* repository, for messages alone */

struct taking {
    struct job *job;
    struct work *work;
    struct digester hash;
    int file;
    uint64_t at;
};

static void taking_drop(struct taking *taking)
{
    digester_drop(&taking->hash);
    file_close(&taking->file);
}

/* What came before is void. */
static int begin(struct taking *taking, const char *path, struct error *err)
{
    taking_drop(taking);
    taking->work->downloaded -= taking->at;
    taking->at = 0;
    if (file_open_append(path, 0, &taking->file, err) < 0)
        return -1;
    return digester_open(&taking->hash, taking->work->layer->blob.digest, err);
}

static int take(void *ctx, uint64_t at, const void *data, size_t size, struct error *err)
{
    struct taking *taking = ctx;

    if (at != taking->at)
        return error_set(err, ERROR_ABORTED, "%.19s is sent anew",
                         taking->work->layer->blob.digest);
    if (file_write(taking->file, data, size, err) < 0)
        return error_wrap(err, "layer %.19s", taking->work->layer->blob.digest);
    digester_add(&taking->hash, data, size);
    taking->at += size;
    taking->work->downloaded += size;
    work_report(taking->job, "download", taking->work, taking->at);
    return 0;
}

static bool is_address(const char *url)
{
    size_t size = strlen(url);

    for (size_t i = 0; i < size; i++)
        if (url[i] <= ' ' || url[i] > '~')
            return false;
    return size > 0 && size <= URL_MAX;
}

/* The scheme, and what is between it and the first slash. */
static int address_read(const char *url, struct arena *arena, struct registry_options *out,
                        struct error *err)
{
    bool plain = strncmp(url, "http://", 7) == 0;
    const char *host = url + (plain ? 7 : 8);
    struct shown s;

    if (!is_address(url) || (!plain && strncmp(url, "https://", 8) != 0))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is no web address", shown(url, &s));
    *out = (struct registry_options){
        .host = arena_printf(arena, "%.*s", (int)strcspn(host, "/?#"), host),
        .repository = NOBODYS,
        .plain_http = plain,
        .blob_url = url,
    };
    return 0;
}

static int may_be_asked(const struct work *work, const struct registry_options *options,
                        struct error *err)
{
    const char *origin = work->source->origin;
    bool here = host_is_loopback(options->host);

    if (here && (origin == NULL || !host_is_loopback(origin)))
        return error_set(err, ERROR_PERMISSION_DENIED, "%.80s is this machine", options->host);
    if (options->plain_http && !host_is_plain(work->config, options->host))
        return error_set(err, ERROR_PERMISSION_DENIED, "%.80s would be asked without TLS",
                         options->host);
    return 0;
}

static int check_digest(struct taking *taking, struct error *err)
{
    const char *wanted = taking->work->layer->blob.digest;
    char digest[DIGEST_TEXT_SIZE];

    if (digester_finish(&taking->hash, digest, err) < 0)
        return -1;
    if (strcmp(digest, wanted) == 0)
        return 0;
    return error_set(err, ERROR_DATA_LOSS, "what came hashes to %.19s", digest);
}

static int fetch(struct taking *taking, const char *url, const char *path, struct error *err)
{
    const struct work *work = taking->work;
    const struct registry_caller caller = caller_of(taking->job);
    CLEANUP(registry_close) struct registry *registry = NULL;
    struct registry_options options;
    const struct registry_blob blob = { .digest = work->layer->blob.digest,
                                        .size = work->layer->blob.size,
                                        .sink = take,
                                        .ctx = taking };

    if (address_read(url, job_arena(taking->job), &options, err) < 0 ||
        may_be_asked(work, &options, err) < 0)
        return -1;
    options.backoff_ms = work->config->backoff_ms;
    options.slow_s = work->config->slow_s;
    if (registry_open(&registry, &options, err) < 0 || begin(taking, path, err) < 0 ||
        registry_blob(registry, &caller, &blob, err) < 0)
        return -1;
    return check_digest(taking, err);
}

/* What the registry said, and what was found at the first address. */
static void say_both(struct job *job, const char *url, const struct error *why, struct error *err)
{
    const char *said = strstr(why->text, "/" NOBODYS ": "); /* behind what was asked for */
    struct shown s;

    said = said != NULL ? said + strlen("/" NOBODYS ": ") : why->text;
    error_set(err, why->code == ERROR_DATA_LOSS ? why->code : err->code,
              "%.140s; nor at %.60s: %.160s", arena_str(job_arena(job), err->text), shown(url, &s),
              said);
}

int blob_from_urls(struct job *job, struct work *work, const struct content_ingest_reply *place,
                   struct error *err)
{
    CLEANUP(taking_drop) struct taking taking = { .job = job, .work = work, .file = -1 };
    const struct strs *urls = &work->layer->urls;

    for (size_t i = 0; i < urls->count; i++) {
        struct error why = { 0 };

        if (fetch(&taking, urls->items[i], place->path, &why) == 0)
            return 0;
        if (why.code == ERROR_CANCELLED || why.code == ERROR_DEADLINE_EXCEEDED ||
            why.code == ERROR_RESOURCE_EXHAUSTED)
            return *err = why, -1;
        if (i == 0)
            say_both(job, urls->items[i], &why, err);
    }
    if (taking.file >= 0)
        begin(&taking, place->path, &(struct error){ 0 }); /* nothing of it serves a later try */
    return -1;
}
