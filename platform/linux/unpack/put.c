/* put — see put.h. */
#include "platform/linux/unpack/put.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "platform/linux/pack/place.h"
#include "platform/linux/unpack/confine.h"
#include "platform/linux/unpack/decompress.h"
#include "platform/linux/unpack/layer.h"
#include "platform/linux/unpack/misbehave.h"
#include "platform/linux/unpack/report.h"
#include "platform/linux/unpack/source.h"
#include "platform/linux/unpack/stream.h"
#include "platform/linux/unpack/tree.h"

static int tree_take(const char *root_text, const char *folder, struct tree *tree,
                     struct error *err)
{
    static struct ids ids;
    char resolved[PATH_MAX];
    int root, fd;

    if (place_root(root_text, true, &root, &ids, err) < 0 ||
        place_resolve(root, folder, true, resolved, err) < 0)
        return -1;
    fd = open_within(root, resolved, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return errno == ENOTDIR
                   ? error_set(err, ERROR_FAILED_PRECONDITION, "/%.200s: is not a folder", resolved)
                   : error_sys(err, errno, "open /%.200s", resolved);
    close(fd);
    if (tree_open(tree, root, -1, true, err) < 0)
        return -1;
    tree->merging = true;
    tree->owners = &ids;
    tree->top.mtime = (struct timespec){ .tv_nsec = UTIME_NOW };
    strcpy(tree->prefix, resolved);
    return 0;
}

int put_run(const char *root, const char *folder, struct error *err)
{
    static struct source source;
    static struct tree tree;
    struct decompress *decompress;
    struct stream *stream;
    char ignored[DIFF_ID_SIZE];

    source_open_stream(&source, STDIN_FILENO);
    if (layer_prepare(err) < 0 || tree_take(root, folder, &tree, err) < 0)
        return -1;
    decompress = decompress_new(&source, "auto", err);
    stream = decompress != NULL ? stream_new(decompress, 0, err) : NULL;
    if (stream == NULL || confine_powers(err) < 0 || stream_start(stream, err) < 0 ||
        confine_calls(err) < 0)
        return -1;
    report_line("progress 0 0"); /* the process whose root it is may end now */
    misbehave();
    if (layer_apply(stream, &tree, 0, err) < 0 || stream_finish(stream, ignored, err) < 0)
        return -1;
    return tree_close(&tree, err);
}
