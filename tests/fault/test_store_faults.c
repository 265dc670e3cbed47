/*
 * The state's actors under bad luck: for every n, the n-th platform call fails, and then
 * again the process ends there.  Afterwards a new start on the same root has to find rows
 * and files in agreement, and the same requests have to succeed.
 *
 * The unlucky part runs as a child of the test: this program again, with a wish for its
 * platform calls in a file that both see (platform/linux/hook.c).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/actors/store.h"

#define NO_ANSWER 3 /* exit status of a child that waited for an answer in vain */

extern char **environ;

static struct store store;
static struct answer answer;
static char self[PATH_SIZE];
static bool is_child;

/* ---- what is asked -------------------------------------------------------------------------- */

/* What the daemon answers is its business here; that it answers is not. */
static enum error_code ask(struct peer *peer, const struct op *op, const void *in)
{
    enum error_code code = peer_ask(peer, op, in, &answer);

    if (code == ERROR_UNKNOWN && is_child)
        _exit(NO_ANSWER);
    if (code != ERROR_NONE && code != ERROR_ALREADY_EXISTS && !is_child)
        fail_msg("%s: %s", op->name, answer.message);
    return code;
}

static void write_blob(const char *ref, const char *text, bool gives_up)
{
    char digest[136];
    const struct content_ingest_request ingest = { .ref = ref,
                                                   .digest = digest_text(text, digest) };
    const struct content_commit_request commit = { .ref = ref,
                                                   .digest = digest,
                                                   SET(size, strlen(text)) };
    const struct content_abort_request abort = { .ref = ref };
    const struct content_ingest_reply *place;
    FILE *file;

    if (ask(&store.content, &op_content_ingest, &ingest) != ERROR_NONE)
        return;
    place = answer.body;
    if (place->present)
        return;
    file = fopen(place->path, "re+"); /* from the start: what is there may be half of it */
    if (file != NULL) {
        fputs(text, file);
        fclose(file);
    }
    if (gives_up)
        ask(&store.content, &op_content_abort, &abort);
    else
        ask(&store.content, &op_content_commit, &commit);
}

static void remove_blob(const char *text)
{
    char digest[136];
    const struct content_remove_request in = { .digest = digest_text(text, digest) };

    ask(&store.content, &op_content_remove, &in);
}

static void make_snapshot(const char *name, const char *parent)
{
    const struct snapshots_prepare_request prepare = { .key = "work",
                                                       .parent = parent,
                                                       .target = name };
    const struct snapshots_commit_request commit = { .key = "work", .name = name };
    enum error_code code = peer_ask(&store.snapshots, &op_snapshots_prepare, &prepare, &answer);

    if (code == ERROR_UNKNOWN && is_child)
        _exit(NO_ANSWER);
    if (code == ERROR_ALREADY_EXISTS && strstr(answer.message, name) != NULL)
        return;
    /* else it is prepared, or was by an earlier try */
    ask(&store.snapshots, &op_snapshots_commit, &commit);
}

static void remove_snapshot(const char *key)
{
    const struct snapshots_key_request in = { .key = key };

    ask(&store.snapshots, &op_snapshots_remove, &in);
}

static void live(void)
{
    write_blob("one", "the first blob", false);
    write_blob("two", "the second blob", false);
    write_blob("three", "never a blob", true);
    remove_blob("the second blob");
    make_snapshot("base", NULL);
    make_snapshot("top", "base");
    remove_snapshot("top");
}

/* ---- rows and files ------------------------------------------------------------------------- */

static int64_t count_files(const char *below)
{
    DIR *folder = opendir(store_path(&store, "%s", below));
    struct dirent *entry;
    int64_t count = 0;

    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static void check_agreement(int64_t at)
{
    char digest[136];
    bool agrees =
        count_files("blobs/sha256") == store_number(&store, "SELECT count(*) FROM content_blob") &&
        count_files("ingests") <= store_number(&store, "SELECT count(*) FROM content_ingest") &&
        count_files("snapshots") == store_number(&store, "SELECT count(*) FROM snapshots_layer") &&
        store_number(&store, "SELECT count(*) FROM snapshots_layer WHERE id NOT IN"
                             " (SELECT layer FROM snapshots_snapshot)") == 0;

    if (!agrees)
        fail_msg("call %d: rows and files do not agree", (int)at);
    if (store_number(&store, "SELECT count(*) FROM content_blob WHERE size = 14") == 1)
        assert_true(fs_exists(
            store_path(&store, "blobs/sha256/%s", digest_text("the first blob", digest) + 7)));
    assert_int_equal(
        store_number(&store, "SELECT count(*) FROM content_blob b WHERE NOT EXISTS (SELECT 1 FROM"
                             " events_journal WHERE topic = '/content/create' AND id = b.digest)"),
        0);
}

/* ---- a child that has bad luck -------------------------------------------------------------- */

/* A start that is refused ends the process in the middle: sockets are still open. */
static void leave_at_once(void)
{
    if (is_child)
        _exit(255);
}

static int run_child(const char *root)
{
    zsys_init();
    atexit(leave_at_once);
    is_child = true;
    snprintf(store.root, sizeof(store.root), "%s", root);
    snprintf(store.database, sizeof(store.database), "%s/state.db", root);
    store_start(&store); /* refusing to start is fine */
    live();
    store_stop(&store);
    answer_free(&answer);
    is_child = false;
    return 0;
}

enum wish { COUNT = 1, FAIL, EXIT };

/* The beginning of what the hook shares: wish, at, os, calls. */
static void write_control(const char *path, enum wish wish, int64_t at)
{
    const int64_t words[] = { wish, at, EIO, 0 };
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(file >= 0);
    assert_int_equal(write(file, words, sizeof(words)), sizeof(words));
    close(file);
    setenv("GANTRY_FAULT_CONTROL", path, 1);
}

static int64_t calls_made(const char *path)
{
    int64_t words[4] = { 0 };
    int file = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(file >= 0);
    assert_int_equal(read(file, words, sizeof(words)), sizeof(words));
    close(file);
    return words[3];
}

static pid_t spawn_child(void)
{
    char *const argv[] = { self, store.root, NULL };
    posix_spawn_file_actions_t silent;
    pid_t pid;

    posix_spawn_file_actions_init(&silent);
    if (getenv("LOUD") == NULL)
        posix_spawn_file_actions_addopen(&silent, 2, "/dev/null", O_WRONLY, 0);
    assert_int_equal(posix_spawn(&pid, self, &silent, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&silent);
    return pid;
}

/* Lives a life with the wish; how many calls it made. */
static int64_t run_with(enum wish wish, int64_t at)
{
    char path[PATH_SIZE];
    int status;
    pid_t pid;

    snprintf(path, sizeof(path), "%s", store_path(&store, "control"));
    write_control(path, wish, at);
    pid = spawn_child();
    unsetenv("GANTRY_FAULT_CONTROL");
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    if (WIFSIGNALED(status))
        fail_msg("call %d: the process died of signal %d", (int)at, WTERMSIG(status));
    if (WEXITSTATUS(status) == NO_ANSWER)
        fail_msg("call %d: a request got no answer", (int)at);
    return calls_made(path);
}

/* How many calls the life had. */
static int64_t suffer(enum wish wish, int64_t at)
{
    int64_t calls;

    store_open(&store);
    store_stop(&store);
    calls = run_with(wish, at);
    store_start(&store);
    check_agreement(at);
    write_blob("one", "the first blob", false);
    write_blob("two", "the second blob", false);
    make_snapshot("base", NULL);
    make_snapshot("top", "base");
    check_agreement(at);
    answer_free(&answer);
    store_close(&store);
    return calls;
}

static void every_call(enum wish wish)
{
    int64_t calls = suffer(COUNT, 0);

    print_message("%d platform calls\n", (int)calls);
    assert_true(calls > 30);
    for (int64_t n = 1; n <= calls + 2; n++)
        suffer(wish, n);
}

static void a_call_that_fails_leaves_rows_and_files_in_agreement(void **state)
{
    (void)state;
    every_call(FAIL);
}

static void a_crash_at_any_call_is_recovered_from(void **state)
{
    (void)state;
    every_call(EXIT);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_that_fails_leaves_rows_and_files_in_agreement),
        cmocka_unit_test(a_crash_at_any_call_is_recovered_from),
    };
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (length <= 0)
        return 1;
#ifndef GANTRY_TEST_HOOKS
    printf("skipped: built without the hooks of fault tests\n");
    return 77;
#endif
    if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1); /* hundreds of restarts, each with its syncs */
    if (argc > 1)
        return run_child(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
