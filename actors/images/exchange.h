/*
 * exchange — one request to gantry-fetch and all that comes in answer.
 *
 * The happy path is: ask -> DATA to who wants it -> END; between them WANT, which the caller answers
 * for the host that is spoken to, whatever the packet says.  Possible failures are: END with
 * an error (the registry's, in its words), the process ends (fetcher.h), it says what
 * nobody could have meant (more bytes than there are, from the wrong place, another digest,
 * a packet that is none), the caller gives up.  Whatever it is, the channel is closed, and with
 * it ends what is left of the request there.
 */
#ifndef ACTORS_IMAGES_EXCHANGE_H
#define ACTORS_IMAGES_EXCHANGE_H

#include "actors/images/fetcher.h"

struct registry {
    struct fetcher fetcher;
    char host[280];       /* spoken to */
    char repository[560]; /* with the host, for messages */
    /* what the client is asked for, if it may be */
    bool askable;
    char name[280];  /* of the host, as in references */
    char named[280]; /* the registry whose images are asked for */
};

struct exchange {
    struct registry *registry;
    const struct registry_caller *caller;
    const char *what; /* for messages: "blob sha256:2cf2... of docker.io/library/busybox" */
    /* NULL: no bytes are to come. */
    int (*data)(void *ctx, uint64_t at, const struct bin *bytes, struct error *err);
    void (*sent)(void *ctx, uint64_t done); /* may be NULL */
    void *ctx;
    int file; /* what is sent; -1: nothing */

    int channel;
    char *packet; /* FETCH_PACKET_MAX */
    int64_t checked;
    unsigned notes, wants;
    struct arena *arena; /* of `end` */
    bool ended;
    struct fetch_end end;
};

/* What is common to all; `what` may be filled in later.  CLEANUP(exchange_drop). */
struct exchange exchange_of(struct registry *registry, const struct registry_caller *caller,
                            const char *what);
void exchange_drop(struct exchange *exchange); /* for CLEANUP() */

/* 0: all was heard and is in exchange->end. */
int converse(struct exchange *exchange, const struct fetch_ask *ask, struct error *err);

/* A document that comes, in memory. */
struct intake {
    const char *what;
    uint64_t most;
    char *bytes; /* there is room for a NUL behind them */
    size_t used, room;
};
void intake_drop(struct intake *intake); /* for CLEANUP() */
/* A `data`; its ctx is the intake. */
int on_document(void *ctx, uint64_t at, const struct bin *bytes, struct error *err);
/* Hands it over; it is not empty. */
void intake_give(struct intake *intake, struct registry_document *out);

/* A manifest by its tag or digest: "image HOST/NAME:TAG" for messages; INVALID_ARGUMENT: neither.
 */
#define WHAT_SIZE 700
int what_image(const struct registry *registry, const char *tag_or_digest, char what[WHAT_SIZE],
               struct error *err);

#endif
