/* test_containers — records of containers: made, found, listed, changed, removed. */
#include "tests/actors/container_fixture.h"

#include <jansson.h>

#define ID_76 "a234567890123456789012345678901234567890123456789012345678901234567890123456"

static void refuse(enum error_code code, enum error_code wanted, const char *says)
{
    if (code != wanted)
        fail_msg("%s instead of %s: %s", error_code_name(code), error_code_name(wanted),
                 answer.message);
    assert_says(says);
    assert_int_equal(files_in("containers/default"), count_of("containers_container"));
}

/* ---- ids and names -------------------------------------------------------------------------- */

static void an_id_is_made_up_where_none_is_given(void **state)
{
    const char *id = must_create(.name = "one");

    (void)state;
    assert_int_equal(strlen(id), 64);
    assert_int_equal(strspn(id, "0123456789abcdef"), 64);
    assert_string_equal(must_get("one")->id, id);
    assert_string_equal(must_get(id)->image, box_name);
    assert_string_equal(must_get(id)->status, "created");
    assert_int_equal(count_events("/containers/create", id), 1);
}

static void ids_of_76_characters_work(void **state)
{
    (void)state;
    assert_int_equal(strlen(ID_76), 76);
    assert_string_equal(must_create(.id = ID_76), ID_76);
    assert_string_equal(must_get(ID_76)->id, ID_76);
}

static void ids_of_77_characters_and_out_of_grammar_are_refused(void **state)
{
    static const char *const bad[] = { ID_76 "7", "",     ".",   "..",       "a/b",  "../a", "-a",
                                       "a-",      "a--b", "a b", "\xc3\xa4", "a\nb", "a..b", "_a" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        refuse(create(.id = bad[i]), ERROR_INVALID_ARGUMENT, "container id");
    assert_int_equal(count_of("containers_container"), 0);
}

static void names_are_unique_in_their_namespace(void **state)
{
    (void)state;
    must_create(.name = "web");
    refuse(create(.name = "web"), ERROR_ALREADY_EXISTS, "the name web is taken");
    store_use(&store, "other");
    must_pull();
    must_create(.name = "web");
}

static void names_out_of_grammar_are_refused(void **state)
{
    static const char *const bad[] = { "", "-a", "a b", "a/b", "/a" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        refuse(create(.name = bad[i]), ERROR_INVALID_ARGUMENT, "name");
}

static void an_id_that_is_taken_is_refused(void **state)
{
    (void)state;
    must_create(.id = "one");
    refuse(create(.id = "one"), ERROR_ALREADY_EXISTS, "a container with the id one exists");
    assert_string_equal(must_get("one")->id, "one");
    assert_true(fs_exists(store_path(&store, "containers/default/one/hostname")));
}

static void of_two_creates_of_one_id_exactly_one_wins(void **state)
{
    const struct containers_create_request want = { .id = "same", .image = box_name };
    struct peer peers[6];
    size_t won = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(peers); i++) {
        peer_open(&peers[i], "containers");
        peer_send(&peers[i], &op_containers_create, &want);
    }
    for (size_t i = 0; i < COUNT_OF(peers); i++) {
        enum error_code code = peer_finish(&peers[i], &op_containers_create, &answer);

        won += code == ERROR_NONE;
        if (code != ERROR_NONE && code != ERROR_ALREADY_EXISTS)
            fail_msg("%s", answer.message);
        peer_close(&peers[i]);
    }
    assert_int_equal(won, 1);
    assert_true(fs_exists(store_path(&store, "containers/default/same/hosts")));
    must_get("same");
}

/* With a snapshot of the caller's there is no other thing to be first at. */
static void of_two_creates_with_a_spec_exactly_one_wins(void **state)
{
    const struct snapshots_prepare_request prepare = {
        .key = "mine",
    };
    struct containers_create_request want = { .id = "same", .snapshot = "mine" };
    struct peer peers[6];
    char *spec;
    size_t won = 0;

    (void)state;
    must(peer_ask(&store.snapshots, &op_snapshots_prepare, &prepare, &answer));
    must_create(.id = "model");
    spec = strdup(must_get("model")->spec);
    want.spec = spec;
    for (size_t i = 0; i < COUNT_OF(peers); i++) {
        peer_open(&peers[i], "containers");
        peer_send(&peers[i], &op_containers_create, &want);
    }
    for (size_t i = 0; i < COUNT_OF(peers); i++) {
        won += peer_finish(&peers[i], &op_containers_create, &answer) == ERROR_NONE;
        peer_close(&peers[i]);
    }
    free(spec);
    assert_int_equal(won, 1);
    assert_true(fs_exists(store_path(&store, "containers/default/same")));
}

/* ---- finding -------------------------------------------------------------------------------- */

static void a_container_is_found_by_id_name_and_beginning(void **state)
{
    (void)state;
    must_create(.id = "abc1", .name = "first");
    must_create(.id = "abd2", .name = "abc1x");
    must_create(.id = "xyz", .name = "abd"); /* a name that begins another's id */
    assert_string_equal(must_get("abc1")->id, "abc1");
    assert_string_equal(must_get("first")->id, "abc1");
    assert_string_equal(must_get("abc")->id, "abc1");
    assert_string_equal(must_get("abc1x")->id, "abd2");
    assert_string_equal(must_get("abd")->id, "xyz");
    assert_string_equal(must_get("x")->id, "xyz");
    assert_int_equal(container_get("ab"), ERROR_INVALID_ARGUMENT);
    assert_says("several");
    assert_int_equal(container_get("q"), ERROR_NOT_FOUND);
    assert_int_equal(container_get(""), ERROR_NOT_FOUND);
    assert_int_equal(container_get("firs"), ERROR_NOT_FOUND); /* names are not abbreviated */
    assert_int_equal(container_get("%"), ERROR_NOT_FOUND);
    assert_int_equal(container_get("a_"), ERROR_NOT_FOUND);
    assert_int_equal(container_get("a\xff"), ERROR_INVALID_ARGUMENT);
    store_use(&store, "other");
    assert_int_equal(container_get("abc1"), ERROR_NOT_FOUND);
}

static void an_id_is_nearer_than_a_name(void **state)
{
    (void)state;
    must_create(.id = "aa", .name = "bb");
    must_create(.id = "bb", .name = "aa");
    assert_string_equal(must_get("aa")->id, "aa");
    assert_string_equal(must_get("bb")->id, "bb");
}

static void lists_come_in_order_and_in_pages(void **state)
{
    struct containers_list_request want = { SET(limit, 2) };
    const char *order[] = { "a", "b", "c", "d", "e" };
    const char *made[] = { "d", "a", "e", "c", "b" };
    char after[80];
    size_t seen = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(made); i++)
        must_create(.id = made[i]);
    for (bool more = true; more;) {
        const struct containers_list_reply *reply;
        const struct container_info *infos;

        must(peer_ask(&store.containers, &op_containers_list, &want, &answer));
        reply = answer.body;
        infos = reply->containers.items;
        assert_true(reply->containers.count <= 2);
        for (size_t i = 0; i < reply->containers.count; i++) {
            assert_string_equal(infos[i].id, order[seen++]);
            assert_null(infos[i].spec);
        }
        snprintf(after, sizeof(after), "%s", infos[reply->containers.count - 1].id);
        want.after = after;
        more = reply->has_more && reply->more;
    }
    assert_int_equal(seen, 5);
}

static void a_list_gives_specs_where_they_are_asked_for(void **state)
{
    const struct containers_list_request want = { .fields = STRS("spec") };
    const struct containers_list_request wrong = { .fields = STRS("colour") };
    const struct containers_list_reply *reply;

    (void)state;
    must_create(.id = "a");
    must(peer_ask(&store.containers, &op_containers_list, &want, &answer));
    reply = answer.body;
    assert_non_null(((struct container_info *)reply->containers.items)[0].spec);
    assert_int_equal(peer_ask(&store.containers, &op_containers_list, &wrong, &answer),
                     ERROR_INVALID_ARGUMENT);
    assert_says("colour");
}

/* ---- changing ------------------------------------------------------------------------------- */

static void labels_and_names_can_be_changed(void **state)
{
    struct map_entry two[] = { { "a", "1" }, { "b", "2" } };
    struct map_entry change[] = { { "a", "" }, { "c", "3" } };
    struct map_entry bad[] = { { "", "1" } };
    struct containers_update_request want = { .id = "one", .name = "new", .labels = { 2, change } };
    const struct container_info *info;

    (void)state;
    must_create(.id = "one", .labels = { 2, two });
    must_create(.id = "two", .name = "taken");
    must(peer_ask(&store.containers, &op_containers_update, &want, &answer));
    info = must_get("new");
    assert_int_equal(info->labels.count, 2);
    assert_null(map_get(&info->labels, "a"));
    assert_string_equal(map_get(&info->labels, "b"), "2");
    assert_string_equal(map_get(&info->labels, "c"), "3");
    assert_true(info->updated > info->created);
    assert_int_equal(count_events("/containers/update", "one"), 1);
    want.name = "taken";
    assert_int_equal(peer_ask(&store.containers, &op_containers_update, &want, &answer),
                     ERROR_ALREADY_EXISTS);
    assert_says("taken");
    want.name = "not good";
    assert_int_equal(peer_ask(&store.containers, &op_containers_update, &want, &answer),
                     ERROR_INVALID_ARGUMENT);
    want = (struct containers_update_request){ .id = "one", .labels = { 1, bad } };
    assert_int_equal(peer_ask(&store.containers, &op_containers_update, &want, &answer),
                     ERROR_INVALID_ARGUMENT);
}

static void a_new_spec_is_looked_at_as_a_first_one_is(void **state)
{
    static const char *const bad[] = {
        "", "no json", "[]", "{}", "{\"ociVersion\":\"1.0.2\"}",
        "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"args\":[],"
        "\"cwd\":\"/\"}}",
    };
    struct containers_update_request want = { .id = "one" };
    char *before;
    json_t *spec;

    (void)state;
    must_create(.id = "one");
    before = strdup(must_get("one")->spec);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        want.spec = bad[i];
        assert_int_equal(peer_ask(&store.containers, &op_containers_update, &want, &answer),
                         ERROR_INVALID_ARGUMENT);
        assert_string_equal(must_get("one")->spec, before);
    }
    assert_int_equal(count_events("/containers/update", "one"), 0);
    spec = json_loads(before, 0, NULL);
    json_object_set_new(spec, "hostname", json_string("renamed"));
    free(before);
    before = json_dumps(spec, JSON_COMPACT);
    want.spec = before;
    must(peer_ask(&store.containers, &op_containers_update, &want, &answer));
    assert_string_equal(must_get("one")->spec, before);
    json_decref(spec);
    free(before);
}

/* ---- what the image says -------------------------------------------------------------------- */

static json_t *spec_of(const char *id)
{
    json_t *spec = json_loads(must_get(id)->spec, 0, NULL);

    assert_non_null(spec);
    return spec;
}

static void users_are_numbers_in_the_spec(void **state)
{
    const struct container_options options = { .user = "web", .group_add = STRS("more") };
    json_t *spec, *user;

    (void)state;
    must_create(.id = "one", .options = &options);
    spec = spec_of("one");
    user = json_object_get(json_object_get(spec, "process"), "user");
    assert_int_equal(json_integer_value(json_object_get(user, "uid")), 33);
    assert_int_equal(json_integer_value(json_object_get(user, "gid")), 34);
    json_decref(spec);
}

static void a_user_that_the_image_does_not_have_is_named(void **state)
{
    const struct container_options nobody = { .user = "nobody" };
    const struct container_options group = { .user = "web:nogroup" };
    const struct container_options more = { .group_add = STRS("nogroup") };

    (void)state;
    refuse(create(.options = &nobody), ERROR_NOT_FOUND, "nobody");
    refuse(create(.options = &group), ERROR_NOT_FOUND, "nogroup");
    refuse(create(.options = &more), ERROR_NOT_FOUND, "nogroup");
}

static void options_that_are_wrong_are_named(void **state)
{
    const struct rlimit limit = { .type = "RLIMIT_NOTHING", .soft = 1, .hard = 1 };
    const struct mount relative = { .type = "bind", .source = "/tmp", .target = "a/b" };
    const struct {
        struct container_options options;
        const char *says;
    } bad[] = {
        { { .hostname = "not a host" }, "hostname" },
        { { .cap_add = STRS("CAP_FLY") }, "CAP_FLY" },
        { { .env = STRS("=x") }, "=x" },
        { { .cpuset_cpus = "one" }, "one" },
        { { .network = "bridge" }, "bridge" },
        { { .stop_signal = "SIGNOTHING" }, "SIGNOTHING" },
        { { .seccomp = "{" }, "seccomp" },
        { { .sysctl = { 1, (struct map_entry[]){ { "kernel.hostname", "x" } } } },
          "kernel.hostname" },
        { { .add_host = STRS("nowhere") }, "nowhere" },
        { { .rlimits = { 1, (void *)(uintptr_t)&limit } }, "RLIMIT_NOTHING" },
        { { .mounts = { 1, (void *)(uintptr_t)&relative } }, "a/b" },
        { { .devices = STRS("/dev/nothing-at-all") }, "/dev/nothing-at-all" },
        { { SET(oom_score_adj, 5000) }, "oom_score_adj" },
        { { SET(cpus, -1.0) }, "cpus" },
        { { SET(memory, 1) }, "memory" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        enum error_code code = create(.id = "wrong", .options = &bad[i].options);

        if (code == ERROR_NONE)
            fail_msg("nothing was wrong with option %zu (%s)", i, bad[i].says);
        assert_says(bad[i].says);
        assert_int_equal(files_in("containers/default"), 0);
    }
    must_create(.id = "wrong"); /* at once: nothing of the tries is in the way */
}

static void an_image_that_is_not_here_is_named(void **state)
{
    (void)state;
    refuse(create(.image = "nowhere/nothing:1"), ERROR_NOT_FOUND, "nowhere/nothing:1");
    refuse(create(.image = box_name, .spec = "{}"), ERROR_INVALID_ARGUMENT, "not both");
    refuse(create(.spec = "{"), ERROR_INVALID_ARGUMENT, "spec");
    assert_int_equal(peer_ask(&store.containers, &op_containers_create,
                              &(struct containers_create_request){ 0 }, &answer),
                     ERROR_INVALID_ARGUMENT);
}

/* ---- removing ------------------------------------------------------------------------------- */

static void a_removed_container_leaves_nothing(void **state)
{
    const char *id = must_create(.name = "one");

    (void)state;
    must(remove_container(.id = "one"));
    assert_false(fs_exists(store_path(&store, "containers/default/%s", id)));
    assert_int_equal(count_of("containers_container"), 0);
    assert_int_equal(count_of("snapshots_snapshot WHERE kind = 'active'"), 0);
    assert_int_equal(count_events("/containers/delete", id), 1);
    assert_int_equal(remove_container(.id = "one"), ERROR_NOT_FOUND);
    assert_string_equal(must_create(.id = id, .name = "one"), id);
}

static void a_snapshot_can_be_kept(void **state)
{
    const struct snapshots_key_request which = { .key = "one" };
    struct map_entry root = { "containerd.io/gc.root", "yes" };
    const struct snapshots_update_request keep = { .key = "one", .labels = { 1, &root } };

    (void)state;
    must_create(.id = "one");
    must(peer_ask(&store.snapshots, &op_snapshots_update, &keep, &answer));
    must(remove_container(.id = "one", SET(keep_snapshot, true)));
    must(peer_ask(&store.snapshots, &op_snapshots_stat, &which, &answer));
    refuse(create(.id = "one"), ERROR_ALREADY_EXISTS, "snapshot");
    must(peer_ask(&store.snapshots, &op_snapshots_remove, &which, &answer));
}

static void a_running_container_is_removed_by_force_only(void **state)
{
    const struct container_options options = { .args = STRS("sleep", "1000") };
    const struct tasks_create_request task = { .id = "one" };
    const struct tasks_get_request which = { .id = "one" };

    (void)state;
    must_create(.id = "one", .options = &options);
    must(peer_ask(&store.tasks, &op_tasks_create, &task, &answer));
    must(peer_ask(&store.tasks, &op_tasks_start, &which, &answer));
    COMES_TRUE(strcmp(must_get("one")->status, "running") == 0);
    assert_true(must_get("one")->has_pid);
    assert_int_equal(remove_container(.id = "one"), ERROR_FAILED_PRECONDITION);
    assert_says("running");
    must_get("one");
    must(remove_container(.id = "one", SET(force, true)));
    assert_no_containers();
}

static void an_image_in_use_is_kept(void **state)
{
    const struct images_remove_request remove = { .name = box_name };
    const struct images_remove_request force = { .name = box_name, SET(force, true) };

    (void)state;
    must_create(.id = "one");
    assert_int_equal(peer_ask(&store.images, &op_images_remove, &remove, &answer),
                     ERROR_FAILED_PRECONDITION);
    assert_says("one");
    must(peer_ask(&store.images, &op_images_remove, &force, &answer));
    collect();
    assert_int_equal(count_of("snapshots_snapshot WHERE kind = 'committed'"), 1);
    must(remove_container(.id = "one"));
    collect();
    assert_int_equal(count_of("snapshots_snapshot"), 0);
    assert_int_equal(count_of("content_blob"), 0);
}

/* ---- after a crash -------------------------------------------------------------------------- */

static void what_a_crash_has_left_goes_at_the_next_start(void **state)
{
    struct error err = { 0 };

    (void)state;
    must_create(.id = "whole");
    store_stop(&store);
    assert_int_equal(fs_folder_make(store_path(&store, "containers/default/half"), 0711, &err), 0);
    assert_int_equal(
        fs_write(store_path(&store, "containers/default/half/hosts"), "x", 1, 0644, false, &err),
        0);
    assert_int_equal(fs_folder_make_all(store_path(&store, "containers/gone/half"), 0711, &err), 0);
    store_start(&store);
    assert_false(fs_exists(store_path(&store, "containers/default/half")));
    assert_false(fs_exists(store_path(&store, "containers/gone/half")));
    assert_true(fs_exists(store_path(&store, "containers/default/whole/hosts")));
    assert_sound();
}

static void what_is_for_the_daemon_is_refused_to_clients(void **state)
{
    const struct container_info info = { .id = "x" };
    const struct containers_put_request put = { .container = &info };
    const struct containers_get_request drop = { .id = "one" };

    (void)state;
    must_create(.id = "one");
    assert_int_equal(peer_ask(&store.containers, &op_containers_put, &put, &answer),
                     ERROR_PERMISSION_DENIED);
    assert_int_equal(peer_ask(&store.containers, &op_containers_drop, &drop, &answer),
                     ERROR_PERMISSION_DENIED);
    must_get("one");
}

static void a_create_that_is_given_up_leaves_nothing(void **state)
{
    const struct containers_create_request want = { .id = "one", .image = box_name };
    uint64_t id;

    (void)state;
    for (int i = 0; i < 5; i++) { /* wherever it is then */
        id = peer_send(&store.containers, &op_containers_create, &want);
        peer_cancel(&store.containers, id);
        if (peer_finish(&store.containers, &op_containers_create, &answer) == ERROR_NONE)
            must(remove_container(.id = "one"));
        assert_int_equal(files_in("containers/default"), 0);
    }
    must_create(.id = "one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOX_TEST(an_id_is_made_up_where_none_is_given),
        BOX_TEST(ids_of_76_characters_work),
        BOX_TEST(ids_of_77_characters_and_out_of_grammar_are_refused),
        BOX_TEST(names_are_unique_in_their_namespace),
        BOX_TEST(names_out_of_grammar_are_refused),
        BOX_TEST(an_id_that_is_taken_is_refused),
        BOX_TEST(of_two_creates_of_one_id_exactly_one_wins),
        BOX_TEST(of_two_creates_with_a_spec_exactly_one_wins),
        BOX_TEST(a_container_is_found_by_id_name_and_beginning),
        BOX_TEST(an_id_is_nearer_than_a_name),
        BOX_TEST(lists_come_in_order_and_in_pages),
        BOX_TEST(a_list_gives_specs_where_they_are_asked_for),
        BOX_TEST(labels_and_names_can_be_changed),
        BOX_TEST(a_new_spec_is_looked_at_as_a_first_one_is),
        BOX_TEST(users_are_numbers_in_the_spec),
        BOX_TEST(a_user_that_the_image_does_not_have_is_named),
        BOX_TEST(options_that_are_wrong_are_named),
        BOX_TEST(an_image_that_is_not_here_is_named),
        BOX_TEST(a_removed_container_leaves_nothing),
        BOX_TEST(a_snapshot_can_be_kept),
        BOX_TEST(a_running_container_is_removed_by_force_only),
        BOX_TEST(an_image_in_use_is_kept),
        BOX_TEST(what_a_crash_has_left_goes_at_the_next_start),
        BOX_TEST(what_is_for_the_daemon_is_refused_to_clients),
        BOX_TEST(a_create_that_is_given_up_leaves_nothing),
    };

    return cmocka_run_group_tests_name("containers", tests, find_box, drop_box);
}
