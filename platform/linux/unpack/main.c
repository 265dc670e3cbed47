/*
 * gantry-unpack — reads what strangers made, so that nobody else has to.
 *
 * Seven modes; all of them first give up what they do not need (confine.h), then
 * work in one folder, and say what came of it in a line (protocol.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/linux/unpack/attributes.h"
#include "platform/linux/unpack/confine.h"
#include "platform/linux/unpack/decompress.h"
#include "platform/linux/unpack/deferred.h"
#include "platform/linux/unpack/layer.h"
#include "platform/linux/unpack/merge.h"
#include "platform/linux/unpack/misbehave.h"
#include "platform/linux/unpack/mounted.h"
#include "platform/linux/unpack/protocol.h"
#include "platform/linux/unpack/put.h"
#include "platform/linux/unpack/report.h"
#include "platform/linux/unpack/seed.h"
#include "platform/linux/unpack/source.h"
#include "platform/linux/unpack/stitch.h"
#include "platform/linux/unpack/stream.h"
#include "platform/linux/unpack/tree.h"
#include "platform/linux/unpack/users.h"
#include "platform/linux/yielding.h"
#include "platform/scope.h"

#if defined(__SANITIZE_ADDRESS__)
/* The leak checker starts a process and traces this one: not here. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

struct options {
    bool base, sync;
    uint64_t max_bytes, max_entries;
    const char *blob, *folder, *compression;
    const char *mounts;    /* of what is mounted on `whole`; NULL: nothing */
    const char *fs_mounts; /* ... on `fs` */
    char **lowers;
    size_t lower_count;
};

static int open_fs(const struct confined *confined, bool make, struct error *err)
{
    int fs;

    if (make && mkdirat(confined->folder, "fs", 0755) < 0 && errno != EEXIST)
        return error_sys(err, errno, "make fs");
    fs = open_inside(confined->folder, "fs", O_RDONLY | O_DIRECTORY);
    if (fs < 0)
        return error_sys(err, errno, "open fs");
    return fs;
}

/* ---- apply ------------------------------------------------------------------------ */

struct work {
    struct source source;
    struct stream *stream;
    struct tree tree;
    struct confined confined;
};

/* All that needs the system as it is: then nothing but reading and writing is left to do. */
static int apply_prepare(const struct options *options, struct work *work, struct error *err)
{
    struct decompress *decompress;
    int fs;

    if (source_open(&work->source, options->blob, STDIN_FILENO, err) < 0 ||
        layer_prepare(err) < 0 || confine_lock(options->folder, &work->confined, err) < 0 ||
        confine_mounts(options->folder, options->lowers, options->lower_count, &work->confined,
                       err) < 0)
        return -1;
    fs = open_fs(&work->confined, true, err);
    if (fs < 0 || tree_open(&work->tree, fs, work->confined.lower, options->base, err) < 0 ||
        tree_empty(&work->tree, err) < 0 || deferred_remove(work->confined.folder, err) < 0)
        return -1;
    work->tree.max_inodes = options->max_entries;
    work->tree.deferred = deferred_new(work->confined.folder, err);
    decompress = decompress_new(&work->source, options->compression, err);
    if (work->tree.deferred == NULL || decompress == NULL)
        return -1;
    work->stream = stream_new(decompress, options->max_bytes, err);
    if (work->stream == NULL || confine_powers(err) < 0 || stream_start(work->stream, err) < 0)
        return -1;
    return confine_calls(err);
}

static int root_inherit(struct tree *tree, struct error *err)
{
    struct stat st;

    if (fstat(tree->lower, &st) < 0)
        return error_sys(err, errno, "stat the parents' root");
    return attributes_inherit(tree, tree->lower, &st, &tree->top, err);
}

/* A root that the layer does not name is the parents' root. */
static int root_settle(struct tree *tree, struct error *err)
{
    if (tree->root_named || tree->base)
        return 0;
    return tree->lower < 0 ? deferred_root(tree->deferred, &tree->top, err)
                           : root_inherit(tree, err);
}

/* With the parents in sight the deferred things are done at once. */
static int deferred_settle(struct work *work, uint64_t *left, struct error *err)
{
    if (deferred_flush(work->tree.deferred, err) < 0 || root_settle(&work->tree, err) < 0)
        return -1;
    *left = deferred_count(work->tree.deferred);
    if (work->tree.lower < 0)
        return 0;
    *left = 0;
    if (stitch(&work->tree, work->confined.folder, err) < 0)
        return -1;
    return deferred_remove(work->confined.folder, err);
}

static int apply(const struct options *options, struct error *err)
{
    static struct work work;
    char diff_id[DIFF_ID_SIZE];
    uint64_t left;

    if (apply_prepare(options, &work, err) < 0)
        return -1;
    misbehave();
    if (layer_apply(work.stream, &work.tree, options->max_entries, err) < 0 ||
        stream_finish(work.stream, diff_id, err) < 0 || deferred_settle(&work, &left, err) < 0 ||
        tree_close(&work.tree, err) < 0 || source_settle(&work.source, err) < 0)
        return -1;
    report_line("done %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, diff_id, work.tree.size,
                work.tree.inodes, stream_bytes(work.stream), left);
    return 0;
}

/* ---- stitch, users, seed ---------------------------------------------------------------- */

static int confine_all(const struct options *options, struct confined *confined, struct error *err)
{
    if (confine_mounts(options->folder, options->lowers, options->lower_count, confined, err) < 0 ||
        confine_powers(err) < 0)
        return -1;
    return confine_calls(err);
}

/* It is not in the list, only marked. */
static int root_stitch(struct tree *tree, struct error *err)
{
    enum mark mark;

    if (deferred_unmark(&tree->top, &mark, err) < 0)
        return -1;
    return mark == MARK_WANTED ? root_inherit(tree, err) : 0;
}

static int run_stitch(const struct options *options, struct error *err)
{
    static struct tree tree;
    struct confined confined;
    int fs;

    if (confine_lock(options->folder, &confined, err) < 0 ||
        confine_all(options, &confined, err) < 0 || (fs = open_fs(&confined, false, err)) < 0 ||
        tree_open(&tree, fs, confined.lower, false, err) < 0 ||
        stitch(&tree, confined.folder, err) < 0 || root_stitch(&tree, err) < 0 ||
        tree_close(&tree, err) < 0 || deferred_remove(confined.folder, err) < 0)
        return -1;
    report_line("ok");
    return 0;
}

/* ---- whole trees ----------------------------------------------------------------------- */

static int open_tree_folder(int folder, const char *name, struct tree *tree, int lower,
                            struct error *err)
{
    int fd = open_inside(folder, name, O_RDONLY | O_DIRECTORY);

    if (fd < 0)
        return error_sys(err, errno, "open %s", name);
    return tree_open(tree, fd, lower, false, err);
}

/* The parent's files; what a try before this one has left there goes. */
static int whole_make(const struct confined *confined, struct tree *whole, struct error *err)
{
    if (mkdirat(confined->folder, UNPACK_WHOLE, 0755) < 0 && errno != EEXIST)
        return error_sys(err, errno, "make " UNPACK_WHOLE);
    if (open_tree_folder(confined->folder, UNPACK_WHOLE, whole, -1, err) < 0 ||
        tree_empty(whole, err) < 0)
        return -1;
    return merge(whole, confined->lower, MERGE_COPY, err);
}

/* What lies with a plugin is on the disk before anybody is told. */
static int sync_whole(const struct confined *confined, struct error *err)
{
    int fd = open_inside(confined->folder, UNPACK_WHOLE, O_RDONLY | O_DIRECTORY);

    return fd >= 0 && syncfs(fd) == 0 ? 0 : error_sys(err, errno, "sync " UNPACK_WHOLE);
}

/* First what the layer has to know of its parents, which may fail with nothing done. */
static int run_rebase(const struct options *options, struct error *err)
{
    static struct tree layer, whole;
    struct confined confined;
    int lower;

    if (confine_lock(options->folder, &confined, err) < 0 ||
        confine_all(options, &confined, err) < 0)
        return -1;
    lower = options->lower_count > 0
                ? confined.lower
                : open_inside(confined.folder, UNPACK_WHOLE, O_RDONLY | O_DIRECTORY);
    if (lower < 0)
        return error_sys(err, errno, "open " UNPACK_WHOLE);
    if (open_tree_folder(confined.folder, "fs", &layer, lower, err) < 0 ||
        stitch(&layer, confined.folder, err) < 0 || deferred_remove(confined.folder, err) < 0)
        return -1;
    if ((options->lower_count > 0
             ? whole_make(&confined, &whole, err)
             : open_tree_folder(confined.folder, UNPACK_WHOLE, &whole, -1, err)) < 0 ||
        tree_close(&layer, err) < 0 || /* its folders have their times */
        (lower = open_inside(confined.folder, "fs", O_RDONLY | O_DIRECTORY)) < 0 ||
        merge(&whole, lower, MERGE_LAYER, err) < 0 || tree_close(&whole, err) < 0)
        return -1;
    if (options->mounts != NULL && sync_whole(&confined, err) < 0)
        return -1;
    report_line("ok");
    return 0;
}

static int run_copy(const struct options *options, struct error *err)
{
    static struct tree tree;
    struct confined confined;

    if (confine_lock(options->folder, &confined, err) < 0 ||
        confine_all(options, &confined, err) < 0 ||
        open_tree_folder(confined.folder, "fs", &tree, -1, err) < 0 ||
        merge(&tree, confined.lower, MERGE_COPY, err) < 0 || tree_close(&tree, err) < 0)
        return -1;
    report_line("ok");
    return 0;
}

static int run_users(const struct options *options, struct error *err)
{
    struct confined confined;

    if (confine_all(options, &confined, err) < 0 ||
        users_copy(confined.lower, confined.folder, err) < 0)
        return -1;
    report_line("ok");
    return 0;
}

/* SOURCE and MOUNTS stand where other modes have their lowers. */
static int run_seed(const struct options *options, struct error *err)
{
    struct confined confined;

    if (confine_lock_wait(options->folder, &confined, err) < 0 ||
        confine_root(options->folder, options->lowers[1], &confined, err) < 0 ||
        confine_powers(err) < 0 || confine_calls(err) < 0)
        return -1;
    misbehave();
    if (seed(confined.lower, options->lowers[0], confined.folder, options->sync, err) < 0)
        return -1;
    report_line("ok");
    return 0;
}

/* ROOT stands where other modes have their lowers. */
static int run_put(const struct options *options, struct error *err)
{
    if (put_run(options->lowers[0], options->folder, err) < 0)
        return -1;
    report_line("ok");
    return 0;
}

/* ---- what is mounted ------------------------------------------------------------------- */

/* A plugin's tree, on `whole` in the folder: what rebase works on, for the others the only lower. */
static int whole_mount(struct options *options, bool is_lower, struct error *err)
{
    static char path[PATH_MAX];
    static char *lowers[] = { path, NULL };

    if (mounted_make(options->folder, UNPACK_WHOLE, options->mounts, err) < 0)
        return -1;
    if (!is_lower)
        return 0;
    snprintf(path, sizeof(path), "%s/" UNPACK_WHOLE, options->folder);
    options->lowers = lowers;
    options->lower_count = 1;
    return 0;
}

/* ---- arguments ------------------------------------------------------------------------- */

static int usage(struct error *err)
{
    return error_set(err, ERROR_INVALID_ARGUMENT,
                     "usage: gantry-unpack apply [--base] [--max-bytes N] [--max-entries N] BLOB "
                     "LAYER_FOLDER none|gzip|zstd|auto [LOWER...] | stitch LAYER_FOLDER LOWER... | "
                     "rebase LAYER_FOLDER [LOWER] | copy LAYER_FOLDER LOWER | "
                     "users OUT_FOLDER LOWER... | seed [--sync] VOLUME_FOLDER SOURCE MOUNTS | "
                     "put FOLDER ROOT; apply, stitch, rebase and users with --mounts TEXT instead of "
                     "LOWER; apply and stitch with --fs TEXT");
}

static bool number(const char *text, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0';
}

static char **flags_read(char **at, struct options *options)
{
    for (; *at != NULL && strncmp(*at, "--", 2) == 0; at++) {
        if (strcmp(*at, "--base") == 0)
            options->base = true;
        else if (strcmp(*at, "--sync") == 0)
            options->sync = true;
        else if (strcmp(*at, "--mounts") == 0 && at[1] != NULL)
            options->mounts = *++at;
        else if (strcmp(*at, "--fs") == 0 && at[1] != NULL)
            options->fs_mounts = *++at;
        else if (strcmp(*at, "--max-bytes") == 0 && at[1] != NULL &&
                 number(at[1], &options->max_bytes))
            at++;
        else if (strcmp(*at, "--max-entries") == 0 && at[1] != NULL &&
                 number(at[1], &options->max_entries))
            at++;
        else
            return NULL;
    }
    return at;
}

static size_t count(char **at)
{
    size_t have = 0;

    while (at[have] != NULL)
        have++;
    return have;
}

static const struct mode {
    const char *name;
    size_t least, most; /* words behind the options */
    int (*run)(const struct options *options, struct error *err);
} modes[] = {
    { "apply", 3, SIZE_MAX, apply },     { "stitch", 1, SIZE_MAX, run_stitch },
    { "rebase", 1, 2, run_rebase },      { "copy", 2, 2, run_copy },
    { "users", 1, SIZE_MAX, run_users }, { "seed", 3, 3, run_seed },
    { "put", 2, 2, run_put },
};

static const struct mode *mode_find(const char *name, size_t words)
{
    for (size_t i = 0; i < COUNT_OF(modes); i++)
        if (strcmp(modes[i].name, name) == 0)
            return words >= modes[i].least && words <= modes[i].most ? &modes[i] : NULL;
    return NULL;
}

static int run(char **arguments, struct error *err)
{
    struct options options = { 0 };
    char **at = count(arguments) < 2 ? NULL : flags_read(arguments + 2, &options);
    const struct mode *mode = at != NULL ? mode_find(arguments[1], count(at)) : NULL;

    if (mode == NULL)
        return usage(err);
    if (mode->run == apply)
        options.blob = *at++;
    options.folder = *at++;
    if (mode->run == apply)
        options.compression = *at++;
    options.lowers = at;
    options.lower_count = count(at);
    if (options.fs_mounts != NULL && mounted_make(options.folder, "fs", options.fs_mounts, err) < 0)
        return -1;
    if (options.mounts != NULL && whole_mount(&options, mode->run != run_rebase, err) < 0)
        return -1;
    return mode->run(&options, err);
}

int main(int argc, char **argv)
{
    struct error err = { 0 };
    int status;

    (void)argc;
    signal(SIGPIPE, SIG_IGN);
    yield_to_others();
    mallopt(M_ARENA_MAX, 1); /* an arena of its own for the second thread would be 64 MiB */
    status = confine_descriptors(&err) < 0 ? -1 : run(argv, &err);
    if (status < 0)
        report_error(&err);
    _exit(status < 0 ? 1 : 0); /* no handlers: the filter does not know what they would call */
}
