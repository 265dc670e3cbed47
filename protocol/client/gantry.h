/*
 * gantry — the C client library: ask a gantry daemon, from C, in one header.
 *
 * The one idea: a request is a stream of answers that ends with exactly one final
 * answer, a reply or an error.  gantry_call() waits for the final answer of a short
 * request; gantry_stream_open() hands out everything that comes before it.  Any
 * number of requests may be open on one client at once.
 *
 *      struct error err = { 0 };
 *      struct gantry *client;
 *      struct images_get_request want = { .name = "busybox" };
 *      struct image_info image;
 *
 *      if (gantry_open(GANTRY_ENDPOINT, &client, &err) < 0 ||
 *          gantry_call(client, &op_images_get, &want, &image, arena, &err) < 0)
 *          fprintf(stderr, "%s\n", err.text);
 *      gantry_close(&client);
 *
 * A client belongs to one thread.  Nothing waits for ever on a daemon that is gone: an
 * endpoint where nobody listens fails at once, a daemon that falls silent within 15
 * seconds, both as UNAVAILABLE with the endpoint in the text.  The daemon in turn
 * cancels the requests of a client that it does not hear; while a call waits the
 * library says so by itself, a program that keeps streams open and does something else
 * calls gantry_wait() or gantry_stream_next() every few seconds.
 *
 * After a connection is lost its open requests fail; the next request connects anew.
 */
#ifndef PROTOCOL_CLIENT_GANTRY_H
#define PROTOCOL_CLIENT_GANTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/schema.h"

#define GANTRY_ENDPOINT "ipc:///run/gantry/gantry.sock"

#define GANTRY_CHUNK_MAX (64u << 10) /* bytes of stdin in one message */
#define GANTRY_WINDOW    (1u << 20)  /* bytes of output on their way to us at most */
#define GANTRY_ITEMS     256u        /* items on their way to us at most */

struct gantry;
struct gantry_stream;

/* ---- the client --------------------------------------------------------- */

/*
 * Connects to `ipc://PATH` or, in a process that runs an engine itself, `inproc://NAME`,
 * and waits until the daemon answers (5 s at most).  UNAVAILABLE: nobody listens;
 * PERMISSION_DENIED: the socket is not ours to use; UNIMPLEMENTED: another transport or
 * protocol version.  Close with gantry_close(), also after errors of later calls.
 */
int gantry_open(const char *endpoint, struct gantry **client, struct error *err);
void gantry_close(struct gantry **client); /* cancels what is open; NULL is fine */

const char *gantry_endpoint(const struct gantry *client);

/* For the requests that follow; NULL or 0 as at the beginning.  The texts are copied. */
void gantry_namespace(struct gantry *client, const char *name); /* `default` */
void gantry_lease(struct gantry *client, const char *id);       /* one of the request's own */
void gantry_ttl(struct gantry *client, uint64_t ms);            /* no limit */

/* Called by gantry_call() with what the daemon tells meanwhile. */
typedef void gantry_progress(void *ctx, const struct progress *progress);
void gantry_on_progress(struct gantry *client, gantry_progress *progress, void *ctx);

/*
 * Called by gantry_call() when a host wants to know who asks, for requests that say `askable`.
 * Fills in the zeroed answer; its texts are used before anything else is called.  What takes long
 * calls gantry_wait() meanwhile, so that the daemon hears from us.  Who opens streams instead reads
 * and sends data of credentials-NUMBER itself (docs/wire.md).
 */
typedef void gantry_who(void *ctx, const struct credentials_question *question,
                        struct credentials_answer *answer);
void gantry_on_question(struct gantry *client, gantry_who *who, void *ctx);

/*
 * How a person interrupts: waiting calls watch `fd` (-1: none), and when it is readable
 * ask `told`, which reads from it and says whether to stop.  The first time the request
 * is cancelled and its final answer awaited, the second time the wait is given up;
 * either way the result is CANCELLED.
 */
typedef bool gantry_told(void *ctx);
void gantry_on_interrupt(struct gantry *client, int fd, gantry_told *told, void *ctx);

/* ---- requests ----------------------------------------------------------- */

/*
 * Asks and waits for the final answer.  `in` is op's request record, `out` receives its
 * reply record, whose strings and lists live in `arena`.  `out` may be NULL.
 */
int gantry_call(struct gantry *client, const struct op *op, const void *in, void *out,
                struct arena *arena, struct error *err);

/*
 * The same in two steps, so that the daemon works while the caller does something else, or on several
 * at a time.  gantry_call_end() waits, and closes it; gantry_stream_close() gives it up.
 */
int gantry_call_begin(struct gantry *client, const struct op *op, const void *in,
                      struct gantry_stream **call, struct error *err);
int gantry_call_end(struct gantry_stream **call, void *out, struct arena *arena, struct error *err);

/* The actor that sent the last error, e.g. "tasks"; "" when it is the library's own. */
const char *gantry_origin(const struct gantry *client);

/* ---- streams ------------------------------------------------------------ */

enum gantry_kind {
    GANTRY_DATA,     /* stream, bytes, size, end */
    GANTRY_ITEM,     /* body: op's item record */
    GANTRY_PROGRESS, /* body: struct progress */
    GANTRY_REPLY,    /* body: op's reply record; the last message */
};

struct gantry_message {
    enum gantry_kind kind;
    const char *stream; /* stdout, stderr, content, ... */
    const void *bytes;
    size_t size;
    bool end; /* nothing follows on this stream */
    bool has_at;
    uint64_t at; /* with has_at: where the next byte of the stream stands; such a message has no bytes */
    const void *body;
};

/*
 * Asks.  What arrives is fetched with gantry_stream_next(), which also allows the daemon
 * to send more as the caller takes what is there: whoever does not fetch holds it back.
 */
int gantry_stream_open(struct gantry *client, const struct op *op, const void *in,
                       struct gantry_stream **stream, struct error *err);
/* Cancels the request when its final answer is not there yet; does not wait. */
void gantry_stream_close(struct gantry_stream **stream);
/* Asks the daemon to end the request; the final answer still comes. */
void gantry_stream_cancel(struct gantry_stream *stream);

/*
 * The next message, waiting at most timeout_ms (-1: no limit, 0: not at all).  1: there is
 * one, valid until the next call for this stream; 0: none in that time; -1: the request
 * failed.  After GANTRY_REPLY, or an error, there is nothing more.
 */
int gantry_stream_next(struct gantry_stream *stream, int timeout_ms, struct gantry_message *message,
                       struct error *err);

/* Bytes that may be sent now without waiting. */
uint64_t gantry_stream_room(const struct gantry_stream *stream);
/* Sends bytes (NULL with `end` alone) on a stream of the request, waiting until the daemon
   allows it.  When the request ends meanwhile this succeeds: the end comes with next. */
int gantry_stream_send(struct gantry_stream *stream, const char *name, const void *bytes,
                       size_t size, bool end, struct error *err);

/* ---- waiting for several things ----------------------------------------- */

struct gantry_fd {
    int fd; /* -1: not now */
    bool for_writing;
    bool ready; /* out */
};

/*
 * Waits until `stream` (may be NULL) has a message, something else arrived for this client,
 * e.g. more room, or a descriptor is ready; 1: so it is, 0: nothing in timeout_ms (-1: no
 * limit).  A lost connection counts as a message: each stream tells its own end.
 */
int gantry_wait(struct gantry *client, struct gantry_stream *stream, struct gantry_fd *fds,
                size_t count, int timeout_ms);

#endif
