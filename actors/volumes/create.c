/*
 * Making a volume: folder, then row.
 *
 * The folder is not synced: a row whose folder a power cut took gets an empty one again at the
 * start, which is all that was promised; what containers write and sync takes the new folders
 * along, and so does who fills it (seed.c).  What fails on the way leaves an empty folder
 * without a row, which is taken back here, or at the next start.
 */
#include "actors/volumes/store.h"
#include "platform/scope.h"

#define ANONYMOUS_DIGITS 64

struct making {
    const struct volumes *volumes;
    const char *name;
    bool anonymous, passing;
};

static int check(const struct request *request, const struct volumes_create_request *in,
                 struct error *err)
{
    if (in->has_passing && in->passing && !request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED,
                         "volumes.create: passing is for the daemon itself");
    if (in->name != NULL && volume_name_check(in->name, err) < 0)
        return -1;
    if (in->driver != NULL && !streq(in->driver, VOLUME_DRIVER)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "volume driver '%.40s': there is none but local",
                  in->driver);
        return error_hint(err, "what another driver would mount can be mounted on the host and "
                               "bound with -v /PATH:/PATH");
    }
    if (in->uid >= UINT32_MAX || in->gid >= UINT32_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "volume owner %llu:%llu: below 4294967295",
                         (unsigned long long)in->uid, (unsigned long long)in->gid);
    if (in->options.count > 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "volume option '%.40s': the driver local has no options",
                         in->options.entries[0].key);
    return labels_check(&in->labels, err);
}

/* ---- the row -------------------------------------------------------------------------- */

static bool labels_are(const struct map *labels, const struct map *wanted)
{
    for (size_t i = 0; i < wanted->count; i++) {
        const char *value = map_get(labels, wanted->entries[i].key);

        if (value == NULL || !streq(value, wanted->entries[i].value))
            return false;
    }
    return labels->count == wanted->count;
}

/* It is there: as good as made, for who does not want another one. */
static int found(struct write *write, const struct volumes_create_request *in,
                 const struct volume_info *info, struct error *err)
{
    if (in->labels.count > 0 && !labels_are(&info->labels, &in->labels)) {
        error_set(err, ERROR_ALREADY_EXISTS, "volume %s: is there already, with other labels",
                  info->name);
        return error_hint(err,
                          "labels of a volume do not change; remove it, or choose another name");
    }
    return hold(write, "volume", info->name, NULL, err);
}

static int insert(struct write *write, const struct volumes_create_request *in,
                  const struct making *making, struct error *err)
{
    struct buffer labels = db_labels(&in->labels);
    int result = db_run(write_db(write), err,
                        "INSERT INTO volumes_volume (namespace, name, labels, anonymous, passing,"
                        " created) VALUES (?, ?, ?, ?, ?, ?)",
                        "ssbiii", write_namespace(write), making->name, labels.data, labels.size,
                        (int64_t)making->anonymous, (int64_t)making->passing, clock_now());

    buffer_free(&labels);
    if (result < 0 || hold(write, "volume", making->name, NULL, err) < 0)
        return -1;
    return emit(write, "/volumes/create", making->name, err, "driver", VOLUME_DRIVER, NULL);
}

static int create_write(struct write *write, const void *in_record, void *out_record,
                        struct error *err)
{
    const struct volumes_create_request *in = in_record;
    const struct making *making = write_ctx(write);
    struct volumes_create_reply *out = out_record;
    struct volume_info *info = arena_alloc(write_arena(write), sizeof(*info));
    int there = volume_read(making->volumes, write_db(write), write_namespace(write), making->name,
                            info, write_arena(write), err);

    if (there < 0)
        return -1;
    *out = (struct volumes_create_reply){ .volume = info, SET(is_new, there == 0) };
    if (there == 1)
        return found(write, in, info, err);
    if (insert(write, in, making, err) < 0)
        return -1;
    return volume_find(making->volumes, write_db(write), write_namespace(write), making->name, info,
                       write_arena(write), err);
}

/* ---- the folder ----------------------------------------------------------------------- */

/* What an earlier volume of that name has left, because it resisted, is not what this one begins
   with. */
static int make_way(struct volumes *volumes, struct request *request, const char *name,
                    const char *folder, struct error *err)
{
    struct volume_info info;
    int there = fs_exists(folder) ? volume_read(volumes, volumes->db, request_namespace(request),
                                                name, &info, request_arena(request), err)
                                  : 1;

    if (there != 0)
        return there < 0 ? -1 : 0;
    return trash_put(&volumes->trash, folder, err);
}

static int make_data(const struct volumes_create_request *in, const char *folder, struct error *err)
{
    char data[PATH_SIZE];

    if (path_format(data, err, "%s/data", folder) < 0)
        return -1;
    if (fs_exists(data))
        return 0;
    if (fs_folder_new(data, 0755, err) < 0)
        return -1;
    if (in->uid == 0 && in->gid == 0)
        return 0;
    return fs_owner(data, (uint32_t)in->uid, (uint32_t)in->gid, err);
}

static int make_folder(struct volumes *volumes, struct request *request, const char *name,
                       struct error *err)
{
    const char *namespace = request_namespace(request);
    char path[PATH_SIZE];

    if (path_format(path, err, "%s/volumes/%s", volumes->root, namespace) < 0 ||
        fs_folder_make(path, 0700, err) < 0 ||
        volume_folder(volumes, namespace, name, path, err) < 0 ||
        make_way(volumes, request, name, path, err) < 0 || fs_folder_make(path, 0700, err) < 0)
        return -1;
    return make_data(request_body(request), path, err);
}

/* A folder that did not come to have a row. */
static void take_back(struct volumes *volumes, struct request *request, const char *name)
{
    struct error ignored = { 0 };
    struct volume_info info;

    if (volume_read(volumes, volumes->db, request_namespace(request), name, &info,
                    request_arena(request), &ignored) == 0)
        volume_away(volumes, request_namespace(request), name);
}

static int create_after(void *self, struct request *request, void *ctx, void *out,
                        struct error *err)
{
    const struct making *making = ctx;

    (void)out;
    if (err != NULL)
        take_back(self, request, making->name);
    return 0;
}

int on_volume_create(void *self, struct request *request, struct error *err)
{
    struct volumes *volumes = self;
    const struct volumes_create_request *in = request_body(request);
    struct arena *arena = request_arena(request);
    struct making *making = arena_alloc(arena, sizeof(*making));
    char made_up[ANONYMOUS_DIGITS + 1];
    int turn;

    if (check(request, in, err) < 0)
        return -1;
    random_hex(made_up, ANONYMOUS_DIGITS);
    *making = (struct making){
        .volumes = volumes,
        .name = in->name != NULL ? in->name : arena_str(arena, made_up),
        .anonymous = in->name == NULL,
        .passing = in->has_passing && in->passing && in->name == NULL,
    };
    turn = turn_take(volumes, request, making->name, on_volume_create);
    if (turn != 0)
        return turn < 0 ? -1 : 0;
    if (make_folder(volumes, request, making->name, err) < 0) {
        take_back(volumes, request, making->name);
        return -1;
    }
    return request_write(request, create_write, create_after, making, err);
}
