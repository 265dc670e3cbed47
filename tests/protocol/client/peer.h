/*
 * peer — a daemon that is played by a script: a thread with a ROUTER that is late,
 * wrong, silent or gone, as each test of the client library wants it.
 */
#ifndef TESTS_PROTOCOL_CLIENT_PEER_H
#define TESTS_PROTOCOL_CLIENT_PEER_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/client/client.h"

struct peer {
    zsock_t *router;
    zframe_t *caller; /* of the last message taken */
    struct arena *arena;
    struct envelope envelope;
    zframe_t *body;
    bool stay; /* after the script: silent, but not gone */
};

typedef void script(struct peer *peer);

struct stage {
    char folder[64];
    char endpoint[128];
    script *play;
    zactor_t *actor;
    struct gantry *client;
    struct arena *arena;
    struct error err;
};

static inline void forget(struct peer *peer)
{
    zframe_destroy(&peer->caller);
    zframe_destroy(&peer->body);
    arena_free(peer->arena);
    peer->arena = NULL;
}

static inline void send_raw(struct peer *peer, const void *head, size_t head_size, const void *body,
                            size_t size)
{
    void *socket = zsock_resolve(peer->router);

    zframe_send(&peer->caller, peer->router, ZFRAME_MORE | ZFRAME_REUSE);
    zmq_send(socket, head, head_size, ZMQ_SNDMORE);
    zmq_send(socket, body, size, 0);
}

static inline void send_envelope(struct peer *peer, struct envelope envelope, const void *body,
                                 size_t size)
{
    struct buffer head = { 0 };

    if (envelope.version == 0)
        envelope.version = 1;
    record_pack(envelope_record(), &envelope, &head);
    send_raw(peer, head.data, head.size, body, size);
    buffer_free(&head);
}

static inline void answer(struct peer *peer, uint64_t id, const char *kind,
                          const struct record *record, const void *in)
{
    struct buffer body = { 0 };

    record_pack(record, in, &body);
    send_envelope(peer, (struct envelope){ .id = id, .kind = kind }, body.data, body.size);
    buffer_free(&body);
}

static inline void send_data(struct peer *peer, uint64_t id, const char *stream, size_t size,
                             bool end)
{
    char *bytes = calloc(1, size + 1);

    send_envelope(peer,
                  (struct envelope){ .id = id, .kind = "data", .stream = stream, SET(end, end) },
                  bytes, size);
    free(bytes);
}

/* The next message, whatever it is. */
static inline bool take_any(struct peer *peer)
{
    struct error err = { 0 };
    zframe_t *head;
    zmsg_t *frames = zmsg_recv(peer->router);

    forget(peer);
    if (frames == NULL)
        return false;
    peer->arena = arena_new();
    peer->caller = zmsg_pop(frames);
    head = zmsg_pop(frames);
    peer->body = zmsg_pop(frames);
    if (record_unpack(envelope_record(), RECORD_STRICT, zframe_data(head), zframe_size(head),
                      &peer->envelope, peer->arena, &err) < 0) {
        fprintf(stderr, "client sent what is no envelope: %s\n", err.text);
        abort();
    }
    zframe_destroy(&head);
    zmsg_destroy(&frames);
    return true;
}

/* The next message of a kind; pings before it are answered, others passed over. */
static inline void take(struct peer *peer, const char *kind)
{
    while (take_any(peer)) {
        if (strcmp(peer->envelope.kind, kind) == 0)
            return;
        if (strcmp(peer->envelope.kind, "ping") == 0)
            send_envelope(peer, (struct envelope){ .kind = "pong" }, "\x80", 1);
    }
    fprintf(stderr, "the client said nothing of kind %s\n", kind);
    abort();
}

static inline uint64_t credit_in(struct peer *peer)
{
    struct credit credit;
    struct error err = { 0 };

    if (record_unpack(credit_record(), RECORD_STRICT, zframe_data(peer->body),
                      zframe_size(peer->body), &credit, peer->arena, &err) < 0)
        abort();
    return credit.count;
}

static inline uint64_t take_credit_of(struct peer *peer)
{
    take(peer, "credit");
    return credit_in(peer);
}

static inline void answer_version(struct peer *peer, const char *version)
{
    struct daemon_version_reply reply = {
        .version = version, .protocol = 1, .os = "linux", .arch = "amd64"
    };

    answer(peer, peer->envelope.id, "reply", daemon_version_reply_record(), &reply);
}

static inline void answer_failure(struct peer *peer, uint64_t id, const char *code,
                                  const char *message)
{
    struct failure failure = { .code = code,
                               .message = message,
                               .origin = "images",
                               .hint = "do otherwise",
                               SET(retry_ms, 70) };

    answer(peer, id, "error", failure_record(), &failure);
}

static inline void run_peer(zsock_t *pipe, void *arg)
{
    struct stage *stage = arg;
    struct peer peer = { .router = zsock_new(ZMQ_ROUTER) };

    zsock_set_rcvtimeo(peer.router, 20000);
    zsock_set_linger(peer.router, 2000);
    if (zsock_bind(peer.router, "%s", stage->endpoint) < 0)
        abort();
    zsock_signal(pipe, 0);
    stage->play(&peer);
    forget(&peer);
    if (!peer.stay)
        zsock_destroy(&peer.router);
    free(zstr_recv(pipe)); /* until the test has ended */
    zsock_destroy(&peer.router);
}

static inline int set_up(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));

    snprintf(stage->folder, sizeof(stage->folder), "/tmp/gantry-client-XXXXXX");
    if (mkdtemp(stage->folder) == NULL)
        return -1;
    snprintf(stage->endpoint, sizeof(stage->endpoint), "ipc://%s/s", stage->folder);
    stage->arena = arena_new();
    client_times = (struct client_times){ .connect = 5000, .ping = 3000, .gone = 12000 };
    *state = stage;
    return 0;
}

static inline int tear_down(void **state)
{
    struct stage *stage = *state;

    gantry_close(&stage->client);
    zactor_destroy(&stage->actor);
    unlink(stage->endpoint + 6);
    rmdir(stage->folder);
    arena_free(stage->arena);
    free(stage);
    return 0;
}

static inline void play(struct stage *stage, script *plot)
{
    stage->play = plot;
    stage->actor = zactor_new(run_peer, stage);
}

static inline void connect_to(struct stage *stage, script *plot)
{
    play(stage, plot);
    if (gantry_open(stage->endpoint, &stage->client, &stage->err) < 0)
        fail_msg("%s", stage->err.text);
}

static inline int ask_version(struct stage *stage, struct daemon_version_reply *reply)
{
    struct nothing nothing = { 0 };

    return gantry_call(stage->client, &op_daemon_version, &nothing, reply, stage->arena,
                       &stage->err);
}

static inline struct gantry_stream *open_attach(struct stage *stage)
{
    struct tasks_attach_request want = { .id = "c" };
    struct gantry_stream *stream;

    assert_int_equal(
        gantry_stream_open(stage->client, &op_tasks_attach, &want, &stream, &stage->err), 0);
    return stream;
}

#endif
