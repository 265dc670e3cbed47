/*
 * still — the container stands still as long as a connection wants it: while its files are read.
 *
 * Whoever asked may be killed, and the daemon with it: the kernel closes the connection, and the
 * container goes on.  Nothing has to be remembered for that, and nobody has to come back.  Of several
 * who want it the last to go lets it go on.  What somebody else has stopped before stays so.
 *
 * The shim does not wait until all stand still: it answers "not yet", and is asked again.
 */
#include <string.h>

#include "platform/linux/shim/asks.h"

/* In the path of its control group: "/namespace/id", or "slice:prefix:name". */
static const char *group_name(const struct shim_task *task)
{
    const char *path = task->cgroup, *last;

    if (path == NULL || path[0] == '\0')
        return task->runtime_id;
    last = strrchr(path, strchr(path, ':') != NULL ? ':' : '/');
    return last != NULL && last[1] != '\0' ? last + 1 : path;
}

static bool is_wanted(const struct shim *shim)
{
    for (const struct client *client = shim->clients; client != NULL; client = client->next)
        if (client->wants_still && !client->is_lost)
            return true;
    return false;
}

static int take(struct shim *shim, struct error *err)
{
    struct still *still = &shim->still;

    if (freezer_open((uint64_t)shim->processes->pid, group_name(&shim->task), &still->freezer,
                     err) < 0)
        return -1;
    still->is_ours = !freezer_is_set(&still->freezer);
    return 0;
}

static void let_go(struct still *still)
{
    if (still->is_ours)
        freezer_thaw(&still->freezer);
    still->is_ours = false;
    freezer_close(&still->freezer);
}

int on_still(struct asking *asking, struct error *err)
{
    struct shim *shim = asking->shim;
    struct freezer *freezer = &shim->still.freezer;

    if (asking->process->state == STATE_STOPPED)
        return answer_ok(shim, asking->asker), 0;
    if (freezer->state < 0 && take(shim, err) < 0)
        return -1;
    asking->client->wants_still = true;
    if (!freezer_is_frozen(freezer) && freezer_freeze(freezer, err) < 0)
        return -1;
    if (!freezer_is_frozen(freezer))
        return error_set(err, ERROR_ABORTED, "the container does not stand still yet");
    answer_ok(shim, asking->asker);
    return 0;
}

void still_leave(struct shim *shim)
{
    if (!is_wanted(shim))
        let_go(&shim->still);
}

void still_break(struct shim *shim)
{
    let_go(&shim->still);
}
