/* client — the inside of gantry.h: one connection, the streams that are open on it. */
#ifndef PROTOCOL_CLIENT_CLIENT_H
#define PROTOCOL_CLIENT_CLIENT_H

#include <czmq.h>

#include "protocol/client/gantry.h"

#define NAME_ROOM 256

/* Periods of a connection, ms; only tests change them. */
struct client_times {
    int connect; /* until a daemon that accepts must have answered */
    int ping;    /* from one sign of life to the next */
    int gone;    /* without an answer to a ping: gone */
};
extern struct client_times client_times;

/* A message that nobody has fetched yet. */
struct incoming {
    struct incoming *next;
    enum gantry_kind kind;
    char name[32]; /* data: the stream */
    bool end, has_at;
    uint64_t at;
    zframe_t *body;
};

struct gantry_stream {
    struct gantry *client;
    struct gantry_stream *next;
    const struct op *op;
    uint64_t id;
    bool streams; /* credit is given: not a plain call */
    bool cancelled;
    bool ended; /* the final answer is queued, or in `failure` */
    bool told;  /* ... and was fetched */
    struct incoming *first, *last;
    size_t progress_queued;
    struct incoming *current; /* fetched last: its bytes are the caller's until the next */
    struct arena *arena;      /* of what was decoded of it; NULL: nothing */
    int64_t deadline;         /* monotonic ms, 0: none; the daemon's comes earlier */
    uint64_t queued;          /* bytes or items that nobody has fetched */
    uint64_t taken;           /* fetched since credit was given last */
    uint64_t room;            /* bytes we may still send */
    struct error failure;
    char origin[24];
};

struct gantry {
    char *endpoint;
    char namespace[NAME_ROOM], lease[NAME_ROOM]; /* "": not said */
    uint64_t ttl_ms;
    gantry_progress *progress;
    void *progress_ctx;
    gantry_who *who;
    void *who_ctx;
    int interrupt; /* descriptor, -1: none */
    gantry_told *told;
    void *told_ctx;
    zsock_t *socket;    /* NULL: not connected */
    zsock_t *monitor;   /* events of its connection; NULL on inproc */
    bool connected;     /* the daemon has answered */
    int64_t pinged;     /* when last, monotonic ms */
    int64_t unanswered; /* since when a ping waits for any answer; 0: none does */
    int64_t looked;     /* when the clock was looked at last */
    struct error lost;  /* why the connection was closed last */
    uint64_t last_id;
    uint64_t asked;    /* id in the last ping */
    uint64_t arrivals; /* messages ever dispatched */
    struct gantry_stream *open;
    char origin[24];
};

/* connection.c */
int connection_open(struct gantry *client, struct error *err); /* at once when it is open */
void connection_close(struct gantry *client);
/* Closes, and ends every open stream with the error. */
void connection_lose(struct gantry *client, const struct error *err);
/* One message; -1 and the connection is lost when it cannot be sent. */
int connection_send(struct gantry *client, const struct envelope *envelope, const void *body,
                    size_t size);
/* Waits at most timeout_ms for messages or descriptors (also the interrupt's when asked);
   dispatches all that arrived and keeps up the signs of life. */
void connection_turn(struct gantry *client, struct gantry_fd *fds, size_t count, int timeout_ms);

/* stream.c: takes the body.  An id that is not known is ignored. */
void stream_dispatch(struct gantry *client, const struct envelope *envelope, zframe_t **body);
void stream_fail(struct gantry_stream *stream, const struct error *err);

#endif
