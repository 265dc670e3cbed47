/* retry — the arithmetic of waiting; the waiting itself is http_wait(), which can be cancelled. */
#include "actors/images/registry/retry.h"

#include <stdio.h>

#include "platform/platform.h"

#define DELAY_MAX_MS 30000

void retry_progress(struct retry *retry)
{
    retry->failed = 0;
}

uint64_t retry_delay_ms(unsigned backoff_ms, unsigned failed, unsigned chance)
{
    uint64_t delay = backoff_ms;

    while (failed-- > 1 && delay < DELAY_MAX_MS)
        delay *= 2;
    if (delay > DELAY_MAX_MS)
        delay = DELAY_MAX_MS;
    return delay / 2 + delay * chance / 510;
}

/* What the server asked for and a little more, or our own. */
static uint64_t delay_ms(const struct retry *retry, const struct error *err)
{
    unsigned char chance;

    random_bytes(&chance, 1);
    if (err->retry_ms > 0)
        return err->retry_ms + err->retry_ms * chance / 2550;
    return retry_delay_ms(retry->options->backoff_ms, retry->failed, chance);
}

static void tell(const struct registry_caller *caller, const struct error *err, unsigned failed,
                 unsigned tries, uint64_t ms)
{
    char text[sizeof(err->text) + 80];

    if (caller == NULL || caller->note == NULL)
        return;
    snprintf(text, sizeof(text), "try %u of %u: %s; again in %llu ms", failed, tries, err->text,
             (unsigned long long)ms);
    caller->note(caller->ctx, text);
}

int retry_wait(struct retry *retry, struct http *http, const struct registry_caller *caller,
               struct error *err)
{
    const struct registry_options *options = retry->options;
    uint64_t ms;

    retry->failed++;
    if (retry->failed >= options->tries) {
        if (options->tries > 1 && err->hint[0] == '\0')
            error_hint(err, "it was tried %u times", options->tries);
        return -1;
    }
    if (err->retry_ms > options->wait_max_ms)
        return -1;
    ms = delay_ms(retry, err);
    tell(caller, err, retry->failed, options->tries, ms);
    return http_wait(http, ms, caller, err);
}
