/* mounts — see mounts.h. */
#include "actors/containers/mounts.h"

#include "actors/base/log.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"
#include "protocol/oci/shown.h"
#include "protocol/oci/spec.h"
#include "protocol/oci/spec_parts.h"

#define MOUNTS_MAX 1000 /* an image may have a million volumes */

struct mount_plan {
    const char *name; /* NULL: anonymous, until it is made */
    const char *path; /* of its data */
    const char *target;
    bool read_only, nocopy, anonymous, is_new;
};

static bool has_option(const struct mount *mount, const char *option)
{
    for (size_t i = 0; i < mount->options.count; i++)
        if (streq(mount->options.items[i], option))
            return true;
    return false;
}

/* ---- what is wanted ------------------------------------------------------------------- */

static int volume_options(const struct mount *mount, const char *target, struct error *err)
{
    static const char *const known[] = { "ro", "rw", "nocopy", "z", "Z" };

    for (size_t i = 0; i < mount->options.count; i++) {
        const char *option = mount->options.items[i];
        bool found = false;
        struct shown text;

        for (size_t j = 0; j < COUNT_OF(known); j++)
            found = found || streq(option, known[j]);
        if (!found)
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "mount %.200s: option '%s': a volume has ro, rw and nocopy", target,
                             shown(option, &text));
    }
    if (has_option(mount, "ro") && has_option(mount, "rw"))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "mount %.200s: options ro and rw exclude each other", target);
    return 0;
}

static int plan_wanted(const struct mount *mount, const char *target, struct mount_plan *plan,
                       struct error *err)
{
    if (volume_options(mount, target, err) < 0 ||
        (mount->source != NULL && volume_name_check(mount->source, err) < 0))
        return -1;
    *plan = (struct mount_plan){ .name = mount->source,
                                 .target = target,
                                 .read_only = has_option(mount, "ro"),
                                 .nocopy = has_option(mount, "nocopy"),
                                 .anonymous = mount->source == NULL };
    return 0;
}

static bool is_taken(const struct container_mounts *mounts, const char *target)
{
    const struct container_mount *records = mounts->records.items;

    for (size_t i = 0; i < mounts->records.count; i++)
        if (streq(records[i].destination, target))
            return true;
    return false;
}

static struct container_mount *add_record(struct container_mounts *mounts, const char *type,
                                          const char *target)
{
    struct container_mount *record =
        (struct container_mount *)mounts->records.items + mounts->records.count++;

    *record = (struct container_mount){ .type = type, .destination = target, SET(rw, true) };
    return record;
}

/* A mount of the user's.  Binds and tmpfs are checked by who makes the spec. */
static int take_wanted(struct container_mounts *mounts, const struct mount *mount,
                       struct arena *arena, struct error *err)
{
    char clean[PATH_TEXT_MAX];
    const char *target;
    struct container_mount *record;

    if (path_clean(mount->target != NULL ? mount->target : "", "mount target", clean, err) < 0)
        return -1;
    target = arena_str(arena, clean);
    if (is_taken(mounts, target))
        return error_set(err, ERROR_INVALID_ARGUMENT, "mount %.200s: two mounts have this target",
                         target);
    record = add_record(mounts, mount->type, target);
    if (streq(mount->type, "volume"))
        return plan_wanted(mount, target, &mounts->volumes[mounts->volume_count++], err);
    record->source = streq(mount->type, "tmpfs") ? NULL : mount->source;
    record->rw = !has_option(mount, "ro");
    ((struct mount *)mounts->spec.items)[mounts->spec.count++] = *mount;
    return 0;
}

static int take_image_volume(struct container_mounts *mounts, const char *volume,
                             struct arena *arena, struct error *err)
{
    char clean[PATH_TEXT_MAX];
    const char *target;

    if (path_clean(volume, "volume of the image", clean, err) < 0)
        return -1;
    if (is_taken(mounts, clean))
        return 0;
    target = arena_str(arena, clean);
    add_record(mounts, "volume", target);
    mounts->volumes[mounts->volume_count++] =
        (struct mount_plan){ .target = target, .anonymous = true };
    return 0;
}

static int plan_all(struct container_mounts *mounts, const struct list *wanted,
                    const struct image_config *image, struct arena *arena, struct error *err)
{
    const struct mount *items = wanted->items;

    for (size_t i = 0; i < wanted->count; i++)
        if (take_wanted(mounts, &items[i], arena, err) < 0)
            return -1;
    for (size_t i = 0; i < image->volumes.count; i++)
        if (take_image_volume(mounts, image->volumes.items[i], arena, err) < 0)
            return -1;
    return 0;
}

/* ---- taken ---------------------------------------------------------------------------- */

/* Whether the row may wait for the disk until the container's record takes it along.  The record
   of a container that goes by itself never waits for it, and what has a name outlives that one. */
static bool may_relax(const struct container_mounts *mounts, const struct mount_plan *plan)
{
    return plan->anonymous || !mounts->passing;
}

static int volume_take(struct job *job, const struct container_mounts *mounts,
                       struct mount_plan *plan, struct error *err)
{
    const struct volumes_create_request want = { .name = plan->name,
                                                 SET(passing, plan->anonymous && mounts->passing),
                                                 SET(uid, mounts->uid),
                                                 SET(gid, mounts->gid) };
    struct volumes_create_reply made;
    int result;

    job_relax(job, may_relax(mounts, plan));
    result = call(job, &op_volumes_create, &want, &made, err);
    job_relax(job, false);
    if (result < 0)
        return -1;
    plan->name = made.volume->name;
    plan->path = made.volume->path;
    plan->is_new = made.has_is_new && made.is_new;
    return 0;
}

/* For the spec a volume is a folder of the host. */
static void add_bind(struct container_mounts *mounts, const struct mount_plan *plan,
                     struct arena *arena)
{
    const char **options = arena_alloc(arena, 3 * sizeof(*options));

    options[0] = "rbind";
    options[1] = "rprivate";
    options[2] = "ro";
    ((struct mount *)mounts->spec.items)[mounts->spec.count++] =
        (struct mount){ .type = "bind",
                        .source = plan->path,
                        .target = plan->target,
                        .options = { plan->read_only ? 3 : 2, options } };
}

static void fill_record(struct container_mounts *mounts, const struct mount_plan *plan)
{
    struct container_mount *record = mounts->records.items;

    while (!streq(record->destination, plan->target))
        record++;
    record->name = plan->name;
    record->source = plan->path;
    record->rw = !plan->read_only;
    record->anonymous = record->has_anonymous = plan->anonymous;
}

/* In a user namespace root is somebody else on the disk. */
static int find_root(const struct container_options *options, struct container_mounts *mounts,
                     struct error *err)
{
    struct id_map uids, gids;

    if (spec_id_maps(options, &uids, &gids, err) < 0)
        return -1;
    id_map_find(&uids, 0, &mounts->uid);
    id_map_find(&gids, 0, &mounts->gid);
    return 0;
}

int mounts_take(struct job *job, const struct container_options *options,
                const struct image_config *image, bool passing, struct container_mounts *mounts,
                struct error *err)
{
    const struct list *wanted = &options->mounts;
    size_t most = wanted->count + image->volumes.count;
    struct arena *arena = job_arena(job);

    *mounts = (struct container_mounts){ .passing = passing };
    if (wanted->count > MOUNTS_MAX || image->volumes.count > MOUNTS_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "%zu mounts, and %zu volumes of the image; %d at most", wanted->count,
                         image->volumes.count, MOUNTS_MAX);
    mounts->spec.items = arena_alloc(arena, (most + 1) * sizeof(struct mount));
    mounts->records.items = arena_alloc(arena, (most + 1) * sizeof(struct container_mount));
    mounts->volumes = arena_alloc(arena, (most + 1) * sizeof(*mounts->volumes));
    if (find_root(options, mounts, err) < 0 || plan_all(mounts, wanted, image, arena, err) < 0) {
        mounts->volume_count = 0;
        return -1;
    }
    for (size_t i = 0; i < mounts->volume_count; i++) {
        if (volume_take(job, mounts, &mounts->volumes[i], err) < 0)
            return -1;
        add_bind(mounts, &mounts->volumes[i], arena);
        fill_record(mounts, &mounts->volumes[i]);
    }
    return 0;
}

/* ---- filled --------------------------------------------------------------------------- */

int mounts_seed(struct job *job, const struct container_mounts *mounts, const struct list *root,
                struct error *err)
{
    for (size_t i = 0; i < mounts->volume_count; i++) {
        const struct mount_plan *plan = &mounts->volumes[i];
        const struct volumes_seed_request want = { .name = plan->name,
                                                   .mounts = *root,
                                                   .source = plan->target };
        int result;

        if (plan->nocopy)
            continue;
        job_relax(job, plan->anonymous && mounts->passing); /* what is in it is not worth a sync */
        result = call(job, &op_volumes_seed, &want, NULL, err);
        job_relax(job, false);
        if (result < 0)
            return -1;
    }
    return 0;
}

/* ---- given back, held, let go --------------------------------------------------------- */

void mounts_drop(struct job *job, const struct container_mounts *mounts)
{
    for (size_t i = 0; i < mounts->volume_count; i++) {
        const struct volumes_get_request which = { .name = mounts->volumes[i].name };

        if (mounts->volumes[i].is_new)
            call_finally(job, &op_volumes_remove, &which);
    }
}

static int hold_one(struct write *write, const char *id, const char *volume, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(write_db(write), &query, err,
                 "SELECT 1 FROM volumes_volume WHERE namespace = ? AND name = ?", "ss",
                 write_namespace(write), volume) < 0 ||
        (found = query_next(&query, err)) < 0)
        return -1;
    if (found == 0)
        return error_set(err, ERROR_ABORTED, "volume %.80s: it was removed meanwhile", volume);
    return db_run(write_db(write), err,
                  "INSERT OR IGNORE INTO containers_volume (namespace, volume, container)"
                  " VALUES (?, ?, ?)",
                  "sss", write_namespace(write), volume, id);
}

int mounts_hold(struct write *write, const struct container_info *info, struct error *err)
{
    const struct container_mount *mounts = info->mounts.items;

    for (size_t i = 0; i < info->mounts.count; i++)
        if (streq(mounts[i].type, "volume") && hold_one(write, info->id, mounts[i].name, err) < 0)
            return -1;
    return 0;
}

static bool is_anonymous(const struct container_mount *mount)
{
    return streq(mount->type, "volume") && mount->has_anonymous && mount->anonymous;
}

int mounts_pass(struct job *job, const struct container_info *info, struct error *err)
{
    const struct container_mount *mounts = info->mounts.items;
    struct volumes_pass_request want = { 0 };

    want.names.items = arena_alloc(job_arena(job), (info->mounts.count + 1) * sizeof(char *));
    for (size_t i = 0; i < info->mounts.count; i++)
        if (is_anonymous(&mounts[i]))
            want.names.items[want.names.count++] = mounts[i].name;
    return want.names.count > 0 ? call(job, &op_volumes_pass, &want, NULL, err) : 0;
}

/* What resists goes at the next start: it is marked. */
void mounts_remove(struct job *job, const struct container_info *info)
{
    const struct container_mount *mounts = info->mounts.items;

    for (size_t i = 0; i < info->mounts.count; i++) {
        const struct volumes_get_request which = { .name = mounts[i].name };
        struct error err = { 0 };

        if (is_anonymous(&mounts[i]) && call(job, &op_volumes_remove, &which, NULL, &err) < 0 &&
            err.code != ERROR_NOT_FOUND && err.code != ERROR_FAILED_PRECONDITION)
            log_warn("containers", "volume %s of container %s: %s", which.name, info->id, err.text);
    }
}
