/* See gate.h. */
#include "platform/linux/runtime/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "platform/linux/runtime/talk.h"
#include "platform/scope.h"

/* Names of sockets stop at 107 bytes, folders do not: so it is reached through the folder. */
static struct sockaddr_un address_of(int folder)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/start", folder);
    return address;
}

int gate_open(int folder, struct error *err)
{
    struct sockaddr_un address = address_of(folder);
    int gate = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (gate >= 0 && bind(gate, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        listen(gate, 1) == 0)
        return gate;
    error_sys(err, errno, "make the socket that the container waits on");
    if (gate >= 0)
        close(gate);
    return -1;
}

/* The first process of a pid namespace gets no signal it has no handler for (pid_namespaces(7)),
   and a container that is not started yet should end of what ends others. */
static void on_end(int number)
{
    _exit(128 + number);
}

static void signals_set(void (*handler)(int))
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };

    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        signal(numbers[i], handler);
}

/* The kernel maps sixteen pages where one is touched, so by now all of our program is: a megabyte
   in the books of who waits.  What is needed once more comes back from the page cache. */
static void memory_give_back(void)
{
    extern const char __executable_start[], etext[]; /* end(3), and the linker's own */
    uintptr_t page = (uintptr_t)getpagesize();
    uintptr_t from = (uintptr_t)__executable_start / page * page;

    madvise((void *)from, ((uintptr_t)etext - from) / page * page, MADV_DONTNEED);
}

int gate_wait(int gate, struct error *err)
{
    enum talk_word word = TALK_CLOSED;
    int start;

    signals_set(on_end);
    memory_give_back();
    while ((start = accept4(gate, NULL, NULL, SOCK_CLOEXEC)) < 0)
        if (errno != EINTR && errno != ECONNABORTED)
            return error_sys(err, errno, "wait for being started");
    close(gate);
    if (talk_hear(start, &word, NULL, err) < 0 || word != TALK_GO)
        _exit(1); /* `start` died half way: nobody could ever start us again */
    signals_set(SIG_DFL);
    return start;
}

int gate_connect(int folder, struct error *err)
{
    struct sockaddr_un address = address_of(folder);
    int start = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (start >= 0 && connect(start, (struct sockaddr *)&address, sizeof(address)) == 0)
        return start;
    if (errno == ENOENT || errno == ECONNREFUSED)
        error_set(err, ERROR_FAILED_PRECONDITION,
                  "cannot start a container that does not wait for it");
    else
        error_sys(err, errno, "reach the container that waits for being started");
    if (start >= 0)
        close(start);
    return -1;
}
