/*
 * Buffers of a job that sends much: handed to the sockets as they are, and back again.
 *
 * The one idea: what has gone out comes back.  A large message in memory of its own costs
 * a mapping, a fault for each page and an unmapping, which is more than its bytes cost; the
 * few that are on their way to a client at a time are used in turn instead.  Whichever
 * thread has sent one pushes it on a list, which the job takes as a whole: nobody waits.
 * The last of them that comes home takes the list along, however long after the job that is.
 */
#include <stdatomic.h>

#include "actors/base/job_private.h"

#define SPARE_MAX 8 /* kept for the next messages; about what a client's credit lets out */

struct job_buffer {
    struct job_buffer *next;
    struct job_buffers *home;
    char bytes[JOB_BUFFER_SIZE];
};

struct job_buffers {
    _Atomic(struct job_buffer *) returned;
    atomic_uint users;        /* the job, and every buffer that is out */
    struct job_buffer *spare; /* the job's own from here on */
    unsigned spare_count;
};

static struct job_buffers *buffers_of(struct job *job)
{
    if (job->buffers == NULL) {
        job->buffers = zmalloc(sizeof(*job->buffers));
        atomic_init(&job->buffers->returned, NULL);
        atomic_init(&job->buffers->users, 1);
    }
    return job->buffers;
}

static void list_free(struct job_buffer *first)
{
    while (first != NULL) {
        struct job_buffer *next = first->next;

        free(first);
        first = next;
    }
}

static void user_leave(struct job_buffers *buffers)
{
    if (atomic_fetch_sub(&buffers->users, 1) != 1)
        return;
    list_free(atomic_load(&buffers->returned));
    list_free(buffers->spare);
    free(buffers);
}

/* On any thread: the message is out, or was thrown away. */
static void come_home(void *bytes, void *hint)
{
    struct job_buffer *buffer = hint;
    struct job_buffers *home = buffer->home;

    (void)bytes;
    buffer->next = atomic_load(&home->returned);
    while (!atomic_compare_exchange_weak(&home->returned, &buffer->next, buffer))
        ;
    user_leave(home);
}

static void take_returned(struct job_buffers *buffers)
{
    struct job_buffer *buffer, *next = atomic_exchange(&buffers->returned, NULL);

    while ((buffer = next) != NULL) {
        next = buffer->next;
        if (buffers->spare_count == SPARE_MAX) {
            free(buffer);
            continue;
        }
        buffer->next = buffers->spare;
        buffers->spare = buffer;
        buffers->spare_count++;
    }
}

char *job_buffer_take(struct job *job)
{
    struct job_buffers *buffers = buffers_of(job);
    struct job_buffer *buffer;

    take_returned(buffers);
    buffer = buffers->spare;
    if (buffer != NULL) {
        buffers->spare = buffer->next;
        buffers->spare_count--;
        return buffer->bytes;
    }
    buffer = malloc(sizeof(*buffer)); /* not touched before there is something to write */
    if (buffer == NULL)
        abort();
    buffer->home = buffers;
    return buffer->bytes;
}

static struct job_buffer *buffer_of(char *bytes)
{
    return (struct job_buffer *)(void *)(bytes - offsetof(struct job_buffer, bytes));
}

void job_buffer_drop(char **bytes)
{
    if (*bytes != NULL)
        free(buffer_of(*bytes));
    *bytes = NULL;
}

void job_send_buffer(struct job *job, const char *stream, char **bytes, size_t size, bool end)
{
    struct job_buffer *buffer = buffer_of(*bytes);
    zmq_msg_t message;

    *bytes = NULL;
    atomic_fetch_add(&buffer->home->users, 1);
    if (zmq_msg_init_data(&message, buffer->bytes, size, come_home, buffer) < 0)
        abort();
    job_spend(job, size);
    news_send_message(job, "data", stream, end, &message);
}

bool job_buffers_spare(const struct job *job)
{
    const struct job_buffers *buffers = job->buffers;

    return buffers != NULL && (buffers->spare != NULL || atomic_load(&buffers->returned) != NULL);
}

void job_buffers_trim(struct job *job)
{
    struct job_buffers *buffers = job->buffers;

    if (buffers == NULL)
        return;
    take_returned(buffers);
    list_free(buffers->spare);
    buffers->spare = NULL;
    buffers->spare_count = 0;
}

void job_buffers_close(struct job *job)
{
    if (job->buffers == NULL)
        return;
    job_buffers_trim(job);
    user_leave(job->buffers);
    job->buffers = NULL;
}
