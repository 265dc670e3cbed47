/*
 * Rebuild: a committed layer is unpacked once more from its blob, and its files take the place of the damaged ones.
 *
 * The layer is known by its number; which blob it came from is found through an image that has a layer of that chain id.
 * It is unpacked with its parents in sight, and put on top of them where layers are whole, so they are to be right: whoever
 * asks begins at the bottom.
 */
#include "actors/base/db.h"
#include "actors/base/lease.h"
#include "actors/images/work.h"
#include "platform/scope.h"

struct place {
    const char *namespace, *driver, *chain_id, *image;
};

struct rebuild {
    struct job *job;
    uint64_t layer;
    struct place *places; /* images of namespaces that have it */
    size_t count, room;
    struct source source;
    struct variant variant;
    size_t index; /* of the layer in the variant */
};

static void db_drop(struct db **db)
{
    db_close(db);
}

static void add_place(struct rebuild *self, struct query *row)
{
    struct arena *arena = job_arena(self->job);

    if (self->count == self->room) {
        struct place *grown = arena_alloc(arena, (self->room = 2 * self->room + 16) * sizeof(*grown));

        if (self->count > 0)
            memcpy(grown, self->places, self->count * sizeof(*grown));
        self->places = grown;
    }
    self->places[self->count++] = (struct place){ query_str(row, 0, arena), query_str(row, 1, arena),
                                                  query_str(row, 2, arena), query_str(row, 3, arena) };
}

static int find_places(struct rebuild *self, struct error *err)
{
    const struct images *images = job_self(self->job);
    CLEANUP(db_drop) struct db *db = NULL;
    CLEANUP(query_done) struct query row = { 0 };
    int more;

    if (db_open(images->config->database, true, &db, err) < 0 ||
        db_query(db, &row, err,
                 "SELECT s.namespace, s.driver, s.key, i.name FROM snapshots_snapshot s"
                 " JOIN images_image i ON i.namespace = s.namespace WHERE s.layer = ? AND s.kind = 'committed'",
                 "u", self->layer) < 0)
        return -1;
    while ((more = query_next(&row, err)) == 1)
        add_place(self, &row);
    return more;
}

/* Does the image have a layer of that chain id? */
static bool is_of(struct rebuild *self, const struct place *place)
{
    struct images_get_request which = { .name = place->image };
    struct image_info image;
    struct platform platform;
    struct error ignored = { 0 };

    job_enter(self->job, place->namespace);
    self->source = (struct source){ .job = self->job };
    if (platform_wanted(NULL, &platform, &ignored) < 0 || call(self->job, &op_images_get, &which, &image, &ignored) < 0 ||
        variant_find(&self->source, image.target, &platform, &self->variant, &ignored) < 0)
        return false;
    for (self->index = 0; self->index < self->variant.layer_count; self->index++)
        if (strcmp(self->variant.layers[self->index].chain_id, place->chain_id) == 0)
            return true;
    return false;
}

/* Highest first.  A whole one holds what those below it have. */
static int find_lowers(struct rebuild *self, const struct place *place, const char **lowers, size_t *count, struct error *err)
{
    const struct images *images = job_self(self->job);
    char path[PATH_SIZE];
    bool whole = false;

    for (*count = 0; *count < self->index && !whole; ++*count) {
        struct work below = { .config = images->config, .driver = place->driver,
                              .layer = &self->variant.layers[self->index - 1 - *count] };

        if (snapshot_know(self->job, &below, err) < 0 || work_folder(&below, "/fs", path, err) < 0)
            return -1;
        lowers[*count] = arena_str(job_arena(self->job), path);
        whole = below.whole;
    }
    return 0;
}

/* A place of its own, and full. */
static int unpack(struct rebuild *self, const struct place *place, const char *key, struct error *err)
{
    const struct images *images = job_self(self->job);
    const char **lowers = arena_alloc(job_arena(self->job), (self->index + 1) * sizeof(*lowers));
    struct layer *layer = &self->variant.layers[self->index];
    struct snapshots_prepare_request prepare = { .key = key, .driver = place->driver, SET(apart, true) };
    struct content_stat_request stat = { .digest = layer->blob.digest };
    struct work work = { .source = &self->source, .config = images->config, .driver = place->driver, .layer = layer,
                         .index = self->index };
    struct snapshots_mounts_reply made;
    struct content_info blob;
    size_t count;

    if (call(self->job, &op_content_stat, &stat, &blob, err) < 0 || find_lowers(self, place, lowers, &count, err) < 0 ||
        call(self->job, &op_snapshots_prepare, &prepare, &made, err) < 0)
        return -1;
    work.number = made.layer;
    return unpack_present(self->job, &work, blob.path, lowers, count, err);
}

static int cannot_replace(const struct rebuild *self, const struct place *place, struct error *err)
{
    error_set(err, ERROR_UNIMPLEMENTED, "layer %llu: plugin %s cannot give it other files", (unsigned long long)self->layer,
              place->driver);
    return error_hint(err, "remove what stands on it (gantry rm, gantry rmi), and pull it again");
}

static int rebuild_in(struct rebuild *self, const struct place *place, struct error *err)
{
    char id[33], key[60];
    struct snapshots_replace_request replace = { .key = key, .driver = place->driver, .layer = self->layer };
    struct snapshots_key_request drop = { .key = key, .driver = place->driver };
    int result;

    job_new_id(id);
    snprintf(key, sizeof(key), "rebuild-%s", id);
    result = unpack(self, place, key, err);
    if (result == 0)
        result = call(self->job, &op_snapshots_replace, &replace, NULL, err);
    if (result < 0)
        call_finally(self->job, &op_snapshots_remove, &drop);
    return result;
}

static int rebuild(struct job *job, const void *in, void *out, struct error *err)
{
    const struct images_rebuild_request *want = in;
    struct images_rebuild_reply *reply = out;
    CLEANUP(lease_drop) struct held_lease lease = { .job = NULL };
    struct rebuild self = { .job = job, .layer = want->layer };

    if (find_places(&self, err) < 0)
        return -1;
    for (size_t i = 0; i < self.count; i++) {
        if (!is_of(&self, &self.places[i]))
            continue;
        if (driver_is_plugin(self.places[i].driver))
            return cannot_replace(&self, &self.places[i], err);
        lease_take(&lease, job);
        if (rebuild_in(&self, &self.places[i], err) < 0)
            return -1;
        reply->image = self.places[i].image;
        reply->blob = self.variant.layers[self.index].blob.digest;
        return 0;
    }
    error_set(err, ERROR_NOT_FOUND, "layer %llu: no image here says which blob it came from",
              (unsigned long long)want->layer);
    return error_hint(err, "remove what stands on it, and make it again");
}

int on_images_rebuild(void *self, struct request *request, struct error *err)
{
    (void)self;
    if (!request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED, "images.rebuild is for the daemon itself");
    return request_run(request, rebuild, err);
}
