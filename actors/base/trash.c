/* The happy path: rename -> answer -> remove.  What resists is tried again, less and less often. */
#include "actors/base/trash.h"

#include "actors/base/job.h"
#include "actors/base/log.h"

#define WAIT_MS     200
#define WAIT_MS_MAX 60000

struct trash_rest {
    struct trash_rest *next;
    trash_again *again;
    char name[PATH_SIZE];
};

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
    thread_stand_back();
    sweep.job = job;
    if (fs_folder_each(sweep.trash->folder, remove_one, &sweep, err) < 0)
        return -1;
    if (sweep.first.code == ERROR_NONE)
        return 0;
    *err = sweep.first;
    return -1;
}

/* ---- once more ----------------------------------------------------------------------------- */

static void retry(void *self, void *arg);

static void retry_soon(struct trash *trash)
{
    if (trash->timer >= 0 || loop_is_stopping(trash->loop))
        return;
    trash->timer = loop_timer(trash->loop, trash->wait_ms, 1, retry, trash);
    trash->wait_ms = 2 * trash->wait_ms < WAIT_MS_MAX ? 2 * trash->wait_ms : WAIT_MS_MAX;
}

static bool is_away(struct trash *trash, void *self, const struct trash_rest *rest)
{
    struct error err = { 0 };

    if (rest->again(self, rest->name, &err) == 0)
        return true;
    log_debug(loop_name(trash->loop), "%s: %s", rest->name, err.text);
    return false;
}

static void retry(void *self, void *arg)
{
    struct trash *trash = arg;
    struct trash_rest **at = &trash->rest;

    trash->timer = -1;
    while (*at != NULL) {
        struct trash_rest *rest = *at;

        if (!is_away(trash, self, rest)) {
            at = &rest->next;
            continue;
        }
        *at = rest->next;
        free(rest);
    }
    if (trash->resists)
        trash_empty(trash);
    if (trash->rest != NULL)
        retry_soon(trash);
}

void trash_later(struct trash *trash, const char *name, trash_again *again)
{
    struct trash_rest *rest = zmalloc(sizeof(*rest));

    *rest = (struct trash_rest){ .next = trash->rest, .again = again };
    snprintf(rest->name, sizeof(rest->name), "%s", name);
    trash->rest = rest;
    retry_soon(trash);
}

void trash_close(struct trash *trash)
{
    while (trash->rest != NULL) {
        struct trash_rest *next = trash->rest->next;

        free(trash->rest);
        trash->rest = next;
    }
}

/* ---- emptying -------------------------------------------------------------------------------- */

static void emptied(void *self, const void *in, const struct error *err)
{
    struct trash *trash = ((const struct sweep *)in)->trash;

    (void)self;
    trash->busy = false;
    trash->resists = err != NULL;
    if (trash->resists)
        retry_soon(trash);
    else if (trash->rest == NULL)
        trash->wait_ms = WAIT_MS;
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
    *trash = (struct trash){ .loop = loop, .timer = -1, .wait_ms = WAIT_MS };
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
