/*
 * Filling a volume that is empty, with what an image has where it will be mounted.
 *
 * The tree is a stranger's and so is the path: a confined helper does the copying, on the root
 * file system that the container is going to have (platform/unpack.h).  What this job starts
 * and cannot finish leaves data/ empty, and is begun anew by the next who uses the volume.
 */
#include "actors/volumes/store.h"
#include "platform/scope.h"
#include "platform/unpack.h"

struct seeding {
    char folder[PATH_SIZE];
    const struct volumes_seed_request *want;
    bool sync;
};

static int found_one(void *ctx, const char *name, struct error *err)
{
    (void)name, (void)err;
    *(bool *)ctx = true;
    return -1;
}

/* Most volumes that are used have something in them: no process is started to see that. */
static bool has_content(const struct seeding *seeding)
{
    char path[PATH_SIZE];
    struct error ignored = { 0 };
    bool found = false;

    if (path_format(path, &ignored, "%s/" UNPACK_SEED_DONE, seeding->folder) < 0 || fs_exists(path))
        return false; /* that is to be finished */
    if (path_format(path, &ignored, "%s/data", seeding->folder) == 0)
        fs_folder_each(path, found_one, &found, &ignored);
    return found;
}

static int drop(const struct seeding *seeding, const char *name, struct error *err)
{
    char path[PATH_SIZE];

    if (path_format(path, err, "%s/%s", seeding->folder, name) < 0)
        return -1;
    return fs_exists(path) ? fs_remove_tree(path, err) : 0;
}

static int copy(struct job *job, const struct seeding *seeding, struct error *err)
{
    CLEANUP(unpack_drop) struct unpack unpack = { 0 };
    const struct unpack_seed options = { .volume = seeding->folder,
                                         .source = seeding->want->source,
                                         .mounts = &seeding->want->mounts,
                                         .sync = seeding->sync };

    if (unpack_seed_start(&options, &unpack, err) < 0 ||
        job_wait(job, unpack_fd(&unpack), JOB_FD, -1, err) < 0)
        return -1;
    return unpack_seed_end(&unpack, err);
}

static int seed_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct seeding *seeding = in;
    struct error ignored = { 0 };

    (void)out;
    if (has_content(seeding)) {
        drop(seeding, UNPACK_SEED_PART, &ignored); /* of one who was quicker than a crash */
        return 0;
    }
    if (copy(job, seeding, err) < 0) {
        drop(seeding, UNPACK_SEED_PART, &ignored);
        return error_wrap(err, "fill volume %.80s", seeding->want->name);
    }
    return drop(seeding, UNPACK_SEED_DONE, err);
}

int on_volume_seed(void *self, struct request *request, struct error *err)
{
    struct volumes *volumes = self;
    const struct volumes_seed_request *in = request_body(request);
    struct seeding *seeding = arena_alloc(request_arena(request), sizeof(*seeding));
    struct volume_info info;
    int turn;

    if (!request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED, "volumes.seed is for the daemon itself");
    turn = turn_take(volumes, request, in->name, on_volume_seed);
    if (turn != 0)
        return turn < 0 ? -1 : 0;
    if (volume_find(volumes, volumes->db, request_namespace(request), in->name, &info,
                    request_arena(request), err) < 0 ||
        volume_folder(volumes, request_namespace(request), in->name, seeding->folder, err) < 0)
        return -1;
    seeding->want = in;
    seeding->sync = !request_is_relaxed(request);
    return request_run_on(request, seed_job, seeding, err);
}
