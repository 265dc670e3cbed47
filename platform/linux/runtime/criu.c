/* See criu.h. */
#include "platform/linux/runtime/criu.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/linux/runtime/files.h"
#include "platform/linux/runtime/protobuf.h"
#include "platform/linux/runtime/report.h"
#include "platform/linux/runtime/standing.h"
#include "platform/linux/runtime/talk.h"
#include "platform/platform.h"
#include "platform/scope.h"

#define VERSION_LEAST 40100 /* 4.1.0: what runs on the kernels of today */
#define ANSWER_MAX    (64u << 10)
#define TALK_FILE     3
#define DEATH_WAIT_MS 5000

/* Numbers of the fields of a request, an answer, and what is inside of that. */
enum { REQUEST_TYPE = 1, REQUEST_OPTIONS = 2, REQUEST_NOTIFIED = 3, REQUEST_KEEP_OPEN = 4 };
enum {
    ANSWER_TYPE = 1,
    ANSWER_SUCCESS = 2,
    ANSWER_NOTICE = 5,
    ANSWER_ERRNO = 7,
    ANSWER_TEXT = 9,
    ANSWER_VERSION = 10
};
enum { NOTICE_NAME = 1, NOTICE_PID = 2 };
enum { VERSION_MAJOR = 1, VERSION_MINOR = 2, VERSION_SUBLEVEL = 4 };

struct answer {
    unsigned type;
    bool success;
    int number; /* an errno */
    char text[160];
    int version; /* 40101 is 4.1.1 */
    struct criu_notice notice;
};

/* ---- the process ------------------------------------------------------------------ */

/* 0 to 2 stay what they are: they may become the container's. */
static int files_place(const struct criu_start *start, int talk, struct error *err)
{
    int files[1 + CRIU_FILES] = { talk, start->files[0], start->files[1] };

    for (int i = 0; i < 1 + CRIU_FILES; i++)
        if (files[i] >= 0 && file_lift(&files[i], TALK_FILE + 1 + CRIU_FILES, err) < 0)
            return -1;
    syscall(SYS_close_range, TALK_FILE, UINT_MAX, CLOSE_RANGE_CLOEXEC);
    for (int i = 0; i < 1 + CRIU_FILES; i++)
        if (files[i] >= 0 && dup2(files[i], TALK_FILE + i) < 0)
            return error_sys(err, errno, "hand descriptors to criu");
    return 0;
}

static int become(const struct criu_start *start, const char *path, int talk, struct error *err)
{
    char *argv[] = { (char *)"criu", (char *)"swrk", (char *)"3", NULL };

    if (start->keep_session)
        standing_signals();
    else
        standing_begin();
    if (start->prepare != NULL && start->prepare(start->ctx, err) < 0)
        return -1;
    if (files_place(start, talk, err) < 0)
        return -1;
    execv(path, argv);
    return error_sys(err, errno, "start %s", path);
}

/* Says what is wrong to `tell`, which execve() closes. */
static void child_be(const struct criu_start *start, const char *path, int talk, int tell)
{
    struct error err = { 0 };

    if (file_lift(&tell, TALK_FILE + 1 + CRIU_FILES, &err) == 0)
        become(start, path, talk, &err);
    talk_error(tell, &err);
    _exit(1);
}

static int program_start(struct criu *criu, const struct criu_start *start, const char *path,
                         struct error *err)
{
    CLEANUP(file_close) int told = -1;
    int talk[2], tell[2];
    enum talk_word word;

    if (talk_pair(talk, err) < 0)
        return -1;
    criu->talk = talk[0];
    if (talk_pair(tell, err) < 0) {
        close(talk[1]);
        return -1;
    }
    told = tell[0];
    criu->pid = fork();
    if (criu->pid == 0)
        child_be(start, path, talk[1], tell[1]);
    close(talk[1]);
    close(tell[1]);
    if (criu->pid < 0)
        return criu->pid = 0, error_sys(err, errno, "make a process for criu");
    return talk_hear(told, &word, NULL, err);
}

void criu_close(struct criu *criu)
{
    file_close(&criu->talk); /* without a caller it ends */
    file_close(&criu->watch);
    if (criu->is_stuck)
        kill(criu->pid, SIGKILL);
    if (criu->pid > 0)
        while (waitpid(criu->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    criu->pid = 0;
}

/* ---- reading answers -------------------------------------------------------------- */

static void text_take(const struct proto_field *field, char *out, size_t room)
{
    snprintf(out, room, "%.*s", (int)field->size, field->bytes != NULL ? field->bytes : "");
}

static int notice_read(const struct proto_field *from, struct criu_notice *notice)
{
    const char *at = from->bytes, *end = at + from->size;
    struct proto_field field;
    int more;

    while ((more = proto_next(&at, end, &field)) > 0) {
        if (field.number == NOTICE_NAME)
            text_take(&field, notice->name, sizeof(notice->name));
        else if (field.number == NOTICE_PID)
            notice->pid = (pid_t)field.value;
    }
    return more;
}

static int version_read(const struct proto_field *from, int *version)
{
    const char *at = from->bytes, *end = at + from->size;
    struct proto_field field;
    int more;

    while ((more = proto_next(&at, end, &field)) > 0) {
        int value = field.value < 100 ? (int)field.value : 99;

        if (field.number == VERSION_MAJOR)
            *version += value * 10000;
        else if (field.number == VERSION_MINOR)
            *version += value * 100;
        else if (field.number == VERSION_SUBLEVEL)
            *version += value;
    }
    return more;
}

static int answer_read(const char *bytes, size_t size, struct answer *answer)
{
    const char *at = bytes, *end = bytes + size;
    struct proto_field field;
    int more = 1, inner = 0;

    while (inner >= 0 && (more = proto_next(&at, end, &field)) > 0) {
        if (field.number == ANSWER_TYPE)
            answer->type = (unsigned)field.value;
        else if (field.number == ANSWER_SUCCESS)
            answer->success = field.value != 0;
        else if (field.number == ANSWER_ERRNO)
            answer->number = (int)field.value;
        else if (field.number == ANSWER_TEXT)
            text_take(&field, answer->text, sizeof(answer->text));
        else if (field.number == ANSWER_NOTICE && field.bytes != NULL)
            inner = notice_read(&field, &answer->notice);
        else if (field.number == ANSWER_VERSION && field.bytes != NULL)
            inner = version_read(&field, &answer->version);
    }
    return inner < 0 ? -1 : more;
}

/* ---- the conversation ------------------------------------------------------------- */

static int say(const struct criu *criu, const struct buffer *request, struct error *err)
{
    ssize_t sent;

    while ((sent = send(criu->talk, request->data, request->size, MSG_NOSIGNAL)) < 0 &&
           errno == EINTR)
        ;
    return sent < 0 ? error_sys(err, errno, "speak to criu") : 0;
}

/* criu waits for ever for a process that is killed before it was let go. */
static int answer_wait(struct criu *criu, struct error *err)
{
    struct pollfd files[2] = { { .fd = criu->talk, .events = POLLIN },
                               { .fd = criu->watch, .events = POLLIN } };
    int limit = -1;

    for (;;) {
        int count = poll(files, COUNT_OF(files), limit);

        if (count < 0 && errno != EINTR)
            return error_sys(err, errno, "hear criu");
        if (count > 0 && files[0].revents != 0)
            return 0;
        if (count > 0) { /* an answer may be on its way */
            files[1].fd = -1;
            limit = DEATH_WAIT_MS;
        }
        if (count == 0) {
            criu->is_stuck = true;
            return error_set(err, ERROR_FAILED_PRECONDITION,
                             "the process died while it was restored");
        }
    }
}

static int hear(struct criu *criu, char *room, struct answer *answer, struct error *err)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } passing = { 0 };
    struct iovec piece = { room, ANSWER_MAX };
    struct msghdr message = { .msg_iov = &piece,
                              .msg_iovlen = 1,
                              .msg_control = passing.bytes,
                              .msg_controllen = sizeof(passing.bytes) };
    ssize_t got;

    *answer = (struct answer){ .notice.passed = -1 };
    if (answer_wait(criu, err) < 0)
        return -1;
    while ((got = recvmsg(criu->talk, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
        ;
    if (got < 0 && errno != ECONNRESET)
        return error_sys(err, errno, "hear criu");
    if (got <= 0)
        return error_set(err, ERROR_INTERNAL, "criu has ended without an answer");
    answer->notice.passed = talk_passed(&message);
    if ((message.msg_flags & MSG_TRUNC) == 0 && answer_read(room, (size_t)got, answer) == 0)
        return 0;
    file_close(&answer->notice.passed);
    return error_set(err, ERROR_INTERNAL, "criu's answer is not understood");
}

static int notice_answer(const struct criu *criu, struct answer *answer, criu_hear *hear_,
                         void *ctx, struct error *err)
{
    CLEANUP(buffer_free) struct buffer request = { 0 };
    int result = hear_(ctx, &answer->notice, err);

    report_debug("criu: %s", answer->notice.name);
    file_close(&answer->notice.passed);
    proto_number(&request, REQUEST_TYPE, CRIU_NOTIFY);
    proto_number(&request, REQUEST_NOTIFIED, result == 0);
    /* told that we failed, it undoes what it did */
    return say(criu, &request, err) < 0 ? -1 : result;
}

static const char *type_name(unsigned type)
{
    switch (type) {
    case CRIU_DUMP:
        return "DUMP";
    case CRIU_RESTORE:
        return "RESTORE";
    case CRIU_PRE_DUMP:
    case CRIU_SINGLE_PRE_DUMP:
        return "PRE_DUMP";
    case CRIU_NOTIFY:
        return "NOTIFY";
    case CRIU_VERSION:
        return "VERSION";
    default:
        return "EMPTY";
    }
}

/* Its own word is the first that went wrong, not what was fatal: a hint, if there is no log. */
static int failure(const struct answer *answer, struct error *err)
{
    error_set(err, ERROR_INTERNAL, "criu failed: type %s errno %d", type_name(answer->type),
              answer->number);
    if (answer->text[0] != '\0')
        error_hint(err, "%.120s", answer->text);
    return -1;
}

int criu_ask(struct criu *criu, enum criu_type type, const struct buffer *options, criu_hear *hear_,
             void *ctx, struct error *err)
{
    CLEANUP(buffer_free) struct buffer request = { 0 };
    CLEANUP(buffer_free) struct buffer room = { .data = malloc(ANSWER_MAX) };
    struct answer answer;

    if (room.data == NULL)
        return error_sys(err, ENOMEM, "speak to criu");
    proto_number(&request, REQUEST_TYPE, type);
    proto_message(&request, REQUEST_OPTIONS, options);
    if (say(criu, &request, err) < 0)
        return -1;
    while (hear(criu, room.data, &answer, err) == 0) {
        if (!answer.success)
            return failure(&answer, err);
        if (answer.type != CRIU_NOTIFY)
            return 0;
        if (notice_answer(criu, &answer, hear_, ctx, err) < 0)
            return -1;
    }
    return -1;
}

/* It stays for the request proper: one program is started, not two. */
static int version_check(struct criu *criu, const char *path, struct error *err)
{
    CLEANUP(buffer_free) struct buffer request = { 0 };
    CLEANUP(buffer_free) struct buffer room = { .data = malloc(ANSWER_MAX) };
    struct answer answer;

    if (room.data == NULL)
        return error_sys(err, ENOMEM, "speak to criu");
    proto_number(&request, REQUEST_TYPE, CRIU_VERSION);
    proto_number(&request, REQUEST_KEEP_OPEN, true);
    if (say(criu, &request, err) < 0 || hear(criu, room.data, &answer, err) < 0)
        return error_wrap(err, "%s does not run here, criu 4.1 or newer is needed", path);
    if (!answer.success)
        return failure(&answer, err);
    if (answer.version >= VERSION_LEAST)
        return 0;
    return error_set(err, ERROR_FAILED_PRECONDITION,
                     "%s is version %d.%d.%d, criu 4.1 or newer is needed", path,
                     answer.version / 10000, answer.version / 100 % 100, answer.version % 100);
}

int criu_find(const char *name, char path[PATH_SIZE], struct error *err)
{
    char found[PATH_SIZE];

    if (program_look_up(name != NULL && *name != '\0' ? name : "criu", found, err) < 0)
        return error_wrap(err, "criu 4.1 or newer is needed for checkpoint and restore");
    return realpath(found, path) == NULL ? error_sys(err, errno, "%s", found) : 0;
}

int criu_open(struct criu *criu, const struct criu_start *start, struct error *err)
{
    if (program_start(criu, start, start->program, err) < 0)
        return -1;
    return version_check(criu, start->program, err);
}
