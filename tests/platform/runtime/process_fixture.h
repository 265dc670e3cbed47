/* A process with settings from a text, which looks at itself: its output and its errors. */
#ifndef TESTS_PROCESS_FIXTURE_H
#define TESTS_PROCESS_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/linux/runtime/process.h"
#include "platform/scope.h"
#include "protocol/oci/draft.h"

static json_t *document;
static struct process_spec *spec;
static struct filter *filter;
static struct error err;
static char
    said[65536]; /* what the process printed; "error CODE TEXT" when it did not come to be */

static int teardown(void **state UNUSED)
{
    filter_free(&filter);
    process_free(&spec);
    json_decref(document);
    document = NULL;
    return 0;
}

static bool has(const char *more, const char *key)
{
    char quoted[32];

    snprintf(quoted, sizeof(quoted), "\"%s\":", key);
    return strstr(more, quoted) != NULL;
}

static void PRINTF_LIKE(3, 4) add(char *text, size_t size, const char *fmt, ...)
{
    size_t length = strlen(text);
    va_list args;

    va_start(args, fmt);
    vsnprintf(text + length, size - length, fmt, args);
    va_end(args);
}

/* A document whose process has `more` besides args (a shell with `script`), PATH and cwd. */
static int read_process(const char *script, const char *more, const char *linux_more)
{
    static struct place root, process, linux_;
    char text[16384];

    teardown(NULL);
    snprintf(text, sizeof(text), "{\"process\":{%s%s%s", has(more, "cwd") ? "" : "\"cwd\":\"/\",",
             has(more, "env") ? "" : "\"env\":[\"PATH=/usr/bin:/bin\"],", more);
    if (!has(more, "args"))
        add(text, sizeof(text), "%s\"args\":[\"sh\",\"-c\",\"%s\"]", more[0] != '\0' ? "," : "",
            script);
    add(text, sizeof(text), "},\"linux\":{%s}}", linux_more);
    memset(&err, 0, sizeof(err));
    document = draft_read(text, strlen(text), &err);
    if (document == NULL)
        fail_msg("%s: %s", err.text, text);
    root = place_document(document);
    process = place_member(&root, "process");
    linux_ = place_member(&root, "linux");
    spec = process_read(&process, &linux_, &err);
    if (spec == NULL || filter_read(&linux_, NULL, &filter, &err) < 0)
        return -1;
    return filter != NULL ? filter_compile(filter, &err) : 0;
}

/* What is done in the child before it becomes another; NULL: nothing. */
static void (*prepare)(void);
static struct process_settings settings;
/* Parent: before the child begins, and while it lives. */
static void (*limited)(pid_t pid);
static void (*meanwhile)(pid_t pid);

static UNUSED int run_process(void)
{
    int ends[2], gate[2], status;
    size_t size = 0;
    ssize_t more;
    char byte;
    pid_t pid;

    settings.filter = filter;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        close(gate[1]);
        if (read(gate[0], &byte, 1) != 1)
            _exit(99);
        dup2(ends[1], 1);
        if (prepare != NULL)
            prepare();
        if (process_cwd_make(spec, &err) == 0 && process_settle(spec, &settings, &err) == 0)
            process_exec(spec, filter, &err);
        dprintf(1, "error %s %s", error_code_name(err.code), err.text);
        _exit(err.code == ERROR_NOT_FOUND ? 127 : 126);
    }
    close(ends[1]);
    close(gate[0]);
    if (process_limit(spec, pid, &err) < 0)
        snprintf(said, sizeof(said), "error %s %s", error_code_name(err.code), err.text);
    else {
        if (limited != NULL)
            limited(pid);
        assert_int_equal(write(gate[1], "x", 1), 1);
    }
    close(gate[1]);
    if (meanwhile != NULL)
        meanwhile(pid);
    while ((more = read(ends[0], said + size, sizeof(said) - 1 - size)) > 0)
        size += (size_t)more;
    if (size > 0)
        said[size] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    prepare = NULL;
    limited = NULL;
    meanwhile = NULL;
    memset(&settings, 0, sizeof(settings));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Reads and runs; the output is in `said`. */
static UNUSED int run_with(const char *script, const char *more, const char *linux_more)
{
    said[0] = '\0';
    if (read_process(script, more, linux_more) < 0)
        fail_msg("%s", err.text);
    return run_process();
}

static UNUSED void assert_said(const char *text)
{
    if (strstr(said, text) == NULL)
        fail_msg("\"%s\" is not in: %s", text, said);
}

static UNUSED void assert_refused(const char *more, const char *linux_more, const char *text)
{
    if (read_process("true", more, linux_more) == 0)
        fail_msg("taken: %s %s", more, linux_more);
    if (strstr(err.text, text) == NULL)
        fail_msg("\"%s\" is not in: %s", text, err.text);
}

#endif
