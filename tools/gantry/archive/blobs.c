/* See blobs.h. */
#include "tools/gantry/archive/blobs.h"

#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "platform/scope.h"
#include "platform/terminal.h"

#define PIECE  (256u << 10)
#define TTL_MS (3600u * 1000)

/* ---- out of the daemon ----------------------------------------------------------------------- */

int remote_blob_size(struct cli *cli, const char *digest, uint64_t *size, struct error *err)
{
    struct content_stat_request want = { .digest = digest };
    struct content_info info;

    if (cli_call(cli, &op_content_stat, &want, &info, err) < 0)
        return err->code == ERROR_NOT_FOUND ? 0 : -1;
    *size = info.size;
    return 1;
}

typedef int take_bytes(void *ctx, const void *bytes, size_t size, struct error *err);

static int range_read(struct cli *cli, const struct content_read_request *want, take_bytes *take,
                      void *ctx, struct error *err)
{
    struct gantry_message message = { .kind = GANTRY_DATA };
    struct gantry_stream *stream;
    int result;

    if (cli_connect(cli, err) < 0 ||
        gantry_stream_open(cli->client, &op_content_read, want, &stream, err) < 0)
        return -1;
    do {
        result = gantry_stream_next(stream, -1, &message, err);
        if (result == 1 && message.kind == GANTRY_DATA && message.size > 0)
            result = take(ctx, message.bytes, message.size, err) < 0 ? -1 : 1;
    } while (result >= 0 && message.kind != GANTRY_REPLY);
    gantry_stream_close(&stream);
    return result < 0 ? -1 : 0;
}

static int remote_blob_read(struct cli *cli, const char *digest, take_bytes *take, void *ctx,
                            struct error *err)
{
    const struct content_read_request want = { .digest = digest };

    return range_read(cli, &want, take, ctx, err);
}

struct head {
    char *bytes;
    size_t room;
};

static int take_head(void *ctx, const void *bytes, size_t size, struct error *err)
{
    struct head *head = ctx;

    (void)err;
    size = size < head->room ? size : head->room;
    memcpy(head->bytes, bytes, size);
    head->bytes += size;
    head->room -= size;
    return 0;
}

int remote_blob_head(struct cli *cli, const struct content_read_request *want, void *head,
                     size_t room, struct error *err)
{
    struct head taken = { head, room };

    return range_read(cli, want, take_head, &taken, err);
}

struct document {
    struct buffer bytes;
    size_t limit;
};

static int take_document(void *ctx, const void *bytes, size_t size, struct error *err)
{
    struct document *document = ctx;

    if (size > document->limit - document->bytes.size)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "the document is larger than %zu bytes",
                         document->limit);
    buffer_add(&document->bytes, bytes, size);
    return 0;
}

int remote_blob_fetch(struct cli *cli, const char *digest, size_t limit, struct bin *out,
                      struct error *err)
{
    struct document document = { .limit = limit };
    int result = remote_blob_read(cli, digest, take_document, &document, err);

    if (result == 0)
        result = digest_verify(digest, document.bytes.data, document.bytes.size, err);
    if (result == 0)
        *out = (struct bin){ arena_copy(cli->arena, document.bytes.data, document.bytes.size),
                             document.bytes.size };
    buffer_free(&document.bytes);
    return result < 0 ? error_wrap(err, "content %.19s", digest) : 0;
}

static int take_packed(void *ctx, const void *bytes, size_t size, struct error *err)
{
    return pack_bytes(ctx, bytes, size, err);
}

int remote_blob_pack(struct cli *cli, const char *digest, struct pack *pack, struct error *err)
{
    return remote_blob_read(cli, digest, take_packed, pack, err);
}

/* ---- into the daemon ------------------------------------------------------------------------ */

enum compression compression_by(const void *bytes, size_t size)
{
    static const unsigned char gzip[] = { 0x1f, 0x8b }, zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };

    if (size >= sizeof(gzip) && memcmp(bytes, gzip, sizeof(gzip)) == 0)
        return COMPRESSION_GZIP;
    return size >= sizeof(zstd) && memcmp(bytes, zstd, sizeof(zstd)) == 0 ? COMPRESSION_ZSTD
                                                                          : COMPRESSION_NONE;
}

struct sending {
    struct gantry_stream *stream;
    struct sent *sent;
    bool answered;
};

/* 1: that was the answer; 0: none in this time; -1. */
static int answer_take(struct sending *sending, int timeout_ms, struct error *err)
{
    struct gantry_message message;
    int result;

    while ((result = gantry_stream_next(sending->stream, timeout_ms, &message, err)) == 1) {
        const struct content_info *info = message.body;

        if (message.kind != GANTRY_REPLY)
            continue;
        snprintf(sending->sent->digest, sizeof(sending->sent->digest), "%s", info->digest);
        sending->sent->size = info->size;
        sending->answered = true;
        return 1;
    }
    return result;
}

static int bytes_send(struct sending *sending, const struct packed *file, char *piece,
                      struct error *err)
{
    bool is_first = true;
    int64_t got;

    while (!sending->answered && (got = packed_read(file, piece, PIECE, err)) != 0) {
        if (got < 0)
            return -1;
        if (is_first)
            sending->sent->compression = compression_by(piece, (size_t)got);
        sending->sent->is_looked_at = true;
        is_first = false;
        if (gantry_stream_send(sending->stream, "content", piece, (size_t)got, false, err) < 0 ||
            answer_take(sending, 0, err) < 0)
            return -1;
    }
    if (!sending->answered &&
        gantry_stream_send(sending->stream, "content", NULL, 0, true, err) < 0)
        return -1;
    return sending->answered ? 0 : answer_take(sending, -1, err) < 0 ? -1 : 0;
}

static int stream_send(struct cli *cli, const struct content_write_request *want,
                       const struct packed *file, struct sent *sent, struct error *err)
{
    struct sending sending = { .sent = sent };
    char *piece;
    int result;

    *sent = (struct sent){ .compression = COMPRESSION_NONE };
    if (cli_connect(cli, err) < 0 ||
        gantry_stream_open(cli->client, &op_content_write, want, &sending.stream, err) < 0)
        return -1;
    piece = malloc(PIECE);
    result = piece != NULL ? bytes_send(&sending, file, piece, err)
                           : error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    free(piece);
    gantry_stream_close(&sending.stream);
    return result;
}

int remote_blob_send(struct cli *cli, const char *digest, const struct packed *file,
                     struct sent *sent, struct error *err)
{
    const struct content_write_request want = { .digest = digest,
                                                .size = file->size,
                                                .has_size = file->size != PACKED_SIZE_UNKNOWN };

    return stream_send(cli, &want, file, sent, err);
}

int remote_blob_put(struct cli *cli, const void *bytes, size_t size, struct sent *sent,
                    struct error *err)
{
    struct sending sending = { .sent = sent };
    char digest[DIGEST_TEXT_SIZE];
    const struct content_write_request want = { .digest = digest, SET(size, size) };
    int result;

    if (digest_of("sha256", bytes, size, digest, err) < 0 || cli_connect(cli, err) < 0 ||
        gantry_stream_open(cli->client, &op_content_write, &want, &sending.stream, err) < 0)
        return -1;
    result = gantry_stream_send(sending.stream, "content", bytes, size, true, err);
    if (result == 0)
        result = answer_take(&sending, -1, err) < 0 ? -1 : 0;
    gantry_stream_close(&sending.stream);
    return result;
}

/* ---- waiting for pipes ---------------------------------------------------------------------- */

static int wait_for(void *ctx, int fd, bool for_writing, struct error *err)
{
    struct cli *cli = ctx;
    struct gantry_fd fds[2] = { { .fd = fd, .for_writing = for_writing },
                                { .fd = signals_open(err) } };

    if (fds[1].fd < 0)
        return -1;
    do {
        gantry_wait(cli->client, NULL, fds, 2, -1);
        if (fds[1].ready && signals_next() != NULL)
            return error_set(err, ERROR_CANCELLED, "interrupted");
    } while (!fds[0].ready);
    return 0;
}

int remote_patience(struct cli *cli, struct patience *patience, struct error *err)
{
    *patience = (struct patience){ wait_for, cli };
    return cli_connect(cli, err);
}

/* ---- the lease ------------------------------------------------------------------------------ */

int remote_hold(struct cli *cli, struct error *err)
{
    struct leases_create_request want = { SET(ttl_ms, TTL_MS) };
    struct lease_info lease;

    if (cli_call(cli, &op_leases_create, &want, &lease, err) < 0)
        return -1;
    cli->lease = lease.id;
    gantry_lease(cli->client, lease.id);
    return 0;
}

int remote_keep(struct cli *cli, const char *digest, struct error *err)
{
    struct resource one = { .kind = "content", .key = digest };
    struct leases_add_request want = { .id = cli->lease, .resources = { 1, &one } };

    return cli_call(cli, &op_leases_add, &want, NULL, err);
}

void remote_release(struct cli *cli)
{
    struct leases_remove_request want = { .id = cli->lease };
    struct error ignored = { 0 };

    if (cli->lease == NULL)
        return;
    gantry_lease(cli->client, cli->asked_lease);
    cli_call(cli, &op_leases_remove, &want, NULL, &ignored);
    cli->lease = NULL;
}
