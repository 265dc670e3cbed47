/*
 * listener — who answers the calls that a filter does not decide itself (SCMP_ACT_NOTIFY).
 *
 * The process that loads the filter cannot send the listener's descriptor: the call it would
 * send it with may be one that waits for the listener's answer.  So it writes the number into
 * memory that it shares with the parent, and turns in a circle, without a call, for as long as the
 * parent takes to fetch and send it.  What wakes the parent comes before the loading.  So the
 * parent in its turn looks again and again for the length of one seccomp(2), which is microseconds.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "platform/linux/runtime/filter_parts.h"
#include "platform/scope.h"
#include "protocol/oci/draft.h"

#define STATE_MAX (1u << 20)
#define TURNS_MAX (UINT64_C(1) << 33) /* seconds: for a parent that is gone */

static void close_it(const int *file)
{
    if (*file >= 0)
        close(*file);
}

/* ---- reading -------------------------------------------------------------------- */

static bool has_notify(const struct place *seccomp)
{
    const json_t *rule;
    size_t i;

    json_array_foreach (json_object_get(seccomp->json, "syscalls"), i, rule) {
        const char *action = json_string_value(json_object_get(rule, "action"));

        if (action != NULL && strcmp(action, "SCMP_ACT_NOTIFY") == 0)
            return true;
    }
    return false;
}

static int connect_to(const char *path, struct error *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int file;

    if (strlen(path) >= sizeof(address.sun_path))
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: too long for a socket", path);
    strcpy(address.sun_path, path);
    file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (file < 0)
        return error_sys(err, errno, "socket");
    if (connect(file, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return file;
    error_sys(err, errno, "connect %s", path);
    close(file);
    return -1;
}

int listener_read(struct filter *filter, struct error *err)
{
    struct place place = place_member(&filter->seccomp, "listenerPath"),
                 metadata = place_member(&filter->seccomp, "listenerMetadata");
    bool notifies = has_notify(&filter->seccomp);
    const char *path;

    if (place_text(&filter->seccomp, "listenerPath", &path, err) < 0 ||
        place_text(&filter->seccomp, "listenerMetadata", &filter->metadata, err) < 0)
        return -1;
    if (path != NULL && path[0] == '\0')
        path = NULL;
    if (path == NULL && filter->metadata != NULL && filter->metadata[0] != '\0')
        return place_failure(&metadata, err, "must not be set without listenerPath");
    if (path == NULL && notifies)
        return place_failure(&place, err, "is missing, and SCMP_ACT_NOTIFY needs it");
    if (!notifies)
        return 0;
    filter->socket = connect_to(path, err);
    if (filter->socket < 0)
        return error_wrap(err, "linux.seccomp.listenerPath");
    filter->loading = eventfd(0, EFD_CLOEXEC);
    return filter->loading < 0 ? error_sys(err, errno, "eventfd") : 0;
}

bool filter_has_listener(const struct filter *filter)
{
    return filter->socket >= 0;
}

void listener_close(struct filter *filter)
{
    close_it(&filter->socket);
    close_it(&filter->loading);
}

/* ---- in the process --------------------------------------------------------------- */

int listener_load(struct filter *filter, const struct sock_fprog *program, struct error *err)
{
    const uint64_t one = 1;
    /* the kernel does not take TSYNC with a listener, and there is one thread */
    unsigned flags =
        (filter->flags & ~(unsigned)SECCOMP_FILTER_FLAG_TSYNC) | SECCOMP_FILTER_FLAG_NEW_LISTENER;
    long listener;

    if (write(filter->loading, &one, sizeof(one)) != sizeof(one))
        return error_sys(err, errno, "eventfd");
    listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, program);
    __atomic_store_n(&filter->shared->listener, listener < 0 ? -errno : (int)listener + 1,
                     __ATOMIC_RELEASE);
    if (listener < 0)
        return error_sys(err, errno, "linux.seccomp: unable to init seccomp");
    /* no call may be made here, so turns are counted and not time; exec closes the descriptor */
    for (uint64_t turns = 0; turns < TURNS_MAX; turns++)
        if (__atomic_load_n(&filter->shared->is_sent, __ATOMIC_ACQUIRE) != 0)
            return 0;
    return error_set(err, ERROR_UNAVAILABLE, "linux.seccomp: nobody fetched the listener");
}

/* ---- in the parent ---------------------------------------------------------------- */

static int ended(struct error *err)
{
    return error_set(err, ERROR_FAILED_PRECONDITION,
                     "the process ended before its seccomp filter was loaded");
}

static bool has_ended(int process)
{
    struct pollfd wait = { .fd = process, .events = POLLIN };

    return poll(&wait, 1, 0) != 0;
}

/* The number of the descriptor in the child. */
static int wait_for_listener(struct filter *filter, int process, struct error *err)
{
    struct pollfd waits[2] = { { .fd = filter->loading, .events = POLLIN },
                               { .fd = process, .events = POLLIN } };
    int listener;

    while (poll(waits, 2, -1) < 0)
        if (errno != EINTR)
            return error_sys(err, errno, "poll");
    if (waits[0].revents == 0)
        return ended(err);
    while ((listener = __atomic_load_n(&filter->shared->listener, __ATOMIC_ACQUIRE)) == 0) {
        if (has_ended(process))
            return ended(err);
        sched_yield();
    }
    return listener > 0 ? listener - 1
                        : error_sys(err, -listener, "linux.seccomp: unable to init seccomp");
}

/* runtime-spec config-linux "The Container Process State". */
static int state_text(const struct filter *filter, pid_t pid, const json_t *state,
                      struct buffer *text, struct error *err)
{
    json_t *document = draft_object(), *version = json_object_get(state, "ociVersion");
    int status;

    draft_put(document, "ociVersion", version != NULL ? draft_copy(version) : draft_text("1.3.0"));
    draft_put(document, "fds", draft_words("seccompFd"));
    draft_put(document, "pid", draft_number(pid));
    if (filter->metadata != NULL)
        draft_put(document, "metadata", draft_text(filter->metadata));
    draft_put(document, "state", draft_copy(state));
    status = draft_write(document, STATE_MAX, text, err);
    json_decref(document);
    return status;
}

/* The descriptor goes with the first byte; what does not fit into the buffer waits its turn. */
static int send_away(int socket, const struct buffer *text, int listener, struct error *err)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
                              .cmsg_level = SOL_SOCKET,
                              .cmsg_type = SCM_RIGHTS } };
    size_t sent = 0;

    memcpy(CMSG_DATA(&control.header), &listener, sizeof(listener));
    while (sent < text->size) {
        struct iovec part = { text->data + sent, text->size - sent };
        struct msghdr message = { .msg_iov = &part,
                                  .msg_iovlen = 1,
                                  .msg_control = sent == 0 ? &control : NULL,
                                  .msg_controllen = sent == 0 ? sizeof(control) : 0 };
        ssize_t size = sendmsg(socket, &message, MSG_NOSIGNAL);

        if (size < 0 && errno != EINTR)
            return error_sys(err, errno, "linux.seccomp.listenerPath: send");
        sent += size > 0 ? (size_t)size : 0;
    }
    return 0;
}

int filter_serve(struct filter *filter, pid_t pid, const json_t *state, struct error *err)
{
    CLEANUP(close_it) int process = (int)syscall(SYS_pidfd_open, pid, 0);
    CLEANUP(close_it) int listener = -1;
    CLEANUP(buffer_free) struct buffer text = { 0 };
    int theirs;

    if (process < 0)
        return error_sys(err, errno, "process %d", pid);
    if (state_text(filter, pid, state, &text, err) < 0)
        return -1;
    theirs = wait_for_listener(filter, process, err);
    if (theirs < 0)
        return -1;
    listener = (int)syscall(SYS_pidfd_getfd, process, theirs, 0);
    if (listener < 0)
        return error_sys(err, errno, "linux.seccomp: the listener of process %d", pid);
    if (send_away(filter->socket, &text, listener, err) < 0)
        return -1;
    __atomic_store_n(&filter->shared->is_sent, 1, __ATOMIC_RELEASE);
    return 0;
}
