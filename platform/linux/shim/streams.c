/*
 * streams — what a process writes, to the log and to who is attached; what they send it.
 *
 * Output is read only while nobody who must not lose a byte is behind: the pipe fills,
 * and the process waits, exactly as long as that client does.  What was written before
 * the process ended is in the pipe when the end is seen, so it is over when the pipe is
 * empty, or when as much as a pipe holds has been read: somebody in the background who
 * keeps the other end open cannot hold up the end.  His output is read on, and goes to
 * the log.
 *
 * Input goes the same way back: what does not fit into the pipe is kept, and clients are
 * not read until it did.
 */
#include "platform/linux/shim/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define PIPE_SIZE      (256 * 1024) /* room for a burst, so that fewer turns move more */
#define TERMINAL_SIZE  (128 * 1024) /* more than the kernel keeps for a terminal */
#define READS_PER_TURN 4

/* ---- output ---------------------------------------------------------------- */

static bool is_held(const struct process *process)
{
    return process->is_waiting || clients_hold(process);
}

static void drained(struct stream *stream)
{
    stream->is_drained = true;
    process_look_over(stream->process);
}

static void deliver(struct stream *stream, size_t size)
{
    struct process *process = stream->process;

    stream->seen += size;
    if (process->exec[0] == '\0')
        log_write(&process->shim->log, stream->name, shim_packet, size);
    if (!process->is_over)
        clients_data(process, stream->name, shim_packet, size);
    if (!process->has_ended)
        return;
    stream->left -= size < stream->left ? size : stream->left;
    if (stream->left == 0)
        drained(stream);
}

/* One read.  false: nothing more for now. */
static bool read_once(struct stream *stream)
{
    ssize_t size = read(stream->source.fd, shim_packet, SHIM_DATA_MAX);

    if (size > 0) {
        deliver(stream, (size_t)size);
        return true;
    }
    if (size < 0 && errno == EINTR)
        return true;
    /* A terminal without a program on it says EIO, but one may still open it again. */
    if (size == 0 || (errno != EAGAIN && !(errno == EIO && !stream->process->has_ended)))
        loop_close(&stream->source);
    if (stream->source.fd < 0 || stream->process->has_ended)
        drained(stream);
    return false;
}

/* The process has ended: what it left is read at once, so that it is out before the news. */
static bool is_last_call(const struct stream *stream)
{
    return stream->process->has_ended && !stream->is_drained;
}

static void stream_read(struct stream *stream)
{
    /* A terminal is watched by edges: a level would report it as hung up without end. */
    uint32_t events = stream->is_terminal ? EPOLLIN | EPOLLET : EPOLLIN;
    bool is_more = true;

    for (int i = 0; stream->source.fd >= 0; i++) {
        if (is_held(stream->process)) {
            loop_unwatch(&stream->source);
            return;
        }
        if (!is_more || (i >= READS_PER_TURN && !is_last_call(stream)))
            break;
        is_more = read_once(stream);
    }
    if (is_more || !stream->source.is_added)
        loop_watch(&stream->source, events);
}

static void on_output(void *owner, uint32_t events UNUSED)
{
    stream_read(owner);
}

static void stream_open(struct stream *stream, int fd, bool is_terminal)
{
    stream->source = (struct source){ .fd = fd, .on_ready = on_output, .owner = stream };
    stream->is_terminal = is_terminal;
    stream->is_drained = false;
    stream->left = is_terminal ? TERMINAL_SIZE : PIPE_SIZE;
    fcntl(fd, F_SETFL, O_RDONLY | O_NONBLOCK);
}

void streams_read(struct process *process)
{
    stream_read(&process->out);
    stream_read(&process->error);
}

/* ---- input ----------------------------------------------------------------- */

static void input_close(struct input *input)
{
    loop_close(&input->source);
    free(input->pending);
    input->pending = NULL;
    input->pending_size = 0;
    input->is_closed = true;
}

/* The end of a terminal's input is a character, when it is read by lines at all; the first
   one only sends off a line that was begun. */
static void terminal_end(struct input *input)
{
    struct termios modes;
    char end[2];

    if (tcgetattr(input->source.fd, &modes) < 0 || !(modes.c_lflag & ICANON))
        return;
    end[0] = end[1] = (char)modes.c_cc[VEOF];
    if (write(input->source.fd, end, input->is_midline ? 2 : 1) < 0)
        return;
}

static void input_finish(struct process *process)
{
    if (process->is_terminal)
        terminal_end(&process->input);
    input_close(&process->input);
}

static size_t input_push(struct input *input, const char *bytes, size_t size)
{
    ssize_t written;

    if (input->source.fd < 0)
        return 0;
    written = write(input->source.fd, bytes, size);
    if (written > 0)
        input->is_midline = bytes[written - 1] != '\n';
    if (written >= 0)
        return (size_t)written;
    if (errno == EAGAIN || errno == EINTR)
        return 0;
    input_close(input); /* nobody reads any more: what comes is thrown away */
    return size;
}

static void on_input(void *owner, uint32_t events UNUSED)
{
    struct process *process = owner;
    struct input *input = &process->input;
    size_t pushed = input_push(input, input->pending, input->pending_size);

    if (!input->is_closed && pushed < input->pending_size) {
        memmove(input->pending, input->pending + pushed, input->pending_size - pushed);
        input->pending_size -= pushed;
        return;
    }
    free(input->pending);
    input->pending = NULL;
    input->pending_size = 0;
    loop_unwatch(&input->source);
    if (input->is_ending && !input->is_closed)
        input_finish(process);
    clients_watch(process);
}

void input_write(struct process *process, const char *bytes, size_t size)
{
    struct input *input = &process->input;
    size_t pushed;

    if (input->is_closed || input->is_ending || !input->is_wanted)
        return;
    pushed = input->pending_size > 0 ? 0 : input_push(input, bytes, size);
    if (input->is_closed || pushed == size)
        return;
    input->pending = realloc(input->pending, input->pending_size + size - pushed);
    if (input->pending == NULL)
        abort();
    memcpy(input->pending + input->pending_size, bytes + pushed, size - pushed);
    input->pending_size += size - pushed;
    loop_watch(&input->source, EPOLLOUT);
    clients_watch(process);
}

void input_end(struct process *process)
{
    struct input *input = &process->input;

    if (input->is_closed || !input->is_wanted)
        return;
    input->is_ending = true;
    if (input->pending_size == 0 && input->source.fd >= 0)
        input_finish(process);
}

static void input_open(struct process *process, int fd)
{
    process->input.source = (struct source){ .fd = fd, .on_ready = on_input, .owner = process };
    fcntl(fd, F_SETFL, O_WRONLY | O_NONBLOCK);
    if (process->input.pending_size > 0)
        loop_watch(&process->input.source, EPOLLOUT);
    else if (process->input.is_ending)
        input_finish(process);
}

/* ---- pipes and terminals ----------------------------------------------------- */

static int pipe_open(int *ours, int *its, bool is_output, struct error *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(err, errno, "pipe");
    if (is_output)
        fcntl(ends[0], F_SETPIPE_SZ, PIPE_SIZE); /* a smaller one does as well */
    *ours = ends[is_output ? 0 : 1];
    *its = ends[is_output ? 1 : 0];
    return 0;
}

int streams_open(struct process *process, struct error *err)
{
    struct ends *ends = &process->ends;
    int ours = -1;

    if (process->is_terminal)
        return 0;
    if (process->input.is_wanted) {
        if (pipe_open(&ours, &ends->in, false, err) < 0)
            return -1;
        input_open(process, ours);
    }
    if (pipe_open(&ours, &ends->out, true, err) < 0)
        return -1;
    stream_open(&process->out, ours, false);
    if (pipe_open(&ours, &ends->err, true, err) < 0)
        return -1;
    stream_open(&process->error, ours, false);
    return 0;
}

void ends_close(struct ends *ends)
{
    if (ends->in >= 0)
        close(ends->in);
    if (ends->out >= 0)
        close(ends->out);
    if (ends->err >= 0)
        close(ends->err);
    *ends = (struct ends){ -1, -1, -1 };
}

int streams_take_terminal(struct process *process, int master, struct error *err)
{
    int writer = fcntl(master, F_DUPFD_CLOEXEC, 3);
    struct error ignored;

    if (writer < 0) {
        error_sys(err, errno, "terminal");
        close(master);
        return -1;
    }
    stream_open(&process->out, master, true);
    if (process->window.rows > 0)
        terminal_resize(process, &process->window, &ignored);
    if (process->input.is_wanted)
        input_open(process, writer);
    else
        close(writer);
    return 0;
}

int terminal_resize(struct process *process, const struct window *window, struct error *err)
{
    struct winsize size = { .ws_row = (unsigned short)window->rows,
                            .ws_col = (unsigned short)window->columns };

    process->window = *window; /* for a terminal that is still to come */
    if (!process->is_terminal)
        return error_set(err, ERROR_FAILED_PRECONDITION, "the process has no terminal");
    if (process->out.source.fd >= 0 && ioctl(process->out.source.fd, TIOCSWINSZ, &size) < 0)
        return error_sys(err, errno, "resize the terminal");
    return 0;
}

void streams_close(struct process *process)
{
    loop_close(&process->out.source);
    loop_close(&process->error.source);
    input_close(&process->input);
    ends_close(&process->ends);
}
