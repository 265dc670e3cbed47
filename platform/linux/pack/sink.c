/* sink — see sink.h. */
#include "platform/linux/pack/sink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "platform/linux/unpack/report.h"

static int write_all(int file, const void *bytes, size_t size, struct error *err)
{
    const char *at = bytes;
    ssize_t wrote;

    for (; size > 0; at += wrote, size -= (size_t)wrote) {
        wrote = write(file, at, size);
        if (wrote < 0 && errno == EINTR)
            wrote = 0;
        else if (wrote < 0)
            return error_sys(err, errno, "write");
    }
    return 0;
}

static int to_file(void *self, const void *bytes, size_t size, struct error *err)
{
    struct sink *sink = self;

    sha256_update(&sink->packed, size, bytes);
    sink->packed_size += size;
    return write_all(sink->file, bytes, size, err);
}

int sink_open_file(struct sink *sink, int file, const char *compression, struct error *err)
{
    sink->file = file;
    sha256_init(&sink->plain);
    sha256_init(&sink->packed);
    sink->compress = compress_new(compression, to_file, sink, err);
    return sink->compress != NULL ? 0 : -1;
}

void sink_open_data(struct sink *sink)
{
    sink->file = -1;
}

static int flush(struct sink *sink, bool is_last, struct error *err)
{
    char line[32];
    int length;

    if (sink->file >= 0) {
        report_progress(sink->plain_size, sink->entries);
        sha256_update(&sink->plain, sink->have, sink->piece);
        if (compress_bytes(sink->compress, sink->piece, sink->have, is_last, err) < 0)
            return -1;
    } else if (sink->have > 0) {
        length = snprintf(line, sizeof(line), "data %zu\n", sink->have);
        if (write_all(STDOUT_FILENO, line, (size_t)length, err) < 0 ||
            write_all(STDOUT_FILENO, sink->piece, sink->have, err) < 0)
            return -1;
    }
    sink->have = 0;
    return 0;
}

int sink_bytes(struct sink *sink, const void *bytes, size_t size, struct error *err)
{
    const uint8_t *at = bytes;

    sink->plain_size += size;
    for (size_t part; size > 0; at += part, size -= part) {
        part = sizeof(sink->piece) - sink->have;
        part = part < size ? part : size;
        memcpy(sink->piece + sink->have, at, part);
        sink->have += part;
        if (sink->have == sizeof(sink->piece) && flush(sink, false, err) < 0)
            return -1;
    }
    return 0;
}

int sink_zero(struct sink *sink, uint64_t size, struct error *err)
{
    static const uint8_t zero[4096];

    for (size_t part; size > 0; size -= part) {
        part = size < sizeof(zero) ? (size_t)size : sizeof(zero);
        if (sink_bytes(sink, zero, part, err) < 0)
            return -1;
    }
    return 0;
}

static void digest_text(struct sha256_ctx *hash, char text[SHA256_TEXT_SIZE])
{
    uint8_t digest[SHA256_DIGEST_SIZE];

    sha256_digest(hash, sizeof(digest), digest);
    snprintf(text, SHA256_TEXT_SIZE, "sha256:");
    for (unsigned i = 0; i < sizeof(digest); i++)
        snprintf(text + 7 + 2 * i, 3, "%02x", digest[i]);
}

int sink_finish(struct sink *sink, char plain[SHA256_TEXT_SIZE], char packed[SHA256_TEXT_SIZE],
                struct error *err)
{
    if (flush(sink, true, err) < 0)
        return -1;
    if (sink->file < 0)
        return 0;
    digest_text(&sink->plain, plain);
    digest_text(&sink->packed, packed);
    return close(sink->file) < 0 ? error_sys(err, errno, "write") : 0;
}
