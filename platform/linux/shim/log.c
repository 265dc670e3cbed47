/*
 * log — the container's log file, in the format of the Kubernetes CRI: per line
 * `<RFC 3339 time> <stream> <P|F> <text>`, F when the text ends a line of output, P
 * when more of the line follows.
 *
 * Output is written as it comes, never kept back for its newline: a prompt shows at
 * once, nothing is lost with the shim, and joining the texts of one stream (with a
 * newline after each F) gives back every byte.
 *
 * The one promise to the container: the log never stops it.  A line that does not fit
 * on the disk is taken back, counted as dropped, and the count is written as soon as
 * the disk takes something again.
 */
#include "platform/linux/shim/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX   (16u * 1024) /* of one line of the log */
#define TIME_SIZE  32
#define HEAD_SIZE  56
#define PIECES_MAX 192

static int file_open(const char *path)
{
    return open(
        path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0640);
}

int log_open(struct log *log, const struct shim_task *task, struct error *err)
{
    struct stat found;

    *log = (struct log){ .file = -1, .path = task->log, .size_max = task->log_size };
    log->files = task->has_log_files && task->log_files > 0 && task->log_files < 1000
                     ? (unsigned)task->log_files
                     : 2;
    if (log->path == NULL)
        return 0;
    log->file = file_open(log->path);
    if (log->file < 0 || fstat(log->file, &found) < 0)
        return error_sys(err, errno, "log %s", log->path);
    if (!S_ISREG(found.st_mode))
        return error_set(err, ERROR_FAILED_PRECONDITION, "log %s is not a file", log->path);
    log->size = (uint64_t)found.st_size;
    return fchmod(log->file, 0640) < 0 ? error_sys(err, errno, "log %s", log->path) : 0;
}

bool log_identity(const struct log *log, uint64_t *identity)
{
    struct stat found;

    if (log->file < 0 || fstat(log->file, &found) < 0)
        return false;
    *identity = found.st_ino;
    return true;
}

/* ---- rotation -------------------------------------------------------------- */

static void numbered(const struct log *log, unsigned number, char path[PATH_MAX])
{
    if (number == 0)
        snprintf(path, PATH_MAX, "%s", log->path);
    else
        snprintf(path, PATH_MAX, "%s.%u", log->path, number);
}

/* When it fails, the old file goes on. */
static void rotate(struct log *log)
{
    char from[PATH_MAX], to[PATH_MAX];
    int file;

    if (log->files == 1) {
        if (ftruncate(log->file, 0) == 0)
            log->size = 0;
        return;
    }
    /* The oldest goes by itself: ext4 takes a rename over an existing file as a wish to have
       the new one on disk, and would write all of it at once. */
    numbered(log, log->files - 1, to);
    unlink(to);
    for (unsigned i = log->files - 1; i > 0; i--) {
        numbered(log, i - 1, from);
        numbered(log, i, to);
        if (rename(from, to) < 0 && errno != ENOENT)
            return;
    }
    file = file_open(log->path);
    if (file < 0)
        return;
    fchmod(file, 0640);
    close(log->file);
    log->file = file;
    log->size = 0;
}

/* ---- lines ----------------------------------------------------------------- */

/* Lines that go into one write: their heads are the same but for P and F. */
struct batch {
    struct log *log;
    struct iovec pieces[PIECES_MAX];
    int count;
    size_t size; /* in the file */
    size_t text; /* of it, output */
};

static void time_format(char text[TIME_SIZE])
{
    int64_t now = time_now();
    time_t seconds = (time_t)(now / 1000000000);
    struct tm parts;
    size_t length;

    gmtime_r(&seconds, &parts);
    length = strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + length, TIME_SIZE - length, ".%09uZ", (unsigned)(now % 1000000000));
}

static void drop(struct log *log, size_t text, int why)
{
    log->dropped += text;
    log->why = why;
}

/* Whole or not at all. */
static int write_whole(struct log *log, const struct iovec *pieces, int count, size_t size)
{
    ssize_t written;

    if (log->size_max > 0 && log->size > 0 && log->size + size > log->size_max)
        rotate(log);
    written = writev(log->file, pieces, count);
    if (written == (ssize_t)size) {
        log->size += size;
        return 0;
    }
    if (written >= 0)
        errno = ENOSPC; /* what a short write to a file means */
    if (written > 0 && ftruncate(log->file, (off_t)log->size) < 0)
        log->size += (size_t)written; /* a torn line stays, then */
    return -1;
}

/* Writes how much is missing; -1: not even that. */
static int note_dropped(struct log *log)
{
    char line[256], time[TIME_SIZE];
    struct iovec piece = { .iov_base = line };

    time_format(time);
    piece.iov_len = (size_t)snprintf(line, sizeof(line),
                                     "%s stderr F gantry-shim: %llu bytes of output are missing "
                                     "here, the log could not be written: %s\n",
                                     time, (unsigned long long)log->dropped, strerror(log->why));
    if (write_whole(log, &piece, 1, piece.iov_len) < 0)
        return -1;
    log->dropped = 0;
    return 0;
}

static void batch_write(struct batch *batch)
{
    struct log *log = batch->log;

    if (batch->count == 0)
        return;
    if ((log->dropped > 0 && note_dropped(log) < 0) ||
        write_whole(log, batch->pieces, batch->count, batch->size) < 0)
        drop(log, batch->text, errno);
    batch->count = 0;
    batch->size = batch->text = 0;
}

static void piece_add(struct batch *batch, const char *bytes, size_t size)
{
    batch->pieces[batch->count].iov_base = (void *)(uintptr_t)bytes;
    batch->pieces[batch->count++].iov_len = size;
    batch->size += size;
}

static void line_add(struct batch *batch, const char *head, const char *text, size_t size)
{
    if (batch->count + 3 > PIECES_MAX)
        batch_write(batch);
    piece_add(batch, head, strlen(head));
    piece_add(batch, text, size);
    batch->text += size;
    if (size == 0 || text[size - 1] != '\n')
        piece_add(batch, "\n", 1);
}

void log_write(struct log *log, const char *stream, const char *bytes, size_t size)
{
    char time[TIME_SIZE], partial[HEAD_SIZE], full[HEAD_SIZE];
    struct batch batch = { .log = log };

    if (log->file < 0)
        return;
    time_format(time);
    snprintf(partial, sizeof(partial), "%s %s P ", time, stream);
    snprintf(full, sizeof(full), "%s %s F ", time, stream);
    while (size > 0) {
        size_t reach = size < TEXT_MAX ? size : TEXT_MAX;
        const char *newline = memchr(bytes, '\n', reach);
        size_t length = newline != NULL ? (size_t)(newline - bytes) + 1 : reach;

        line_add(&batch, newline != NULL ? full : partial, bytes, length);
        bytes += length;
        size -= length;
    }
    batch_write(&batch);
}
