/*
 * gantry-pack — reads trees that strangers have filled, so that nobody else has to.
 *
 * Four modes; all of them first mount what they are to look at in a namespace of their own, then
 * give up what they do not need (confine.h, as gantry-unpack), then read, and say what came of it
 * (protocol.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "platform/linux/pack/copy.h"
#include "platform/linux/pack/layer.h"
#include "platform/linux/pack/still.h"
#include "platform/linux/unpack/confine.h"
#include "platform/linux/unpack/report.h"
#include "platform/linux/yielding.h"

#define DESCRIPTORS 8192 /* two for each folder on the way down; a path has at most 2048 names */

#if defined(__SANITIZE_ADDRESS__)
/* The leak checker starts a process and traces this one: not here. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

static struct sink sink;

static int confine(struct error *err)
{
    struct rlimit files = { DESCRIPTORS, DESCRIPTORS };

    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        return error_sys(err, errno, "set a limit");
    return confine_powers(err) < 0 ? -1 : confine_calls(err);
}

/* Whatever comes of it, the container goes on. */
static int write_still(struct still *still, char **at, const struct pair *trees, uint64_t *entries,
                       struct error *err)
{
    int64_t latest = strtoll(at[2], NULL, 10);
    int result =
        layer_write(trees, at + 6, strcmp(at[2], "-") != 0 ? &latest : NULL, &sink, entries, err);

    still_end(still);
    return result;
}

static int run_layer(char **at, struct error *err)
{
    static struct pair trees;
    struct still still = { 0 };
    char plain[SHA256_TEXT_SIZE], packed[SHA256_TEXT_SIZE];
    uint64_t entries;
    int out = open(at[0], O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);

    if (out < 0)
        return error_sys(err, errno, "open %s", at[0]);
    if (still_open(at[3], &still, err) < 0 || sink_open_file(&sink, out, at[1], err) < 0 ||
        place_pair(at[4], at[5], &trees, err) < 0 || still_begin(&still, err) < 0 ||
        confine(err) < 0 || write_still(&still, at, &trees, &entries, err) < 0 ||
        sink_finish(&sink, plain, packed, err) < 0)
        return -1;
    report_line("layer %s %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %d", plain, packed,
                sink.packed_size, sink.plain_size, entries, still.stands);
    return 0;
}

static int finish_data(struct error *err)
{
    char none[SHA256_TEXT_SIZE];

    if (sink_finish(&sink, none, none, err) < 0)
        return -1;
    report_line("ok");
    return 0;
}

static int run_changes(char **at, struct error *err)
{
    static struct pair trees;

    sink_open_data(&sink);
    if (place_pair(at[0], at[1], &trees, err) < 0 || confine(err) < 0 ||
        changes_write(&trees, at + 2, &sink, err) < 0)
        return -1;
    return finish_data(err);
}

/* Says when it is there: then the process whose root it is may end. */
static int root_open(const char *text, int *root, struct ids *ids, struct error *err)
{
    if (place_root(text, false, root, ids, err) < 0 || confine(err) < 0)
        return -1;
    report_line("progress 0 0");
    return 0;
}

static int run_copy(char **at, struct error *err)
{
    static struct ids ids;
    int root;

    sink_open_data(&sink);
    if (root_open(at[0], &root, &ids, err) < 0 || copy_write(root, &ids, at[1], &sink, err) < 0)
        return -1;
    return finish_data(err);
}

static int run_stat(char **at, struct error *err)
{
    static struct ids ids;
    int root;

    sink_open_data(&sink);
    if (root_open(at[0], &root, &ids, err) < 0)
        return -1;
    return copy_stat(root, at[1], &sink, err);
}

static const struct {
    const char *name;
    int least; /* arguments */
    int (*run)(char **at, struct error *err);
} modes[] = {
    { "layer", 6, run_layer },
    { "changes", 2, run_changes },
    { "copy", 2, run_copy },
    { "stat", 2, run_stat },
};

static int run(int argc, char **argv, struct error *err)
{
    for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(*modes); i++)
        if (strcmp(argv[1], modes[i].name) == 0 && argc - 2 >= modes[i].least)
            return modes[i].run(argv + 2, err);
    return error_set(err, ERROR_INVALID_ARGUMENT,
                     "usage: gantry-pack layer OUT none|gzip|zstd EPOCH|- 'may|must TASK'|- BEFORE AFTER "
                     "[EXCLUDED...] | "
                     "changes BEFORE AFTER [EXCLUDED...] | copy ROOT PATH | stat ROOT PATH");
}

int main(int argc, char **argv)
{
    struct error err = { 0 };
    int status;

    signal(SIGPIPE, SIG_IGN);
    yield_to_others();
    status = confine_descriptors(&err) < 0 ? -1 : run(argc, argv, &err);
    if (status < 0)
        report_error(&err);
    _exit(status < 0 ? 1 : 0); /* no handlers: the filter does not know what they would call */
}
