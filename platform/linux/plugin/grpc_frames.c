/* grpc_frames — see grpc_frames.h. */
#include "platform/linux/plugin/grpc_frames.h"

#include "platform/linux/plugin/grpc.h"

void frame_prefix(unsigned char prefix[FRAME_PREFIX], size_t size)
{
    prefix[0] = 0; /* not compressed */
    for (unsigned i = 1; i < FRAME_PREFIX; i++)
        prefix[i] = (unsigned char)(size >> (8 * (FRAME_PREFIX - 1 - i)));
}

static int prefix_read(struct frames *frames, struct error *err)
{
    frames->wanted = 0;
    for (unsigned i = 1; i < FRAME_PREFIX; i++)
        frames->wanted = frames->wanted << 8 | frames->prefix[i];
    if (frames->prefix[0] != 0)
        return error_set(err, ERROR_UNIMPLEMENTED,
                         "it answers with a compressed message, which nobody asked for");
    if (frames->wanted > GRPC_MESSAGE_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED,
                         "it answers with a message of %zu bytes, at most %u go", frames->wanted,
                         GRPC_MESSAGE_MAX);
    return 0;
}

static int message_end(struct frames *frames, struct error *err)
{
    int result;

    if (frames->prefix_size < FRAME_PREFIX || frames->message.size < frames->wanted)
        return 0;
    frames->count++;
    result = frames->take(frames->ctx, frames->message.data, frames->message.size, err);
    frames->prefix_size = frames->message.size = 0;
    return result;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

int frames_add(struct frames *frames, const void *bytes, size_t size, struct error *err)
{
    const unsigned char *at = bytes, *end = at + size;

    while (at < end) {
        size_t part;

        if (frames->prefix_size < FRAME_PREFIX) {
            frames->prefix[frames->prefix_size++] = *at++;
            if (frames->prefix_size == FRAME_PREFIX && prefix_read(frames, err) < 0)
                return -1;
        } else {
            part = least((size_t)(end - at), frames->wanted - frames->message.size);
            buffer_add(&frames->message, at, part);
            at += part;
        }
        if (message_end(frames, err) < 0)
            return -1;
    }
    return 0;
}

bool frames_are_whole(const struct frames *frames)
{
    return frames->prefix_size == 0;
}

void frames_free(struct frames *frames)
{
    buffer_free(&frames->message);
}
