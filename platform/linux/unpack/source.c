/* source — the blob behind its watermark; see source.h. */
#include "platform/linux/unpack/source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int source_open(struct source *source, const char *blob, int control, struct error *err)
{
    *source = (struct source){ .control = control };
    source->blob = open(blob, O_RDONLY | O_CLOEXEC);
    if (source->blob < 0)
        return error_sys(err, errno, "open blob %s", blob);
    if (fcntl(control, F_SETFL, O_NONBLOCK) < 0)
        return error_sys(err, errno, "control pipe");
    return 0;
}

void source_open_stream(struct source *source, int stream)
{
    *source = (struct source){ .blob = stream, .control = -1 };
}

static int stream_read(struct source *source, void *to, size_t room, size_t *got, struct error *err)
{
    ssize_t size;

    while ((size = read(source->blob, to, room)) < 0 && errno == EINTR)
        ;
    if (size < 0)
        return error_sys(err, errno, "read what is sent");
    *got = (size_t)size;
    return 0;
}

static int control_line(struct source *source, struct error *err)
{
    uint64_t bytes;
    bool is_end = strncmp(source->line, "end ", 4) == 0;

    if (sscanf(source->line, is_end ? "end %" SCNu64 : "allow %" SCNu64, &bytes) != 1)
        return error_set(err, ERROR_INVALID_ARGUMENT, "control line \"%s\" is not known",
                         source->line);
    if (bytes < source->allowed || source->ended)
        return error_set(err, ERROR_INVALID_ARGUMENT, "control line \"%s\" goes back from %" PRIu64,
                         source->line, source->allowed);
    source->allowed = bytes;
    source->ended = is_end;
    return 0;
}

static int control_bytes(struct source *source, const char *bytes, size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != '\n') {
            if (source->have + 1 >= sizeof(source->line))
                return error_set(err, ERROR_INVALID_ARGUMENT, "control line is too long");
            source->line[source->have++] = bytes[i];
            continue;
        }
        source->line[source->have] = '\0';
        source->have = 0;
        if (control_line(source, err) < 0)
            return -1;
    }
    return 0;
}

/* Takes in what the daemon has said; with `wait`, waits until it says something. */
static int control_read(struct source *source, bool wait, struct error *err)
{
    struct pollfd word = { .fd = source->control, .events = POLLIN };
    char bytes[512];
    ssize_t got;

    if (source->ended)
        return 0;
    if (wait && poll(&word, 1, -1) < 0 && errno != EINTR)
        return error_sys(err, errno, "wait for the control pipe");
    got = read(source->control, bytes, sizeof(bytes));
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0
                                                 : error_sys(err, errno, "read the control pipe");
    if (got == 0)
        return error_set(err, ERROR_CANCELLED, "the layer is discarded");
    return control_bytes(source, bytes, (size_t)got, err);
}

int source_read(struct source *source, void *to, size_t room, size_t *got, struct error *err)
{
    ssize_t size;

    if (source->control < 0)
        return stream_read(source, to, room, got, err);
    if (control_read(source, false, err) < 0)
        return -1;
    while (source->offset == source->allowed && !source->ended)
        if (control_read(source, true, err) < 0)
            return -1;
    *got = 0;
    if (source->offset == source->allowed)
        return 0;
    if (room > source->allowed - source->offset)
        room = source->allowed - source->offset;
    while ((size = pread(source->blob, to, room, (off_t)source->offset)) < 0 && errno == EINTR)
        ;
    if (size < 0)
        return error_sys(err, errno, "read the blob");
    if (size == 0)
        return error_set(err, ERROR_DATA_LOSS, "the blob has only %" PRIu64 " of %" PRIu64 " bytes",
                         source->offset, source->allowed);
    source->offset += (uint64_t)size;
    *got = (size_t)size;
    return 0;
}

int source_settle(struct source *source, struct error *err)
{
    while (!source->ended)
        if (control_read(source, true, err) < 0)
            return -1;
    if (source->offset != source->allowed)
        return error_set(err, ERROR_DATA_LOSS,
                         "layer: %" PRIu64 " bytes of garbage behind the compressed data",
                         source->allowed - source->offset);
    return 0;
}
