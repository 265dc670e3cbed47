/* A program that is asked one thing: words in, words out, within a time. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "platform/platform.h"
#include "platform/scope.h"

#define LOOK_MS 50 /* so often it is asked whether the program still lives */

struct asking {
    struct child child;
    struct child_words *words;
    size_t sent, heard;
    int64_t end;
    bool ended;
    int status;
};

static void asking_drop(struct asking *asking)
{
    child_drop(&asking->child);
}

static void say(struct asking *asking)
{
    const struct child_words *words = asking->words;
    int64_t written = child_say(&asking->child, (const char *)words->input + asking->sent,
                                words->input_size - asking->sent);

    if (written > 0)
        asking->sent += (size_t)written;
    if ((written < 0 && errno != EAGAIN && errno != EINTR) || asking->sent == words->input_size)
        file_close(&asking->child.input);
}

static int hear(struct asking *asking, struct error *err)
{
    struct child_words *words = asking->words;
    char rest[4096]; /* what there is no room for */
    bool is_full = asking->heard == words->room - 1;
    ssize_t got = is_full ? read(asking->child.output, rest, sizeof(rest))
                          : read(asking->child.output, words->output + asking->heard,
                                 words->room - 1 - asking->heard);

    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : error_sys(err, errno, "read from a pipe");
    if (got == 0)
        file_close(&asking->child.output);
    if (!is_full)
        asking->heard += (size_t)got;
    else if (got > 0 && !words->all)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "it says more than %zu bytes",
                         words->room - 1);
    return 0;
}

static int look(struct asking *asking, struct error *err)
{
    struct pollfd fds[] = { { .fd = asking->child.input, .events = POLLOUT },
                            { .fd = asking->child.output, .events = POLLIN } };
    int ready;

    if (asking->words->check != NULL && asking->words->check(asking->words->ctx, err) < 0)
        return -1;
    if (clock_monotonic() > asking->end)
        return error_set(err, ERROR_DEADLINE_EXCEEDED, "it does not answer within %d s",
                         asking->words->wait_ms / 1000);
    /* What it has started may keep the pipe: its own end is what counts, once all was read. */
    asking->ended = child_ended(&asking->child, 0, &asking->status);
    ready = poll(fds, COUNT_OF(fds), asking->ended ? 0 : LOOK_MS);
    if (ready > 0 && fds[0].revents != 0)
        say(asking);
    if (ready > 0 && fds[1].revents != 0)
        return hear(asking, err);
    if (asking->ended)
        file_close(&asking->child.output);
    return 0;
}

static void not_waiting(int file)
{
    fcntl(file, F_SETFL, fcntl(file, F_GETFL) | O_NONBLOCK);
}

int child_ask(const char *const *argv, const char *path, struct child_words *words, int *status,
              struct error *err)
{
    const struct child_options options = {
        .argv = argv,
        .path = path,
        .input = true,
        .output = true,
        .errors = words->all ? 1 : 2,
        .leads = true,
    };
    CLEANUP(asking_drop) struct asking asking = { .words = words };

    asking.child = (struct child){ .input = -1, .output = -1 };
    asking.end = clock_monotonic() + words->wait_ms * INT64_C(1000000);
    if (child_start(&options, &asking.child, err) < 0)
        return -1;
    not_waiting(asking.child.input);
    not_waiting(asking.child.output);
    while (asking.child.output >= 0 || !asking.ended)
        if (look(&asking, err) < 0)
            return -1;
    words->output[asking.heard] = '\0';
    words->output_size = asking.heard;
    return child_wait(&asking.child, status, err);
}
