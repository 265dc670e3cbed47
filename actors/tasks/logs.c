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
    int file;            /* -1: none */
    uint64_t at;         /* bytes of it read */
    char out[SEND_SIZE]; /* of one stream, on its way to the client */
    size_t out_size;
    char out_stream[8];
    char pending[LINE_MAX_SIZE];
    size_t pending_size;
    uint64_t to_skip; /* whole lines, for --tail */
    bool in_line[2];  /* of stdout, of stderr: the line before was a partial one */
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
static int put(struct log_reader *reader, const char *stream, const char *bytes, size_t size,
               struct error *err)
{
    while (size > 0) {
        size_t part;

        if ((reader->out_size == SEND_SIZE || strcmp(reader->out_stream, stream) != 0) &&
            flush(reader, err) < 0)
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
    bool partial, *in_line;
    int64_t time;

    if (stream == NULL ||
        (flag = memchr(stream + 1, ' ', size - (size_t)(stream + 1 - line))) == NULL ||
        (size_t)(flag - line) + 3 > size)
        return 0; /* cut off by a full disk or a crash: not a line */
    *stream++ = *flag++ = '\0';
    if (strcmp(stream, "stdout") != 0 && strcmp(stream, "stderr") != 0)
        return 0;
    in_line = &reader->in_line[strcmp(stream, "stderr") == 0];
    partial = *flag == 'P';
    text = flag + 2;
    text_size = size - (size_t)(text - line);
    if (time_parse(line, &time) < 0 || (want->has_since && time < want->since) ||
        (want->has_until && time > want->until))
        return 0;
    if (!partial)
        reader->lines++;
    if (reader->counting)
        return 0;
    if (reader->to_skip > 0) {
        reader->to_skip -= partial ? 0 : 1;
        return 0;
    }
    if (want->has_timestamps && want->timestamps && !*in_line) {
        stream[-1] = ' ';
        if (put(reader, stream, line, (size_t)(stream - line), err) < 0)
            return -1;
    }
    *in_line = partial;
    if (!partial)
        text[text_size++] = '\n'; /* there is room: the line's own end stood here */
    return put(reader, stream, text, text_size, err);
}

/* All whole lines that are there now. */
static int read_on(struct log_reader *reader, struct error *err)
{
    for (;;) {
        int64_t got = file_read_at(reader->file, reader->pending + reader->pending_size,
                                   sizeof(reader->pending) - reader->pending_size, reader->at, err);
        char *start = reader->pending, *end;

        if (got < 0)
            return -1;
        if (got == 0)
            return flush(reader, err);
        reader->at += (uint64_t)got;
        reader->pending_size += (size_t)got;
        while ((end = memchr(start, '\n',
                             (size_t)(reader->pending + reader->pending_size - start))) != NULL) {
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

/* ---- which file ----------------------------------------------------------------------- */

/*
 * The shim renames log to log.1 and so on when it is full, while we read.  So a file is known by
 * itself, not by its name: what follows on it is the one that is named a number less then.
 */
static int log_path(const struct log_reader *reader, uint64_t number, char path[PATH_SIZE],
                    struct error *err)
{
    return path_format(path, err, number > 0 ? "%s.%llu" : "%s", reader->wish->log,
                       (unsigned long long)number);
}

/* The number of the file being read; -1: it is not there any more. */
static int64_t number_of(const struct log_reader *reader, struct error *err)
{
    char path[PATH_SIZE];

    for (uint64_t number = 0; number < reader->wish->files; number++)
        if (log_path(reader, number, path, err) == 0 && file_is_at(reader->file, path))
            return (int64_t)number;
    return -1;
}

static bool is_there(const struct log_reader *reader, int64_t number)
{
    struct error ignored;
    char path[PATH_SIZE];

    return log_path(reader, (uint64_t)number, path, &ignored) == 0 && fs_exists(path);
}

/* The number of the next older one that is there, of those below `number`; -1: none, `file` is not open. */
static int64_t open_below(const struct log_reader *reader, int64_t number, int *file, struct error *err)
{
    struct error missing;
    char path[PATH_SIZE];

    while (number-- > 0)
        if (log_path(reader, (uint64_t)number, path, err) == 0 && file_open_read(path, file, &missing) == 0)
            return number;
    return -1;
}

static void take_file(struct log_reader *reader, int *file)
{
    file_close(&reader->file);
    reader->file = *file;
    reader->at = reader->pending_size = 0;
    *file = -1;
}

/*
 * The oldest that is there, or the one behind `reader->file`: it is the first below `number`.  All of
 * them may be renamed while we look, so it is only taken when nothing has moved meanwhile.  1: opened,
 * from its beginning; 0: there is none.
 */
static int open_oldest(struct log_reader *reader, struct error *err)
{
    const int64_t end = (int64_t)reader->wish->files;

    for (;;) {
        CLEANUP(file_close) int file = -1;
        int64_t number = open_below(reader, end, &file, err);

        if (number < 0)
            return 0;
        if (number + 1 < end && is_there(reader, number + 1))
            continue;
        take_file(reader, &file);
        return 1;
    }
}

static int open_following(struct log_reader *reader, struct error *err)
{
    for (;;) {
        CLEANUP(file_close) int file = -1;
        int64_t number = number_of(reader, err), next;

        if (number < 0)
            return open_oldest(reader, err);
        next = open_below(reader, number, &file, err);
        if (next < 0)
            return 0;
        if (number_of(reader, err) != number || (next + 1 < number && is_there(reader, next + 1)))
            continue;
        take_file(reader, &file);
        return 1;
    }
}

/* The only file of one: it begins anew instead of being renamed. */
static bool was_emptied(struct log_reader *reader)
{
    struct fs_info now;
    struct error ignored;

    if (reader->wish->files > 1 || fs_stat(reader->wish->log, &now, &ignored) < 0 || now.size >= reader->at)
        return false;
    reader->at = reader->pending_size = 0;
    return true;
}

/* 1: there is another file to read on in; 0: this is the newest. */
static int step(struct log_reader *reader, struct error *err)
{
    if (reader->file < 0)
        return open_oldest(reader, err);
    if (number_of(reader, err) == 0)
        return was_emptied(reader);
    /* Nothing more is written to it, be it renamed or removed; while we waited for credit, something
       may have been. */
    if (read_on(reader, err) < 0)
        return -1;
    return open_following(reader, err);
}

/* All that is there now and has not been read. */
static int read_news(struct log_reader *reader, struct error *err)
{
    int more;

    do
        if (reader->file >= 0 && read_on(reader, err) < 0)
            return -1;
    while ((more = step(reader, err)) == 1);
    return more;
}

/* ---- following ---------------------------------------------------------------------------- */

/* 1: there may be more later; 0: the process has ended; -1: cut off, for we did not read while
   our client had no credit. */
static int take_notice(struct task_stream *stream)
{
    struct task_item item;
    struct error gone;
    int got;

    while ((got = task_stream_receive(stream, &item, &gone)) == 1)
        if (item.kind == TASK_ITEM_TELL && strcmp(item.tell.what, "ok") != 0)
            return strcmp(item.tell.what, "error") == 0 ? -1 : 0;
    return got == 0;
}

static int follow(struct log_reader *reader, struct task_stream **stream, struct error *err)
{
    const struct shim_ask ask = { .id = 1, .what = "attach" };
    struct error gone;

    for (;;) {
        int notice = take_notice(*stream);

        if (notice < 0) {
            task_stream_close(stream);
            *stream = task_stream_open(reader->wish->folder, &ask, &gone);
        }
        if (read_news(reader, err) < 0)
            return -1;
        if (notice == 0 || *stream == NULL)
            return 0;
        if (job_wait(reader->job, task_stream_fd(*stream), JOB_FD, -1, err) < 0)
            return -1;
    }
}

/* ---- the job --------------------------------------------------------------------------------- */

/* From the oldest line on. */
static void begin(struct log_reader *reader)
{
    file_close(&reader->file);
    reader->in_line[0] = reader->in_line[1] = false;
}

static int count_lines(struct log_reader *reader, uint64_t tail, struct error *err)
{
    reader->counting = true;
    if (read_news(reader, err) < 0)
        return -1;
    reader->to_skip = reader->lines > tail ? reader->lines - tail : 0;
    reader->counting = false;
    begin(reader);
    return 0;
}

static int logs_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct log_wish *wish = in;
    const struct tasks_logs_request *want = wish->want;
    const struct shim_ask ask = { .id = 1, .what = "attach" };
    CLEANUP(task_stream_close) struct task_stream *stream = NULL;
    struct log_reader *reader = arena_alloc(job_arena(job), sizeof(*reader));
    struct error gone;
    int result;

    (void)out;
    *reader = (struct log_reader){ .job = job, .wish = wish, .file = -1 };
    if (want->has_follow && want->follow && wish->folder[0] != '\0')
        stream =
            task_stream_open(wish->folder, &ask, &gone); /* before reading: nothing falls between */
    result = want->has_tail ? count_lines(reader, want->tail, err) : 0;
    if (result == 0)
        result = read_news(reader, err);
    if (result == 0 && stream != NULL)
        result = follow(reader, &stream, err);
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

    if (container_find(tasks->db, request_namespace(request), in->id, false, request_arena(request),
                       &info, err) < 0)
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
