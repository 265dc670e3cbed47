/*
 * runtime_calls — every system call of the runtime's commands fails once, and no harm may come of
 * it.
 *
 *      runtime_calls RUNTIME [SCENARIO...]
 *      runtime_calls RUNTIME SCENARIO KIND PROCESS:CALL[:ERROR]
 *
 * A call fails with EIO, in a second round the runtime is killed there, and in a third it fails
 * with ENOMEM. What must hold afterwards says scenarios.h; and always the runtime has said why it
 * failed, with its status.  Two kinds of containers are tried, a plain one and one with a user
 * namespace.  In the second form only one call fails, and what the runtime says is shown; ERROR 0
 * kills.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "calls.h"
#include "scenarios.h"
#include "tracer.h"
#include "world.h"

#define SKIPPED 77

static volatile sig_atomic_t told_to_stop;

static void on_stop_request(int signal)
{
    (void)signal;
    told_to_stop = 1;
}

/* Only what it wrote may be what failed; and who dies of a signal can say nothing. */
static bool must_speak(const struct run *run)
{
    return run->failed >= 0 && run->failed != SYS_write && run->status != 0 && run->status < 127 &&
           !run->reached;
}

static bool run_is_well(const struct scenario *scenario, enum kind kind, struct run *run, bool show)
{
    char said[4096], what[1 << 15] = "";
    scenario->prepare(kind);
    run->words = scenario->words;
    run->ended = scenario->ended;
    const char *wrong = run_once(run), *harm;
    file_text(below("output"), said, sizeof said);
    said[strcspn(said, "\n")] = '\0';
    harm = scenario->judge(run, what, sizeof what);
    reap();
    wrong = wrong != NULL ? wrong : harm;
    if (wrong == NULL && must_speak(run) && said[0] == '\0')
        wrong = "nothing is said";
    if (wrong != NULL || show)
        printf("%s %s %s %d:%d %s fails with %s: %s; status %d%s, it says: %s (%s)\n",
               wrong != NULL ? "FAIL" : "ok", scenario->name, kind_name(kind), run->process,
               run->call, run->failed >= 0 ? call_name(run->failed) : "nothing",
               run->error != 0 ? strerrorname_np(run->error) : "the end",
               wrong != NULL ? wrong : "well", run->status, run->reached ? ", the program ran" : "",
               said, what);
    return wrong == NULL;
}

/* All calls of all processes; the end of one is where nothing has failed. */
static int round_of(const struct scenario *scenario, enum kind kind, int error, int *tried)
{
    int failures = 0;
    struct run run = { .error = error };
    int last = error != 0 ? PROCESSES : 0; /* only the runtime itself is killed */
    for (run.process = 0; run.process <= run.count && run.process <= last; run.process++) {
        run.failed = 0;
        for (run.call = 1; run.failed >= 0 && !told_to_stop; run.call++) {
            failures += run_is_well(scenario, kind, &run, false) ? 0 : 1;
            *tried += run.failed >= 0;
        }
    }
    return failures;
}

static int rounds(const struct scenario *scenario, enum kind kind)
{
    struct run run = { .error = EIO };
    if (!run_is_well(scenario, kind, &run, false)) {
        printf("FAIL: without any fault it does not work, status %d\n", run.status);
        return 1;
    }
    int tried = 0;
    int failures = round_of(scenario, kind, EIO, &tried) + round_of(scenario, kind, 0, &tried);
    if (!scenario->brief)
        failures += round_of(scenario, kind, ENOMEM, &tried);
    printf("%s, %s: %d calls failed, after %d of them something was wrong\n", scenario->name,
           kind_name(kind), tried, failures);
    return failures;
}

static int all_kinds(const struct scenario *scenario)
{
    int failures = 0;
    enum kind last = scenario->brief ? KIND_PLAIN : KIND_USER;
    for (enum kind kind = KIND_PLAIN; kind <= last; kind++) {
        failures += rounds(scenario, kind);
        RUN("delete", "--force", "box"); /* one that lasts has done its duty */
        reap();
    }
    return failures;
}

static int only(const struct scenario *scenario, const char *kind, const char *which)
{
    struct run run = { .error = EIO };
    if (sscanf(which, "%d:%d:%d", &run.process, &run.call, &run.error) < 2)
        return 1;
    return run_is_well(scenario, strcmp(kind, "user") == 0 ? KIND_USER : KIND_PLAIN, &run, true)
               ? 0
               : 1;
}

static const struct scenario *scenario_find(const char *name)
{
    for (const struct scenario *scenario = scenarios; scenario->name != NULL; scenario++)
        if (strcmp(scenario->name, name) == 0)
            return scenario;
    return NULL;
}

static int try(int argc, char **argv)
{
    const struct scenario *first = argc > 0 ? scenario_find(argv[0]) : NULL;
    int failures = 0;
    if (argc == 3 && first != NULL && strchr(argv[2], ':') != NULL)
        return only(first, argv[1], argv[2]);
    for (const struct scenario *scenario = scenarios; argc == 0 && scenario->name != NULL;
         scenario++)
        failures += all_kinds(scenario);
    for (int i = 0; i < argc; i++) {
        const struct scenario *scenario = scenario_find(argv[i]);
        if (scenario != NULL)
            failures += all_kinds(scenario);
        else
            failures += printf("FAIL: there is no scenario %s\n", argv[i]) > 0;
    }
    return failures;
}

int main(int argc, char **argv)
{
#ifndef __x86_64__
    printf("skipped: knows only the registers of x86_64\n");
    return SKIPPED;
#endif
    if (argc < 2) {
        fprintf(stderr, "runtime_calls RUNTIME [SCENARIO...]\n");
        return 2;
    }
    if (geteuid() != 0) {
        printf("skipped: needs root\n");
        return SKIPPED;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct sigaction stop = { .sa_handler = on_stop_request, .sa_flags = SA_RESTART };
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGPIPE, &stop, NULL);
    tracer_begin();
    world_make(argv[1]);
    int failures = try(argc - 2, argv + 2);
    world_remove();
    return failures == 0 ? 0 : 1;
}
