/* seed — see seed.h. */
#include "platform/linux/unpack/seed.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/linux/unpack/attributes.h"
#include "platform/linux/unpack/listing.h"
#include "platform/linux/unpack/merge.h"
#include "platform/linux/unpack/tree.h"
#include "platform/scope.h"
#include "platform/unpack.h"

static void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* ---- the source ----------------------------------------------------------------------- */

/* *fd = -1: the image has nothing there. */
static int source_open(int lower, const char *source, int *fd, struct error *err)
{
    struct open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };

    *fd = (int)syscall(SYS_openat2, lower, source, &how, sizeof(how));
    if (*fd >= 0 || errno == ENOENT)
        return 0;
    if (errno == ENOTDIR || errno == ELOOP)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.200s is not a folder in the image",
                         source);
    return error_sys(err, errno, "open %.200s in the image", source);
}

static struct tree tree;

/* ---- into the volume ------------------------------------------------------------------ */

struct move {
    int from, to;
};

static int move_one(void *ctx, const char *name, struct error *err)
{
    const struct move *move = ctx;

    if (renameat2(move->from, name, move->to, name, RENAME_NOREPLACE) == 0 || errno == EEXIST)
        return 0;
    return error_sys(err, errno, "move %.200s into the volume", name);
}

static int finish(int volume, int data, bool sync, struct error *err)
{
    CLEANUP(fd_close) int seeded = open_inside(volume, UNPACK_SEED_DONE, O_RDONLY | O_DIRECTORY);
    struct move move = { seeded, data };
    struct stat st;

    if (seeded < 0 || fstat(seeded, &st) < 0)
        return error_sys(err, errno, "open what the volume gets");
    if (names_each(seeded, move_one, &move, err) < 0 ||
        attributes_copy(&tree, seeded, &st, data, err) < 0)
        return -1;
    if (futimens(data, (struct timespec[]){ st.st_atim, st.st_mtim }) < 0) /* before the moves */
        return error_sys(err, errno, "set the volume's time");
    if (sync && (fsync(data) < 0 || fsync(seeded) < 0))
        return error_sys(err, errno, "sync the volume");
    return unlinkat(volume, UNPACK_SEED_DONE, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY &&
                   errno != EEXIST
               ? error_sys(err, errno, "remove " UNPACK_SEED_DONE)
               : 0;
}

static int copy(int source, int volume, bool sync, struct error *err)
{
    int to;

    if ((mkdirat(volume, UNPACK_SEED_PART, 0700) < 0 && errno != EEXIST) ||
        (to = open_inside(volume, UNPACK_SEED_PART, O_RDONLY | O_DIRECTORY)) < 0)
        return error_sys(err, errno, "make " UNPACK_SEED_PART);
    if (tree_open(&tree, to, -1, true, err) < 0 || tree_empty(&tree, err) < 0 ||
        merge(&tree, source, MERGE_COPY, err) < 0 || tree_close(&tree, err) < 0)
        return -1;
    if (sync && syncfs(volume) < 0)
        return error_sys(err, errno, "sync the file system");
    if (renameat(volume, UNPACK_SEED_PART, volume, UNPACK_SEED_DONE) < 0)
        return error_sys(err, errno, "rename " UNPACK_SEED_PART);
    return sync && fsync(volume) < 0 ? error_sys(err, errno, "sync the volume's folder") : 0;
}

static int found_one(void *ctx, const char *name, struct error *err)
{
    (void)ctx, (void)name, (void)err;
    return 1;
}

int seed(int lower, const char *source, int volume, bool sync, struct error *err)
{
    CLEANUP(fd_close) int data = open_inside(volume, "data", O_RDONLY | O_DIRECTORY);
    CLEANUP(fd_close) int from = -1;
    struct stat st;
    int filled;

    if (data < 0)
        return error_sys(err, errno, "open the volume");
    if (fstatat(volume, UNPACK_SEED_DONE, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return finish(volume, data, sync, err);
    filled = names_each(data, found_one, NULL, err);
    if (filled != 0)
        return filled < 0 ? -1 : 0;
    if (source_open(lower, source, &from, err) < 0)
        return -1;
    if (from < 0)
        return 0;
    return copy(from, volume, sync, err) < 0 ? -1 : finish(volume, data, sync, err);
}
