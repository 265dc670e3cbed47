/*
 * peer — the test's side of a conversation with one actor, over inproc.
 *
 * It says what a gateway or a job would say, and whatever they would not: late, wrong,
 * twice, or nothing more at all.
 */
#ifndef TESTS_ACTORS_PEER_H
#define TESTS_ACTORS_PEER_H

#include <czmq.h>

#include "actors/base/stats.h"
#include "protocol/schema.h"

#define PEER_PATIENCE_MS 20000 /* longer is a failure of the test */

struct peer {
    zsock_t *wire;
    struct stats *stats;
    uint64_t last_id;
    const char *namespace; /* of the requests from now on; NULL: not said */
    const char *lease;
    uint64_t ttl_ms; /* 0: not said */
    bool inside;     /* asks as a job of the daemon does */
};

struct answer {
    struct envelope envelope;
    enum error_code code; /* of an error; ERROR_NONE otherwise */
    const char *message;  /* of an error; "" otherwise */
    const char *hint;
    void *body;        /* reply, item, progress, credit: the record */
    const void *bytes; /* data */
    size_t size;
    struct arena *arena;
    zmsg_t *frames;
};

void peer_open(struct peer *peer, const char *actor);
void peer_close(struct peer *peer);

/* Sends a request; its id. */
uint64_t peer_send(struct peer *peer, const struct op *op, const void *body);
/* Sends an envelope and bytes as they are. */
void peer_send_raw(struct peer *peer, const struct envelope *envelope, const void *body,
                   size_t size);
void peer_cancel(struct peer *peer, uint64_t id);
void peer_credit(struct peer *peer, uint64_t id, uint64_t count);
void peer_data(struct peer *peer, uint64_t id, const char *stream, const char *text, bool end);

/* The next message, whatever it is; false when none comes.  Frees what was in `answer`. */
bool peer_receive(struct peer *peer, const struct op *op, struct answer *answer);
/* True when nothing at all is there now. */
bool peer_hears_nothing(struct peer *peer, int wait_ms);
/* The final answer; what comes before is dropped. */
enum error_code peer_finish(struct peer *peer, const struct op *op, struct answer *answer);
/* peer_send and peer_finish. */
enum error_code peer_ask(struct peer *peer, const struct op *op, const void *body,
                         struct answer *answer);
void answer_free(struct answer *answer);

/* Waits for what becomes true a moment behind an answer. */
#define EVENTUALLY(peer, condition)                               \
    for (int i_ = 0; i_ < PEER_PATIENCE_MS && !(condition); i_++) \
        peer_hears_nothing(peer, 1);                              \
    assert_true(condition)

#endif
