/*
 * The hook of the fault and crash tests: every platform call that can fail is numbered, and a
 * wish says what happens at one of them.
 *
 * The wish lies in a file that the test shares with the process (GANTRY_FAULT_CONTROL), so it
 * can be changed while the process runs: calls are numbered only while there is a wish.  A wish
 * that is there before the start counts from the first call on.  Helpers do not inherit it.
 */
#include "platform/platform.h"

#ifdef GANTRY_TEST_HOOKS
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NAME_SIZE  24
#define NAMES_MAX  8192
#define EXITS_WITH 86

enum wish { WISH_NONE, WISH_COUNT, WISH_FAIL, WISH_EXIT };

/* As tests/fault/control.py knows it. */
struct control {
    _Atomic int64_t wish;
    _Atomic int64_t at;    /* the number of the call it is about */
    _Atomic int64_t os;    /* errno of a failure */
    _Atomic int64_t calls; /* so far */
    char names[NAMES_MAX][NAME_SIZE];
};

static struct control *control;

__attribute__((constructor)) static void control_open(void)
{
    const char *path = getenv("GANTRY_FAULT_CONTROL");
    int file = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *shared = MAP_FAILED;

    unsetenv("GANTRY_FAULT_CONTROL");
    if (file >= 0 && ftruncate(file, sizeof(*control)) == 0)
        shared = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (file >= 0)
        close(file);
    if (path != NULL && shared == MAP_FAILED) {
        fprintf(stderr, "GANTRY_FAULT_CONTROL: %s\n", strerror(errno));
        _exit(EXITS_WITH);
    }
    if (shared != MAP_FAILED)
        control = shared;
}

/* True when this is the call that has to fail. */
static bool is_hit(const char *what, int64_t *number)
{
    int64_t wish;

    if (control == NULL || (wish = atomic_load(&control->wish)) == WISH_NONE)
        return false;
    *number = atomic_fetch_add(&control->calls, 1) + 1;
    if (*number <= NAMES_MAX)
        snprintf(control->names[*number - 1], NAME_SIZE, "%s", what);
    if (*number != atomic_load(&control->at))
        return false;
    /* taken back meanwhile; if not, whoever takes it back from here on sees this call's number */
    if (atomic_load(&control->wish) != wish)
        return false;
    if (wish == WISH_EXIT)
        _exit(EXITS_WITH);
    return wish == WISH_FAIL;
}

int hook_platform_call(const char *what, struct error *err)
{
    int64_t number;

    if (!is_hit(what, &number))
        return 0;
    return error_sys(err, (int)atomic_load(&control->os), "%s (fault %lld)", what,
                     (long long)number);
}

void hook_platform_point(const char *what)
{
    int64_t number;

    is_hit(what, &number);
}
#else
typedef int nothing_here;
#endif
