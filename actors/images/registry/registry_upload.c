/*
 * registry_upload — blobs on their way to a registry.
 *
 * The happy path is: HEAD (it has none) -> POST, which opens a session -> PUT of all bytes to where
 * the answer says.  Where another repository of the registry has the blob, the POST asks for that
 * one instead, and nothing is sent.  What is big goes by PATCH, a chunk at a time: what arrived so
 * is not lost with a connection, and many a proxy lets no larger bodies pass.  What is small goes
 * along with the POST, which saves one of three round trips at registries that take it.  Others,
 * docker-registry among them, answer as to any POST, and nothing is lost but a few bytes; they are
 * not tried again.
 *
 * Possible failures are: the connection breaks, or the registry is busy (ask how far it is, go on
 * from there), it says that we go on from the wrong place (416: the same), it has forgotten the
 * session (begin anew), it takes no chunks (all at once then), it takes nothing that large (413:
 * chunks then, and smaller ones), it will not have the blob (its words are the error).  Every
 * answer may lead elsewhere, also to another host, which then sees no credentials.
 */
#include <stdio.h>
#include <string.h>

#include "actors/images/registry/fetch.h"
#include "actors/images/registry/http_headers.h"
#include "actors/images/registry/redirect.h"
#include "actors/images/registry_options.h"
#include "platform/scope.h"

#define PROGRESS_BYTES (64u << 10) /* fewer are none: see registry_blob.c */
#define RESUME_BYTES   (1u << 20)  /* fewer are sent again rather than asked about */
#define CHUNK_MOST     (1ull << 40)
#define SMALL_BYTES    (64u << 10) /* configs and the like; what is lost where it is not taken */
#define CHUNK_LEAST    (1u << 20)  /* what no proxy finds too large; nginx's default is this */

struct sending {
    const char *what;
    const struct registry_upload *upload;
    struct line *line;
    const struct registry_caller *caller;
    char home[HOST_TEXT_SIZE + 16];
    struct place place;    /* of the session; no URL: there is none */
    uint64_t at;           /* the registry has the bytes before this one */
    uint64_t best;         /* where counting of tries last began anew */
    uint64_t chunk, least; /* and so small it may become */
    const char *mount;     /* from there; NULL: that is known to lead nowhere */
    bool chunked;          /* by PATCH */
    bool no_chunks;        /* the registry does not take them */
    bool unsure;           /* how much of what was sent last has arrived */
    bool may_pass;
    bool at_once; /* ... and is tried in another way: nothing is to be waited for */
};

static unsigned long long u(uint64_t value)
{
    return value;
}

static int status_of(const struct sending *sending)
{
    return http_answer(sending->line->http)->status;
}

static int request(struct sending *sending, struct fetch *fetch, struct error *err)
{
    fetch->what = sending->what;
    fetch->kind = fetch->kind != NULL ? fetch->kind : "blobs";
    fetch->actions = "pull,push";
    return fetch_try(sending->line, fetch, sending->caller, &sending->may_pass, err);
}

/* The session is of no use any more; what was in it is void. */
static void forget_session(struct sending *sending)
{
    place_drop(&sending->place);
    sending->place.elsewhere = false;
    sending->at = 0;
    sending->unsure = false;
}

static int take_place(struct sending *sending, struct error *err)
{
    sending->may_pass = false;
    if (place_take(&sending->place, sending->line->http, http_answer(sending->line->http)->location,
                   sending->home, err) < 0)
        return error_wrap(err, "%.120s", sending->what);
    return 0;
}

/* ---- the session -------------------------------------------------------------------- */

/* What the answer to HEAD says of the blob; a store that the registry redirects to may know GET
 * alone. */
static bool says_nothing(const struct sending *sending)
{
    const struct http_answer *answer = http_answer(sending->line->http);
    bool elsewhere = strncmp(answer->url, sending->home, strlen(sending->home)) != 0;

    return answer->status == 404 || answer->status == 405 ||
           (elsewhere && answer->status >= 400 && answer->status < 500);
}

/* 1: the registry has the blob. */
static int look(struct sending *sending, struct error *err)
{
    struct fetch head = { .method = "HEAD", .name = sending->upload->digest };

    if (request(sending, &head, err) == 0)
        return 1;
    return says_nothing(sending) ? 0 : -1;
}

static void take_chunk_size(struct sending *sending)
{
    uint64_t least;

    if (!header_number(http_answer(sending->line->http)->chunk_min, &least) || least > CHUNK_MOST)
        return;
    sending->least = least > sending->least ? least : sending->least;
    sending->chunk = least > sending->chunk ? least : sending->chunk;
}

/* A registry that knows no such POST, or mounts nothing from there, must still take the bytes. */
static bool must_be_plain(const struct sending *sending, bool whole)
{
    int status = status_of(sending);

    return (sending->mount != NULL || whole) && !sending->may_pass && status != 401 &&
           ((status >= 400 && status < 500) || status == 501);
}

/* May the blob go along with the POST?  Not while there is hope that it need not go at all.  A
   session of another algorithm is opened with its name, which such a POST has no room for. */
static bool goes_whole(const struct sending *sending)
{
    const struct registry_upload *upload = sending->upload;

    return upload->file >= 0 && upload->size > 0 && upload->size <= SMALL_BYTES &&
           upload->size <= upload->big && strncmp(upload->digest, "sha256:", 7) == 0 &&
           sending->mount == NULL && !sending->chunked &&
           !atomic_load(&sending->line->registry->opens_only);
}

/* Opens a session.  1: not needed, the blob was taken from the other repository; 2: nor is it, the
   blob has arrived. */
static int begin(struct sending *sending, struct error *err)
{
    const struct registry_upload *upload = sending->upload;
    const struct http_body nothing = { .file = -1 }, all = { .file = upload->file,
                                                             .size = upload->size,
                                                             .type = "application/octet-stream" };
    char query[600] = "";
    bool whole = goes_whole(sending);
    struct fetch post = { .method = "POST", .name = "uploads/", .body = whole ? &all : &nothing };
    int result;

    if (sending->mount != NULL) {
        snprintf(query, sizeof(query), "mount=%s&from=%s", upload->digest, sending->mount);
        post.also = sending->mount;
    } else if (whole) {
        snprintf(query, sizeof(query), "digest=%s", upload->digest);
    } else if (strncmp(upload->digest, "sha256:", 7) != 0) {
        snprintf(query, sizeof(query), "digest-algorithm=%.*s", (int)strcspn(upload->digest, ":"),
                 upload->digest);
    }
    post.query = *query != '\0' ? query : NULL;
    result = request(sending, &post, err);
    if (result == 0 && status_of(sending) == 201 && (sending->mount != NULL || whole))
        return whole ? 2 : 1;
    if (whole)
        atomic_store(&sending->line->registry->opens_only, true);
    if (result < 0) {
        if (!must_be_plain(sending, whole))
            return -1;
        sending->mount = NULL;
        return begin(sending, err);
    }
    sending->mount = NULL;
    take_chunk_size(sending);
    sending->chunked = !sending->no_chunks && (sending->chunked || upload->size > upload->big);
    return take_place(sending, err);
}

/* How much has arrived, and where to go on; begins anew where the registry does not know. */
static int ask_where(struct sending *sending, struct error *err)
{
    struct fetch get = { .place = &sending->place };
    uint64_t done = 0;

    if (request(sending, &get, err) < 0) {
        if (!sending->may_pass && err->code != ERROR_CANCELLED && status_of(sending) >= 400) {
            forget_session(sending);
            sending->may_pass = true;
        }
        return -1;
    }
    if (upload_range_parse(http_answer(sending->line->http)->range, &done) < 0)
        done = 0;
    if (done > sending->upload->size) {
        forget_session(sending);
        sending->may_pass = true;
        return error_set(err, ERROR_UNKNOWN, "%s: the registry has %llu bytes of it, it is of %llu",
                         sending->what, u(done), u(sending->upload->size));
    }
    sending->at = done;
    sending->unsure = false;
    if (http_answer(sending->line->http)->location == NULL)
        return 0;
    return take_place(sending, err);
}

/* ---- bytes ---------------------------------------------------------------------------- */

/* Too large at once, or in chunks of this size: how it goes on; false: it does not. */
static bool make_smaller(struct sending *sending)
{
    uint64_t left = sending->upload->size - sending->at, half;
    bool by_chunks = sending->chunked || sending->at > 0;

    half = (by_chunks && sending->chunk < left ? sending->chunk : left) / 2 + 1;
    if (sending->no_chunks || (by_chunks && (half < sending->least || half >= left)))
        return false;
    sending->chunk = sending->chunk < half ? sending->chunk : half;
    sending->chunked = true;
    if (by_chunks)
        sending->unsure = true;
    else
        forget_session(sending);
    return true;
}

/* What a refusal of bytes means for the next try. */
static int refused(struct sending *sending, const struct error *err)
{
    int status = status_of(sending);
    bool answered = status >= 400;

    if (err->code == ERROR_CANCELLED || err->code == ERROR_DEADLINE_EXCEEDED)
        return -1;
    if (status == 416) {
        sending->unsure = sending->may_pass = true;
    } else if (status == 413) {
        sending->may_pass = sending->at_once = make_smaller(sending);
    } else if (sending->chunked && sending->at == 0 && !sending->no_chunks && answered &&
               !sending->may_pass && status != 401 && status != 403 && status != 507) {
        sending->no_chunks = sending->may_pass = sending->at_once = true;
        sending->chunked = false;
        forget_session(sending);
    } else if (status == 404 || status == 410) {
        forget_session(sending);
        sending->may_pass = true;
    } else if (sending->may_pass) {
        sending->unsure = answered || sending->at + http_sent(sending->line->http) >= RESUME_BYTES;
        /* what breaks once breaks again: from now on less is lost with a connection */
        sending->chunked = sending->chunked || (!answered && !sending->no_chunks &&
                                                sending->upload->size > sending->chunk);
        if (!sending->unsure)
            forget_session(sending);
    }
    return -1;
}

/* The last request: with it the registry makes a blob of what has arrived. */
static int finish(struct sending *sending, uint64_t size, struct error *err)
{
    const struct registry_upload *upload = sending->upload;
    const struct http_body body = { .file = upload->file,
                                    .from = sending->at,
                                    .size = size,
                                    .type = size > 0 ? "application/octet-stream" : NULL };
    struct place place = sending->place;
    char url[8192 + 200];
    struct fetch put = { .method = "PUT", .place = &place, .body = &body };

    if (strlen(place.url) + strlen(upload->digest) + 10 > sizeof(url))
        return error_set(err, ERROR_UNKNOWN, "%s: the registry names too long an address",
                         sending->what);
    snprintf(url, sizeof(url), "%s%cdigest=%s", place.url, strchr(place.url, '?') ? '&' : '?',
             upload->digest);
    place.url = url;
    return request(sending, &put, err) < 0 ? refused(sending, err) : 0;
}

static int send_chunk(struct sending *sending, struct error *err)
{
    const struct registry_upload *upload = sending->upload;
    uint64_t left = upload->size - sending->at,
             size = left < sending->chunk ? left : sending->chunk;
    char range[48];
    const struct http_body body = { .file = upload->file,
                                    .from = sending->at,
                                    .size = size,
                                    .type = "application/octet-stream",
                                    .range = range };
    struct fetch patch = { .method = "PATCH", .place = &sending->place, .body = &body };
    uint64_t done;

    snprintf(range, sizeof(range), "%llu-%llu", u(sending->at), u(sending->at + size - 1));
    if (request(sending, &patch, err) < 0)
        return refused(sending, err);
    if (upload_range_parse(http_answer(sending->line->http)->range, &done) < 0)
        done = sending->at + size;
    sending->may_pass = true;
    if (done > sending->at + size || done < sending->at + (size > 1)) {
        sending->unsure = true;
        return error_set(err, ERROR_UNKNOWN,
                         "%s: the registry has %llu bytes of the %llu it was sent", sending->what,
                         u(done), u(sending->at + size));
    }
    sending->at = done;
    return take_place(sending, err);
}

/* 0: it is there; 1: it was mounted; 2: it is there, and went with the first request. */
static int try_once(struct sending *sending, struct error *err)
{
    int begun;

    if (sending->unsure && sending->place.url != NULL && ask_where(sending, err) < 0)
        return -1;
    if (sending->place.url == NULL && (begun = begin(sending, err)) != 0)
        return begun;
    if (!(sending->chunked && sending->upload->size > 0) && sending->at == 0)
        return finish(sending, sending->upload->size, err);
    while (sending->at < sending->upload->size)
        if (send_chunk(sending, err) < 0)
            return -1;
    return finish(sending, 0, err);
}

/* ---- the call --------------------------------------------------------------------------- */

static void count_progress(struct sending *sending, struct retry *retry)
{
    if (sending->at < sending->best + PROGRESS_BYTES)
        return;
    sending->best = sending->at;
    retry_progress(retry);
}

/* The caller's, with the progress told on the way. */
struct telling {
    struct sending *sending;
    const struct registry_caller *caller;
};

static int tell_and_check(void *ctx, struct error *err)
{
    const struct telling *telling = ctx;
    const struct registry_upload *upload = telling->sending->upload;
    const struct registry_caller *caller = telling->caller;
    uint64_t done = telling->sending->at + http_sent(telling->sending->line->http);

    if (upload->progress != NULL)
        upload->progress(upload->ctx, done < upload->size ? done : upload->size);
    return caller != NULL && caller->check != NULL ? caller->check(caller->ctx, err) : 0;
}

static void tell_note(void *ctx, const char *text)
{
    const struct registry_caller *caller = ((struct telling *)ctx)->caller;

    if (caller != NULL && caller->note != NULL)
        caller->note(caller->ctx, text);
}

static int tell_who(void *ctx, const struct registry_question *question, struct arena *arena,
                    struct registry_known *out, struct error *err)
{
    const struct registry_caller *caller = ((struct telling *)ctx)->caller;

    return caller != NULL && caller->who != NULL
               ? caller->who(caller->ctx, question, arena, out, err)
               : 0;
}

/* Nobody will go on with it: the registry need not keep it.  What it says to that means nothing. */
static void abandon(struct sending *sending)
{
    struct fetch remove = { .method = "DELETE", .place = &sending->place };
    struct error ignored;

    if (sending->place.url != NULL)
        request(sending, &remove, &ignored);
}

/* Without the bytes: it is taken from the other repository, or wanted. */
static int mount_only(struct sending *sending, struct retry *retry, enum registry_sent *sent,
                      struct error *err)
{
    int rc = 0;

    while (sending->mount != NULL && (rc = begin(sending, err)) < 0)
        if (!sending->may_pass || retry_wait(retry, sending->line->http, sending->caller, err) < 0)
            return -1;
    *sent = rc > 0 ? SENT_MOUNTED : SENT_WANTED;
    if (rc == 0)
        abandon(sending);
    return 0;
}

/* Until it is there, or nothing gets on any more. */
static int send_bytes(struct sending *sending, struct retry *retry, struct error *err)
{
    int rc;

    while ((rc = try_once(sending, err)) < 0) {
        bool at_once = sending->at_once;

        sending->at_once = false;
        count_progress(sending, retry);
        if (at_once || (sending->may_pass &&
                        retry_wait(retry, sending->line->http, sending->caller, err) == 0))
            continue;
        if (status_of(sending) >= 400)
            abandon(sending);
        return -1;
    }
    return rc;
}

static int send_all(struct sending *sending, struct registry *registry, enum registry_sent *sent,
                    struct error *err)
{
    struct retry retry = { .options = &registry->options };
    int rc = -1;

    while ((rc = look(sending, err)) < 0)
        if (!sending->may_pass || retry_wait(&retry, sending->line->http, sending->caller, err) < 0)
            return -1;
    *sent = SENT_NOTHING;
    if (rc > 0)
        return 0;
    retry_progress(&retry);
    if (sending->upload->file < 0)
        return mount_only(sending, &retry, sent, err);
    rc = send_bytes(sending, &retry, err);
    if (rc < 0)
        return -1;
    *sent = rc == 1 ? SENT_MOUNTED : SENT_BYTES;
    return 0;
}

static void sending_drop(struct sending *sending)
{
    place_drop(&sending->place);
}

int registry_upload(struct registry *registry, const struct registry_caller *caller,
                    const struct registry_upload *upload, enum registry_sent *sent,
                    struct error *err)
{
    CLEANUP(line_drop) struct line line = { 0 };
    struct registry_upload want = *upload;
    struct telling telling = { .caller = caller };
    const struct registry_caller teller = { .check = tell_and_check,
                                            .note = tell_note,
                                            .who = tell_who,
                                            .ctx = &telling };
    char what[700];
    CLEANUP(sending_drop)
    struct sending sending = {
        .what = what, .upload = &want, .line = &line, .caller = &teller, .mount = upload->mount
    };

    if (registry_upload_check(upload, err) < 0)
        return -1;
    want.big = upload->big > 0 ? upload->big : REGISTRY_BIG;
    sending.chunk = upload->chunk > 0 ? upload->chunk : REGISTRY_CHUNK;
    sending.least = sending.chunk < CHUNK_LEAST ? sending.chunk : CHUNK_LEAST;
    telling.sending = &sending;
    fetch_home(registry, sending.home);
    snprintf(what, sizeof(what), "blob %.19s to %s/%s", upload->digest, registry->options.host,
             registry->options.repository);
    if (line_take(registry, &line, err) < 0)
        return -1;
    return send_all(&sending, registry, sent, err);
}
