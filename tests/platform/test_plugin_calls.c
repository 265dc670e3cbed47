/*
 * The gRPC client against somebody else's server: what a plugin says and how it fails, as the
 * drivers above see it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/platform/plugin_fixture.h"

static void fails(struct plugin *p, int result, enum error_code code, const char *words)
{
    assert_int_equal(result, -1);
    if (p->err.code != code || strstr(p->err.text, words) == NULL)
        fail_msg("%s: %s; expected %s: ...%s...", error_code_name(p->err.code), p->err.text,
                 error_code_name(code), words);
}

static int prepare(struct plugin *p, const char *key, const char *parent, const struct map *labels)
{
    const struct backend_new wanted = { .key = key, .parent = parent, .labels = labels };
    struct list mounts;

    return backend_prepare(&p->asker, &wanted, &mounts, p->arena, &p->err);
}

static int commit(struct plugin *p, const char *key, const char *name)
{
    return backend_commit(&p->asker, key, name, NULL, NULL, &p->err);
}

static struct list mounts_of(struct plugin *p, const char *key)
{
    struct list mounts = { 0 };

    plugin_must(p, backend_mounts(&p->asker, key, &mounts, p->arena, &p->err));
    return mounts;
}

/* ---- what goes well ---------------------------------------------------------------------------
 */

static void a_layer_is_prepared_committed_described_and_removed(void **state)
{
    struct plugin *p = *state;
    struct map_entry entries[] = { { "containerd.io/snapshot/hint", "yes" },
                                   { "containerd.io/snapshot.ref", "sha256:of" },
                                   { "private", "no" } };
    const struct map labels = { 3, entries };
    struct backend_info info;
    uint64_t size, inodes;
    struct list mounts;

    plugin_start(p, "", false);
    plugin_must(p, prepare(p, "here/1/a", "", &labels));
    mounts = mounts_of(p, "here/1/a");
    assert_int_equal(mounts.count, 1);
    assert_string_equal(((struct mount *)mounts.items)->type, "bind");
    plugin_must(p, backend_usage(&p->asker, "here/1/a", &size, &inodes, &p->err));
    plugin_must(p, commit(p, "here/1/a", "here/2/b"));
    plugin_must(p, prepare(p, "here/3/c", "here/2/b", NULL));
    plugin_must(p, backend_stat(&p->asker, "here/3/c", &info, p->arena, &p->err));
    assert_int_equal(info.kind, BACKEND_ACTIVE);
    assert_string_equal(info.parent, "here/2/b");
    plugin_must(p, backend_label(&p->asker, "here/2/b", &labels, &p->err));
    entries[0].value = ""; /* is removed; and the other one, which is not named, stays */
    plugin_must(p, backend_label(&p->asker, "here/2/b", &(struct map){ 1, entries }, &p->err));
    entries[0] = (struct map_entry){ "containerd.io/snapshot/other", "new" };
    plugin_must(p, backend_label(&p->asker, "here/2/b", &(struct map){ 1, entries }, &p->err));
    plugin_must(p, backend_stat(&p->asker, "here/2/b", &info, p->arena, &p->err));
    assert_int_equal(info.kind, BACKEND_COMMITTED);
    assert_int_equal(info.labels.count, 2); /* what is private stays here */
    assert_string_equal(map_get(&info.labels, "containerd.io/snapshot.ref"), "sha256:of");
    assert_string_equal(map_get(&info.labels, "containerd.io/snapshot/other"), "new");
    assert_true(plugin_has_heard(p, "\"Update\"", "labels.containerd.io/snapshot/other"));
    fails(p, backend_remove(&p->asker, "here/2/b", &p->err), ERROR_FAILED_PRECONDITION, "children");
    plugin_must(p, backend_remove(&p->asker, "here/3/c", &p->err));
    plugin_must(p, backend_remove(&p->asker, "here/2/b", &p->err));
    plugin_must(p, backend_remove(&p->asker, "here/2/b", &p->err)); /* gone is gone */
    assert_true(plugin_has_heard(p, "\"Prepare\"", "\"containerd-namespace\": \"here\""));
    assert_true(plugin_has_heard(p, "\"Prepare\"", "\"snapshotter\": \"oracle\""));
    assert_true(plugin_has_heard(p, "\"Prepare\"", "\"left\": 1")); /* of 20 s: it was told */
}

static void a_view_is_read_only(void **state)
{
    struct plugin *p = *state;
    struct backend_new wanted = { .key = "v", .parent = "b", .read_only = true };
    struct list mounts;
    struct mount *mount;

    plugin_start(p, "", false);
    plugin_must(p, prepare(p, "a", "", NULL));
    plugin_must(p, commit(p, "a", "b"));
    plugin_must(p, backend_prepare(&p->asker, &wanted, &mounts, p->arena, &p->err));
    mount = mounts.items;
    assert_string_equal(mount->options.items[0], "ro");
    fails(p, commit(p, "v", "w"), ERROR_FAILED_PRECONDITION, "not active");
}

static void what_has_no_cleanup_has_nothing_to_clean(void **state)
{
    struct plugin *p = *state;

    plugin_start(p, "", false);
    plugin_must(p, backend_cleanup(&p->asker, &p->err));
}

static int count_one(void *ctx, const struct backend_info *info, struct error *err)
{
    (void)err;
    assert_int_equal(info->kind, BACKEND_ACTIVE);
    assert_int_equal(strncmp(info->name, "k/", 2), 0);
    ++*(size_t *)ctx;
    return 0;
}

static void lists_of_any_length_arrive_whole(void **state)
{
    static const size_t lengths[] = { 0, 1, 100, 101, 250 };
    struct plugin *p = *state;
    size_t made = 0, counted;
    char key[32];

    plugin_start(p, "", false);
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        for (; made < lengths[i]; made++) {
            snprintf(key, sizeof(key), "k/%zu", made);
            plugin_must(p, prepare(p, key, "", NULL));
        }
        counted = 0;
        plugin_must(p, backend_each(&p->asker, "kind==active", count_one, &counted, &p->err));
        assert_int_equal(counted, lengths[i]);
    }
}

static int stop_there(void *ctx, const struct backend_info *info, struct error *err)
{
    (void)ctx, (void)info;
    return error_set(err, ERROR_ABORTED, "enough");
}

static void who_takes_a_list_may_stop_it(void **state)
{
    struct plugin *p = *state;

    plugin_start(p, "", false);
    plugin_must(p, prepare(p, "a", "", NULL));
    fails(p, backend_each(&p->asker, NULL, stop_there, NULL, &p->err), ERROR_ABORTED, "enough");
    plugin_must(p, backend_cleanup(&p->asker, &p->err));
}

static void an_overlay_of_128_layers_is_described(void **state)
{
    struct plugin *p = *state;
    char key[32], name[32], parent[32] = "";
    struct mount *mount;

    plugin_start(p, "", false);
    for (int i = 0; i < 128; i++) {
        snprintf(key, sizeof(key), "a%d", i);
        snprintf(name, sizeof(name), "c%d", i);
        plugin_must(p, prepare(p, key, parent, NULL));
        plugin_must(p, commit(p, key, name));
        strcpy(parent, name);
    }
    plugin_must(p, prepare(p, "top", parent, NULL));
    mount = mounts_of(p, "top").items;
    assert_string_equal(mount->type, "overlay");
    assert_true(strlen(mount->options.items[mount->options.count - 1]) > 128 * 30);
}

static void labels_of_four_kilobytes_go_both_ways(void **state)
{
    struct plugin *p = *state;
    char value[4096 - 30];
    struct map_entry entry = { "containerd.io/snapshot/a-hint", value };
    const struct map labels = { 1, &entry };
    struct backend_info info;

    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    plugin_start(p, "", false);
    plugin_must(p, prepare(p, "a", "", &labels));
    plugin_must(p, backend_stat(&p->asker, "a", &info, p->arena, &p->err));
    assert_string_equal(map_get(&info.labels, entry.key), value);
}

static void big_messages_and_unknown_fields_are_read(void **state)
{
    struct plugin *p = *state;
    struct backend_info info;

    plugin_start(p, "", false);
    plugin_must(p, prepare(p, "a", "", NULL));
    plugin_control(p, "Stat pad 17000\n"); /* more than a DATA frame of HTTP/2 holds */
    plugin_must(p, backend_stat(&p->asker, "a", &info, p->arena, &p->err));
    assert_string_equal(info.name, "a");
    plugin_control(p, "Stat pad 16000000\n");
    plugin_must(p, backend_stat(&p->asker, "a", &info, p->arena, &p->err));
    plugin_control(p, "Stat pad 16777300\n");
    fails(p, backend_stat(&p->asker, "a", &info, p->arena, &p->err), ERROR_RESOURCE_EXHAUSTED,
          "16777216");
    plugin_control(p, "");
    plugin_must(p, backend_stat(&p->asker, "a", &info, p->arena, &p->err));
}

/* Sockets of that name: who listens, and what it has accepted. */
static size_t sockets_named(const char *path)
{
    FILE *file = fopen("/proc/net/unix", "re");
    char line[400];
    size_t count = 0;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        count += strstr(line, path) != NULL;
    fclose(file);
    return count;
}

static void calls_one_after_the_other_share_a_connection(void **state)
{
    struct plugin *p = *state;
    struct backend_info info;

    plugin_start(p, "", false);
    assert_int_equal(sockets_named(p->address), 1);
    plugin_must(p, prepare(p, "a", "", NULL));
    for (int i = 0; i < 20; i++)
        plugin_must(p, backend_stat(&p->asker, "a", &info, p->arena, &p->err));
    assert_int_equal(sockets_named(p->address), 2);
}

/* ---- what it says when it refuses ---------------------------------------------------------------
 */

static void a_status_is_found_in_the_first_headers_and_in_trailers(void **state)
{
    struct plugin *p = *state;
    uint64_t size, inodes;

    plugin_start(p, "", false);
    for (int i = 0; i < 2; i++) {
        plugin_control(p, i == 0 ? "Usage fail 5 first it is gone: not found\n"
                                 : "Usage fail 5 trailers it is gone: not found\n");
        fails(p, backend_usage(&p->asker, "a", &size, &inodes, &p->err), ERROR_NOT_FOUND,
              "snapshot plugin oracle");
        fails(p, -1, ERROR_NOT_FOUND, "Usage a: it is gone");
        assert_null(strstr(p->err.text, "not found"));
    }
}

static void a_percent_encoded_message_is_read(void **state)
{
    struct plugin *p = *state;

    plugin_start(p, "", false);
    plugin_control(p, "Prepare fail 8 first die Platte ist 100% voll, größer geht nicht\n");
    fails(p, prepare(p, "a", "", NULL), ERROR_RESOURCE_EXHAUSTED,
          "die Platte ist 100% voll, größer geht nicht");
}

static void messages_that_make_no_sense_are_refused(void **state)
{
    struct plugin *p = *state;
    struct backend_info info;
    struct list mounts;

    plugin_start(p, "", false);
    plugin_must(p, prepare(p, "a", "", NULL));
    plugin_control(p, "Stat raw ffffffffff\nMounts mount bind /a%00b -\n");
    fails(p, backend_stat(&p->asker, "a", &info, p->arena, &p->err), ERROR_INTERNAL,
          "not the message");
    fails(p, backend_mounts(&p->asker, "a", &mounts, p->arena, &p->err), ERROR_INVALID_ARGUMENT,
          "source of a mount has a NUL");
    plugin_control(p, "Stat raw 10\n");
    fails(p, backend_stat(&p->asker, "a", &info, p->arena, &p->err), ERROR_INTERNAL,
          "not the message");
    plugin_control(p, "Stat pad 5\n");
    plugin_must(p, backend_stat(&p->asker, "a", &info, p->arena, &p->err));
}

/* 3 million empty infos are 6 MB on the wire and would be hundreds in memory. */
static void a_message_does_not_grow_without_bounds(void **state)
{
    struct plugin *p = *state;
    const size_t count = 3000000;
    char *line = malloc(4 * count + 32), *at = line;
    size_t counted = 0;

    plugin_start(p, "", false);
    plugin_must(p, prepare(p, "a", "", NULL));
    at += sprintf(at, "List raw ");
    for (size_t i = 0; i < count; i++, at += 4)
        memcpy(at, "0a00", 4);
    strcpy(at, "\n");
    plugin_control(p, line);
    free(line);
    fails(p, backend_each(&p->asker, NULL, count_one, &counted, &p->err), ERROR_INTERNAL,
          "not the message");
    assert_int_equal(counted, 0);
}

/* ---- late, dead, silent ----------------------------------------------------------------- */

static void a_plugin_may_start_after_the_daemon(void **state)
{
    struct plugin *p = *state;
    struct backend_health health;

    backend_health(p->backend, &health);
    assert_int_equal(health.state, BACKEND_CONNECTING);
    assert_string_equal(health.problem, "");
    fails(p, prepare(p, "a", "", NULL), ERROR_UNAVAILABLE, "nobody listens");
    fails(p, prepare(p, "a", "", NULL), ERROR_UNAVAILABLE, "nobody listens");
    backend_health(p->backend, &health);
    assert_int_equal(health.state, BACKEND_CONNECTING);
    assert_non_null(strstr(health.problem, p->address));
    plugin_start(p, "", false);
    while (prepare(p, "a", "", NULL) < 0) /* 3 s at most */
        assert_true(p->err.code == ERROR_UNAVAILABLE && p->err.retry_ms <= 3000);
    backend_health(p->backend, &health);
    assert_int_equal(health.state, BACKEND_OK);
}

static void while_nobody_is_there_only_some_calls_look(void **state)
{
    struct plugin *p = *state;
    int64_t began = clock_monotonic();

    for (int i = 0; i < 10000; i++)
        assert_int_equal(prepare(p, "a", "", NULL), -1);
    assert_true(clock_monotonic() - began < INT64_C(5000000000));
    assert_true(p->err.retry_ms > 0);
}

static void a_plugin_that_is_started_anew_is_found_again(void **state)
{
    struct plugin *p = *state;

    plugin_start(p, "", false);
    plugin_must(p, prepare(p, "a", "", NULL));
    plugin_stop(p);
    plugin_start(p, "", false);
    plugin_must(p, commit(p, "a", "b"));
}

static void what_was_done_before_the_plugin_died_counts(void **state)
{
    struct plugin *p = *state;
    struct backend_info info;

    plugin_start(p, "", true);
    plugin_must(p, prepare(p, "a", "", NULL));
    plugin_control(p, "Prepare once die-after\n");
    plugin_must(p, prepare(p, "b", "", NULL)); /* made by the one that died */
    plugin_control(p, "Commit once die-after\n");
    plugin_must(p, commit(p, "b", "c"));
    plugin_control(p, "Remove once die-after\n");
    plugin_must(p, backend_remove(&p->asker, "a", &p->err));
    plugin_must(p, backend_stat(&p->asker, "c", &info, p->arena, &p->err));
    assert_int_equal(info.kind, BACKEND_COMMITTED);
}

static void what_was_not_done_before_the_plugin_died_is_done_again(void **state)
{
    struct plugin *p = *state;

    plugin_start(p, "", true);
    plugin_must(p, prepare(p, "a", "", NULL));
    plugin_control(p, "Prepare once die\n");
    plugin_must(p, prepare(p, "b", "", NULL));
    plugin_control(p, "Commit once die\n");
    plugin_must(p, commit(p, "b", "c"));
}

static void a_plugin_that_stays_away_is_given_up(void **state)
{
    struct plugin *p = *state;
    struct backend_health health;

    plugin_start(p, "", false);
    plugin_must(p, prepare(p, "a", "", NULL));
    plugin_control(p, "Prepare die\n");
    fails(p, prepare(p, "b", "", NULL), ERROR_UNAVAILABLE,
          "nobody listens"); /* after some seconds */
    backend_health(p->backend, &health);
    assert_int_equal(health.state, BACKEND_CONNECTING);
    assert_true(health.problem_time > 0);
}

static void a_plugin_that_hangs_meets_the_deadline(void **state)
{
    struct plugin *p = *state;
    struct backend_health health;
    int64_t began;

    plugin_start(p, "", false);
    plugin_must(p, prepare(p, "a", "", NULL));
    plugin_backend(p, 300);
    plugin_must(p, backend_cleanup(&p->asker, &p->err));
    plugin_control(p, "Prepare hang 5\n");
    began = clock_monotonic();
    fails(p, prepare(p, "b", "", NULL), ERROR_DEADLINE_EXCEEDED, "Prepare b");
    assert_true(clock_monotonic() - began < INT64_C(4000000000));
    backend_health(p->backend, &health);
    assert_non_null(strstr(health.problem, "Prepare b"));
}

static int stop_after_three(void *ctx, struct error *err)
{
    return ++*(int *)ctx > 3 ? error_set(err, ERROR_CANCELLED, "the caller gave up") : 0;
}

static void a_caller_that_gives_up_is_heard(void **state)
{
    struct plugin *p = *state;
    int asked = 0;
    int64_t began;

    plugin_start(p, "", false);
    plugin_must(p, prepare(p, "a", "", NULL));
    plugin_control(p, "Prepare hang 5\n");
    p->asker.check = stop_after_three;
    p->asker.ctx = &asked;
    began = clock_monotonic();
    fails(p, prepare(p, "b", "", NULL), ERROR_CANCELLED, "gave up");
    assert_true(clock_monotonic() - began < INT64_C(4000000000));
}

static void *call_often(void *ctx)
{
    struct plugin *p = ctx;
    struct arena *arena = arena_new();
    struct backend_info info;
    struct error err;
    size_t failures = 0;

    for (int i = 0; i < 30; i++)
        failures += backend_stat(&p->asker, "a", &info, arena, &err) < 0;
    arena_free(arena);
    return failures > 0 ? p : NULL;
}

static void many_threads_may_call_at_once(void **state)
{
    struct plugin *p = *state;
    pthread_t threads[8];
    void *result;

    plugin_start(p, "", false);
    plugin_must(p, prepare(p, "a", "", NULL));
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, p), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_join(threads[i], &result);
        assert_null(result);
    }
}

/* ---- somebody else listens -------------------------------------------------------------- */

struct stranger {
    int socket;
    _Atomic(const char *) words; /* they change while it answers */
};

static void *stranger_answer(void *ctx)
{
    struct stranger *stranger = ctx;
    char ignored[4096];

    for (;;) {
        const char *words;
        int one = accept(stranger->socket, NULL, NULL);

        if (one < 0)
            return NULL;
        words = atomic_load(&stranger->words);
        if (read(one, ignored, sizeof(ignored)) > 0 && write(one, words, strlen(words)) < 0)
            perror("write");
        close(one);
    }
}

static void who_does_not_speak_grpc_is_told_apart(void **state)
{
    static const char *const words[] = { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "\x01",
                                         "" };
    struct plugin *p = *state;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct stranger stranger = { .socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    struct backend_health health;
    pthread_t thread;

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", p->address);
    assert_int_equal(bind(stranger.socket, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(stranger.socket, 8), 0);
    atomic_store(&stranger.words, words[0]);
    assert_int_equal(pthread_create(&thread, NULL, stranger_answer, &stranger), 0);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        atomic_store(&stranger.words, words[i]);
        plugin_backend(p, 2000);
        fails(p, prepare(p, "a", "", NULL), ERROR_UNAVAILABLE, p->address);
        backend_health(p->backend, &health);
        assert_int_equal(health.state, BACKEND_ERROR);
    }
    shutdown(stranger.socket, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(stranger.socket);
}

#define T(name) cmocka_unit_test_setup_teardown(name, plugin_set_up, plugin_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_layer_is_prepared_committed_described_and_removed),
        T(a_view_is_read_only),
        T(what_has_no_cleanup_has_nothing_to_clean),
        T(lists_of_any_length_arrive_whole),
        T(who_takes_a_list_may_stop_it),
        T(an_overlay_of_128_layers_is_described),
        T(labels_of_four_kilobytes_go_both_ways),
        T(big_messages_and_unknown_fields_are_read),
        T(calls_one_after_the_other_share_a_connection),
        T(a_status_is_found_in_the_first_headers_and_in_trailers),
        T(a_percent_encoded_message_is_read),
        T(messages_that_make_no_sense_are_refused),
        T(a_message_does_not_grow_without_bounds),
        T(a_plugin_may_start_after_the_daemon),
        T(while_nobody_is_there_only_some_calls_look),
        T(a_plugin_that_is_started_anew_is_found_again),
        T(what_was_done_before_the_plugin_died_counts),
        T(what_was_not_done_before_the_plugin_died_is_done_again),
        T(a_plugin_that_stays_away_is_given_up),
        T(a_plugin_that_hangs_meets_the_deadline),
        T(a_caller_that_gives_up_is_heard),
        T(many_threads_may_call_at_once),
        T(who_does_not_speak_grpc_is_told_apart),
    };

    if (!plugin_can_run()) {
        puts("skipped: python3-grpcio and python3-protobuf are not installed");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
