/*
 * See terminal.h.
 *
 * Signals come as reads of a signalfd, so there is one loop and no handler.  Those that are sent
 * to us are meant for the container's process and passed on, but for those that only concern us:
 * SIGCHLD, SIGPIPE, SIGURG (as runc does it), and SIGWINCH where the window is ours.
 */
#include "platform/linux/runtime/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "platform/platform.h"
#include "platform/scope.h"

#define ROOM 4096

/* Bytes on their way in one direction. */
struct way {
    int from, to; /* -1: closed */
    char bytes[ROOM];
    size_t size;
};

static struct {
    int signals;
    struct termios mode; /* of our terminal, as it was */
    bool is_raw;
} foreground = { .signals = -1 };

int foreground_prepare(struct error *err)
{
    sigset_t all;

    sigfillset(&all);
    sigdelset(&all, SIGPIPE);
    sigprocmask(SIG_BLOCK, &all, NULL);
    signal(SIGPIPE, SIG_IGN);
    foreground.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    return foreground.signals < 0 ? error_sys(err, errno, "signalfd") : 0;
}

/* ---- our own terminal ------------------------------------------------------------------ */

static void window_copy(int master)
{
    struct winsize size;

    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
        ioctl(master, TIOCSWINSZ, &size);
}

static void raw_begin(void)
{
    struct termios mode;

    if (tcgetattr(STDIN_FILENO, &foreground.mode) < 0)
        return;
    mode = foreground.mode;
    cfmakeraw(&mode);
    foreground.is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &mode) == 0;
}

static void raw_end(void)
{
    if (foreground.is_raw)
        tcsetattr(STDIN_FILENO, TCSANOW, &foreground.mode);
    foreground.is_raw = false;
}

/* ---- carrying ----------------------------------------------------------------------------- */

static void way_read(struct way *way)
{
    ssize_t got = read(way->from, way->bytes, ROOM);

    if (got > 0)
        way->size = (size_t)got;
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        way->from = -1;
}

static void way_write(struct way *way)
{
    ssize_t done = write(way->to, way->bytes, way->size);

    if (done > 0) {
        way->size -= (size_t)done;
        memmove(way->bytes, way->bytes + done, way->size);
    } else if (done < 0 && errno != EAGAIN && errno != EINTR) {
        way->size = 0;
        way->from = -1;
    }
}

static struct pollfd way_waits_for(const struct way *way)
{
    if (way->size > 0)
        return (struct pollfd){ .fd = way->to, .events = POLLOUT };
    return (struct pollfd){ .fd = way->from, .events = POLLIN };
}

static void way_go(struct way *way, short events)
{
    if (events == 0)
        return;
    if (way->size > 0)
        way_write(way);
    else
        way_read(way);
}

/* What the terminal holds when its last user has gone. */
static void way_drain(struct way *way)
{
    while (way->from >= 0 || way->size > 0) {
        struct pollfd event = way_waits_for(way);

        if (way->size == 0 && poll(&event, 1, 0) <= 0)
            return;
        way_go(way, POLLIN);
    }
}

/* ---- signals -------------------------------------------------------------------------------- */

/* True: the process has ended. */
static bool signal_take(pid_t pid, int master, int *status)
{
    struct signalfd_siginfo info;
    bool has_ended = false;

    while (read(foreground.signals, &info, sizeof(info)) == sizeof(info)) {
        int number = (int)info.ssi_signo;

        if (number == SIGCHLD)
            has_ended = has_ended || waitpid(pid, status, WNOHANG) == pid;
        else if (number == SIGWINCH && master >= 0)
            window_copy(master);
        else if (number != SIGURG && number != SIGPIPE)
            kill(pid, number);
    }
    return has_ended;
}

static void carry(pid_t pid, int master, int *status)
{
    struct way in = { .from = master >= 0 ? STDIN_FILENO : -1, .to = master };
    struct way out = { .from = master, .to = STDOUT_FILENO };
    bool has_ended = waitpid(pid, status, WNOHANG) == pid; /* before we looked */

    while (!has_ended) {
        struct pollfd events[3] = { { .fd = foreground.signals, .events = POLLIN },
                                    way_waits_for(&in),
                                    way_waits_for(&out) };

        if (poll(events, master >= 0 ? 3 : 1, -1) < 0 && errno != EINTR) {
            waitpid(pid, status, 0); /* its end is still to be told */
            return;
        }
        way_go(&in, events[1].revents);
        way_go(&out, events[2].revents);
        if (events[0].revents != 0)
            has_ended = signal_take(pid, master, status);
    }
    way_drain(&out);
}

int foreground_attend(pid_t pid, int master, struct error *err UNUSED)
{
    int status = 0;

    if (master >= 0) {
        window_copy(master);
        raw_begin();
    }
    carry(pid, master, &status);
    raw_end();
    file_close(&master);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
