/* The happy path: rename -> answer -> remove.  A tree that resists stays until the next start. */
#include "actors/base/trash.h"

#include "actors/base/job.h"
#include "actors/base/log.h"

struct sweep {
    struct trash *trash;
    struct job *job;
    struct error first; /* of the things that would not go */
};

static int remove_one(void *ctx, const char *name, struct error *err)
{
    struct sweep *sweep = ctx;
    char path[PATH_SIZE];
    struct error failed = { 0 };

    if (job_check(sweep->job, err) < 0)
        return -1;
    if ((path_format(path, &failed, "%s/%s", sweep->trash->folder, name) < 0 ||
         fs_remove_tree(path, &failed) < 0) &&
        sweep->first.code == ERROR_NONE)
        sweep->first = failed; /* the others can go all the same */
    return 0;
}

static int empty_job(struct job *job, const void *in, void *out, struct error *err)
{
    struct sweep sweep = *(const struct sweep *)in;

    (void)out;
    sweep.job = job;
    if (fs_folder_each(sweep.trash->folder, remove_one, &sweep, err) < 0)
        return -1;
    if (sweep.first.code == ERROR_NONE)
        return 0;
    *err = sweep.first;
    return -1;
}

static void emptied(void *self, const void *in, const struct error *err)
{
    struct trash *trash = ((const struct sweep *)in)->trash;

    (void)self;
    trash->busy = false;
    if (err != NULL && err->code != ERROR_UNAVAILABLE)
        log_warn(loop_name(trash->loop), "empty %s: %s", trash->folder, err->text);
    if (err == NULL && trash->again)
        trash_empty(trash);
}

void trash_empty(struct trash *trash)
{
    const struct sweep sweep = { .trash = trash };
    struct error err = { 0 };

    trash->again = trash->busy;
    if (trash->busy)
        return;
    if (loop_run(trash->loop, NULL, empty_job, emptied, &sweep, sizeof(sweep), &err) < 0)
        log_debug(loop_name(trash->loop), "empty %s at the next start: %s", trash->folder,
                  err.text);
    else
        trash->busy = true;
}

int trash_open(struct trash *trash, struct loop *loop, const char *root, struct error *err)
{
    *trash = (struct trash){ .loop = loop };
    if (path_format(trash->folder, err, "%s/trash/%s", root, loop_name(loop)) < 0 ||
        fs_folder_make_all(trash->folder, 0700, err) < 0)
        return -1;
    trash_empty(trash);
    return 0;
}

int trash_name(const struct trash *trash, char path[PATH_SIZE], struct error *err)
{
    char id[17];

    random_hex(id, 16);
    return path_format(path, err, "%s/%s", trash->folder, id);
}

int trash_put(struct trash *trash, const char *path, struct error *err)
{
    char away[PATH_SIZE];

    if (!fs_exists(path))
        return 0;
    if (trash_name(trash, away, err) < 0 || fs_rename(path, away, err) < 0)
        return -1;
    trash_empty(trash);
    return 0;
}
