/*
 * cgroup_control — control files: short texts, written at once and read at once.
 *
 * cgroups(7): a write is taken or refused as a whole, by one write(2).  A limit that is refused
 * is an error that names the field of the document, the value and the file.
 */
#include "platform/linux/runtime/cgroup_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -1: too long, which no path of a control group is (NAME_MAX and depth are checked before). */
static int file_open(const char *folder, const char *file, int flags)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/%s", folder, file) >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, flags | O_CLOEXEC | O_NOFOLLOW);
}

int control_say(const char *folder, struct control *control, const char *text)
{
    size_t size = strlen(text);
    ssize_t written;

    if (!control->is_open) {
        control->fd = file_open(folder, control->file, O_WRONLY);
        control->is_open = control->fd >= 0;
    }
    if (!control->is_open)
        return -1;
    do
        written = write(control->fd, text, size);
    while (written < 0 && errno == EINTR);
    if (written >= 0 && written != (ssize_t)size)
        errno = EIO;
    return written == (ssize_t)size ? 0 : -1;
}

void control_close(struct control *control)
{
    if (control->is_open)
        close(control->fd);
    control->is_open = false;
}

int control_put(const char *folder, const char *file, const char *text)
{
    struct control control = { .file = file };
    int done = control_say(folder, &control, text), why = errno;

    control_close(&control);
    errno = why;
    return done;
}

ssize_t control_get(const char *folder, const char *file, char *text, size_t room)
{
    int fd = file_open(folder, file, O_RDONLY), why;
    size_t size = 0;
    ssize_t got = 1;

    text[0] = '\0';
    if (fd < 0)
        return -1;
    while (got > 0 && size < room - 1) { /* kernfs gives a page at a time */
        got = read(fd, text + size, room - 1 - size);
        size += got > 0 ? (size_t)got : 0;
    }
    why = errno;
    close(fd);
    text[size] = '\0';
    errno = why;
    return got < 0 ? -1 : (ssize_t)size;
}

bool control_is_there(const char *folder, const char *file)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", folder, file);
    return access(path, F_OK) == 0;
}

bool control_number(const char *folder, const char *file, uint64_t *number)
{
    char text[64];
    ssize_t size = control_get(folder, file, text, sizeof(text));

    *number = 0;
    if (size <= 0)
        return false;
    *number = strncmp(text, "max", 3) == 0 ? UINT64_MAX : strtoull(text, NULL, 10);
    return true;
}

bool control_field(const char *text, const char *word, uint64_t *number)
{
    size_t size = strlen(word);

    *number = 0;
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, word, size) == 0 && line[size] == ' ') {
            *number = strtoull(line + size + 1, NULL, 10);
            return true;
        }
    }
    return false;
}

/* ---- limits -------------------------------------------------------------------- */

int limit_text(const struct group *group, const char *file, const char *text, const char *field,
               struct error *err)
{
    if (control_put(group->folder, file, text) == 0)
        return 0;
    return error_sys(err, errno, "linux.resources.%s: write %.60s to %s/%s", field, text,
                     group->folder, file);
}

int limit_number(const struct group *group, const char *file, int64_t number, const char *field,
                 struct error *err)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, number);
    return limit_text(group, file, text, field, err);
}

int limit_refuse(const char *field, const char *controller, struct error *err)
{
    return error_set(err, ERROR_FAILED_PRECONDITION,
                     "linux.resources.%s: needs the cgroup controller %s, which there is not here",
                     field, controller);
}

void limit_say(struct limit *limit, const char *file, const char *field, int64_t number)
{
    limit->file = file;
    limit->field = field;
    snprintf(limit->text, sizeof(limit->text), "%" PRId64, number);
}

int limits_settle(const struct group *group, struct limit *limits, size_t count, struct error *err)
{
    for (size_t left = count; left > 0;) {
        size_t failed = 0;

        for (size_t i = 0; i < left; i++)
            if (limit_text(group, limits[i].file, limits[i].text, limits[i].field, err) < 0)
                limits[failed++] = limits[i];
        if (failed == left)
            return -1;
        left = failed;
    }
    return 0;
}
