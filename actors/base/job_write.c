/* A write that a job wants: handed to the writer, and waited for. */
#include "actors/base/job_private.h"
#include "actors/base/writer_private.h"

/* Its sockets stay open for the worker's next write. */
static void writer_open(struct worker *worker)
{
    if (worker->writer != NULL)
        return;
    snprintf(worker->written_address, sizeof(worker->written_address), "inproc://write.%p", (void *)worker);
    worker->written = zsock_new(ZMQ_PULL);
    zsock_bind(worker->written, "%s", worker->written_address);
    worker->writer = zsock_new(ZMQ_PUSH);
    zsock_set_linger(worker->writer, -1); /* closing must not take a write back */
    zsock_connect(worker->writer, "inproc://writer");
}

void worker_writer_close(struct worker *worker)
{
    if (worker->writer == NULL)
        return;
    zsock_unbind(worker->written, "%s", worker->written_address);
    zsock_destroy(&worker->written);
    zsock_destroy(&worker->writer);
}

int job_write(struct job *job, write_body *body, const void *in, void *out, void *ctx, struct error *err)
{
    struct worker *worker = job->worker;
    struct write write = {
        .body = body,
        .ctx = ctx,
        .actor = job_actor(job),
        .namespace = job_namespace(job),
        .lease = job_lease(job),
        .in = in,
        .out = out,
        .arena = job_arena(job),
    }, *self = &write;
    zframe_t *frame = zframe_new(&self, sizeof(self));

    writer_open(worker);
    snprintf(write.reply_to, sizeof(write.reply_to), "%s", worker->written_address);
    ORDER_BEFORE_SEND();
    zframe_send(&frame, worker->writer, 0);
    while ((frame = zframe_recv(worker->written)) == NULL)
        ; /* a signal; the writer has the write, and it is on this stack */
    ORDER_AFTER_RECEIVE();
    zframe_destroy(&frame);
    if (write.result < 0)
        *err = write.err;
    return write.result;
}
