/* test_pull_trees — what comes out is what another implementation makes of the same image; and
   what users and a full disk do. */
#include "tests/actors/images/pull_fixture.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *format, ...)
{
    char command[4096];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

/* ---- the same tree -------------------------------------------------------------------------- */

/* An OCI image layout with one tag, for a tool that reads those. */
static void layout_part(void *ctx, const struct image_part *part)
{
    const char *folder = ctx;
    struct error err = { 0 };
    char path[PATH_SIZE];

    if (strcmp(part->name, "latest") == 0 ||
        path_format(path, &err, "%s/blobs/sha256/%s", folder, part->name + 7) < 0)
        return;
    if (fs_write(path, part->blob->data, part->blob->size, 0644, false, &err) < 0)
        fail_msg("%s", err.text);
}

static void write_layout(const char *folder, const struct built_image *image)
{
    shell("mkdir -p %s/blobs/sha256 && echo '{\"imageLayoutVersion\":\"1.0.0\"}' > %s/oci-layout",
          folder, folder);
    shell("echo '{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"%s\",\"digest\":\"%s\","
          "\"size\":%zu,\"annotations\":{\"org.opencontainers.image.ref.name\":\"latest\"}}]}' "
          "> %s/index.json",
          image->manifest_type, image->manifest.digest, image->manifest.size, folder);
    image_each(image, "latest", layout_part, (void *)(uintptr_t)folder);
}

/* Everything there is to a tree, as text: a script that is run with the tree as its folder.
   Without the times of folders: those that no layer names are as new as the unpacking there. */
static const char listing[] = "{ find . ! -type d -printf '%P %y %m %U %G %s %T@ %l %n\n'\n"
                              "  find . -mindepth 1 -type d -printf '%P %y %m %U %G\n'\n"
                              "  find . -type f -printf '%P\\0' | xargs -0r sha256sum\n"
                              "  find . -type c -printf '%P\\0' | xargs -0r stat -c '%n %t %T'\n"
                              "  find . -printf '%P\\0' | sort -z | xargs -0r getfattr -h -m "
                              "'^(user|security)' -d 2>/dev/null\n"
                              "} | LC_ALL=C sort\n";

static void write_listing(void)
{
    struct error err = { 0 };

    if (fs_write(store_path(&store, "list.sh"), listing, strlen(listing), 0644, false, &err) < 0)
        fail_msg("%s", err.text);
}

/* The snapshot of the chain as an overlay shows it, in a mount namespace of its own. */
static void list_snapshot(const char *chain_id, const char *file)
{
    struct map_entry root = { "containerd.io/gc.root", "yes" };
    const struct snapshots_prepare_request view = {
        .key = "look", .parent = chain_id, .labels = { 1, &root }
    };
    const struct snapshots_mounts_reply *reply;
    const struct mount *mounts;
    char options[3000] = "";

    must(peer_ask(&store.snapshots, &op_snapshots_view, &view, &answer));
    reply = answer.body;
    mounts = reply->mounts.items;
    assert_int_equal(reply->mounts.count, 1);
    for (size_t i = 0; i < mounts[0].options.count; i++)
        snprintf(options + strlen(options), sizeof(options) - strlen(options), "%s%s",
                 i > 0 ? "," : "", mounts[0].options.items[i]);
    shell("mkdir %s/look && LIBMOUNT_FORCE_MOUNT2=always unshare -m sh -c 'mount -t %s -o %s %s %s/look && cd %s/look && "
          "sh %s/list.sh' > %s",
          store.root, mounts[0].type, options, mounts[0].source ? mounts[0].source : "overlay",
          store.root, store.root, store.root, file);
    must(peer_ask(&store.snapshots, &op_snapshots_remove,
                  &(struct snapshots_key_request){ .key = "look" }, &answer));
}

static void assert_same_tree(const struct layer_plan *layers, size_t count)
{
    CLEANUP(image_drop)
    struct built_image *image = image_build(
        &(struct image_plan){ .layers = layers, .layer_count = count, .no_index = true });
    const struct images_pull_reply *reply;
    char ours[400], theirs[400], layout[400], chain_id[100];

    snprintf(ours, sizeof(ours), "%s/ours", store.root);
    snprintf(theirs, sizeof(theirs), "%s/theirs", store.root);
    snprintf(layout, sizeof(layout), "%s/layout", store.root);
    write_listing();
    image_serve(server, "app", "latest", image);
    reply = must_pull();
    snprintf(chain_id, sizeof(chain_id), "%s", reply->chain_id);
    list_snapshot(chain_id, ours);
    write_layout(layout, image);
    shell("umoci unpack --image %s:latest %s/bundle >/dev/null 2>%s/umoci.log || "
          "{ cat %s/umoci.log; false; }",
          layout, store.root, store.root, store.root);
    shell("cd %s/bundle/rootfs && sh %s/list.sh > %s", store.root, store.root, theirs);
    shell("test -s %s && diff -u %s %s", ours, theirs, ours);
    assert_nothing_half_done();
}

static const struct layer_entry base[] = {
    { .path = "etc", .type = ENTRY_FOLDER },
    { .path = "etc/passwd", .text = "root:x:0:0::/:/bin/sh\n" },
    { .path = "etc/old", .text = "old\n" },
    { .path = "tmp", .type = ENTRY_FOLDER, .mode = 01777 },
    { .path = "opt", .type = ENTRY_FOLDER, .mode = 0750, .uid = 3, .gid = 4, .mtime = 1500000000 },
    { .path = "opt/a", .type = ENTRY_FOLDER, .mode = 0711, .uid = 5 },
    { .path = "opt/a/one", .text = "1", .mode = 04755, .uid = 7, .gid = 8 },
    { .path = "opt/a/two", .text = "2", .xattr = "user.colour", .xattr_value = "blue" },
    { .path = "opt/b", .type = ENTRY_FOLDER },
    { .path = "opt/b/three", .text = "3" },
    { .path = "link", .type = ENTRY_SYMLINK, .text = "opt/a" },
    { .path = "fifo", .type = ENTRY_FIFO },
    { .path = "null", .type = ENTRY_CHARDEV, .major = 1, .minor = 3, .mode = 0666 },
};
static const struct layer_entry middle[] = {
    { .path = "etc/.wh.old" }, /* gone */
    { .path = "etc/new", .text = "new\n" },
    { .path = "opt/a/more", .text = "more", .uid = 9 }, /* opt, opt/a are not named */
    { .path = "tmp/left", .text = "left" },             /* tmp keeps its mode */
    { .path = "opt/b", .type = ENTRY_FOLDER, .mode = 0700 },
    { .path = "opt/b/.wh..wh..opq" }, /* what was in it is gone */
    { .path = "opt/b/four", .text = "4" },
};
static const struct layer_entry top[] = {
    { .path = "opt/a/again", .type = ENTRY_HARDLINK, .text = "opt/a/one" }, /* of the base */
    { .path = "far/deep/down", .text = "down" }, /* folders nobody names */
    { .path = "null", .text = "a file now" },
    { .path = ".wh.link" },
    { .path = "etc/passwd", .text = "root:x:0:0::/:/bin/sh\nme:x:1000:1000::/:\n" },
};

static void layers_with_everything_give_the_same_tree(void **state)
{
    const struct layer_plan layers[] = {
        { .entries = base, .entry_count = COUNT_OF(base) },
        { .entries = middle, .entry_count = COUNT_OF(middle), .packing = LAYER_PLAIN },
        { .entries = top, .entry_count = COUNT_OF(top) },
    };

    (void)state;
    if (system("command -v umoci unshare getfattr >/dev/null") != 0) {
        print_message("skipped: umoci, unshare or getfattr is missing\n");
        skip();
    }
    assert_same_tree(layers, COUNT_OF(layers));
}

#define MANY 30

static void many_layers_give_the_same_tree(void **state)
{
    static char names[MANY][3][60];
    static struct layer_entry entries[MANY][3];
    struct layer_plan layers[MANY + 1] = { { .entries = base, .entry_count = COUNT_OF(base) } };

    (void)state;
    if (system("command -v umoci unshare getfattr >/dev/null") != 0) {
        print_message("skipped: umoci, unshare or getfattr is missing\n");
        skip();
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i][0], sizeof(names[i][0]), "opt/a/dir%d/file%d", i % 5, i);
        snprintf(names[i][1], sizeof(names[i][1]), "opt/b/link%d", i);
        if (i % 7 == 6) /* away with what was written five layers before */
            snprintf(names[i][2], sizeof(names[i][2]), "opt/c%d/.wh.x%d", (i - 5) % 3, i - 5);
        else
            snprintf(names[i][2], sizeof(names[i][2]), "opt/c%d/x%d", i % 3, i);
        entries[i][0] =
            (struct layer_entry){ .path = names[i][0], .text = names[i][0], .uid = (unsigned)i };
        entries[i][1] = (struct layer_entry){ .path = names[i][1],
                                              .type = ENTRY_HARDLINK,
                                              .text = names[i][0] };
        entries[i][2] = (struct layer_entry){ .path = names[i][2], .text = i % 7 == 6 ? "" : "x" };
        layers[i + 1] = (struct layer_plan){ .entries = entries[i],
                                             .entry_count = 3,
                                             .packing = i % 2 ? LAYER_GZIP : LAYER_PLAIN };
    }
    assert_same_tree(layers, MANY + 1);
}

/* ---- users ---------------------------------------------------------------------------------- */

static void assert_user_file(const char *chain_id, const char *name, const char *text)
{
    char below[80];

    snprintf(below, sizeof(below), "../users/%s", name);
    if (text != NULL)
        assert_file(layer_path(chain_id, below), text);
    else
        assert_false(fs_exists(layer_path(chain_id, below)));
}

static void users_are_kept_for_every_top_layer(void **state)
{
    const struct layer_entry more[] = { { .path = "etc/passwd", .text = "other:x:1:1::/:\n" } };
    const struct layer_plan layers[] = { { .entries = base, .entry_count = COUNT_OF(base) },
                                         { .entries = more, .entry_count = COUNT_OF(more) } };
    const struct images_pull_reply *reply;

    (void)state;
    must(pull_plan(&(struct image_plan){ .layers = layers, .layer_count = 2 }));
    reply = answer.body;
    assert_user_file(reply->chain_id, "passwd", "other:x:1:1::/:\n");
    assert_user_file(reply->chain_id, "group", NULL);

    /* The layer below is another image's top. */
    must(pull_plan(&(struct image_plan){ .layers = layers, .layer_count = 1 }));
    reply = answer.body;
    assert_user_file(reply->chain_id, "passwd", "root:x:0:0::/:/bin/sh\n");
    assert_nothing_half_done();
}

static void hostile_users_are_not_followed(void **state)
{
    const struct layer_entry links[] = {
        { .path = "etc", .type = ENTRY_FOLDER },
        { .path = "etc/passwd", .type = ENTRY_SYMLINK, .text = "/../../../../../../etc/shadow" },
        { .path = "etc/group", .type = ENTRY_FIFO },
    };
    const struct layer_entry way[] = {
        { .path = "etc", .type = ENTRY_SYMLINK, .text = "/proc/self/root/etc" }
    };
    const struct layer_entry device[] = {
        { .path = "etc", .type = ENTRY_FOLDER },
        { .path = "etc/passwd", .type = ENTRY_CHARDEV, .major = 1, .minor = 5 }, /* zero */
        { .path = "etc/group", .type = ENTRY_FOLDER },
    };
    const struct layer_plan layers[] = { { .entries = links, .entry_count = COUNT_OF(links) },
                                         { .entries = way, .entry_count = COUNT_OF(way) },
                                         { .entries = device, .entry_count = COUNT_OF(device) } };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(layers); i++) {
        const struct images_pull_reply *reply;

        if (pull_layer(&layers[i]) != ERROR_NONE) {
            assert_nothing_half_done();
            continue; /* refused is as good */
        }
        reply = answer.body;
        assert_user_file(reply->chain_id, "passwd", NULL);
        assert_user_file(reply->chain_id, "group", NULL);
    }
}

static void users_beyond_a_mebibyte_are_no_reason_to_fill_memory(void **state)
{
    struct layer_entry entries[2] = { { .path = "etc", .type = ENTRY_FOLDER } };
    struct layer_plan layer = noise_layer("etc/passwd", 2 << 20, &entries[1]);
    enum error_code code;

    (void)state;
    layer.entries = entries;
    layer.entry_count = 2;
    code = pull_layer(&layer);
    free((char *)(uintptr_t)entries[1].text);
    if (code != ERROR_NONE)
        assert_says("passwd");
    assert_nothing_half_done();
}

/* ---- a full disk ---------------------------------------------------------------------------- */

static char disk[100]; /* where a small one is mounted */

static int set_up_small(void **state)
{
    (void)state;
    if (system("command -v mount >/dev/null") != 0)
        return 0;
    strcpy(disk, "/tmp/gantry-disk-XXXXXX");
    assert_non_null(mkdtemp(disk));
    if (mount("tmpfs", disk, "tmpfs", 0, "size=4m") < 0) {
        rmdir(disk);
        disk[0] = '\0';
        return 0;
    }
    setenv("GANTRY_TEST_TMPDIR", getenv("TMPDIR") ? getenv("TMPDIR") : "", 1);
    setenv("TMPDIR", disk, 1);
    return set_up(state);
}

static int tear_down_small(void **state)
{
    if (disk[0] == '\0')
        return 0;
    tear_down(state);
    if (getenv("GANTRY_TEST_TMPDIR")[0] != '\0')
        setenv("TMPDIR", getenv("GANTRY_TEST_TMPDIR"), 1);
    else
        unsetenv("TMPDIR");
    umount2(disk, MNT_DETACH);
    rmdir(disk);
    return 0;
}

static void assert_only_ingests_are_left(void)
{
    collect();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM leases_lease"), 0);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_blob"), 0);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_layer"), 0);
    assert_sound();
}

static void a_disk_full_of_a_download_is_told_and_what_came_is_kept(void **state)
{
    struct layer_entry entry;
    struct layer_plan layer = noise_layer("noise", 6 << 20, &entry);
    struct image_plan plan = { .layers = &layer, .layer_count = 1 };
    CLEANUP(image_drop) struct built_image *image = image_build(&plan);
    const struct built_blob *blob = &image->layers[0].packed;

    (void)state;
    free((char *)(uintptr_t)entry.text);
    if (disk[0] == '\0')
        skip();
    image_serve(server, "app", "latest", image);
    assert_int_equal(pull(.no_unpack = true, .has_no_unpack = true), ERROR_RESOURCE_EXHAUSTED);
    assert_says("No space left");
    assert_only_ingests_are_left();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_ingest"), 1);
    assert_int_equal(mount("tmpfs", disk, "tmpfs", MS_REMOUNT, "size=64m"), 0);
    must_pull();
    assert_int_equal(strncmp(server_seen(server, blob_path(blob), 1, "range"), "bytes=", 6), 0);
    assert_nothing_half_done();
}

static void a_disk_full_of_unpacking_is_told_and_its_files_go(void **state)
{
    char *zeros = calloc(1, 16 << 20);
    struct layer_entry entry = { .path = "zeros", .text = zeros, .size = 16 << 20 };
    struct layer_plan layer = { .entries = &entry, .entry_count = 1 };

    (void)state;
    if (disk[0] == '\0')
        skip();
    assert_non_null(zeros);
    memset(zeros, 'z', 16 << 20);
    assert_int_equal(pull_layer(&layer), ERROR_RESOURCE_EXHAUSTED);
    assert_says("No space left");
    assert_only_ingests_are_left();
    assert_int_equal(mount("tmpfs", disk, "tmpfs", MS_REMOUNT, "size=64m"), 0);
    must_pull();
    assert_nothing_half_done();
    free(zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PULL_TEST(layers_with_everything_give_the_same_tree),
        PULL_TEST(many_layers_give_the_same_tree),
        PULL_TEST(users_are_kept_for_every_top_layer),
        PULL_TEST(hostile_users_are_not_followed),
        PULL_TEST(users_beyond_a_mebibyte_are_no_reason_to_fill_memory),
        cmocka_unit_test_setup_teardown(a_disk_full_of_a_download_is_told_and_what_came_is_kept,
                                        set_up_small, tear_down_small),
        cmocka_unit_test_setup_teardown(a_disk_full_of_unpacking_is_told_and_its_files_go,
                                        set_up_small, tear_down_small),
    };

    return cmocka_run_group_tests_name("trees of pulled images", tests, NULL, NULL);
}
