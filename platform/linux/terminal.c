/*
 * The terminal, the Linux way: termios, a pipe that signal handlers write to, and
 * descriptors opened anew so that not waiting is ours alone (O_NONBLOCK belongs to the
 * open file, which the shell shares with us).
 */
#include "platform/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "platform/scope.h"

#define PIPE_ROOM (1024 * 1024) /* as much as anybody may have */

bool terminal_is(int fd)
{
    return isatty(fd) == 1;
}

bool terminal_size(int fd, unsigned *columns, unsigned *rows)
{
    struct winsize size;

    *columns = 80;
    *rows = 24;
    if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_row == 0)
        return false;
    *columns = size.ws_col;
    *rows = size.ws_row;
    return true;
}

/* ---- raw mode ----------------------------------------------------------- */

static struct termios before;
static volatile sig_atomic_t is_raw;

/* Also called in signal handlers: tcsetattr is safe there. */
void terminal_restore(void)
{
    if (!is_raw)
        return;
    is_raw = 0;
    tcsetattr(INPUT_FD, TCSADRAIN, &before);
}

static void restore_and_die(int number)
{
    terminal_restore();
    signal(number, SIG_DFL);
    raise(number);
}

/* Signals that end the process, unless somebody handles or ignores them. */
static void catch_deadly_signals(void)
{
    static const int deadly[] = { SIGINT,  SIGTERM, SIGHUP, SIGQUIT, SIGSEGV, SIGBUS,
                                  SIGABRT, SIGFPE,  SIGILL, SIGPIPE, SIGALRM };

    for (size_t i = 0; i < COUNT_OF(deadly); i++) {
        struct sigaction now, ours = { .sa_handler = restore_and_die };

        if (sigaction(deadly[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL)
            sigaction(deadly[i], &ours, NULL);
    }
}

/* Whatever was changed before is restored at the end. */
static int change(const struct termios *to, struct error *err)
{
    static bool registered;

    if (!registered)
        atexit(terminal_restore);
    registered = true;
    catch_deadly_signals();
    if (tcsetattr(INPUT_FD, TCSADRAIN, to) < 0)
        return error_sys(err, errno, "change the terminal's settings");
    is_raw = 1;
    return 0;
}

int terminal_raw(struct error *err)
{
    struct termios raw;

    if (is_raw)
        return 0;
    if (tcgetattr(INPUT_FD, &before) < 0)
        return error_sys(err, errno, "read the terminal's settings");
    raw = before;
    cfmakeraw(&raw);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    return change(&raw, err);
}

/* ---- signals ------------------------------------------------------------ */

static const struct {
    int number;
    const char *name;
} signals[] = {
    { SIGINT, "INT" },   { SIGTERM, "TERM" }, { SIGHUP, "HUP" },     { SIGQUIT, "QUIT" },
    { SIGUSR1, "USR1" }, { SIGUSR2, "USR2" }, { SIGWINCH, "WINCH" },
};

static int signal_pipe[2] = { -1, -1 };
static struct sigaction signals_before[COUNT_OF(signals)];

/* A full pipe holds a signal of every kind already. */
static void tell(int number)
{
    int saved = errno;
    unsigned char byte = (unsigned char)number;
    ssize_t written = write(signal_pipe[1], &byte, 1);

    (void)written;
    errno = saved;
}

int signals_open(struct error *err)
{
    struct sigaction ours = { .sa_handler = tell, .sa_flags = SA_RESTART };

    if (signal_pipe[0] >= 0)
        return signal_pipe[0];
    if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        return error_sys(err, errno, "pipe for signals");
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        sigaction(signals[i].number, NULL, &signals_before[i]);
        /* What the shell made us ignore (nohup, a background job) stays ignored. */
        if (signals_before[i].sa_handler != SIG_IGN)
            sigaction(signals[i].number, &ours, NULL);
    }
    return signal_pipe[0];
}

const char *signals_next(void)
{
    unsigned char number;

    if (signal_pipe[0] < 0 || read(signal_pipe[0], &number, 1) != 1)
        return NULL;
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        if (signals[i].number == number)
            return signals[i].name;
    return NULL;
}

void signals_close(void)
{
    if (signal_pipe[0] < 0)
        return;
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        sigaction(signals[i].number, &signals_before[i], NULL);
    close(signal_pipe[0]);
    close(signal_pipe[1]);
    signal_pipe[0] = signal_pipe[1] = -1;
}

/* ---- questions ---------------------------------------------------------- */

static int hide(struct error *err)
{
    struct termios hidden;

    if (tcgetattr(INPUT_FD, &before) < 0)
        return error_sys(err, errno, "read the terminal's settings");
    hidden = before;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    return change(&hidden, err);
}

static bool is_told_to_end(void)
{
    const char *name;

    while ((name = signals_next()) != NULL)
        if (strcmp(name, "WINCH") != 0 && strncmp(name, "USR", 3) != 0)
            return true;
    return false;
}

int64_t input_read(void *data, size_t room, struct error *err)
{
    struct pollfd fds[] = { { .fd = INPUT_FD, .events = POLLIN },
                            { .fd = signal_pipe[0], .events = POLLIN } };

    for (;;) {
        ssize_t got;

        if (poll(fds, COUNT_OF(fds), -1) < 0 && errno != EINTR)
            return error_sys(err, errno, "wait for standard input");
        if (fds[1].revents != 0 && is_told_to_end())
            return error_set(err, ERROR_CANCELLED, "interrupted");
        if (fds[0].revents == 0)
            continue;
        got = read(INPUT_FD, data, room);
        if (got >= 0)
            return got;
        if (errno != EINTR && errno != EAGAIN)
            return error_sys(err, errno, "read standard input");
    }
}

static int read_line(char *out, size_t room, struct error *err)
{
    size_t used = 0;
    int64_t got;
    char c;

    while ((got = input_read(&c, 1, err)) == 1) {
        if (c == '\n') {
            out[used] = '\0';
            return 0;
        }
        if (used + 1 == room)
            return error_set(err, ERROR_RESOURCE_EXHAUSTED, "the answer is longer than %zu bytes",
                             room - 1);
        out[used++] = c;
    }
    return got < 0 ? -1 : error_set(err, ERROR_CANCELLED, "no answer");
}

int terminal_ask(const char *question, bool secret, char *out, size_t room, struct error *err)
{
    int result;

    if (secret && hide(err) < 0)
        return -1;
    fputs(question, stderr); /* last: who sees it may type */
    fflush(stderr);
    result = read_line(out, room, err);
    if (secret) {
        terminal_restore();
        fputc('\n', stderr);
    }
    return result;
}

/* ---- output ------------------------------------------------------------- */

int output_open(int fd, struct error *err)
{
    char path[32];
    struct stat st;
    int output = -1;

    signal(SIGPIPE, SIG_IGN);
    if (fstat(fd, &st) < 0)
        return error_sys(err, errno, "descriptor %d", fd);
    /* A regular file opened anew would lose the place where the shell left off. */
    if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        output = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    }
    if (output < 0)
        output = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (output < 0)
        return error_sys(err, errno, "descriptor %d", fd);
    if (S_ISFIFO(st.st_mode) && fcntl(output, F_GETPIPE_SZ) < PIPE_ROOM)
        fcntl(output, F_SETPIPE_SZ, PIPE_ROOM); /* fewer wakings; a smaller one does as well */
    return output;
}

/* What could not be opened anew is written in pieces that do not wait behind poll:
   a pipe that is ready takes PIPE_BUF bytes. */
static ssize_t write_some(int output, const void *data, size_t size)
{
    struct pollfd ready = { .fd = output, .events = POLLOUT };
    struct stat st;
    int flags = fcntl(output, F_GETFL);

    if (flags >= 0 && (flags & O_NONBLOCK))
        return write(output, data, size);
    if (fstat(output, &st) == 0 && S_ISSOCK(st.st_mode))
        return send(output, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (poll(&ready, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return write(output, data, S_ISREG(st.st_mode) || size < 4096 ? size : 4096);
}

int64_t output_write(int output, const void *data, size_t size, struct error *err)
{
    ssize_t wrote;

    while ((wrote = write_some(output, data, size)) < 0 && errno == EINTR)
        ;
    if (wrote >= 0)
        return wrote;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return 0;
    return error_sys(err, errno, "write output");
}
