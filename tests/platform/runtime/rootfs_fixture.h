/*
 * rootfs_fixture — a root file system in a temporary folder, and a process that enters it.
 *
 * What a test looks at from inside is a function that is run in that process; a failed
 * CHECK() there ends it, and is the test's failure.
 */
#ifndef TESTS_ROOTFS_FIXTURE_H
#define TESTS_ROOTFS_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/linux/runtime/rootfs.h"
#include "platform/scope.h"
#include "protocol/oci/draft.h"

#define PROC "{\"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\"}"
#define DEV                                                                                 \
    "{\"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"tmpfs\", \"options\": " \
    "[\"nosuid\", \"strictatime\", \"mode=755\", \"size=65536k\"]}"
#define DEVPTS                                                                       \
    "{\"destination\": \"/dev/pts\", \"type\": \"devpts\", \"source\": \"devpts\", " \
    "\"options\": [\"nosuid\", \"noexec\", \"newinstance\", \"ptmxmode=0666\", \"mode=0620\"]}"
#define SYS                                                                                 \
    "{\"destination\": \"/sys\", \"type\": \"sysfs\", \"source\": \"sysfs\", \"options\": " \
    "[\"nosuid\", \"noexec\", \"nodev\", \"ro\"]}"

/* What a test looks at. */
#define CHECK(condition)                                                          \
    do {                                                                          \
        if (!(condition)) {                                                       \
            dprintf(2, "%s:%d: %s (errno: %s)\n", __FILE__, __LINE__, #condition, \
                    strerror(errno));                                             \
            _exit(1);                                                             \
        }                                                                         \
    } while (0)

#define ROOT       "\"root\": {\"path\": \"rootfs\"}"
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#define FAILED_TO_BUILD 3 /* exit status: the error is in `said` */

struct fixture {
    char bundle[64];
    char said[512];        /* the error, if one was expected or not */
    bool user;             /* a user namespace, root in it is 100000 */
    bool plain;            /* the runtime is an ordinary user's */
    struct cgroup *cgroup; /* which the process enters; or NULL */
    struct rootfs_want want;
    json_t *document;
    struct place top;
};

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    char path[128];

    snprintf(fixture->bundle, sizeof(fixture->bundle), "%.40s/rootfs.XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(fixture->bundle));
    chmod(fixture->bundle, 0755);
    snprintf(path, sizeof(path), "%s/rootfs", fixture->bundle);
    assert_int_equal(mkdir(path, 0755), 0);
    fixture->want = (struct rootfs_want){ .bundle = fixture->bundle,
                                          .new_mount = true,
                                          .document = &fixture->top };
    *state = fixture;
    return 0;
}

static inline int entry_remove(const char *path, const struct stat *st UNUSED, int type UNUSED,
                               struct FTW *walk UNUSED)
{
    return remove(path);
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    int status = nftw(fixture->bundle, entry_remove, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);

    json_decref(fixture->document);
    free(fixture);
    return status;
}

/* A path below the bundle, good for the next fifteen calls. */
static inline char *in_bundle(const struct fixture *fixture, const char *name)
{
    static char paths[16][160];
    static size_t next;
    char *path = paths[next++ % COUNT_OF(paths)];

    snprintf(path, sizeof(*paths), "%s/%s", fixture->bundle, name);
    return path;
}

static inline void make_folder(const struct fixture *fixture, const char *name)
{
    assert_int_equal(mkdir(in_bundle(fixture, name), 0755), 0);
}

static inline void make_file(const struct fixture *fixture, const char *name, const char *text)
{
    FILE *file = fopen(in_bundle(fixture, name), "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static inline void make_link(const struct fixture *fixture, const char *name, const char *to)
{
    assert_int_equal(symlink(to, in_bundle(fixture, name)), 0);
}

static inline bool exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static inline bool reads(const char *path, const char *text)
{
    char found[256];
    int fd = open(path, O_RDONLY);
    ssize_t size = fd < 0 ? -1 : read(fd, found, sizeof(found) - 1);

    if (fd >= 0)
        close(fd);
    if (size < 0)
        return false;
    found[size] = '\0';
    return strcmp(found, text) == 0;
}

static inline unsigned long flags_of(const char *path)
{
    struct statvfs fs;

    CHECK(statvfs(path, &fs) == 0);
    return fs.f_flag;
}

static inline bool is_type(const char *path, long type)
{
    struct statfs fs;

    return statfs(path, &fs) == 0 && fs.f_type == type;
}

/* The line of the last mount on `point` in this namespace, or "". */
static inline const char *mountinfo_of(const char *point)
{
    static char found[1024];
    FILE *file = fopen("/proc/self/mountinfo", "r");
    char line[1024], at[512];

    found[0] = '\0';
    CHECK(file != NULL);
    while (fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "%*d %*d %*s %*s %511s", at) == 1 && strcmp(at, point) == 0)
            memcpy(found, line, sizeof(line));
    fclose(file);
    return found;
}

/* ---- the process ------------------------------------------------------------------ */

static inline void fixture_read(struct fixture *fixture, const char *text)
{
    struct error err = { 0 };

    json_decref(fixture->document);
    fixture->document = draft_read(text, strlen(text), &err);
    if (fixture->document == NULL)
        fail_msg("%s", err.text);
    fixture->top = place_document(fixture->document);
}

static inline void step(int status, const struct error *err, int out)
{
    if (status >= 0)
        return;
    CHECK(write(out, err->text, strlen(err->text)) >= 0);
    _exit(FAILED_TO_BUILD);
}

static inline void maps_write(pid_t pid)
{
    static const char map[] = "0 100000 65536\n";
    static const char *const names[] = { "uid_map", "gid_map" };

    for (size_t i = 0; i < 2; i++) {
        char path[64];
        int fd;

        snprintf(path, sizeof(path), "/proc/%d/%s", pid, names[i]);
        fd = open(path, O_WRONLY);
        assert_true(fd >= 0 && write(fd, map, sizeof(map) - 1) == sizeof(map) - 1);
        close(fd);
    }
}

static inline void process_run(struct rootfs *rootfs, const struct fixture *fixture, int go,
                               int out, void (*before)(void), void (*look)(void))
{
    struct error err = { 0 };
    char byte;

    if (fixture->cgroup != NULL)
        step(cgroup_join(fixture->cgroup, &err), &err, out);
    CHECK(!fixture->want.new_cgroup || unshare(CLONE_NEWCGROUP) == 0);
    CHECK(!fixture->user || unshare(CLONE_NEWUSER) == 0);
    CHECK(write(out, "", 1) == 1);
    CHECK(read(go, &byte, 1) == 1);
    CHECK(!fixture->user || (setgid(0) == 0 && setuid(0) == 0));
    if (fixture->want.new_mount)
        CHECK(unshare(CLONE_NEWNS) == 0);
    step(rootfs_mount(rootfs, &err), &err, out);
    if (before != NULL)
        before();
    step(rootfs_enter(rootfs, &err), &err, out);
    step(rootfs_seal(rootfs, &err), &err, out);
    look();
    _exit(0);
}

/* Everything, with `before` between rootfs_mount and rootfs_enter; the exit status. */
static inline int fixture_run(struct fixture *fixture, const char *document, void (*before)(void),
                              void (*look)(void))
{
    struct error err = { 0 };
    CLEANUP(rootfs_free) struct rootfs *rootfs = NULL;
    int go[2], out[2], status;
    ssize_t size;
    char byte;
    pid_t pid;

    fixture_read(fixture, document);
    fixture->want.new_user = fixture->user;
    fixture->said[0] = '\0';
    assert_int_equal(seteuid(fixture->plain ? 1000 : 0), 0);
    rootfs = rootfs_new(&fixture->want, &err);
    assert_int_equal(seteuid(0), 0);
    if (rootfs == NULL) {
        memcpy(fixture->said, err.text, sizeof(err.text));
        return FAILED_TO_BUILD;
    }
    assert_int_equal(pipe(go) + pipe(out), 0);
    pid = fork();
    if (pid == 0) {
        close(out[0]);
        close(go[1]);
        process_run(rootfs, fixture, go[0], out[1], before, look);
    }
    close(out[1]);
    assert_int_equal(read(out[0], &byte, 1), 1);
    if (fixture->user)
        maps_write(pid);
    assert_int_equal(write(go[1], "", 1), 1);
    size = read(out[0], fixture->said, sizeof(fixture->said) - 1);
    fixture->said[size > 0 ? size : 0] = '\0';
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(go[0]);
    close(go[1]);
    close(out[0]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline void fixture_look(struct fixture *fixture, const char *document, void (*look)(void))
{
    int status = fixture_run(fixture, document, NULL, look);

    if (status != 0)
        fail_msg("status %d, %s", status, fixture->said);
}

static inline void look_at_nothing(void)
{
}

static inline void fixture_refuses(struct fixture *fixture, const char *document,
                                   const char *message)
{
    assert_int_equal(fixture_run(fixture, document, NULL, look_at_nothing), FAILED_TO_BUILD);
    if (strstr(fixture->said, message) == NULL)
        fail_msg("said \"%s\", not \"%s\"", fixture->said, message);
}

/* Owners of tmpfs, say, can be mapped since Linux 6.3. */
static inline void idmap_needs_support(struct fixture *fixture, const char *document)
{
    if (fixture_run(fixture, document, NULL, look_at_nothing) != FAILED_TO_BUILD ||
        strstr(fixture->said, "not every file system can") == NULL)
        return;
    fprintf(stderr, "skipped: %s\n", fixture->said);
    skip();
}

/* 77 with the reason, or 0. */
static inline int rootfs_skip(void)
{
    if (geteuid() != 0) {
        fprintf(stderr, "skipped: makes mount namespaces, which takes root\n");
        return 77;
    }
    if (unshare(CLONE_NEWNS) < 0) {
        fprintf(stderr, "skipped: no mount namespaces here (%s)\n", strerror(errno));
        return 77;
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return 1;
    return 0;
}

#endif
