/*
 * Replay: a client that was attached before, to a daemon that has gone since, gets from the log
 * what the process wrote meanwhile.
 *
 * The one idea: the log holds every byte, and the shim says where it stood, in the log and on each
 * stream, when a client came in.  So the bytes between what the client has and that point are the
 * last ones of the log before it: the files are counted backwards until there are enough.  Of a
 * process that has ended there is no such point; then what the client has is counted off the lines
 * since its start.  What the log no longer has is missing, and the client sees that by the
 * position.
 */
#include "actors/tasks/replay.h"

#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/json.h"

#define FILES_MAX  32           /* looked into: what is older is missing */
#define BLOCK_SIZE (64u * 1024) /* of a file; a line is shorter, the shim splits them at 16 KiB */

struct part {
    int file;
    uint64_t size;     /* of it, before the point */
    uint64_t bytes[2]; /* of stdout and stderr in it */
};

struct reading {
    struct job *job;
    const struct replay *want;
    struct part parts[FILES_MAX]; /* the newest first */
    size_t count;
    uint64_t skip[2];
    bool is_sending;
    char block[BLOCK_SIZE];
};

/* ---- lines -------------------------------------------------------------- */

static int send_text(struct reading *reading, int stream, const char *text, size_t size,
                     struct error *err)
{
    uint64_t skipped = size < reading->skip[stream] ? size : reading->skip[stream];

    reading->skip[stream] -= skipped;
    for (text += skipped, size -= (size_t)skipped; size > 0;) {
        uint64_t credit;
        size_t part;

        if (job_credit(reading->job) == 0 && job_wait(reading->job, -1, JOB_CREDIT, -1, err) < 0)
            return -1;
        credit = job_credit(reading->job);
        part = size < credit ? size : (size_t)credit;
        job_send(reading->job, stream ? "stderr" : "stdout", text, part, false);
        text += part;
        size -= part;
    }
    return 0;
}

/* TIME STREAM P|F TEXT, and its newline, which is the process's own after F. */
static int take_line(struct reading *reading, struct part *part, char *line, size_t size,
                     struct error *err)
{
    char *name = memchr(line, ' ', size), *text;
    bool is_stderr;
    int64_t time;

    if (name == NULL || size - (size_t)(name - line) < 11 || name[7] != ' ' || name[9] != ' ')
        return 0; /* cut off by a full disk or a crash: not a line */
    is_stderr = memcmp(name + 1, "stderr", 6) == 0;
    if (!is_stderr && memcmp(name + 1, "stdout", 6) != 0)
        return 0;
    *name = '\0';
    if (time_parse(line, &time) < 0 || time < reading->want->since)
        return 0;
    text = name + 10;
    size -= (size_t)(text - line) + (name[8] == 'P' ? 1 : 0);
    if (reading->is_sending)
        return send_text(reading, is_stderr, text, size, err);
    part->bytes[is_stderr] += size;
    return 0;
}

static int read_part(struct reading *reading, struct part *part, struct error *err)
{
    uint64_t at = 0;
    size_t have = 0;

    while (at < part->size) {
        size_t room = sizeof(reading->block) - have;
        uint64_t left = part->size - at;
        int64_t got = file_read_at(part->file, reading->block + have,
                                   left < room ? (size_t)left : room, at, err);
        char *line = reading->block, *end;

        if (got <= 0)
            return (int)got;
        at += (uint64_t)got;
        have += (size_t)got;
        while ((end = memchr(line, '\n', (size_t)(reading->block + have - line))) != NULL) {
            if (take_line(reading, part, line, (size_t)(end + 1 - line), err) < 0)
                return -1;
            line = end + 1;
        }
        have -= (size_t)(line - reading->block);
        memmove(reading->block, line, have);
        if (have == sizeof(reading->block))
            have = 0; /* no line is that long: damaged */
        if (job_check(reading->job, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- files -------------------------------------------------------------- */

/* The files that are there, from the one at the point on backwards; none when that is gone. */
static int open_parts(struct reading *reading, struct error *err)
{
    const struct shim_position *point = reading->want->point;

    for (uint64_t number = 0; number < reading->want->files && reading->count < FILES_MAX;
         number++) {
        struct part *part = &reading->parts[reading->count];
        char path[PATH_SIZE];
        struct error missing = { 0 };
        struct fs_info info;

        if (path_format(path, err, number > 0 ? "%s.%llu" : "%s", reading->want->log,
                        (unsigned long long)number) < 0)
            return -1;
        *part = (struct part){ .file = -1 };
        if (file_open_read(path, &part->file, &missing) < 0)
            break;
        if (reading->count > 0 || point == NULL || file_identity(part->file) == point->log_file) {
            if (fs_stat(path, &info, &missing) == 0)
                part->size = info.size;
            if (reading->count++ == 0 && point != NULL)
                part->size = point->log_size;
        } else {
            file_close(&part->file); /* newer than the point */
        }
    }
    return 0;
}

static uint64_t needed(const struct replay *want, int stream)
{
    uint64_t at = stream ? want->point->stderr : want->point->stdout;

    return at > want->have[stream] ? at - want->have[stream] : 0;
}

/* Counts, and says how much of it is not wanted. */
static int measure(struct reading *reading, struct error *err)
{
    const struct replay *want = reading->want;
    uint64_t bytes[2] = { 0 };
    size_t used = 0;

    while (used < reading->count &&
           (want->point == NULL || bytes[0] < needed(want, 0) || bytes[1] < needed(want, 1))) {
        if (read_part(reading, &reading->parts[used], err) < 0)
            return -1;
        bytes[0] += reading->parts[used].bytes[0];
        bytes[1] += reading->parts[used++].bytes[1];
    }
    while (reading->count > used)
        file_close(&reading->parts[--reading->count].file);
    for (int i = 0; i < 2; i++) {
        uint64_t wanted = want->point != NULL        ? needed(want, i)
                          : bytes[i] > want->have[i] ? bytes[i] - want->have[i]
                                                     : 0;

        reading->skip[i] = bytes[i] > wanted ? bytes[i] - wanted : 0;
    }
    return 0;
}

static int send_all(struct reading *reading, struct error *err)
{
    reading->is_sending = true;
    for (size_t i = reading->count; i-- > 0;)
        if (read_part(reading, &reading->parts[i], err) < 0)
            return -1;
    return 0;
}

int log_replay(struct job *job, const struct replay *want, struct error *err)
{
    struct reading *reading;
    int result;

    if (want->log == NULL || (want->point != NULL && needed(want, 0) == 0 && needed(want, 1) == 0))
        return 0;
    reading = arena_alloc(job_arena(job), sizeof(*reading));
    *reading = (struct reading){ .job = job, .want = want };
    result = open_parts(reading, err);
    if (result == 0 && (result = measure(reading, err)) == 0)
        result = send_all(reading, err);
    while (reading->count > 0)
        file_close(&reading->parts[--reading->count].file);
    return result;
}
