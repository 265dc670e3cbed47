/* fetcher — the happy path is: a channel -> the process with its other end -> OPEN. */
#include "actors/images/fetcher.h"

#include "platform/channel.h"
#include "platform/scope.h"

#define PROGRAM     "gantry-fetch"
#define SEND_MS     10000 /* it reads requests at once, or not at all */
#define FAREWELL_MS 1000  /* between its last channel's end and its own */

#ifdef GANTRY_TEST_HOOKS
#define HELPER_ERRORS 2 /* a sanitizer's report is worth reading */
#else
#define HELPER_ERRORS (-1) /* what a stranger could make it write belongs nowhere */
#endif

static struct fetch_open open_of(const struct registry_options *options)
{
    return (struct fetch_open){
        .host = options->host,
        .repository = options->repository,
        SET(plain_http, options->plain_http),
        .path = options->path,
        .named = options->named,
        .headers = options->headers,
        .proxy = options->proxy,
        .username = options->username,
        .password = options->password,
        .identity_token = options->identity_token,
        .registry_token = options->registry_token,
        .blob_url = options->blob_url,
        SET(askable, options->askable),
        .ca_file = options->ca_file,
        .client_cert = options->client_cert,
        .client_key = options->client_key,
        SET(skip_verify, options->skip_verify),
        .user_agent = options->user_agent,
        SET(tries, options->tries),
        SET(backoff_ms, options->backoff_ms),
        SET(wait_max_ms, options->wait_max_ms),
        SET(connect_ms, options->connect_ms),
        SET(slow_bytes, options->slow_bytes),
        SET(slow_s, options->slow_s),
    };
}

static int say(const struct fetcher *fetcher, enum fetch_packet kind, const void *record, int pass,
               struct error *err)
{
    CLEANUP(fetch_buffer_free) struct buffer buffer = { 0 };
    struct channel_packet packet = { .pass = pass };

    fetch_buffer_open(&buffer);
    if (fetch_packet_add(kind, record, &buffer, err) < 0)
        return -1;
    packet.head = buffer.data;
    packet.head_size = buffer.size;
    if (channel_send(fetcher->channel, &packet, SEND_MS, err) == 0)
        return 0;
    return err->code == ERROR_UNAVAILABLE ? fetcher_gone(fetcher, err) : -1;
}

static int process_start(struct fetcher *fetcher, struct error *err)
{
    CLEANUP(file_close) int there = -1;
    char program[PATH_SIZE];
    const char *arguments[] = { program, NULL };
    struct child_options options = { .argv = arguments, .errors = HELPER_ERRORS };

    if (program_find(PROGRAM, program, err) < 0 || channel_pair(&fetcher->channel, &there, err) < 0)
        return -1;
    options.channel = there;
    return child_start(&options, &fetcher->child, err);
}

int fetcher_start(struct fetcher *fetcher, const struct registry_options *options,
                  struct error *err)
{
    const struct fetch_open open = open_of(options);

    *fetcher = (struct fetcher){ .child = { .input = -1, .output = -1 }, .channel = -1 };
    if (process_start(fetcher, err) < 0 || say(fetcher, FETCH_OPEN, &open, 0, err) < 0) {
        fetcher_stop(fetcher);
        return -1;
    }
    return 0;
}

void fetcher_stop(struct fetcher *fetcher)
{
    file_close(&fetcher->channel);
    child_drop(&fetcher->child);
}

static int pass_file(const struct fetcher *fetcher, int channel, int file, struct error *err)
{
    const char kind = FETCH_FILE;
    const struct channel_packet packet = { .head = &kind, .head_size = 1, .pass = file };

    if (channel_send(channel, &packet, SEND_MS, err) == 0)
        return 0;
    return err->code == ERROR_UNAVAILABLE ? fetcher_gone(fetcher, err) : -1;
}

int fetcher_ask(const struct fetcher *fetcher, const struct fetch_ask *ask, int file, int *channel,
                struct error *err)
{
    CLEANUP(file_close) int there = -1;

    if (channel_pair(channel, &there, err) < 0 ||
        (file >= 0 && pass_file(fetcher, *channel, file, err) < 0))
        return -1;
    return say(fetcher, FETCH_ASK, ask, there, err);
}

int fetcher_gone(const struct fetcher *fetcher, struct error *err)
{
    char fate[80];
    int status;

    if (!child_ended(&fetcher->child, FAREWELL_MS, &status))
        return error_set(err, ERROR_INTERNAL, PROGRAM " (process %d) hung up without an answer",
                         fetcher->child.pid);
    return error_set(err, ERROR_UNAVAILABLE, PROGRAM ", which asks registries, %s",
                     child_fate(status, fate));
}
