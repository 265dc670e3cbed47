/*
 * A plugin as a snapshot driver (platform/plugin.h): what it asks when, what it remembers, what it
 * removes.  What every driver promises is proved in tests/contract.
 */
#include <sys/stat.h>

#include "platform/plugin.h"
#include "tests/platform/plugin_fixture.h"

static const char *const nothing[] = { NULL };
static const struct map no_labels;
static const struct snapshotter *const calls = &plugin_snapshotter;
static void *state;
static char folder[PATH_SIZE];
static bool rebases;

static void open_driver(struct plugin *p)
{
    const struct plugin_config config = { .name = "oracle",
                                          .address = p->address,
                                          .root = p->root,
                                          .rebases = rebases,
                                          .timeout_ms = 20000,
                                          .own = nothing };

    plugin_must(p, path_format(folder, &p->err, "%s/snapshots", p->folder));
    plugin_must(p, plugin_open(&config, folder, &state, &p->err));
}

static int set_up(void **fixture)
{
    plugin_set_up(fixture);
    open_driver(*fixture);
    return 0;
}

static int set_up_rebasing(void **fixture)
{
    rebases = true;
    return set_up(fixture);
}

static int tear_down(void **fixture)
{
    rebases = false;
    calls->close(&state);
    return plugin_tear_down(fixture);
}

static struct layer_new layer_of(uint64_t number, uint64_t parent, const char *key)
{
    return (struct layer_new){
        .number = number, .parent = parent, .namespace = "here", .key = key, .labels = &no_labels
    };
}

static int prepare(struct plugin *p, uint64_t number, uint64_t parent)
{
    const struct layer_new layer = layer_of(number, parent, "a key");

    return calls->prepare(state, &layer, &p->err);
}

static int commit_on(struct plugin *p, uint64_t number, uint64_t parent)
{
    return calls->commit(state, number, "a name", parent, &p->err);
}

static int commit(struct plugin *p, uint64_t number)
{
    return commit_on(p, number, 0);
}

static int remove_layer(struct plugin *p, uint64_t number)
{
    char away[PATH_SIZE];

    plugin_must(p,
                path_format(away, &p->err, "%s/away-%llu", p->folder, (unsigned long long)number));
    return calls->remove(state, number, away, &p->err);
}

/* Apart, as images are: `target` is what it will be. */
static int prepare_apart(struct plugin *p, uint64_t number, uint64_t parent, const char *target,
                         bool settled)
{
    struct layer_new layer = layer_of(number, parent, "extract-1");

    layer.apart = true;
    layer.settled = settled;
    layer.target = target;
    return calls->prepare(state, &layer, &p->err);
}

static int rebase(struct plugin *p, uint64_t number, uint64_t parent, const char *target)
{
    struct layer_new layer = layer_of(number, parent, "extract-1");

    layer.apart = layer.settled = true;
    layer.target = target;
    return calls->rebase(state, &layer, &p->err);
}

static void put(struct plugin *p, uint64_t number, const char *name, const char *text)
{
    char path[PATH_SIZE];

    plugin_must(
        p, path_format(path, &p->err, "%s/%llu/fs/%s", folder, (unsigned long long)number, name));
    plugin_must(p, fs_write(path, text, strlen(text), 0644, false, &p->err));
}

static size_t held(struct plugin *p)
{
    char path[PATH_SIZE], *text;
    size_t count = 0;

    plugin_must(p, path_format(path, &p->err, "%s/snapshots.json", p->root));
    text = fs_read(path, 1 << 20, NULL, &p->err);
    assert_non_null(text);
    for (const char *at = text; (at = strstr(at, "\"kind\"")) != NULL; at++)
        count++;
    free(text);
    return count;
}

static struct list mounts_of(struct plugin *p, uint64_t number)
{
    const struct layer_stack stack = { .number = number };
    struct list mounts = { 0 };

    plugin_must(p, calls->mounts(state, &stack, &mounts, p->arena, &p->err));
    return mounts;
}

static void what_it_knows_lies_on_the_disk(void **fixture)
{
    struct plugin *p = *fixture;
    struct mount *mount;

    plugin_start(p, "", false);
    plugin_must(p, prepare(p, 1, 0));
    plugin_must(p, commit(p, 1));
    plugin_must(p, prepare(p, 2, 1));
    calls->close(&state);
    open_driver(p);
    mount = mounts_of(p, 2).items;
    assert_string_equal(mount->type, "overlay");
    plugin_must(p, remove_layer(p, 2));
    plugin_must(p, remove_layer(p, 1));
    assert_int_equal(held(p), 0);
}

/* Who unpacks does it in the folder that is bound. */
static void put_direct(struct plugin *p, uint64_t number, const char *name)
{
    const struct mount *mount = mounts_of(p, number).items;
    char path[PATH_SIZE];

    assert_string_equal(mount->type, "bind");
    assert_int_equal(calls->folder(state, number, path, &p->err), -1);
    assert_int_equal(p->err.code, ERROR_NOT_FOUND);
    plugin_must(p, path_format(path, &p->err, "%s/%s", mount->source, name));
    plugin_must(p, fs_write(path, name, strlen(name), 0644, false, &p->err));
}

static void without_rebase_a_plugin_is_asked_when_the_parent_is_there(void **fixture)
{
    struct plugin *p = *fixture;
    char path[PATH_SIZE];

    plugin_start(p, "", false);
    plugin_must(p, prepare_apart(p, 1, 0, "sha256:1", true));
    plugin_must(p, prepare_apart(p, 2, 0, "sha256:2", false));
    assert_int_equal(held(p), 1);
    put_direct(p, 1, "low");
    put(p, 2, "high", "high");
    plugin_must(p, rebase(p, 1, 0, "sha256:1"));
    plugin_must(p, commit(p, 1));
    plugin_must(p, rebase(p, 2, 1, "sha256:2"));
    plugin_must(p, commit_on(p, 2, 1));
    plugin_must(p, path_format(path, &p->err, "%s/2/fs", folder));
    assert_false(fs_exists(path));
    assert_true(plugin_has_heard(p, "here/2/extract-", "sha256:2"));
}

static void with_rebase_layers_are_unpacked_side_by_side_and_told_their_parent_last(void **fixture)
{
    struct plugin *p = *fixture;
    const struct mount *mount;

    plugin_start(p, "--rebase", false);
    plugin_must(p, prepare_apart(p, 1, 0, "sha256:1", true));
    plugin_must(p, prepare_apart(p, 2, 0, "sha256:2", false));
    plugin_must(p, prepare_apart(p, 3, 0, "sha256:3", false));
    assert_int_equal(held(p), 3);
    for (uint64_t number = 3; number > 0; number--)
        put_direct(p, number, "file");
    for (uint64_t number = 1; number <= 3; number++) {
        plugin_must(p, rebase(p, number, number - 1, "sha256:x"));
        plugin_must(p, calls->sync(state, number, &p->err));
        plugin_must(p, commit_on(p, number, number - 1));
    }
    plugin_must(p, rebase(p, 3, 2, "sha256:x")); /* somebody comes again */
    plugin_must(p, calls->sync(state, 3, &p->err));
    plugin_must(p, commit_on(p, 3, 2));
    plugin_must(p, prepare(p, 4, 3));
    mount = mounts_of(p, 4).items;
    assert_string_equal(mount->type, "overlay");
    assert_non_null(strstr(mount->options.items[mount->options.count - 1], "/s/3/fs:"));
    assert_non_null(strstr(mount->options.items[mount->options.count - 1], "/s/2/fs:"));
}

static void a_layer_is_asked_for_on_its_parent_before_it_is_unpacked_on_nothing(void **fixture)
{
    struct plugin *p = *fixture;

    plugin_start(p, "--rebase", false);
    plugin_must(p, prepare(p, 1, 0));
    plugin_must(p, commit(p, 1));
    plugin_must(p, prepare_apart(p, 2, 1, "sha256:2", true));
    assert_true(plugin_has_heard(p, "\"Prepare\"", "\"parent\": \"here/1/"));
    assert_int_equal(held(p), 2);
    put_direct(p, 2, "file");
    plugin_must(p, rebase(p, 2, 1, "sha256:2"));
    plugin_must(p, commit_on(p, 2, 1));
    assert_true(plugin_has_heard(p, "\"Commit\"", "\"parent\": \"here/1/"));
}

static void what_is_no_folder_is_made_anew_on_its_parent(void **fixture)
{
    struct plugin *p = *fixture;

    plugin_start(p, "--rebase --boxed", false);
    plugin_must(p, prepare(p, 1, 0));
    plugin_must(p, commit(p, 1));
    plugin_must(p, prepare_apart(p, 2, 0, "sha256:2", false));
    assert_int_equal(held(p), 1);
    put(p, 2, "high", "high");
    plugin_must(p, rebase(p, 2, 1, "sha256:2"));
    plugin_must(p, commit_on(p, 2, 1));
    assert_int_equal(held(p), 2);
}

static void offer(struct plugin *p, const char *chain)
{
    char path[PATH_SIZE];

    plugin_must(p, path_format(path, &p->err, "%s/offered/%s", p->folder, chain));
    plugin_must(p, fs_folder_make_all(path, 0755, &p->err));
}

static void a_plugin_is_asked_for_its_own_layer_only_with_the_parent_known(void **fixture)
{
    struct plugin *p = *fixture;
    char arguments[200];

    offer(p, "2");
    snprintf(arguments, sizeof(arguments), "--rebase --remote %s/offered", p->folder);
    plugin_start(p, arguments, false);
    plugin_must(p, prepare_apart(p, 2, 0, "sha256:2", false));
    plugin_must(p, rebase(p, 2, 0, "sha256:2"));
    plugin_must(p, commit(p, 2));
    assert_int_equal(prepare_apart(p, 3, 0, "sha256:2", true), -1);
    assert_int_equal(p->err.code, ERROR_ALREADY_EXISTS);
}

static void a_folder_with_something_in_it_is_not_emptied(void **fixture)
{
    struct plugin *p = *fixture;
    char full[PATH_SIZE], line[PATH_SIZE + 40];
    struct layer_stack stack = { .number = 1 };
    struct list mounts = { 0 };

    plugin_must(p, path_format(full, &p->err, "%s/full", p->root));
    plugin_must(p, fs_folder_make_all(full, 0755, &p->err));
    snprintf(line, sizeof(line), "%s/file", full);
    plugin_must(p, fs_write(line, "words", 5, 0644, false, &p->err));
    plugin_start(p, "--rebase", false);
    snprintf(line, sizeof(line), "Prepare mount bind %s - rbind rw\n", full);
    plugin_control(p, line);
    plugin_must(p, prepare_apart(p, 1, 0, "sha256:1", true));
    plugin_must(p, prepare_apart(p, 2, 0, "sha256:2", false));
    plugin_must(p, calls->folder(state, 1, line, &p->err)); /* it is unpacked here, and merged */
    plugin_must(p, calls->folder(state, 2, line, &p->err));
    plugin_control(p, "");
    plugin_must(p, prepare_apart(p, 1, 0, "sha256:x", false));
    snprintf(line, sizeof(line), "Mounts mount bind %s - rbind rw\n", full);
    plugin_control(p, line); /* another one than it said first */
    assert_int_equal(calls->mounts(state, &stack, &mounts, p->arena, &p->err), -1);
    assert_int_equal(p->err.code, ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(p->err.text, "is another now"));
}

static void a_commit_may_come_twice(void **fixture)
{
    struct plugin *p = *fixture;

    plugin_start(p, "", false);
    plugin_must(p, prepare(p, 1, 0));
    plugin_must(p, commit(p, 1));
    plugin_must(p, commit(p, 1));
    assert_int_equal(held(p), 1);
}

static void a_layer_of_the_plugin_stands_for_ours_as_long_as_one_does(void **fixture)
{
    struct plugin *p = *fixture;
    char arguments[200];

    offer(p, "1");
    snprintf(arguments, sizeof(arguments), "--remote %s/offered", p->folder);
    plugin_start(p, arguments, false);
    assert_int_equal(prepare_apart(p, 1, 0, "sha256:1", true), -1);
    assert_int_equal(p->err.code, ERROR_ALREADY_EXISTS);
    assert_int_equal(prepare_apart(p, 2, 0, "sha256:1", true), -1);
    assert_int_equal(p->err.code, ERROR_ALREADY_EXISTS);
    assert_int_equal(held(p), 1);
    plugin_must(p, prepare(p, 3, 1));
    plugin_must(p, remove_layer(p, 3));
    plugin_must(p, plugin_collect(state, true, &p->err));
    plugin_must(p, remove_layer(p, 1));
    plugin_must(p, plugin_collect(state, true, &p->err));
    assert_int_equal(held(p), 1);
    plugin_must(p, remove_layer(p, 2));
    assert_int_equal(held(p), 0);
}

static void what_no_memory_has_goes_from_the_top(void **fixture)
{
    struct plugin *p = *fixture;
    struct error ignored;

    plugin_start(p, "", false);
    plugin_must(p, prepare(p, 1, 0));
    plugin_must(p, commit(p, 1));
    plugin_must(p, prepare(p, 2, 1));
    plugin_must(p, commit(p, 2));
    plugin_must(p, prepare(p, 3, 2));
    plugin_must(p, prepare(p, 4, 0)); /* this one stays */
    fs_remove_tree(folder, &ignored);
    plugin_must(p, fs_folder_make_all(folder, 0700, &p->err));
    plugin_must(p, prepare(p, 5, 0));
    assert_int_equal(held(p), 5);
    plugin_must(p, plugin_collect(state, false, &p->err));
    assert_int_equal(held(p), 1);
    mounts_of(p, 5);
}

static void the_snapshots_of_another_root_stay(void **fixture)
{
    struct plugin *p = *fixture;
    char mark[PATH_SIZE];

    plugin_start(p, "", false);
    plugin_must(p, prepare(p, 1, 0));
    calls->close(&state);
    plugin_must(p, path_format(mark, &p->err, "%s.mark", folder));
    plugin_must(p, fs_remove(mark, &p->err));
    plugin_must(p, fs_remove_tree(folder, &p->err));
    open_driver(p);
    plugin_must(p, prepare(p, 1, 0)); /* numbers begin anew, and do not meet */
    plugin_must(p, plugin_collect(state, true, &p->err));
    assert_int_equal(held(p), 2);
}

static void a_layer_goes_though_the_plugin_is_away(void **fixture)
{
    struct plugin *p = *fixture;
    struct plugin_health health;
    char path[PATH_SIZE];

    plugin_start(p, "", false);
    plugin_must(p, prepare(p, 1, 0));
    plugin_health(state, &health);
    assert_string_equal(health.state, "ok");
    plugin_stop(p);
    plugin_must(p, remove_layer(p, 1));
    plugin_must(p, path_format(path, &p->err, "%s/1", folder));
    assert_false(fs_exists(path));
    plugin_health(state, &health);
    assert_string_equal(health.state, "connecting");
    assert_int_equal(plugin_collect(state, false, &p->err), -1);
    plugin_start(p, "", false);
    while (plugin_collect(state, false, &p->err) < 0) /* 3 s at most */
        assert_int_equal(p->err.code, ERROR_UNAVAILABLE);
    assert_int_equal(held(p), 0);
}

static void mounts_of_a_hosts_folder_are_refused_and_undone(void **fixture)
{
    struct plugin *p = *fixture;

    plugin_start(p, "", false);
    plugin_control(p, "Prepare mount bind /etc - rbind\n");
    assert_int_equal(prepare(p, 1, 0), -1);
    assert_int_equal(p->err.code, ERROR_INVALID_ARGUMENT);
    plugin_must(p, remove_layer(p, 1)); /* as the actor does after a failure */
    assert_int_equal(held(p), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define R(name) cmocka_unit_test_setup_teardown(name, set_up_rebasing, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_it_knows_lies_on_the_disk),
        T(without_rebase_a_plugin_is_asked_when_the_parent_is_there),
        R(with_rebase_layers_are_unpacked_side_by_side_and_told_their_parent_last),
        R(a_layer_is_asked_for_on_its_parent_before_it_is_unpacked_on_nothing),
        R(what_is_no_folder_is_made_anew_on_its_parent),
        R(a_plugin_is_asked_for_its_own_layer_only_with_the_parent_known),
        R(a_folder_with_something_in_it_is_not_emptied),
        T(a_commit_may_come_twice),
        T(a_layer_of_the_plugin_stands_for_ours_as_long_as_one_does),
        T(what_no_memory_has_goes_from_the_top),
        T(the_snapshots_of_another_root_stay),
        T(a_layer_goes_though_the_plugin_is_away),
        T(mounts_of_a_hosts_folder_are_refused_and_undone),
    };

    setenv("PATH", TEST_BIN ":/usr/sbin:/usr/bin:/sbin:/bin", 1);
    if (!plugin_can_run() || geteuid() != 0) {
        puts("skipped: needs root, python3-grpcio and python3-protobuf");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
