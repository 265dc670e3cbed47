/*
 * Questions to the client of a request.
 *
 * Only the job that the request started can be reached from outside: its children's questions go up
 * through it as their progress does, and each that passes is remembered with the child it came
 * from, so that the answer finds its way down.  A question's stream is its address.
 */
#include "actors/base/job_private.h"
#include "platform/platform.h"

struct asked {
    struct asked *next;
    const void *by;
    char stream[STREAM_ROOM];
};

/* ---- asking ------------------------------------------------------------------------- */

/* The answer, when it is there; what belongs to no open question goes. */
static struct chunk *answer_take(struct job *job, const char *stream)
{
    for (struct chunk *chunk; (chunk = job_take(job)) != NULL; chunk_free(&chunk))
        if (streq(chunk->stream, stream))
            return chunk;
    return NULL;
}

static struct chunk *answer_wait(struct job *job, const char *stream, int64_t ms, struct error *err)
{
    int64_t until = clock_monotonic() + ms * 1000000;

    for (;;) {
        int64_t left = (until - clock_monotonic() + 999999) / 1000000;
        struct chunk *chunk;

        if (job_wait(job, -1, JOB_INPUT, left > 0 ? left : 0, err) < 0)
            return NULL;
        chunk = answer_take(job, stream);
        if (chunk != NULL)
            return chunk;
        if (left <= 0) {
            error_set(err, ERROR_DEADLINE_EXCEEDED, "no answer within %lld ms", (long long)ms);
            return NULL;
        }
    }
}

struct chunk *job_ask(struct job *job, const char *name, const struct bin *question, uint64_t room,
                      int64_t ms, struct error *err)
{
    static atomic_uint last; /* of the whole daemon: no two are the same in a family */
    char stream[STREAM_ROOM];

    snprintf(stream, sizeof(stream), "%.16s-%u", name, atomic_fetch_add(&last, 1) + 1);
    job_allow(job, room);
    job_send(job, stream, question->data, question->size, true);
    return answer_wait(job, stream, ms, err);
}

/* ---- passing on ----------------------------------------------------------------------- */

void asked_note(struct asked **list, const char *stream, const void *by)
{
    struct asked *asked = zmalloc(sizeof(*asked));

    asked->by = by;
    snprintf(asked->stream, sizeof(asked->stream), "%s", stream);
    asked->next = *list;
    *list = asked;
}

const void *asked_take(struct asked **list, const char *stream)
{
    for (struct asked **at = list; *at != NULL; at = &(*at)->next)
        if (streq((*at)->stream, stream)) {
            struct asked *asked = *at;
            const void *by = asked->by;

            *at = asked->next;
            free(asked);
            return by;
        }
    return NULL;
}

void asked_forget(struct asked **list, const void *by)
{
    for (struct asked **at = list; *at != NULL;) {
        struct asked *asked = *at;

        if (by != NULL && asked->by != by) {
            at = &asked->next;
            continue;
        }
        *at = asked->next;
        free(asked);
    }
}
