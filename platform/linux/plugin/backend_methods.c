/*
 * The ten methods: our structs to messages and back.
 *
 * The answer to a call may be lost (the plugin was killed after it had done what was asked), and
 * the call is sent again.  A key is never used again before what it named is gone, so what is there
 * already was made by the first one, and what is missing was taken away by it.
 */
#include "platform/linux/plugin/backend_private.h"

#include <stdlib.h>
#include <string.h>

#include "platform/linux/plugin/snapshots.pb-c.h"
#include "platform/scope.h"

#define LABEL_PREFIX "containerd.io/snapshot/"
#define LABEL_REF    "containerd.io/snapshot.ref"
#define PROBE_KEY    "gantry.probe"

/* protobuf-c's strings are not const, and are only read. */
static char *text(const char *words)
{
    return (char *)(uintptr_t)(words != NULL ? words : "");
}

/* ---- labels -----------------------------------------------------------------------------------
 */

struct labels_out {
    Plugin__Label *items;
    Plugin__Label **pointers;
    size_t count;
};

static void labels_free(struct labels_out *labels)
{
    free(labels->items);
    free((void *)labels->pointers);
}

bool backend_is_told(const char *key)
{
    return strncmp(key, LABEL_PREFIX, strlen(LABEL_PREFIX)) == 0 || strcmp(key, LABEL_REF) == 0;
}

static int labels_make(const struct map *map, struct labels_out *labels, struct error *err)
{
    size_t count = map != NULL ? map->count : 0;

    *labels = (struct labels_out){ 0 };
    labels->items = calloc(count + 1, sizeof(*labels->items));
    labels->pointers = calloc(count + 1, sizeof(*labels->pointers));
    if (labels->items == NULL || labels->pointers == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < count; i++) {
        Plugin__Label *label = &labels->items[labels->count];

        if (!backend_is_told(map->entries[i].key))
            continue;
        *label = (Plugin__Label)PLUGIN__LABEL__INIT;
        label->key = text(map->entries[i].key);
        label->value = text(map->entries[i].value);
        labels->pointers[labels->count++] = label;
    }
    return 0;
}

/* ---- mounts ------------------------------------------------------------------------------------
 */

struct mounts_in {
    struct list *mounts;
    struct arena *arena;
};

static int bytes_take(const ProtobufCBinaryData *bytes, const char *what, struct arena *arena,
                      const char **out, struct error *err)
{
    if (memchr(bytes->data != NULL ? (const char *)bytes->data : "", '\0', bytes->len) != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "the %s of a mount has a NUL in it", what);
    *out = bytes->len > 0 ? arena_copy(arena, bytes->data, bytes->len) : NULL;
    return 0;
}

static int mount_take(const Plugin__Mount *from, struct arena *arena, struct mount *to,
                      struct error *err)
{
    const char **options = arena_alloc(arena, (from->n_options + 1) * sizeof(*options));

    if (bytes_take(&from->type, "type", arena, &to->type, err) < 0 ||
        bytes_take(&from->source, "source", arena, &to->source, err) < 0 ||
        bytes_take(&from->target, "target", arena, &to->target, err) < 0)
        return -1;
    if (to->type == NULL)
        to->type = "";
    for (size_t i = 0; i < from->n_options; i++) {
        if (bytes_take(&from->options[i], "options", arena, &options[i], err) < 0)
            return -1;
        if (options[i] == NULL)
            options[i] = "";
    }
    to->options = (struct strs){ from->n_options, options };
    return 0;
}

static int mounts_take(void *ctx, const ProtobufCMessage *message, struct error *err)
{
    const Plugin__MountsResponse *answer = (const void *)message;
    struct mounts_in *in = ctx;
    struct mount *items = arena_alloc(in->arena, (answer->n_mounts + 1) * sizeof(*items));

    for (size_t i = 0; i < answer->n_mounts; i++)
        if (mount_take(answer->mounts[i], in->arena, &items[i], err) < 0)
            return -1;
    *in->mounts = (struct list){ answer->n_mounts, items };
    return 0;
}

/* ---- prepare, view, mounts -------------------------------------------------------------- */

static int prepare(const struct backend_asker *asker, const struct backend_new *wanted,
                   struct labels_out *labels, struct mounts_in *in, unsigned *tries,
                   struct error *err)
{
    Plugin__PrepareRequest request = PLUGIN__PREPARE_REQUEST__INIT;
    struct backend_call call = {
        .method = wanted->read_only ? "View" : "Prepare",
        .key = wanted->key,
        .request = &request.base,
        .answer = &plugin__mounts_response__descriptor,
        .take = mounts_take,
        .ctx = in,
    };
    int result;

    if (labels_make(wanted->labels, labels, err) < 0)
        return -1;
    request.snapshotter = text(backend_name(asker->backend));
    request.key = text(wanted->key);
    request.parent = text(wanted->parent);
    request.n_labels = labels->count;
    request.labels = labels->pointers;
    result = backend_call(asker, &call, err);
    *tries = call.tries;
    return result;
}

int backend_prepare(const struct backend_asker *asker, const struct backend_new *wanted,
                    struct list *mounts, struct arena *arena, struct error *err)
{
    CLEANUP(labels_free) struct labels_out labels = { 0 };
    struct mounts_in in = { mounts, arena };
    struct backend_info there;
    struct error missing;
    unsigned tries = 0;

    if (prepare(asker, wanted, &labels, &in, &tries, err) == 0)
        return 0;
    if (err->code != ERROR_ALREADY_EXISTS || tries < 2 ||
        backend_stat(asker, wanted->key, &there, arena, &missing) < 0)
        return -1;
    return backend_mounts(asker, wanted->key, mounts, arena, err);
}

static Plugin__KeyRequest key_request(const struct backend_asker *asker, const char *key)
{
    Plugin__KeyRequest request = PLUGIN__KEY_REQUEST__INIT;

    request.snapshotter = text(backend_name(asker->backend));
    request.key = text(key);
    return request;
}

int backend_mounts(const struct backend_asker *asker, const char *key, struct list *mounts,
                   struct arena *arena, struct error *err)
{
    Plugin__KeyRequest request = key_request(asker, key);
    struct mounts_in in = { mounts, arena };
    struct backend_call call = {
        .method = "Mounts",
        .key = key,
        .request = &request.base,
        .answer = &plugin__mounts_response__descriptor,
        .take = mounts_take,
        .ctx = &in,
    };

    return backend_call(asker, &call, err);
}

/* ---- stat, list ------------------------------------------------------------------------- */

static enum backend_kind kind_of(int number)
{
    return number < 0 || number > BACKEND_COMMITTED ? BACKEND_UNKNOWN : (enum backend_kind)number;
}

/* What `from` holds, where it lies; the labels' array is the caller's to free(). */
static int info_read(const Plugin__Info *from, struct backend_info *to, struct error *err)
{
    *to = (struct backend_info){ .name = from->name,
                                 .parent = from->parent,
                                 .kind = kind_of((int)from->kind) };
    to->labels.entries = calloc(from->n_labels + 1, sizeof(*to->labels.entries));
    if (to->labels.entries == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < from->n_labels; i++)
        to->labels.entries[to->labels.count++] =
            (struct map_entry){ from->labels[i]->key, from->labels[i]->value };
    return 0;
}

struct info_in {
    struct backend_info *info;
    struct arena *arena;
};

static struct map labels_copy(const struct map *from, struct arena *arena)
{
    struct map to = { from->count, arena_alloc(arena, (from->count + 1) * sizeof(*to.entries)) };

    for (size_t i = 0; i < from->count; i++)
        to.entries[i] = (struct map_entry){ arena_str(arena, from->entries[i].key),
                                            arena_str(arena, from->entries[i].value) };
    return to;
}

static int info_take(void *ctx, const ProtobufCMessage *message, struct error *err)
{
    const Plugin__InfoResponse *answer = (const void *)message;
    struct info_in *in = ctx;
    struct backend_info read;

    if (answer->info == NULL)
        return error_set(err, ERROR_INTERNAL, "its answer describes no snapshot");
    if (info_read(answer->info, &read, err) < 0)
        return -1;
    *in->info =
        (struct backend_info){ arena_str(in->arena, read.name), arena_str(in->arena, read.parent),
                               read.kind, labels_copy(&read.labels, in->arena) };
    free(read.labels.entries);
    return 0;
}

int backend_stat(const struct backend_asker *asker, const char *key, struct backend_info *info,
                 struct arena *arena, struct error *err)
{
    Plugin__KeyRequest request = key_request(asker, key);
    struct info_in in = { info, arena };
    struct backend_call call = {
        .method = "Stat",
        .key = key,
        .request = &request.base,
        .answer = &plugin__info_response__descriptor,
        .take = info_take,
        .ctx = &in,
    };

    return backend_call(asker, &call, err);
}

struct each_in {
    backend_each_fn *each;
    void *ctx;
};

static int list_take(void *ctx, const ProtobufCMessage *message, struct error *err)
{
    const Plugin__ListResponse *answer = (const void *)message;
    struct each_in *in = ctx;
    int result = 0;

    for (size_t i = 0; result == 0 && i < answer->n_info; i++) {
        struct backend_info info;

        if (info_read(answer->info[i], &info, err) < 0)
            return -1;
        result = in->each(in->ctx, &info, err);
        free(info.labels.entries);
    }
    return result;
}

int backend_each(const struct backend_asker *asker, const char *filter, backend_each_fn *each,
                 void *ctx, struct error *err)
{
    Plugin__ListRequest request = PLUGIN__LIST_REQUEST__INIT;
    struct each_in in = { each, ctx };
    char *filters[] = { text(filter) };
    struct backend_call call = {
        .method = "List",
        .request = &request.base,
        .answer = &plugin__list_response__descriptor,
        .take = list_take,
        .ctx = &in,
        .is_stream = true,
    };

    request.snapshotter = text(backend_name(asker->backend));
    request.n_filters = filter != NULL;
    request.filters = filters;
    return backend_call(asker, &call, err);
}

/* ---- commit, remove --------------------------------------------------------------------- */

/* Was the call that has failed now the second one, after a first that did it? */
static bool is_committed(const struct backend_asker *asker, const char *name)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct backend_info there;
    struct error ignored;

    return backend_stat(asker, name, &there, arena, &ignored) == 0 &&
           there.kind == BACKEND_COMMITTED;
}

int backend_commit(const struct backend_asker *asker, const char *key, const char *name,
                   const char *parent, const struct map *labels, struct error *err)
{
    Plugin__CommitRequest request = PLUGIN__COMMIT_REQUEST__INIT;
    CLEANUP(labels_free) struct labels_out packed = { 0 };
    struct backend_call call = {
        .method = "Commit",
        .key = key,
        .request = &request.base,
        .answer = &plugin__empty__descriptor,
    };

    if (labels_make(labels, &packed, err) < 0)
        return -1;
    request.snapshotter = text(backend_name(asker->backend));
    request.name = text(name);
    request.key = text(key);
    request.parent = text(parent);
    request.n_labels = packed.count;
    request.labels = packed.pointers;
    if (backend_call(asker, &call, err) == 0)
        return 0;
    if (call.tries > 1 && (err->code == ERROR_NOT_FOUND || err->code == ERROR_ALREADY_EXISTS) &&
        is_committed(asker, name))
        return 0;
    return -1;
}

int backend_remove(const struct backend_asker *asker, const char *key, struct error *err)
{
    Plugin__KeyRequest request = key_request(asker, key);
    struct backend_call call = {
        .method = "Remove",
        .key = key,
        .request = &request.base,
        .answer = &plugin__empty__descriptor,
    };

    if (backend_call(asker, &call, err) == 0 || err->code == ERROR_NOT_FOUND)
        return 0;
    return -1;
}

/* "labels.KEY" of each. */
static void mask_make(const struct map *labels, Plugin__FieldMask *mask, struct arena *arena)
{
    mask->paths = arena_alloc(arena, (labels->count + 1) * sizeof(*mask->paths));
    for (size_t i = 0; i < labels->count; i++)
        if (backend_is_told(labels->entries[i].key))
            mask->paths[mask->n_paths++] =
                text(arena_printf(arena, "labels.%s", labels->entries[i].key));
}

int backend_label(const struct backend_asker *asker, const char *name, const struct map *labels,
                  struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    Plugin__UpdateRequest request = PLUGIN__UPDATE_REQUEST__INIT;
    Plugin__FieldMask mask = PLUGIN__FIELD_MASK__INIT;
    Plugin__Info info = PLUGIN__INFO__INIT;
    CLEANUP(labels_free) struct labels_out packed = { 0 };
    struct backend_call call = {
        .method = "Update",
        .key = name,
        .request = &request.base,
        .answer = &plugin__info_response__descriptor,
    };

    mask_make(labels, &mask, arena);
    if (labels_make(labels, &packed, err) < 0)
        return -1;
    info.name = text(name);
    info.n_labels = packed.count;
    info.labels = packed.pointers;
    request.snapshotter = text(backend_name(asker->backend));
    request.info = &info;
    request.update_mask = &mask;
    return backend_call(asker, &call, err);
}

/* ---- usage, cleanup, probe -------------------------------------------------------------- */

struct usage_in {
    uint64_t *size, *inodes;
};

static int usage_take(void *ctx, const ProtobufCMessage *message, struct error *err)
{
    const Plugin__UsageResponse *answer = (const void *)message;
    struct usage_in *in = ctx;

    (void)err;
    *in->size = answer->size > 0 ? (uint64_t)answer->size : 0;
    *in->inodes = answer->inodes > 0 ? (uint64_t)answer->inodes : 0;
    return 0;
}

int backend_usage(const struct backend_asker *asker, const char *key, uint64_t *size,
                  uint64_t *inodes, struct error *err)
{
    Plugin__KeyRequest request = key_request(asker, key);
    struct usage_in in = { size, inodes };
    struct backend_call call = {
        .method = "Usage",
        .key = key,
        .request = &request.base,
        .answer = &plugin__usage_response__descriptor,
        .take = usage_take,
        .ctx = &in,
    };

    return backend_call(asker, &call, err);
}

int backend_cleanup(const struct backend_asker *asker, struct error *err)
{
    Plugin__CleanupRequest request = PLUGIN__CLEANUP_REQUEST__INIT;
    struct backend_call call = {
        .method = "Cleanup",
        .request = &request.base,
        .answer = &plugin__empty__descriptor,
        .is_optional = true,
    };

    request.snapshotter = text(backend_name(asker->backend));
    if (backend_call(asker, &call, err) == 0 || err->code == ERROR_UNIMPLEMENTED)
        return 0;
    /* a server that has no such method may refuse it before it has read the request: then libcurl,
       still sending, may see the reset alone */
    return err->code == ERROR_UNAVAILABLE && !call.is_absent ? 0 : -1;
}

int backend_probe(const struct backend_asker *asker, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct backend_info info;
    struct backend_health health;

    if (backend_stat(asker, PROBE_KEY, &info, arena, err) == 0)
        return 0;
    backend_health(asker->backend, &health);
    return health.state == BACKEND_OK ? 0 : -1;
}
