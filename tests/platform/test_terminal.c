/* The terminal, signals and slow output, on pseudo terminals and pipes. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/platform.h"
#include "platform/terminal.h"

static int open_pty(int *terminal)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);

    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    *terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(*terminal >= 0);
    return master;
}

static void die_by_exit(void)
{
    exit(0);
}

static void die_by_term(void)
{
    raise(SIGTERM);
}

static void die_by_abort(void)
{
    abort();
}

static void restore_by_hand(void)
{
    terminal_restore();
    _exit(0);
}

/* A child takes the terminal as its input, makes it raw, tells so, and dies as said. */
static void run_raw_child(int terminal, void (*die)(void))
{
    struct error err = { 0 };
    pid_t child = fork();
    int status;

    if (child == 0) {
        struct termios now;

        signal(SIGABRT, SIG_DFL);
        dup2(terminal, 0);
        if (terminal_raw(&err) < 0 || tcgetattr(0, &now) < 0 || (now.c_lflag & ICANON))
            _exit(99);
        die();
        _exit(98);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) != 0);
}

static void expect_restored(void (*die)(void))
{
    struct termios before, after;
    int terminal, master = open_pty(&terminal);

    assert_int_equal(tcgetattr(terminal, &before), 0);
    assert_true(before.c_lflag & ICANON);
    run_raw_child(terminal, die);
    assert_int_equal(tcgetattr(terminal, &after), 0);
    assert_int_equal(after.c_lflag, before.c_lflag);
    assert_int_equal(after.c_iflag, before.c_iflag);
    assert_int_equal(after.c_oflag, before.c_oflag);
    close(terminal);
    close(master);
}

static void a_raw_terminal_is_restored_at_exit(void **state)
{
    (void)state;
    expect_restored(die_by_exit);
}

static void a_raw_terminal_is_restored_when_a_signal_kills(void **state)
{
    (void)state;
    expect_restored(die_by_term);
    expect_restored(die_by_abort);
}

static void a_raw_terminal_is_restored_on_request(void **state)
{
    (void)state;
    expect_restored(restore_by_hand);
}

static void a_pipe_is_no_terminal_and_has_no_size(void **state)
{
    unsigned columns, rows;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_false(terminal_is(ends[0]));
    assert_false(terminal_size(ends[0], &columns, &rows));
    assert_int_equal(columns, 80);
    assert_int_equal(rows, 24);
    close(ends[0]);
    close(ends[1]);
}

static void a_terminal_tells_its_size(void **state)
{
    struct winsize size = { .ws_col = 132, .ws_row = 43 };
    unsigned columns, rows;
    int terminal, master = open_pty(&terminal);

    (void)state;
    assert_true(terminal_is(terminal));
    assert_int_equal(ioctl(master, TIOCSWINSZ, &size), 0);
    assert_true(terminal_size(terminal, &columns, &rows));
    assert_int_equal(columns, 132);
    assert_int_equal(rows, 43);
    close(terminal);
    close(master);
}

static void signals_arrive_as_names_in_order(void **state)
{
    struct error err = { 0 };
    int fd = signals_open(&err);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(signals_open(&err), fd);
    assert_null(signals_next());
    raise(SIGWINCH);
    raise(SIGINT);
    raise(SIGTERM);
    assert_string_equal(signals_next(), "WINCH");
    assert_string_equal(signals_next(), "INT");
    assert_string_equal(signals_next(), "TERM");
    assert_null(signals_next());
    signals_close();
}

static void a_flood_of_signals_neither_waits_nor_kills(void **state)
{
    struct error err = { 0 };
    int count = 0;

    (void)state;
    assert_true(signals_open(&err) >= 0);
    for (int i = 0; i < 100000; i++)
        raise(SIGUSR1);
    while (signals_next() != NULL)
        count++;
    assert_true(count > 100);
    signals_close();
}

static void ignored_signals_stay_ignored(void **state)
{
    struct error err = { 0 };

    (void)state;
    signal(SIGHUP, SIG_IGN);
    assert_true(signals_open(&err) >= 0);
    raise(SIGHUP);
    assert_null(signals_next());
    signals_close();
    raise(SIGHUP);
    signal(SIGHUP, SIG_DFL);
}

/* Fills what `fd` leads to; the bytes it took before it would have waited. */
static size_t fill(int fd)
{
    static const char bytes[65536];
    struct error err = { 0 };
    size_t total = 0;
    int64_t took;
    int output = output_open(fd, &err);

    assert_true(output >= 0);
    while ((took = output_write(output, bytes, sizeof(bytes), &err)) > 0)
        total += (size_t)took;
    assert_int_equal(took, 0);
    file_close(&output);
    return total;
}

static void a_full_pipe_takes_nothing_and_does_not_wait(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_true(fill(ends[1]) >= 4096);
    assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0); /* the shell's half is as it was */
    close(ends[0]);
    close(ends[1]);
}

static void a_full_socket_takes_nothing_and_does_not_wait(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_true(fill(ends[1]) >= 4096);
    close(ends[0]);
    close(ends[1]);
}

static void a_reader_who_left_is_an_error_not_a_signal(void **state)
{
    struct error err = { 0 };
    int ends[2], output;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    output = output_open(ends[1], &err);
    assert_true(output >= 0);
    close(ends[0]);
    assert_int_equal(output_write(output, "x", 1, &err), -1);
    assert_int_equal(err.code, ERROR_UNAVAILABLE);
    file_close(&output);
    close(ends[1]);
}

static void a_file_is_written_where_the_shell_left_off(void **state)
{
    struct error err = { 0 };
    char path[] = "/tmp/gantry-output-XXXXXX", got[16] = { 0 };
    int fd = mkstemp(path), output;

    (void)state;
    assert_int_equal(write(fd, "before ", 7), 7);
    output = output_open(fd, &err);
    assert_int_equal(output_write(output, "after", 5, &err), 5);
    file_close(&output);
    assert_int_equal(pread(fd, got, sizeof(got), 0), 12);
    assert_string_equal(got, "before after");
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_raw_terminal_is_restored_at_exit),
        cmocka_unit_test(a_raw_terminal_is_restored_when_a_signal_kills),
        cmocka_unit_test(a_raw_terminal_is_restored_on_request),
        cmocka_unit_test(a_pipe_is_no_terminal_and_has_no_size),
        cmocka_unit_test(a_terminal_tells_its_size),
        cmocka_unit_test(signals_arrive_as_names_in_order),
        cmocka_unit_test(a_flood_of_signals_neither_waits_nor_kills),
        cmocka_unit_test(ignored_signals_stay_ignored),
        cmocka_unit_test(a_full_pipe_takes_nothing_and_does_not_wait),
        cmocka_unit_test(a_full_socket_takes_nothing_and_does_not_wait),
        cmocka_unit_test(a_reader_who_left_is_an_error_not_a_signal),
        cmocka_unit_test(a_file_is_written_where_the_shell_left_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
