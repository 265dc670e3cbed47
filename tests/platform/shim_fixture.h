/*
 * shim_fixture — containers for tests: the real gantry-shim, a real OCI runtime, and a root
 * file system that is little more than one static busybox.
 *
 * The test is the daemon: it uses platform/runtime.h as that does, waits with poll() for
 * what is to come, and looks at the end of every test whether anything was left.
 */
#ifndef TESTS_SHIM_FIXTURE_H
#define TESTS_SHIM_FIXTURE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/runtime.h"
#include "platform/scope.h"
#include "protocol/shim_wire.h"

#define WAIT_MS 120000 /* longer than anything takes, in an emulated machine too */

static char base[64];           /* everything of this program's */
static char runtime[PATH_SIZE]; /* of this round */

struct container {
    /* asked for */
    const char *args; /* JSON array */
    bool tty, stdin, hold, defer;
    struct task_spare *spare;
    const char *log;
    uint64_t log_size, log_files;
    const struct window *window;
    const char *runtime;  /* NULL: of this round */
    uint64_t protocol;    /* 0: ours */
    const struct mount *mounts; /* NULL: the image, bound */
    size_t mount_count;
    struct strs shared;
    const char *spec_mounts; /* more, JSON, each with a comma behind */
    const char *spec_linux;  /* members of linux, JSON, each with a comma behind */
    const char *resources;   /* JSON object */
    /* what became of it */
    struct task_starting starting;
    char cgroup[64];
    uint64_t pid;
    struct task_link *link;
    struct arena *arena;
    struct error err;
    uint64_t asked;
    struct shim_exit exits[16]; /* news */
    size_t exit_count;
};

/* ---- the image --------------------------------------------------------------- */

UNUSED static const char *in_base(const char *name)
{
    static char paths[8][PATH_SIZE];
    static unsigned turn;
    char *path = paths[turn++ % 8];

    snprintf(path, PATH_SIZE, "%s/%s", base, name);
    return path;
}

static void run_shell(const char *format, ...) PRINTF_LIKE(1, 2);
static void run_shell(const char *format, ...)
{
    char command[2 * PATH_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

static bool image_make(void)
{
    char busybox[PATH_SIZE];
    struct error err;

    if (program_look_up("busybox", busybox, &err) < 0)
        return false;
    strcpy(base, "/tmp/gantry-shim-XXXXXX");
    if (mkdtemp(base) == NULL)
        return false;
    run_shell("cd %s && mkdir -p image/bin image/proc image/sys image/dev image/tmp image/etc && "
              "cp %s image/bin/busybox && chmod 755 . && "
              "for i in sh cat echo sleep dd stty tty ls ps grep env true false head kill touch mount yes; do "
              "ln -s busybox image/bin/$i; done && "
              "echo data > image/etc/plain && chmod 644 image/etc/plain",
              base, busybox);
    return true;
}

static void image_remove(void)
{
    struct error err;

    if (base[0] != '\0' && fs_remove_tree(base, &err) < 0)
        fprintf(stderr, "left %s: %s\n", base, err.text);
}

/* ---- creating ------------------------------------------------------------------ */

static const char *spec_of(const struct container *c)
{
    static char spec[8192];

    snprintf(spec, sizeof(spec),
             "{\"ociVersion\":\"1.0.2\",\"process\":{\"terminal\":%s,\"user\":{\"uid\":0,\"gid\":0},"
             "\"args\":%s,\"env\":[\"PATH=/bin\",\"TERM=xterm\"],\"cwd\":\"/\"},"
             "\"root\":{\"path\":\"rootfs\"},\"hostname\":\"box\",\"mounts\":[%s"
             "{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
             "{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
             "\"options\":[\"nosuid\",\"mode=755\",\"size=65536k\"]},"
             "{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":"
             "[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\"]}],"
             "\"linux\":{%s\"cgroupsPath\":\"%s\",\"resources\":%s,\"namespaces\":[{\"type\":\"pid\"},"
             "{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"}]}}",
             c->tty ? "true" : "false", c->args, c->spec_mounts ? c->spec_mounts : "",
             c->spec_linux ? c->spec_linux : "", c->cgroup,
             c->resources ? c->resources : "{}");
    return spec;
}

static void wait_readable(int fd)
{
    struct pollfd one = { .fd = fd, .events = POLLIN };

    if (poll(&one, 1, WAIT_MS) != 1)
        fail_msg("nothing came in %d ms", WAIT_MS);
}

UNUSED static int begin(struct container *c)
{
    char digits[13], root[PATH_SIZE];
    const struct mount image = { .type = "bind", .source = in_base("image") };
    struct shim_task task = {
        .protocol = c->protocol, .namespace = "test", .id = "c", .tty = c->tty, .has_tty = c->tty,
        .runtime = c->runtime ? c->runtime : runtime, .stdin = c->stdin, .has_stdin = c->stdin,
        .hold = c->hold, .has_hold = c->hold, .defer = c->defer, .has_defer = c->defer, .log = c->log, .window = c->window,
        .log_size = c->log_size, .has_log_size = c->log_size > 0, .cgroup = c->cgroup,
        .log_files = c->log_files, .has_log_files = c->log_files > 0, .shared = c->shared,
        .rootfs = { c->mounts ? c->mount_count : 1, (void *)(uintptr_t)(c->mounts ? c->mounts : &image) },
    };
    struct task_start start = { .state = in_base("state"), .shim = TEST_BIN "/gantry-shim",
                                .task = &task };

    random_hex(digits, 12);
    snprintf(c->cgroup, sizeof(c->cgroup), "%s-%s", strrchr(base, '/'), digits);
    snprintf(root, sizeof(root), "%s/runtime", base);
    task.runtime_root = root;
    start.spec = spec_of(c);
    start.spec_size = strlen(start.spec);
    c->arena = arena_new();
    return task_create(&start, c->spare, &c->starting, &c->err);
}

UNUSED static int finish(struct container *c)
{
    int status;

    while ((status = task_starting_take(&c->starting, &c->pid, &c->err)) == 0)
        wait_readable(c->starting.fd);
    task_starting_drop(&c->starting);
    return status < 0 ? -1 : 0;
}

/* 0, or -1 and c->err. */
UNUSED static int create_try(struct container *c)
{
    return begin(c) < 0 ? -1 : finish(c);
}

UNUSED static void reconnect(struct container *c)
{
    task_link_close(&c->link);
    c->link = task_link_open(c->starting.folder, &c->err);
    if (c->link == NULL)
        fail_msg("%s", c->err.text);
}

UNUSED static void create(struct container *c)
{
    if (create_try(c) < 0)
        fail_msg("create: %s", c->err.text);
    reconnect(c);
}

UNUSED static const char *in_folder(const struct container *c, const char *name)
{
    static char path[PATH_SIZE + 64];

    snprintf(path, sizeof(path), "%s/%s", c->starting.folder, name);
    return path;
}

/* ---- asking -------------------------------------------------------------------- */

/* The next tell; false: the shim is gone. */
static bool next_tell(struct container *c, struct shim_tell *tell)
{
    int status;

    while ((status = task_link_receive(c->link, c->arena, tell, &c->err)) == 0)
        wait_readable(task_link_fd(c->link));
    if (status > 0 && strcmp(tell->what, "exit") == 0) {
        assert_int_equal(tell->id, 0);
        c->exits[c->exit_count++] = *tell->exit;
    }
    return status > 0;
}

UNUSED static struct shim_tell ask_try(struct container *c, struct shim_ask ask)
{
    struct shim_tell tell;

    ask.id = ++c->asked;
    if (task_link_send(c->link, &ask, &c->err) < 0)
        fail_msg("%s", c->err.text);
    do {
        if (!next_tell(c, &tell))
            fail_msg("%s: %s", ask.what, c->err.text);
    } while (tell.id != ask.id);
    return tell;
}

#define ask_try(c, ...) ask_try(c, (struct shim_ask){ __VA_ARGS__ })

/* Asks, and takes no for no answer. */
#define ask(c, ...)                                                                      \
    ({                                                                                   \
        struct shim_tell yes = ask_try(c, __VA_ARGS__);                                  \
        if (strcmp(yes.what, "ok") != 0)                                                 \
            fail_msg("%s: %s", yes.what, yes.failure ? yes.failure->message : "?");      \
        yes;                                                                             \
    })

#define ask_refused(c, word, ...)                              \
    ({                                                         \
        struct shim_tell no = ask_try(c, __VA_ARGS__);         \
        assert_string_equal(no.what, "error");                 \
        assert_string_equal(no.failure->code, word);           \
        no.failure->message;                                   \
    })

UNUSED static bool is_exec(const struct shim_exit *exit, const char *exec)
{
    return strcmp(exit->exec ? exit->exec : "", exec ? exec : "") == 0;
}

/* How it ended, from the news; waits for them. */
UNUSED static struct shim_exit wait_exit(struct container *c, const char *exec)
{
    struct shim_tell tell;

    for (size_t i = 0;; i++) {
        while (i >= c->exit_count)
            if (!next_tell(c, &tell))
                fail_msg("waiting for the exit: %s", c->err.text);
        if (is_exec(&c->exits[i], exec))
            return c->exits[i];
    }
}

/* The shim's lock is free when it is gone. */
UNUSED static void wait_shim_gone(const char *folder)
{
    struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
    char path[PATH_SIZE];
    int file;

    snprintf(path, sizeof(path), "%s/shim.pid", folder);
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    fcntl(file, F_OFD_SETLKW, &lock);
    close(file);
}

/* A shim has nothing to say to people, unless something is wrong (a sanitizer, too). */
static void check_silent(struct container *c)
{
    size_t size;
    char *said = fs_read(in_folder(c, "shim.log"), 64 << 10, &size, &c->err);

    if (said == NULL || size > 0)
        fail_msg("the shim said: %s", said != NULL ? said : c->err.text);
    free(said);
}

UNUSED static void clear(struct container *c)
{
    task_link_close(&c->link);
    wait_shim_gone(c->starting.folder);
    check_silent(c);
    if (task_folder_remove(c->starting.folder, &c->err) < 0)
        fail_msg("%s", c->err.text);
    arena_drop(&c->arena);
}

/* The ordinary end. */
UNUSED static void delete(struct container *c)
{
    struct shim_tell tell;

    wait_exit(c, NULL);
    ask(c, .what = "delete");
    while (next_tell(c, &tell))
        ;
    clear(c);
}

UNUSED static void quit(struct container *c)
{
    struct shim_tell tell;

    ask(c, .what = "quit");
    while (next_tell(c, &tell))
        ;
    clear(c);
}

/* ---- streams -------------------------------------------------------------------- */

struct output {
    struct buffer out, error;
    struct shim_exit exit;
    bool has_exit;
    struct failure failure; /* code NULL: none */
    struct arena *arena;
};

#define attach(c, ...)                                                                         \
    ({                                                                                         \
        struct shim_ask asked = { .id = 7, __VA_ARGS__ };                                      \
        struct task_stream *opened = task_stream_open((c)->starting.folder, &asked, &(c)->err); \
        if (opened == NULL)                                                                    \
            fail_msg("attach: %s", (c)->err.text);                                             \
        opened;                                                                                \
    })

/* Takes one item; false: the connection is over, or the stream ended. */
UNUSED static bool take_item(struct task_stream *stream, struct output *output)
{
    struct task_item item;
    struct error err;
    int status;

    while ((status = task_stream_receive(stream, &item, &err)) == 0)
        wait_readable(task_stream_fd(stream));
    if (status < 0)
        return false;
    if (item.kind == TASK_ITEM_DATA) {
        buffer_add(strcmp(item.stream, "stderr") == 0 ? &output->error : &output->out, item.bytes,
                   item.size);
        return true;
    }
    if (output->arena == NULL)
        output->arena = arena_new();
    if (strcmp(item.tell.what, "error") == 0) {
        record_copy(failure_record(), item.tell.failure, &output->failure, output->arena);
        return false;
    }
    if (strcmp(item.tell.what, "end") != 0)
        return true; /* the answer to attach */
    record_copy(shim_exit_record(), item.tell.exit, &output->exit, output->arena);
    output->has_exit = true;
    return false;
}

UNUSED static void take_all(struct task_stream *stream, struct output *output)
{
    while (take_item(stream, output))
        ;
    buffer_add(&output->out, "", 1);
    buffer_add(&output->error, "", 1);
    output->out.size--;
    output->error.size--;
}

/* Until this much has come on stdout. */
UNUSED static void take_until(struct task_stream *stream, struct output *output, const char *text)
{
    for (;;) {
        if (output->out.size > 0 &&
            memmem(output->out.data, output->out.size, text, strlen(text)) != NULL)
            return;
        if (!take_item(stream, output))
            fail_msg("stream ended before '%s' came: '%.*s'", text, (int)output->out.size,
                     output->out.data ? output->out.data : "");
    }
}

UNUSED static void output_free(struct output *output)
{
    buffer_free(&output->out);
    buffer_free(&output->error);
    arena_drop(&output->arena);
}

UNUSED static void type_in(struct task_stream *stream, const char *text, bool is_last)
{
    struct error err;
    struct pollfd one = { .fd = task_stream_fd(stream), .events = POLLOUT };
    int status;

    while ((status = task_stream_send(stream, text, strlen(text), is_last, &err)) == 0)
        poll(&one, 1, WAIT_MS);
    if (status < 0)
        fail_msg("%s", err.text);
}

/* ---- what is left ----------------------------------------------------------------- */

static size_t entries(const char *path, const char *prefix)
{
    DIR *list = opendir(path);
    struct dirent *entry;
    size_t count = 0;

    while (list != NULL && (entry = readdir(list)) != NULL)
        count += entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    if (list != NULL)
        closedir(list);
    return count;
}

static size_t cgroups_left(void)
{
    DIR *list = opendir("/sys/fs/cgroup");
    struct dirent *entry;
    char path[PATH_SIZE];
    const char *prefix = strrchr(base, '/') + 1;
    size_t count = entries("/sys/fs/cgroup", prefix);

    while (list != NULL && (entry = readdir(list)) != NULL) {
        snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", entry->d_name);
        if (entry->d_name[0] != '.' && entry->d_type == DT_DIR)
            count += entries(path, prefix);
    }
    if (list != NULL)
        closedir(list);
    return count;
}

/* A shim may be on its last step when its answer is here already. */
static bool ends_by_itself(int pid)
{
    struct pollfd process = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
    bool ended = process.fd < 0 || poll(&process, 1, 2000) == 1;

    if (process.fd >= 0)
        close(process.fd);
    return ended;
}

/* Processes whose working directory is in our base. */
static size_t processes_left(void)
{
    DIR *list = opendir("/proc");
    struct dirent *entry;
    size_t count = 0;

    while (list != NULL && (entry = readdir(list)) != NULL) {
        char link[64], target[PATH_SIZE] = "";

        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        snprintf(link, sizeof(link), "/proc/%.20s/cwd", entry->d_name);
        if (readlink(link, target, sizeof(target) - 1) > 0 &&
            strncmp(target, base, strlen(base)) == 0 && !ends_by_itself(atoi(entry->d_name)))
            count++;
    }
    if (list != NULL)
        closedir(list);
    return count;
}

static bool is_mounted_in_base(void)
{
    char *table, *found;
    size_t size;
    struct error err;
    bool is;

    table = fs_read("/proc/self/mountinfo", 8 << 20, &size, &err);
    found = table != NULL ? strstr(table, base) : NULL;
    is = found != NULL;
    free(table);
    return is;
}

/* After a test that failed half way: so that the next one finds a clean floor. */
static int end_one(void *ctx UNUSED, const char *folder, const char *name UNUSED, struct error *err)
{
    const struct shim_ask quit_ask = { .id = 1, .what = "quit" };
    struct container c = { .arena = arena_new() };
    struct shim_tell tell;

    snprintf(c.starting.folder, sizeof(c.starting.folder), "%s", folder);
    c.link = task_link_open(folder, err);
    if (c.link != NULL && task_link_send(c.link, &quit_ask, err) == 0)
        while (next_tell(&c, &tell))
            ;
    if (task_shim_is_alive(folder)) {
        run_shell("kill -9 $(cat %s/shim.pid)", folder);
        wait_shim_gone(folder);
    }
    task_reap_dead(folder, err);
    task_link_close(&c.link);
    wait_shim_gone(folder);
    arena_drop(&c.arena);
    return task_folder_remove(folder, err);
}

/* Teardown of every test. */
UNUSED static int nothing_is_left(void **state UNUSED)
{
    size_t folders = entries(in_base("state/t"), "");
    struct error err;

    if (folders > 0) {
        task_folders_each(in_base("state"), end_one, NULL, &err);
        run_shell("for i in %s/*; do umount -l $i 2>/dev/null; done; true", base);
        fail_msg("%zu task folders were left", folders);
    }
    assert_int_equal(entries(in_base("runtime"), ""), 0);
    assert_int_equal(cgroups_left(), 0);
    assert_int_equal(processes_left(), 0);
    assert_false(is_mounted_in_base());
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child of ours, dead or alive */
    return 0;
}

/* ---- rounds ------------------------------------------------------------------------- */

static const char *const runtimes[] = { RUNTIME_NATIVE, "runc", "crun" };

UNUSED static int runtime_find(const char *name, struct error *err)
{
    if (strcmp(name, RUNTIME_NATIVE) != 0)
        return program_look_up(name, runtime, err);
    return path_format(runtime, err, "%s", name);
}

/* Runs the tests once with every runtime there is; 77 without any. */
#define run_with_every_runtime(tests)                                                         \
    ({                                                                                        \
        int failures = 0, rounds = 0;                                                         \
        struct error missing;                                                                 \
        setenv("PATH", TEST_BIN ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1); \
        if (geteuid() != 0 || !image_make()) {                                                \
            puts("skipped: containers take root and busybox");                                \
            exit(77);                                                                         \
        }                                                                                     \
        for (size_t i = 0; i < COUNT_OF(runtimes); i++) {                                     \
            if (runtime_find(runtimes[i], &missing) < 0) {                                    \
                printf("not tested with %s: %s\n", runtimes[i], missing.text);                \
                continue;                                                                     \
            }                                                                                 \
            rounds++;                                                                         \
            printf("with %s\n", runtime);                                                     \
            failures += cmocka_run_group_tests_name(runtimes[i], tests, NULL, NULL);          \
        }                                                                                     \
        image_remove();                                                                       \
        rounds == 0 ? 77 : failures;                                                          \
    })

#endif
