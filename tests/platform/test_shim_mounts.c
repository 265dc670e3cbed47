/* The root file system and volumes: mounted where only the container sees them. */
#include <sys/utsname.h>

#include "tests/platform/shim_fixture.h"

static char *output_of(struct container *c, uint64_t status)
{
    struct output output = { 0 };
    struct task_stream *stream;

    c->hold = true;
    create(c);
    stream = attach(c, SET(hold, true));
    ask(c, .what = "start");
    take_all(stream, &output);
    if (output.exit.status != status)
        fail_msg("status %d: %s%s", (int)output.exit.status, output.out.data, output.error.data);
    task_stream_close(&stream);
    buffer_free(&output.error);
    arena_drop(&output.arena);
    delete(c);
    return output.out.data;
}

static void an_overlay_takes_writes_and_the_host_does_not_see_it(void **state UNUSED)
{
    char options[3][PATH_SIZE + 16], *seen;
    const char *list[] = { options[0], options[1], options[2] };
    const struct mount overlay = { .type = "overlay", .source = "overlay", .options = { 3, list } };
    struct container c = { .args = "[\"sh\",\"-c\",\"echo written > /etc/new; ls /etc\"]",
                           .mounts = &overlay, .mount_count = 1 };

    run_shell("mkdir -p %s/upper %s/work", base, base);
    snprintf(options[0], sizeof(options[0]), "lowerdir=%s", in_base("image"));
    snprintf(options[1], sizeof(options[1]), "upperdir=%s", in_base("upper"));
    snprintf(options[2], sizeof(options[2]), "workdir=%s", in_base("work"));
    seen = output_of(&c, 0);
    assert_non_null(strstr(seen, "new\n"));
    assert_non_null(strstr(seen, "plain\n"));
    assert_true(fs_exists(in_base("upper/etc/new")));
    assert_false(fs_exists(in_base("image/etc/new")));
    free(seen);
    run_shell("rm -rf %s/upper %s/work", base, base);
}

/* `count` layers of one file each over the image; the folder's name sets how long it gets. */
static void layers_are_all_there(unsigned count, const char *folder)
{
    struct buffer lower = { 0 };
    char path[PATH_SIZE], *seen;
    const char *list[1];
    struct mount overlay = { .type = "overlay", .source = "overlay", .options = { 1, list } };
    struct container c = { .args = "[\"sh\",\"-c\",\"ls /layers | wc -l\"]", .mounts = &overlay,
                           .mount_count = 1 };

    run_shell("mkdir -p '%s/%s' && cd '%s/%s' && for i in $(seq 1 %u); do mkdir -p $i/fs/layers && "
              "touch $i/fs/layers/$i; done; ln -sf busybox %s/image/bin/wc",
              base, folder, base, folder, count, base);
    buffer_add(&lower, "lowerdir=", 9);
    for (unsigned i = 1; i <= count; i++) {
        snprintf(path, sizeof(path), "%s/%s/%u/fs:", base, folder, i);
        buffer_add(&lower, path, strlen(path));
    }
    snprintf(path, sizeof(path), "%s/image", base);
    buffer_add(&lower, path, strlen(path) + 1);
    list[0] = lower.data;
    seen = output_of(&c, 0);
    assert_int_equal(atoi(seen), count);
    free(seen);
    buffer_free(&lower);
    run_shell("rm -rf '%s/%.20s'", base, folder);
}

static void an_overlay_of_few_layers_is_mounted(void **state UNUSED)
{
    layers_are_all_there(3, "few");
}

/* 9 KiB of options in full, 3 KiB from inside their folder. */
static void an_overlay_whose_options_are_longer_than_a_page_is_mounted(void **state UNUSED)
{
    layers_are_all_there(250, "many");
}

/* Longer than a page in either way. */
static void an_overlay_of_hundreds_of_layers_is_mounted(void **state UNUSED)
{
    struct utsname system;
    int major, minor;

    uname(&system);
    if (sscanf(system.release, "%d.%d", &major, &minor) == 2 && major * 100 + minor < 608) {
        print_message("skipped: Linux %s does not take layers one by one\n", system.release);
        skip();
    }
    layers_are_all_there(450, "numerous/and/in/a/deep/folder");
}

/* In the shim's namespace: crun makes a root file system writable that the spec does not call
   read-only, whatever it was mounted as. */
static void read_only_binds_and_tmpfs_are_what_they_say(void **state UNUSED)
{
    const char *ro[] = { "rbind", "ro" }, *size[] = { "size=1m", "mode=0700" };
    const struct mount mounts[] = {
        { .type = "bind", .source = in_base("image"), .options = { 2, ro } },
        { .type = "tmpfs", .source = "tmpfs", .target = "/tmp", .options = { 2, size } },
    };
    struct container c = { .args = "[\"true\"]", .mounts = mounts, .mount_count = 2 };

    create(&c);
    run_shell("table=/proc/$(cat %s)/mountinfo; grep -q '/rootfs ro,' $table && "
              "grep '/rootfs/tmp rw,' $table | grep -q 'size=1024k,mode=700'",
              in_folder(&c, "shim.pid"));
    quit(&c);
}

/* As the shim's namespace has them; the runtime's own changes are in the container's. */
static void words_mean_what_they_mean_in_a_spec(void **state UNUSED)
{
    const char *bind[] = { "rbind", "rro", "nosuid", "noexec" };
    const char *size[] = { "size=1m,nodev", "noatime", "sync", "shared" };
    const char *layers[2];
    char lower[PATH_SIZE + 32], more[PATH_SIZE + 32];
    const struct mount mounts[] = {
        { .type = "overlay", .source = "overlay", .options = { 2, layers } },
        { .type = "bind", .source = in_base("host"), .target = "/mnt", .options = { 4, bind } },
        { .type = "tmpfs", .source = "tmpfs", .target = "/tmp", .options = { 4, size } },
    };
    struct container c = { .args = "[\"true\"]", .mounts = mounts, .mount_count = 3 };

    run_shell("mkdir -p '%s/a,b' %s/host/disk %s/image/mnt", base, base, base);
    run_shell("mount -t tmpfs below %s/host/disk", base);
    snprintf(lower, sizeof(lower), "lowerdir=%s/a\\,b:%s/image", base, base);
    snprintf(more, sizeof(more), "relatime,ro");
    layers[0] = lower;
    layers[1] = more;
    create(&c);
    run_shell("table=/proc/$(cat %s)/mountinfo; grep -q '/rootfs ro,relatime .* overlay' $table && "
              "grep -q '/rootfs/mnt ro,nosuid,noexec' $table && grep -q '/mnt/disk ro,' $table && "
              "grep '/rootfs/tmp rw,nodev,noatime shared:' $table | grep -q 'size=1024k'",
              in_folder(&c, "shim.pid"));
    quit(&c);
    run_shell("umount %s/host/disk; rm -r %s/host '%s/a,b'", base, base, base);
}

static void words_for_a_container_alone_are_refused(void **state UNUSED)
{
    static const char *const words[] = { "tmpcopyup", "idmap", "remount" };

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        const struct mount mount = { .type = "tmpfs", .source = "tmpfs",
                                     .options = { 1, (const char **)(uintptr_t)&words[i] } };
        struct container c = { .args = "[\"true\"]", .mounts = &mount, .mount_count = 1 };

        assert_int_equal(create_try(&c), -1);
        if (strstr(c.err.text, "mount tmpfs: option ") == NULL || strstr(c.err.text, words[i]) == NULL)
            fail_msg("%s: %s", words[i], c.err.text);
        arena_drop(&c.arena);
    }
}

/* An image may hold a link where a mount is to go: it stays inside. */
static void a_target_does_not_lead_out_of_the_root_file_system(void **state UNUSED)
{
    const struct mount mounts[] = {
        { .type = "bind", .source = in_base("image") },
        { .type = "tmpfs", .source = "tmpfs", .target = "/way/out" },
    };
    struct container c = { .args = "[\"grep\",\" /tmp \",\"/proc/mounts\"]", .mounts = mounts,
                           .mount_count = 2 };
    char *seen;

    run_shell("ln -s ../../../../../.. %s/image/way && ln -s /tmp %s/image/out", base, base);
    seen = output_of(&c, 0);
    assert_non_null(strstr(seen, "tmpfs /tmp tmpfs"));
    free(seen);
    run_shell("rm %s/image/way %s/image/out", base, base);
}

/* ---- volumes ------------------------------------------------------------------------- */

static void in_container(const struct container *c, const char *command)
{
    run_shell("nsenter -t %llu -m -r %s", (unsigned long long)c->pid, command);
}

static void host_folder_make(void)
{
    run_shell("mkdir -p %s/host && mount --bind %s/host %s/host && mount --make-shared %s/host && "
              "mkdir -p %s/host/disk",
              base, base, base, base, base);
}

static void host_folder_drop(void)
{
    run_shell("umount %s/host && rm -rf %s/host", base, base);
}

static void a_later_mount_of_the_host_appears_in_a_slave_volume(void **state UNUSED)
{
    char volume[PATH_SIZE];
    struct container c = { .args = "[\"sleep\",\"1000\"]", .spec_mounts = volume,
                           .spec_linux = "\"rootfsPropagation\":\"rslave\"," };

    snprintf(volume, sizeof(volume),
             "{\"destination\":\"/mnt\",\"type\":\"bind\",\"source\":\"%s/host\","
             "\"options\":[\"rbind\",\"rslave\"]},",
             base);
    run_shell("mkdir -p %s/image/mnt", base);
    host_folder_make();
    create(&c);
    ask(&c, .what = "start");
    run_shell("mount -t tmpfs disk %s/host/disk && touch %s/host/disk/there", base, base);
    in_container(&c, "/bin/ls /mnt/disk/there > /dev/null");
    run_shell("umount %s/host/disk", base); /* nobody holds it */
    in_container(&c, "/bin/sh -c '! /bin/ls /mnt/disk/there 2> /dev/null'");
    quit(&c);
    host_folder_drop();
}

static void a_mount_in_a_shared_volume_reaches_the_host(void **state UNUSED)
{
    char volume[PATH_SIZE], host[PATH_SIZE];
    const char *shared[] = { host };
    struct container c = { .args = "[\"sleep\",\"1000\"]", .spec_mounts = volume,
                           .shared = { 1, shared },
                           .spec_linux = "\"rootfsPropagation\":\"rshared\"," };

    snprintf(host, sizeof(host), "%s/host", base);
    snprintf(volume, sizeof(volume),
             "{\"destination\":\"/mnt\",\"type\":\"bind\",\"source\":\"%s/host\","
             "\"options\":[\"rbind\",\"rshared\"]},",
             base);
    run_shell("mkdir -p %s/image/mnt", base);
    host_folder_make();
    create(&c);
    ask(&c, .what = "start");
    in_container(&c, "/bin/mount -t tmpfs disk /mnt/disk");
    in_container(&c, "/bin/touch /mnt/disk/there");
    run_shell("ls %s/host/disk/there > /dev/null && umount %s/host/disk", base, base);
    in_container(&c, "/bin/sh -c '! /bin/ls /mnt/disk/there 2> /dev/null'");
    quit(&c);
    host_folder_drop();
}

/* Memory that ran out is told apart from a kill. */
static void a_container_that_ran_out_of_memory_says_so(void **state UNUSED)
{
    struct container c = {
        .args = "[\"sh\",\"-c\",\"exec tail /dev/zero\"]",
        .resources = "{\"memory\":{\"limit\":16777216,\"swap\":16777216}}"
    };
    struct shim_exit exit;

    run_shell("ln -sf busybox %s/image/bin/tail", base);
    create(&c);
    ask(&c, .what = "start");
    exit = wait_exit(&c, NULL);
    assert_int_equal(exit.status, 137);
    assert_true(exit.oom);
    delete(&c);
}

static void a_killed_container_did_not_run_out_of_memory(void **state UNUSED)
{
    struct container c = { .args = "[\"sleep\",\"1000\"]",
                           .resources = "{\"memory\":{\"limit\":16777216}}" };

    create(&c);
    ask(&c, .what = "start");
    ask(&c, .what = "kill", SET(signal, SIGKILL));
    assert_false(wait_exit(&c, NULL).oom);
    delete(&c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, nothing_is_left)
    const struct CMUnitTest tests[] = {
        TEST(an_overlay_takes_writes_and_the_host_does_not_see_it),
        TEST(an_overlay_of_few_layers_is_mounted),
        TEST(an_overlay_whose_options_are_longer_than_a_page_is_mounted),
        TEST(an_overlay_of_hundreds_of_layers_is_mounted),
        TEST(read_only_binds_and_tmpfs_are_what_they_say),
        TEST(words_mean_what_they_mean_in_a_spec),
        TEST(words_for_a_container_alone_are_refused),
        TEST(a_target_does_not_lead_out_of_the_root_file_system),
        TEST(a_later_mount_of_the_host_appears_in_a_slave_volume),
        TEST(a_mount_in_a_shared_volume_reaches_the_host),
        TEST(a_container_that_ran_out_of_memory_says_so),
        TEST(a_killed_container_did_not_run_out_of_memory),
    };

    return run_with_every_runtime(tests);
}
