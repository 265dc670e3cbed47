/*
 * The daemon's side of gantry-unpack: see platform/unpack.h.
 *
 * Words go as lines.  To the helper: "allow N", "end N".  From it: "progress BYTES ENTRIES",
 * at last "done DIFF_ID SIZE INODES BYTES DEFERRED" or "error CODE TEXT".  Its output is read a
 * byte at a time, so that nothing is left in a buffer of ours that poll() cannot see; it is a
 * few hundred bytes a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "platform/linux/layer_marks.h"
#include "platform/linux/mounts_text.h"
#include "platform/linux/unpack/protocol.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "platform/unpack.h"

#define ALLOW_STEP (64 * 1024) /* a line per so many bytes is often enough */

#ifdef GANTRY_TEST_HOOKS
#define HELPER_ERRORS 2 /* a sanitizer's report is worth reading */
#else
#define HELPER_ERRORS (-1) /* what a stranger's layer could make it write belongs nowhere */
#endif

/* ---- starting ----------------------------------------------------------------- */

static void arguments_free(const char ***arguments)
{
    free((void *)*arguments);
}

/* An argument vector with room for `count` arguments; the caller free()s it. */
static const char **arguments_new(size_t count, struct error *err)
{
    const char **arguments = calloc(count + 1, sizeof(*arguments));

    if (arguments == NULL)
        error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for %zu arguments", count);
    return arguments;
}

static int helper_start(const char **arguments, bool input, struct child *child, struct error *err)
{
    char program[PATH_SIZE];
    struct child_options options = {
        .argv = arguments, .input = input, .output = true, .errors = HELPER_ERRORS
    };

    if (program_find("gantry-unpack", program, err) < 0)
        return -1;
    arguments[0] = program;
    return child_start(&options, child, err);
}

/* NULL stays NULL. */
static int mounts_text(const struct list *mounts, const char **text, struct arena *arena,
                       struct error *err)
{
    *text = mounts != NULL ? mounts_to_text(mounts, arena, err) : NULL;
    return mounts != NULL && *text == NULL ? -1 : 0;
}

int unpack_start(const struct unpack_options *options, struct unpack *unpack, struct error *err)
{
    char max_bytes[32], max_entries[32];
    CLEANUP(arguments_free) const char **arguments = NULL;
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    const char *mounts, *fs_mounts;
    size_t at = 1;

    *unpack = (struct unpack){ .child = { .input = -1, .output = -1 } };
    arguments = arguments_new(options->lower_count + 14, err);
    if (arguments == NULL || mounts_text(options->lower_mounts, &mounts, arena, err) < 0 ||
        mounts_text(options->mounts, &fs_mounts, arena, err) < 0)
        return -1;
    snprintf(max_bytes, sizeof(max_bytes), "%" PRIu64, options->max_bytes);
    snprintf(max_entries, sizeof(max_entries), "%" PRIu64, options->max_entries);
    arguments[at++] = "apply";
    if (options->base)
        arguments[at++] = "--base";
    if (options->max_bytes != 0) {
        arguments[at++] = "--max-bytes";
        arguments[at++] = max_bytes;
    }
    if (options->max_entries != 0) {
        arguments[at++] = "--max-entries";
        arguments[at++] = max_entries;
    }
    if (mounts != NULL) {
        arguments[at++] = "--mounts";
        arguments[at++] = mounts;
    }
    if (fs_mounts != NULL) {
        arguments[at++] = "--fs";
        arguments[at++] = fs_mounts;
    }
    arguments[at++] = options->blob;
    arguments[at++] = options->folder;
    arguments[at++] = options->compression;
    for (size_t i = 0; i < options->lower_count; i++)
        arguments[at++] = options->lowers[i];
    if (helper_start(arguments, true, &unpack->child, err) < 0)
        return -1;
    if (fcntl(unpack->child.input, F_SETFL, O_NONBLOCK) < 0) {
        error_sys(err, errno, "pipe to gantry-unpack");
        unpack_drop(unpack);
        return -1;
    }
    return 0;
}

/* ---- telling -------------------------------------------------------------------- */

/* A line of less than PIPE_BUF bytes goes whole or not at all.  A helper that is gone is no
   error here: unpack_next() knows why it went. */
static bool tell(struct unpack *unpack, const char *word, uint64_t bytes)
{
    char line[64];
    int length = snprintf(line, sizeof(line), "%s %" PRIu64 "\n", word, bytes);

    return child_say(&unpack->child, line, (size_t)length) >= 0 || errno != EAGAIN;
}

int unpack_allow(struct unpack *unpack, uint64_t bytes, struct error *err)
{
    if (unpack->ended)
        return error_set(err, ERROR_INTERNAL, "unpack: more bytes after the end");
    if (bytes < unpack->allowed + ALLOW_STEP)
        return 0;
    if (tell(unpack, "allow", bytes))
        unpack->allowed = bytes;
    return 0;
}

int unpack_end(struct unpack *unpack, uint64_t bytes, struct error *err)
{
    struct pollfd room = { .fd = unpack->child.input, .events = POLLOUT };

    if (unpack->ended)
        return error_set(err, ERROR_INTERNAL, "unpack: ended twice");
    hook_platform_point("end gantry-unpack");
    while (!tell(unpack, "end", bytes))
        if (poll(&room, 1, -1) < 0 && errno != EINTR)
            return error_sys(err, errno, "wait for gantry-unpack");
    unpack->ended = true;
    return 0;
}

/* ---- hearing ---------------------------------------------------------------------- */

int unpack_fd(const struct unpack *unpack)
{
    return unpack->child.output;
}

static int helper_died(struct child *child, struct error *err)
{
    int status;

    if (child_wait(child, &status, err) < 0)
        return -1;
    if (status == 128 + SIGSYS)
        return error_set(err, ERROR_INTERNAL,
                         "gantry-unpack was stopped by its system call filter");
    if (status > 128)
        return error_set(err, ERROR_INTERNAL, "gantry-unpack was killed by signal %d (%s)",
                         status - 128, strsignal(status - 128));
    return error_set(err, ERROR_INTERNAL, "gantry-unpack ended with status %d, saying nothing",
                     status);
}

/* The next line without its newline. */
static int helper_line(struct child *child, char line[UNPACK_LINE], struct error *err)
{
    size_t have = 0;
    ssize_t got;
    char c;

    if (hook_platform_call("hear gantry-unpack", err))
        return -1;
    for (;;) {
        got = read(child->output, &c, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_sys(err, errno, "read from gantry-unpack");
        if (got == 0)
            return helper_died(child, err);
        if (c == '\n')
            break;
        if (have + 1 >= UNPACK_LINE)
            return error_set(err, ERROR_INTERNAL, "gantry-unpack says more than a line holds");
        line[have++] = c;
    }
    line[have] = '\0';
    return 0;
}

static int helper_error(const char *line, struct error *err)
{
    char code[32];
    int text = 0;

    if (sscanf(line, "error %31s %n", code, &text) != 1 || text == 0)
        return error_set(err, ERROR_INTERNAL, "gantry-unpack says \"%.100s\"", line);
    return error_set(err, error_code_of_name(code), "%s", line + text);
}

/* The helper has said its last word; it goes by itself. */
static int helper_end(struct child *child, struct error *err)
{
    int status;

    file_close(&child->input);
    file_close(&child->output);
    return child_wait(child, &status, err);
}

int unpack_next(struct unpack *unpack, struct unpack_news *news, struct error *err)
{
    char line[UNPACK_LINE];

    *news = (struct unpack_news){ 0 };
    if (unpack->child.pid <= 0)
        return error_set(err, ERROR_INTERNAL, "unpack: nothing runs");
    if (helper_line(&unpack->child, line, err) < 0)
        return -1;
    if (sscanf(line, "progress %" SCNu64 " %" SCNu64, &news->uncompressed, &news->entries) == 2)
        return 0;
    news->kind = UNPACK_DONE;
    if (sscanf(line, "done %71s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, news->diff_id,
               &news->size, &news->inodes, &news->uncompressed, &news->deferred) == 5)
        return helper_end(&unpack->child, err);
    return helper_error(line, err);
}

void unpack_drop(struct unpack *unpack)
{
    if (unpack->child.pid > 0)
        child_drop(&unpack->child);
}

int unpack_whole(const struct unpack_options *options, uint64_t bytes, struct unpack_news *done,
                 struct error *err)
{
    CLEANUP(unpack_drop) struct unpack unpack = { 0 };

    if (unpack_start(options, &unpack, err) < 0 || unpack_end(&unpack, bytes, err) < 0)
        return -1;
    do
        if (unpack_next(&unpack, done, err) < 0)
            return -1;
    while (done->kind != UNPACK_DONE);
    return 0;
}

/* ---- modes that say "ok" or "error" --------------------------------------------------- */

static int helper_ok(struct child *child, struct error *err)
{
    char line[UNPACK_LINE];

    if (helper_line(child, line, err) < 0)
        return -1;
    if (strcmp(line, "ok") != 0)
        return helper_error(line, err);
    return helper_end(child, err);
}

/* Runs the helper and waits. */
static int helper_ask(const char **arguments, struct error *err)
{
    CLEANUP(child_drop) struct child child = { .input = -1, .output = -1 };

    if (helper_start(arguments, true, &child, err) < 0)
        return -1;
    return helper_ok(&child, err);
}

static int helper_run(const char *mode, const char *folder, const char *const *lowers, size_t count,
                      struct error *err)
{
    CLEANUP(arguments_free) const char **arguments = arguments_new(count + 3, err);

    if (arguments == NULL)
        return -1;
    arguments[1] = mode;
    arguments[2] = folder;
    for (size_t i = 0; i < count; i++)
        arguments[3 + i] = lowers[i];
    return helper_ask(arguments, err);
}

/* The same, with something mounted in it. */
static int helper_run_on(const char *mode, const char *folder, const struct list *mounts,
                         struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    const char *text = mounts_to_text(mounts, arena, err);
    const char *arguments[] = { NULL, mode, "--mounts", text, folder, NULL };

    return text != NULL ? helper_ask(arguments, err) : -1;
}

/* The root folder of a layer that does not name it gets the attributes of the parent's root
   folder.  Nearly every layer wants this, and a process for it would cost more than the six
   system calls. */
static int root_inherit(const char *from, const char *to, struct error *err)
{
    const struct timespec now = { .tv_nsec = UTIME_OMIT };
    char names[4096], value[65536];
    ssize_t length, size;
    struct stat st;

    if (hook_platform_call("inherit", err))
        return -1;
    if (lstat(from, &st) < 0 || (length = llistxattr(from, names, sizeof(names))) < 0)
        return error_sys(err, errno, "read attributes of %s", from);
    if (lchown(to, st.st_uid, st.st_gid) < 0 || chmod(to, st.st_mode & 07777) < 0)
        return error_sys(err, errno, "set attributes of %s", to);
    for (const char *name = names; name < names + length; name += strlen(name) + 1) {
        if (layer_marks_have(name))
            continue;
        size = lgetxattr(from, name, value, sizeof(value));
        if (size < 0 || lsetxattr(to, name, value, (size_t)size, 0) < 0)
            return error_sys(err, errno, "copy attribute %s of %s", name, from);
    }
    if (utimensat(AT_FDCWD, to, (struct timespec[]){ now, st.st_mtim }, AT_SYMLINK_NOFOLLOW) < 0 ||
        (lremovexattr(to, layer_marks()->implied) < 0 && errno != ENODATA))
        return error_sys(err, errno, "set attributes of %s", to);
    return 0;
}

int unpack_stitch(const char *folder, const char *const *lowers, size_t count, struct error *err)
{
    char root[PATH_SIZE], list[PATH_SIZE], mark;

    if (path_format(root, err, "%s/fs", folder) < 0 ||
        path_format(list, err, "%s/" UNPACK_DEFERRED, folder) < 0)
        return -1;
    if (count == 0)
        return error_set(err, ERROR_INTERNAL, "stitch %s: no parents", folder);
    if (fs_exists(list) && helper_run("stitch", folder, lowers, count, err) < 0)
        return -1;
    if (lgetxattr(root, layer_marks()->implied, &mark, 1) < 0)
        return errno == ENODATA ? 0 : error_sys(err, errno, "read attributes of %s", root);
    return root_inherit(lowers[0], root, err);
}

int unpack_stitch_on(const char *folder, const struct list *mounts, const struct list *lower_mounts,
                     struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    const char *fs, *lower;

    if (mounts_text(mounts, &fs, arena, err) < 0 ||
        mounts_text(lower_mounts, &lower, arena, err) < 0)
        return -1;
    return helper_ask((const char *[]){ NULL, "stitch", "--fs", fs, "--mounts", lower, folder, NULL },
                      err);
}

int unpack_rebase(const char *folder, const char *lower, struct error *err)
{
    return helper_run("rebase", folder, &lower, lower != NULL, err);
}

int unpack_rebase_on(const char *folder, const struct list *mounts, struct error *err)
{
    return helper_run_on("rebase", folder, mounts, err);
}

int unpack_copy(const char *folder, const char *lower, struct error *err)
{
    return helper_run("copy", folder, &lower, 1, err);
}

int unpack_users(const char *out_folder, const char *const *lowers, size_t count, struct error *err)
{
    if (count == 0)
        return error_set(err, ERROR_INTERNAL, "users: no layers");
    return helper_run("users", out_folder, lowers, count, err);
}

int unpack_seed_start(const struct unpack_seed *options, struct unpack *unpack, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    const char *mounts = mounts_to_text(options->mounts, arena, err);
    const char *arguments[7] = { NULL, "seed" };
    size_t at = 2;

    *unpack = (struct unpack){ .child = { .input = -1, .output = -1 } };
    if (mounts == NULL)
        return -1;
    if (options->sync)
        arguments[at++] = "--sync";
    arguments[at++] = options->volume;
    arguments[at++] = options->source;
    arguments[at++] = mounts;
    return helper_start(arguments, true, &unpack->child, err);
}

int unpack_seed_end(struct unpack *unpack, struct error *err)
{
    if (unpack->child.pid <= 0)
        return error_set(err, ERROR_INTERNAL, "seed: nothing runs");
    return helper_ok(&unpack->child, err);
}

int unpack_users_of(const char *out_folder, const struct list *mounts, struct error *err)
{
    char path[PATH_SIZE];

    if (path_format(path, err, "%s/" UNPACK_WHOLE, out_folder) < 0 ||
        helper_run_on("users", out_folder, mounts, err) < 0)
        return -1;
    return fs_remove_tree(path, err);
}
