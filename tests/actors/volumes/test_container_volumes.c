/* test_container_volumes — containers that use volumes: by name, by their image's wish, to the end.
 */
#include "tests/actors/volumes/volume_fixture.h"

/* volumes:latest has /data with a file, and wants it to be a volume. */
static const char *pull_volumes(const char *config)
{
    static const struct layer_entry entries[] = {
        { .path = "data", .type = ENTRY_FOLDER, .mode = 01777 },
        { .path = "data/file", .text = "of the image\n" },
        { .path = "etc", .type = ENTRY_FOLDER },
        { .path = "etc/file", .text = "file\n" },
    };
    static struct layer_plan layer = { .entries = entries, .entry_count = COUNT_OF(entries) };
    static char name[100];
    CLEANUP(image_drop)
    struct built_image *image =
        image_build(&(struct image_plan){ .layers = &layer, .layer_count = 1, .config = config });

    snprintf(name, sizeof(name), "%s/volumes:latest", server_host(server));
    image_serve(server, "volumes", "latest", image);
    must(pull(.reference = name));
    return name;
}

static const char one_volume[] = "{\"Cmd\":[\"x\"],\"Volumes\":{\"/data/\":{}}}";

/* The only one there is; in a buffer. */
static const char *only_volume(void)
{
    const struct page_request all = { 0 };
    const struct volumes_list_reply *reply;
    static char name[300];

    must(peer_ask(&store.volumes, &op_volumes_list, &all, &answer));
    reply = answer.body;
    assert_int_equal(reply->volumes.count, 1);
    snprintf(name, sizeof(name), "%s", ((struct volume_info *)reply->volumes.items)[0].name);
    return name;
}

static void expect_file(const char *path, const char *text)
{
    struct error err = { 0 };
    char *found = fs_read(path, 1000, NULL, &err);

    if (found == NULL)
        fail_msg("%s", err.text);
    assert_string_equal(found, text);
    free(found);
}

static void an_image_s_volume_is_made_filled_and_recorded(void **state)
{
    const char *image = pull_volumes(one_volume), *name;
    const struct container_mount *mount;
    const struct container_info *info;

    (void)state;
    must_create(.id = "one", .image = image);
    name = only_volume();
    expect_file(store_path(&store, "volumes/default/%s/data/file", name), "of the image\n");
    info = must_get("one");
    assert_int_equal(info->mounts.count, 1);
    mount = info->mounts.items;
    assert_string_equal(mount->type, "volume");
    assert_string_equal(mount->name, name);
    assert_string_equal(mount->destination, "/data");
    assert_string_equal(mount->source, store_path(&store, "volumes/default/%s/data", name));
    assert_true(mount->rw);
    assert_true(mount->anonymous);
    assert_non_null(strstr(info->spec, mount->source));
    assert_int_equal(ask_name(&op_volumes_remove, name), ERROR_FAILED_PRECONDITION);
    assert_int_equal(count_of("leases_resource"), 0);
    must(remove_container(.id = "one"));
    assert_true(is_there(name));
    must(ask_name(&op_volumes_remove, name));
}

static void a_mount_of_the_user_s_takes_the_place_of_an_image_s_volume(void **state)
{
    const struct mount mounts[] = { { .type = "tmpfs", .target = "//data" },
                                    { .type = "volume", .source = "named", .target = "/other" } };
    const struct container_options options = { .mounts = { 2, (void *)(uintptr_t)mounts } };

    (void)state;
    must_create(.id = "one", .image = pull_volumes(one_volume), .options = &options);
    assert_string_equal(only_volume(), "named");
    assert_int_equal(must_get("one")->mounts.count, 2);
    must(remove_container(.id = "one", SET(volumes, true)));
    assert_true(is_there("named")); /* it has a name */
    must(ask_name(&op_volumes_remove, "named"));
}

static void anonymous_volumes_go_with_their_container_if_asked(void **state)
{
    const char *image = pull_volumes(one_volume);

    (void)state;
    must_create(.id = "one", .image = image);
    must(remove_container(.id = "one", SET(volumes, true)));
    assert_int_equal(count_of("volumes_volume"), 0);
    assert_int_equal(files_in("volumes/default"), 0);
    must_create(.id = "two", .image = image, SET(remove, true));
    must(remove_container(.id = "two"));
    assert_int_equal(count_of("volumes_volume"), 0);
}

static void a_volume_that_could_not_go_yet_goes_later(void **state)
{
    const struct leases_create_request lease = { .id = "mine" };
    const struct leases_remove_request gone = { .id = "mine" };
    const char *name;

    (void)state;
    must_create(.id = "one", .image = pull_volumes(one_volume));
    name = only_volume();
    must(peer_ask(&store.leases, &op_leases_create, &lease, &answer));
    store.volumes.lease = "mine";
    must_make(.name = name);
    store.volumes.lease = NULL;
    must(remove_container(.id = "one", SET(volumes, true)));
    assert_true(is_there(name));
    must(peer_ask(&store.leases, &op_leases_remove, &gone, &answer));
    COMES_TRUE(count_of("volumes_volume") == 0);
    COMES_TRUE(files_in("volumes/default") == 0);
}

static void a_container_that_comes_to_nothing_gives_back_what_was_made_for_it(void **state)
{
    const char *image = pull_volumes(one_volume);
    const struct mount mounts[] = { { .type = "volume", .source = "named", .target = "/n" } };
    struct container_options options = { .mounts = { 1, (void *)(uintptr_t)mounts },
                                         .cpuset_cpus = "nonsense" };

    (void)state;
    assert_int_not_equal(create(.id = "one", .image = image, .options = &options), ERROR_NONE);
    assert_int_equal(count_of("volumes_volume"), 0);
    must_make(.name = "named");
    assert_int_not_equal(create(.id = "one", .image = image, .options = &options), ERROR_NONE);
    assert_string_equal(only_volume(), "named"); /* it was there before */
    must(ask_name(&op_volumes_remove, "named"));
}

static void a_volume_on_a_file_is_refused_and_leaves_nothing(void **state)
{
    const char *image = pull_volumes("{\"Cmd\":[\"x\"],\"Volumes\":{\"/etc/file\":{}}}");

    (void)state;
    assert_int_equal(create(.id = "one", .image = image), ERROR_INVALID_ARGUMENT);
    assert_says("/etc/file is not a folder in the image");
    assert_int_equal(count_of("volumes_volume"), 0);
    assert_int_equal(files_in("volumes/default"), 0);
    assert_int_equal(files_in("containers/default"), 0);
}

static void wrong_mounts_of_volumes_are_refused(void **state)
{
    static const char *const nothing[] = { "rslave" }, *const both[] = { "ro", "rw" };
    const struct {
        struct mount mount;
        const char *says;
    } bad[] = {
        { { .type = "volume", .source = "../x", .target = "/x" }, "volume name" },
        { { .type = "volume", .source = "", .target = "/x" }, "volume name" },
        { { .type = "volume", .source = "x", .target = "/../x" }, "'..' is not allowed" },
        { { .type = "volume", .source = "x", .target = "/" }, "is the root" },
        { { .type = "volume", .source = "x" }, "mount target" },
        { { .type = "volume",
            .source = "x",
            .target = "/x",
            .options = { 1, (const char **)(uintptr_t)nothing } },
          "option 'rslave': a volume has" },
        { { .type = "volume",
            .source = "x",
            .target = "/x",
            .options = { 2, (const char **)(uintptr_t)both } },
          "exclude each other" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        const struct container_options options = { .mounts = { 1,
                                                               (void *)(uintptr_t)&bad[i].mount } };

        assert_int_equal(create(.options = &options), ERROR_INVALID_ARGUMENT);
        assert_says(bad[i].says);
    }
    assert_int_equal(count_of("volumes_volume"), 0);
}

static void two_containers_share_a_volume_and_the_last_one_lets_go(void **state)
{
    const struct mount mounts[] = { { .type = "volume", .source = "named", .target = "/n" } };
    const struct container_options options = { .mounts = { 1, (void *)(uintptr_t)mounts } };

    (void)state;
    must_create(.id = "one", .options = &options);
    must_create(.id = "two", .options = &options);
    assert_int_equal(must_find("named")->containers.count, 2);
    must(remove_container(.id = "one"));
    assert_int_equal(ask_name(&op_volumes_remove, "named"), ERROR_FAILED_PRECONDITION);
    assert_says("two");
    must(remove_container(.id = "two"));
    must(ask_name(&op_volumes_remove, "named"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOX_TEST(an_image_s_volume_is_made_filled_and_recorded),
        BOX_TEST(a_mount_of_the_user_s_takes_the_place_of_an_image_s_volume),
        BOX_TEST(anonymous_volumes_go_with_their_container_if_asked),
        BOX_TEST(a_volume_that_could_not_go_yet_goes_later),
        BOX_TEST(a_container_that_comes_to_nothing_gives_back_what_was_made_for_it),
        BOX_TEST(a_volume_on_a_file_is_refused_and_leaves_nothing),
        BOX_TEST(wrong_mounts_of_volumes_are_refused),
        BOX_TEST(two_containers_share_a_volume_and_the_last_one_lets_go),
    };

    return cmocka_run_group_tests(tests, find_box, drop_box);
}
