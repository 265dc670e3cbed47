/*
 * Logs: a job that reads the container's log files, oldest first, and sends the lines
 * that are wanted as stdout and stderr data.  Following, it is told of news by being
 * attached to the process like any client: the shim writes the log before it sends, so
 * whenever something arrives, the file has it.
 */
#include "actors/base/containers.h"
#include "actors/tasks/task.h"
#include "platform/scope.h"
#include "protocol/json.h"

#define LINE_MAX_SIZE (64u * 1024) /* the shim splits lines at 16 KiB */
#define SEND_SIZE     (64u * 1024) /* in one message */

struct log_wish {
    const struct tasks_logs_request *want;
    const char *log;
    char folder[PATH_SIZE]; /* "": the container does not run */
    uint64_t files;
};

struct log_reader {
    struct job *job;
    const struct log_wish *wish;
    int file; /* -1: none */
    uint64_t inode_size;
    char out[SEND_SIZE]; /* of one stream, on its way to the client */
    size_t out_size;
    char out_stream[8];
    char pending[LINE_MAX_SIZE];
    size_t pending_size;
    uint64_t to_skip; /* whole lines, for --tail */
    bool in_line;     /* the line before was a partial one */
    uint64_t lines;   /* counted or sent */
    bool counting;
};

/* Never more than the client's credit. */
static int flush(struct log_reader *reader, struct error *err)
{
    size_t sent = 0;

    while (sent < reader->out_size) {
        size_t part = reader->out_size - sent;

        if (job_credit(reader->job) == 0 && job_wait(reader->job, -1, JOB_CREDIT, -1, err) < 0)
            return -1;
        if (part > job_credit(reader->job))
            part = (size_t)job_credit(reader->job);
        job_send(reader->job, reader->out_stream, reader->out + sent, part, false);
        sent += part;
    }
    reader->out_size = 0;
    return 0;
}

/* Many short lines make one message. */
static int put(struct log_reader *reader, const char *stream, const char *bytes, size_t size, struct error *err)
{
    while (size > 0) {
        size_t part;

        if ((reader->out_size == SEND_SIZE || strcmp(reader->out_stream, stream) != 0) && flush(reader, err) < 0)
            return -1;
        snprintf(reader->out_stream, sizeof(reader->out_stream), "%s", stream);
        part = SEND_SIZE - reader->out_size < size ? SEND_SIZE - reader->out_size : size;
        memcpy(reader->out + reader->out_size, bytes, part);
        reader->out_size += part;
        bytes += part;
        size -= part;
    }
    return 0;
}

/* One line of the file: TIME STREAM P|F TEXT. */
static int take_line(struct log_reader *reader, char *line, size_t size, struct error *err)
{
    const struct tasks_logs_request *want = reader->wish->want;
    char *stream = memchr(line, ' ', size), *flag, *text;
    size_t text_size;
    bool partial;
    int64_t time;

    if (stream == NULL || (flag = memchr(stream + 1, ' ', size - (size_t)(stream + 1 - line))) == NULL ||
        (size_t)(flag - line) + 3 > size)
        return 0; /* cut off by a full disk or a crash: not a line */
    *stream++ = *flag++ = '\0';
    partial = *flag == 'P';
    text = flag + 2;
    text_size = size - (size_t)(text - line);
    if (time_parse(line, &time) < 0 || (want->has_since && time < want->since) || (want->has_until && time > want->until))
        return 0;
    if (!partial)
        reader->lines++;
    if (reader->counting)
        return 0;
    if (reader->to_skip > 0) {
        reader->to_skip -= partial ? 0 : 1;
        return 0;
    }
    if (want->has_timestamps && want->timestamps && !reader->in_line) {
        stream[-1] = ' ';
        if (put(reader, stream, line, (size_t)(stream - line), err) < 0)
            return -1;
    }
    reader->in_line = partial;
    if (!partial)
        text[text_size++] = '\n'; /* there is room: the line's own end stood here */
    return put(reader, stream, text, text_size, err);
}

/* All whole lines that are there now. */
static int read_on(struct log_reader *reader, struct error *err)
{
    for (;;) {
        int64_t got = file_read(reader->file, reader->pending + reader->pending_size,
                                sizeof(reader->pending) - reader->pending_size, err);
        char *start = reader->pending, *end;

        if (got < 0)
            return -1;
        if (got == 0)
            return flush(reader, err);
        reader->pending_size += (size_t)got;
        while ((end = memchr(start, '\n', (size_t)(reader->pending + reader->pending_size - start))) != NULL) {
            if (take_line(reader, start, (size_t)(end - start), err) < 0)
                return -1;
            start = end + 1;
        }
        reader->pending_size -= (size_t)(start - reader->pending);
        memmove(reader->pending, start, reader->pending_size);
        if (reader->pending_size == sizeof(reader->pending))
            reader->pending_size = 0; /* no line is that long: damaged */
        if (job_check(reader->job, err) < 0)
            return -1;
    }
}

static int open_next(struct log_reader *reader, uint64_t number, struct error *err)
{
    char path[PATH_SIZE];
    struct error missing;

    file_close(&reader->file);
    reader->pending_size = 0;
    if (path_format(path, err, number > 0 ? "%s.%llu" : "%s", reader->wish->log, (unsigned long long)number) < 0)
        return -1;
    return file_open_read(path, &reader->file, &missing) < 0 ? 0 : 1;
}

static int read_files(struct log_reader *reader, struct error *err)
{
    for (uint64_t number = reader->wish->files; number-- > 0;) {
        int opened = open_next(reader, number, err);

        if (opened < 0 || (opened == 1 && read_on(reader, err) < 0))
            return -1;
    }
    return 0;
}

/* The current file, or the new one when it has been rotated meanwhile. */
static int read_news(struct log_reader *reader, struct error *err)
{
    struct fs_info now;
    struct error missing;
    uint64_t size = 0;

    if (reader->file >= 0) {
        if (read_on(reader, err) < 0)
            return -1;
        size = reader->inode_size;
    }
    if (fs_stat(reader->wish->log, &now, &missing) < 0)
        return 0;
    if (reader->file < 0 || now.size < size) {
        if (open_next(reader, 0, err) < 0 || (reader->file >= 0 && read_on(reader, err) < 0))
            return -1;
    }
    reader->inode_size = now.size;
    return 0;
}

static int follow(struct log_reader *reader, struct task_stream *stream, struct error *err)
{
    struct task_item item = { .kind = TASK_ITEM_DATA };
    struct error gone;
    int got;

    for (;;) {
        while ((got = task_stream_receive(stream, &item, &gone)) == 1 &&
               (item.kind == TASK_ITEM_DATA || strcmp(item.tell.what, "ok") == 0))
            ;
        if (read_news(reader, err) < 0)
            return -1;
        if (got != 0)
            return 0; /* the process has ended */
        if (job_wait(reader->job, task_stream_fd(stream), JOB_FD, -1, err) < 0)
            return -1;
    }
}

static int logs_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct log_wish *wish = in;
    const struct shim_ask ask = { .id = 1, .what = "attach" };
    CLEANUP(task_stream_close) struct task_stream *stream = NULL;
    struct log_reader *reader = arena_alloc(job_arena(job), sizeof(*reader));
    struct error gone;
    int result;

    (void)out;
    *reader = (struct log_reader){ .job = job, .wish = wish, .file = -1 };
    if (wish->want->has_follow && wish->want->follow && wish->folder[0] != '\0')
        stream = task_stream_open(wish->folder, &ask, &gone); /* before reading: nothing falls between */
    if (wish->want->has_tail) {
        reader->counting = true;
        if (read_files(reader, err) < 0)
            return -1;
        reader->to_skip = reader->lines > wish->want->tail ? reader->lines - wish->want->tail : 0;
        reader->counting = false;
    }
    result = read_files(reader, err);
    if (result == 0 && stream != NULL)
        result = follow(reader, stream, err);
    file_close(&reader->file);
    return result;
}

int on_logs(void *self, struct request *request, struct error *err)
{
    const struct tasks_logs_request *in = request_body(request);
    struct tasks *tasks = self;
    struct log_wish *wish = arena_alloc(request_arena(request), sizeof(*wish));
    struct container_info info;
    const struct task *task;

    if (container_find(tasks->db, request_namespace(request), in->id, false, request_arena(request), &info, err) < 0)
        return -1;
    if (info.log == NULL)
        return error_set(err, ERROR_FAILED_PRECONDITION, "container %s keeps no log", in->id);
    task = task_find(tasks, request_namespace(request), info.id);
    wish->want = in;
    wish->log = info.log;
    wish->files = tasks->config->log_files > 0 ? tasks->config->log_files : 1;
    if (task != NULL && (task->init.status == TASK_CREATED || task->init.status == TASK_RUNNING))
        snprintf(wish->folder, sizeof(wish->folder), "%s", task->folder);
    return request_run_on(request, logs_job, wish, err);
}
