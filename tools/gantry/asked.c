/* asked — the happy path of a question is: known already, or a thread that looks -> the answer. */
#include "tools/gantry/asked.h"

#include <stdlib.h>
#include <string.h>

#include "platform/channel.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "tools/gantry/credentials.h"

struct asked_host {
    struct asked_host *older;
    struct arena *arena; /* of all that follows */
    const char *host, *repository;
    bool mirror;
    int found; /* as credentials_find() says */
    struct credentials known;
    struct error err;
    int done; /* a channel: it was looked */
};

/* ---- looking ------------------------------------------------------------------------ */

static void look(void *ctx)
{
    struct asked_host *host = ctx;
    const struct channel_packet done = { .head = "", .head_size = 1 };
    struct error ignored;

    host->found =
        credentials_find(host->host, host->repository, host->arena, &host->known, &host->err);
    channel_send(host->done, &done, -1,
                 &ignored); /* the last thing: then it is not ours any more */
}

/* Until then the connection is looked after. */
static void wait_for(struct gantry *client, int channel)
{
    struct gantry_fd there = { .fd = channel };
    struct channel_heard heard;
    struct error ignored;
    char byte[2];

    while (!there.ready)
        gantry_wait(client, NULL, &there, 1, -1);
    channel_receive(channel, byte, sizeof(byte), false, -1, &heard, &ignored);
}

static void look_aside(struct asked_host *host, struct gantry *client)
{
    CLEANUP(file_close) int here = -1;

    host->done = -1;
    if (channel_pair(&here, &host->done, &host->err) < 0 ||
        thread_detach(look, host, &host->err) < 0)
        host->found = -1;
    else
        wait_for(client, here);
    file_close(&host->done);
}

/* ---- answering ------------------------------------------------------------------------ */

static bool is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static const struct asked_host *find(const struct asked *asked, const char *host,
                                     const char *repository)
{
    const struct asked_host *at = asked->hosts;

    while (at != NULL && !(is_same(at->host, host) && is_same(at->repository, repository)))
        at = at->older;
    return at;
}

/* Some files know better than by host, but what is a mirror's repository is nobody's there. */
static const struct asked_host *find_or_look(struct asked *asked,
                                             const struct credentials_question *question)
{
    const char *repository = question->mirror ? NULL : question->repository;
    const struct asked_host *known = find(asked, question->host, repository);
    bool again = question->has_again && question->again;
    struct asked_host *host;
    struct arena *arena;

    if (known != NULL && !again)
        return known;
    arena = arena_new();
    host = arena_alloc(arena, sizeof(*host));
    host->arena = arena;
    host->host = arena_str(arena, question->host);
    host->repository = arena_str(arena, repository);
    host->mirror = question->mirror;
    look_aside(host, asked->cli->client);
    host->older = asked->hosts;
    asked->hosts = host;
    return host;
}

static void answer(void *ctx, const struct credentials_question *question,
                   struct credentials_answer *out)
{
    struct asked *asked = ctx;
    const struct asked_host *host;
    struct failure *failure;

    if (asked->named && question->again && !question->mirror)
        return;
    host = find_or_look(asked, question);
    if (host->found >= 0) {
        out->username = host->known.username;
        out->password = host->known.password;
        out->identity_token = host->known.identity_token;
        out->registry_token = host->known.registry_token;
        return;
    }
    asked->failed = host->err;
    failure = arena_alloc(host->arena, sizeof(*failure));
    *failure = (struct failure){ .code = error_code_name(host->err.code),
                                 .message = host->err.text,
                                 .hint = host->err.hint };
    out->failure = failure;
}

/* ---- one request ------------------------------------------------------------------------ */

void asked_begin(struct asked *asked, struct cli *cli, bool named)
{
    *asked = (struct asked){ .cli = cli, .named = named };
    gantry_on_question(cli->client, answer, asked);
}

void asked_end(struct asked *asked)
{
    gantry_on_question(asked->cli->client, NULL, NULL);
    while (asked->hosts != NULL) {
        struct asked_host *host = asked->hosts;

        asked->hosts = host->older;
        credentials_wipe(&host->known);
        arena_free(host->arena);
    }
}

void asked_explain(const struct asked *asked, struct error *err)
{
    const struct asked_host *host = asked->hosts;

    if (asked->failed.code != ERROR_NONE && err->code != ERROR_CANCELLED)
        *err = asked->failed; /* in full */
    if (err->code != ERROR_UNAUTHENTICATED && err->code != ERROR_PERMISSION_DENIED)
        return;
    while (host != NULL && (host->mirror || host->found != 1))
        host = host->older;
    if (host != NULL) /* who was refused under a name should know which, and where it stands */
        error_hint(err, "asked as %.30s, which is kept in %.60s; gantry login changes it",
                   host->known.username != NULL ? host->known.username : "the owner of a token",
                   host->known.source);
}
