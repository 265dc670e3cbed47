/* stream — a ring of blocks between two threads; see stream.h. */
#include "platform/linux/unpack/stream.h"

#include <nettle/sha2.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCKS     4
#define BLOCK_SIZE (256 * 1024)
#define STACK_SIZE (1024 * 1024)

struct stream {
    struct decompress *decompress;
    uint64_t max_bytes;
    struct sha256_ctx hash; /* the second thread's, until it has ended */
    uint64_t bytes;       /* that the reader has got */
    bool holding;         /* the reader looks at ring[taken % BLOCKS] */
    pthread_mutex_t lock; /* for all below */
    pthread_cond_t turn;
    struct {
        uint8_t *bytes;
        size_t size;
    } ring[BLOCKS];
    unsigned made, taken; /* blocks, counted up */
    bool ended;           /* no more will be made */
    struct error error;   /* why, if its code is set */
};

struct stream *stream_new(struct decompress *decompress, uint64_t max_bytes, struct error *err)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    bool ok = stream != NULL;

    for (int i = 0; ok && i < BLOCKS; i++)
        ok = (stream->ring[i].bytes = malloc(BLOCK_SIZE)) != NULL;
    if (!ok) {
        error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for the layer's stream");
        return NULL; /* and the process ends */
    }
    sha256_init(&stream->hash);
    stream->decompress = decompress;
    stream->max_bytes = max_bytes;
    pthread_mutex_init(&stream->lock, NULL);
    pthread_cond_init(&stream->turn, NULL);
    return stream;
}

/* ---- the second thread ---------------------------------------------------------- */

static uint8_t *place_take(struct stream *stream)
{
    uint8_t *place;

    pthread_mutex_lock(&stream->lock);
    while (stream->made - stream->taken == BLOCKS)
        pthread_cond_wait(&stream->turn, &stream->lock);
    place = stream->ring[stream->made % BLOCKS].bytes;
    pthread_mutex_unlock(&stream->lock);
    return place;
}

static void place_give(struct stream *stream, size_t size)
{
    pthread_mutex_lock(&stream->lock);
    stream->ring[stream->made++ % BLOCKS].size = size;
    pthread_cond_signal(&stream->turn);
    pthread_mutex_unlock(&stream->lock);
}

static int make_block(struct stream *stream, uint64_t *total, size_t *size, struct error *err)
{
    uint8_t *place = place_take(stream);

    if (decompress_next(stream->decompress, place, BLOCK_SIZE, size, err) < 0)
        return -1;
    *total += *size;
    if (stream->max_bytes != 0 && *total > stream->max_bytes)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED,
                         "layer: more than %llu bytes when decompressed",
                         (unsigned long long)stream->max_bytes);
    sha256_update(&stream->hash, *size, place);
    if (*size > 0)
        place_give(stream, *size);
    return 0;
}

static void *work(void *self)
{
    struct stream *stream = self;
    struct error error = { 0 };
    uint64_t total = 0;
    size_t size;
    int status;

    do
        status = make_block(stream, &total, &size, &error);
    while (status == 0 && size > 0);
    pthread_mutex_lock(&stream->lock);
    stream->ended = true;
    stream->error = error;
    pthread_cond_signal(&stream->turn);
    pthread_mutex_unlock(&stream->lock);
    return NULL;
}

/* ---- the first thread ------------------------------------------------------------- */

int stream_start(struct stream *stream, struct error *err)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int status;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    status = pthread_create(&thread, &attributes, work, stream);
    pthread_attr_destroy(&attributes);
    if (status != 0)
        return error_sys(err, status, "start a thread");
    return 0;
}

int stream_next(struct stream *stream, const void **block, size_t *size, struct error *err)
{
    int status = 0;

    *size = 0;
    pthread_mutex_lock(&stream->lock);
    if (stream->holding) {
        stream->taken++;
        stream->holding = false;
        pthread_cond_signal(&stream->turn);
    }
    while (stream->made == stream->taken && !stream->ended)
        pthread_cond_wait(&stream->turn, &stream->lock);
    if (stream->made != stream->taken) {
        *block = stream->ring[stream->taken % BLOCKS].bytes;
        *size = stream->ring[stream->taken % BLOCKS].size;
        stream->holding = true;
        stream->bytes += *size;
    } else if (stream->error.code != ERROR_NONE) {
        *err = stream->error;
        status = -1;
    }
    pthread_mutex_unlock(&stream->lock);
    return status;
}

uint64_t stream_bytes(const struct stream *stream)
{
    return stream->bytes;
}

int stream_finish(struct stream *stream, char diff_id[DIFF_ID_SIZE], struct error *err)
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    const void *block;
    size_t size;

    do
        if (stream_next(stream, &block, &size, err) < 0)
            return -1;
    while (size > 0);
    sha256_digest(&stream->hash, sizeof(digest), digest);
    snprintf(diff_id, DIFF_ID_SIZE, "sha256:");
    for (unsigned i = 0; i < sizeof(digest); i++)
        snprintf(diff_id + 7 + 2 * i, 3, "%02x", digest[i]);
    return 0;
}
