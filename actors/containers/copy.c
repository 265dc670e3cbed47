/*
 * Copying: files out of a container's root file system and into it, as a tar over the connection.
 * Jobs.
 *
 * The root of a running container is what its first process sees, volumes and all.  Of one that
 * does not run it is its snapshot with what would be mounted of the host.  A helper goes there
 * (packing.h) and resolves all names; here only bytes come by.
 */
#include <string.h>

#include "actors/base/containers.h"
#include "actors/base/log.h"
#include "actors/containers/containers.h"
#include "platform/packing.h"
#include "platform/scope.h"
#include "protocol/oci/spec_places.h"

#define WINDOW (1u << 20) /* bytes on their way to us */

/* ---- the root
 * ------------------------------------------------------------------------------------ */

struct rooted {
    struct container_info container;
    struct list mounts;
    struct packing_root root;
};

static int mounts_find(struct job *job, struct rooted *rooted, struct error *err)
{
    const struct containers *containers = job_self(job);
    const struct container_info *container = &rooted->container;
    const struct snapshots_key_request want = { .key = container->snapshot,
                                                .driver = container->driver };
    struct snapshots_mounts_reply place;
    struct list binds;
    struct mount *items;
    char own[PATH_SIZE];

    if (container->snapshot == NULL || container->spec == NULL)
        return error_set(err, ERROR_FAILED_PRECONDITION, "has no root file system");
    if (path_format(own, err, "%s/containers", containers->config->root) < 0 ||
        call(job, &op_snapshots_mounts, &want, &place, err) < 0 ||
        spec_binds(container->spec, strlen(container->spec), own, job_arena(job), &binds, err) < 0)
        return -1;
    items = arena_alloc(job_arena(job), (place.mounts.count + binds.count + 1) * sizeof(*items));
    if (place.mounts.count > 0)
        memcpy(items, place.mounts.items, place.mounts.count * sizeof(*items));
    if (binds.count > 0)
        memcpy(items + place.mounts.count, binds.items, binds.count * sizeof(*items));
    rooted->mounts = (struct list){ place.mounts.count + binds.count, items };
    rooted->root.mounts = &rooted->mounts;
    return 0;
}

/* 0: none runs.  As its actor knows it: the record, which comes behind, may not have it yet, and a
   root that somebody writes to must not be mounted once more. */
static int pid_find(struct job *job, const char *id, uint64_t *pid, struct error *err)
{
    const struct tasks_get_request want = { .id = id };
    struct task_info task;

    *pid = 0;
    if (call(job, &op_tasks_get, &want, &task, err) < 0)
        return err->code == ERROR_FAILED_PRECONDITION || err->code == ERROR_NOT_FOUND ? 0 : -1;
    if (task.has_pid && packing_is_running(task.pid))
        *pid = task.pid;
    return 0;
}

static int root_find(struct job *job, const char *id, struct rooted *rooted, struct error *err)
{
    const struct containers_get_request want = { .id = id };

    *rooted = (struct rooted){ 0 };
    if (call(job, &op_containers_get, &want, &rooted->container, err) < 0 ||
        pid_find(job, rooted->container.id, &rooted->root.pid, err) < 0)
        return -1;
    if (rooted->root.pid != 0)
        return 0;
    return mounts_find(job, rooted, err) < 0 ? error_wrap(err, "container %.100s", id) : 0;
}

/* The helper's next news, as soon as there is some. */
static int next(struct job *job, struct packing *packing, struct packing_news *news,
                struct error *err)
{
    return job_wait(job, packing_fd(packing), JOB_FD, -1, err) < 0 ||
                   packing_next(packing, news, err) < 0
               ? -1
               : 0;
}

typedef int packing_start(const struct packing_root *root, const char *path,
                          struct packing *packing, struct error *err);

/* It has ended since its record was read: then its snapshot is what counts. */
static bool has_ended(struct job *job, struct rooted *rooted)
{
    struct error ignored;

    if (rooted->root.pid == 0 || packing_is_running(rooted->root.pid))
        return false;
    rooted->root.pid = 0;
    return mounts_find(job, rooted, &ignored) == 0;
}

/* Until the helper is in the root. */
static int begin(struct job *job, const struct containers_path_request *want, struct rooted *rooted,
                 packing_start *start, struct packing *packing, struct error *err)
{
    struct packing_news news;

    do {
        packing_drop(packing);
        if (start(&rooted->root, want->path, packing, err) == 0 &&
            next(job, packing, &news, err) == 0)
            return 0;
    } while (has_ended(job, rooted));
    return -1;
}

static int failed(const struct containers_path_request *want, struct error *err)
{
    return error_wrap(err, "%.80s", want->id);
}

/* ---- look
 * ---------------------------------------------------------------------------------------- */

static const char *kind_of(unsigned mode)
{
    switch (mode & 0170000) { /* as stat(2) has it */
    case 0040000:
        return "folder";
    case 0120000:
        return "link";
    case 0010000:
        return "pipe";
    case 0140000:
        return "socket";
    case 0100000:
        return "file";
    default:
        return "device";
    }
}

/* Data: the path NUL the target NUL. */
static int look(struct job *job, struct packing *packing, struct containers_path_info *out,
                struct error *err)
{
    CLEANUP(buffer_free) struct buffer said = { 0 };
    struct packing_news news;

    do {
        if (next(job, packing, &news, err) < 0)
            return -1;
        if (news.kind == PACKING_DATA)
            buffer_add(&said, news.data, news.size);
    } while (news.kind != PACKING_DONE);
    buffer_add(&said, "\0\0", 2);
    *out = (struct containers_path_info){
        .path = arena_printf(job_arena(job), "/%s", said.data),
        .kind = kind_of(news.mode),
        .size = news.file_size,
        .mode = news.mode & 07777,
        .modified = news.modified,
    };
    if (strcmp(out->kind, "link") == 0)
        out->target = arena_str(job_arena(job), said.data + strlen(said.data) + 1);
    return 0;
}

static int look_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct containers_path_request *want = in;
    CLEANUP(packing_drop) struct packing packing = { 0 };
    struct rooted rooted;

    if (root_find(job, want->id, &rooted, err) < 0)
        return -1;
    return begin(job, want, &rooted, packing_stat, &packing, err) < 0 ||
                   look(job, &packing, out, err) < 0
               ? failed(want, err)
               : 0;
}

int on_containers_look(void *self, struct request *request, struct error *err)
{
    (void)self;
    return request_run(request, look_job, err);
}

/* ---- out
 * ------------------------------------------------------------------------------------------ */

static int send_tar(struct job *job, struct packing *packing, struct error *err)
{
    struct packing_news news;

    do {
        if (next(job, packing, &news, err) < 0)
            return -1;
        if (news.kind == PACKING_DATA &&
            job_send_credited(job, "tar", news.data, news.size, false, err) < 0)
            return -1;
    } while (news.kind != PACKING_DONE);
    job_send(job, "tar", NULL, 0, true);
    return 0;
}

static int take_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct containers_path_request *want = in;
    CLEANUP(packing_drop) struct packing packing = { 0 };
    struct rooted rooted;

    (void)out;
    if (root_find(job, want->id, &rooted, err) < 0)
        return -1;
    return begin(job, want, &rooted, packing_copy, &packing, err) < 0 ||
                   send_tar(job, &packing, err) < 0
               ? failed(want, err)
               : 0;
}

int on_containers_take(void *self, struct request *request, struct error *err)
{
    (void)self;
    return request_run(request, take_job, err);
}

/* ---- in
 * ------------------------------------------------------------------------------------------- */

/* 1: that was the last of it. */
static int hand_over(struct job *job, struct packing *packing, struct error *err)
{
    CLEANUP(chunk_free) struct chunk *chunk = job_take(job);
    struct packing_news news;
    int there;

    if (chunk != NULL) {
        if (packing_say(packing, chunk->bytes, chunk->size, err) < 0)
            return -1;
        job_allow(job, chunk->size);
        return chunk->end;
    }
    there = job_wait(job, packing_fd(packing), JOB_FD | JOB_INPUT, -1, err);
    if (there < 0 || ((there & JOB_FD) != 0 && packing_next(packing, &news, err) < 0))
        return -1;
    return (there & JOB_FD) != 0 && news.kind == PACKING_DONE
               ? error_set(err, ERROR_INTERNAL, "the helper has ended before the archive")
               : 0;
}

static int take_tar(struct job *job, struct packing *packing, struct error *err)
{
    struct packing_news news;
    int last;

    job_allow(job, WINDOW);
    while ((last = hand_over(job, packing, err)) == 0)
        if (job_check(job, err) < 0)
            return -1;
    if (last < 0)
        return -1;
    packing_say_end(packing);
    do
        if (next(job, packing, &news, err) < 0)
            return -1;
    while (news.kind != PACKING_DONE);
    return 0;
}

/* What runs has it mounted so; what does not shall not see a difference. */
static int check_writable(const struct rooted *rooted, struct error *err)
{
    const char *spec = rooted->container.spec;
    bool read_only;

    if (rooted->root.pid != 0)
        return 0;
    if (spec_is_read_only(spec, strlen(spec), &read_only, err) < 0)
        return -1;
    return read_only
               ? error_set(err, ERROR_FAILED_PRECONDITION, "its root file system is read-only")
               : 0;
}

static int put_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct containers_path_request *want = in;
    CLEANUP(packing_drop) struct packing packing = { 0 };
    struct rooted rooted;

    (void)out;
    if (root_find(job, want->id, &rooted, err) < 0)
        return -1;
    return check_writable(&rooted, err) < 0 ||
                   begin(job, want, &rooted, packing_put, &packing, err) < 0 ||
                   take_tar(job, &packing, err) < 0
               ? failed(want, err)
               : 0;
}

int on_containers_put_files(void *self, struct request *request, struct error *err)
{
    (void)self;
    return request_run(request, put_job, err);
}
