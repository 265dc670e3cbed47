/*
 * Creating a container: folder -> image -> users -> the small files -> volumes -> OCI spec ->
 * root file system -> what volumes get of it -> record.  A job.  Of several who want the same id, the one that could
 * make the folder goes on.  What is made on the way hangs on a lease until the record
 * names it; a folder without a record is removed by the next start.
 */
#include "actors/base/defaults.h"
#include "actors/base/lease.h"
#include "actors/base/log.h"
#include "actors/base/users.h"
#include "actors/containers/containers.h"
#include "actors/containers/mounts.h"
#include "actors/containers/root.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/hosts.h"
#include "protocol/oci/image_config.h"
#include "protocol/oci/name.h"
#include "protocol/oci/signal.h"
#include "protocol/oci/spec.h"

#define PUT_MS        60000
#define HOST_FILE_MAX (1u << 20) /* of the host's own hosts and resolv.conf */
#define FILES_MAX     3

struct making {
    struct job *job;
    const struct containers *containers;
    const struct containers_create_request *want;
    const struct container_options *options;
    char id[80];
    char folder[PATH_SIZE]; /* <root>/containers/<namespace>/<id> */
    struct held_lease lease;
    struct images_inspect_reply image;
    struct image_config defaults;
    uint64_t layer; /* the image's top one; 0: none */
    struct user_ids user;
    struct container_mounts mounts;
    struct snapshots_mounts_reply root; /* how it is mounted */
    char hostname[HOSTNAME_SIZE];
    bool host_network;
    struct container_info info;
    struct container_file files[FILES_MAX]; /* what is in its folder */
    size_t file_count;
};

int spec_take(const char *spec, const char **command, struct arena *arena, struct error *err)
{
    CLEANUP(buffer_free) struct buffer text = { 0 };

    if (spec_check(spec, strlen(spec), &text, err) < 0)
        return -1;
    *command = text.size > 0 ? arena_copy(arena, text.data, text.size) : NULL;
    return 0;
}

static int check_request(struct making *making, struct error *err)
{
    const struct containers_create_request *want = making->want;

    if (want->id != NULL && identifier_check("container id", want->id, err) < 0)
        return -1;
    if (want->name != NULL && container_name_check(want->name, err) < 0)
        return -1;
    if (labels_check(&want->labels, err) < 0 || spec_network_is_host(making->options, &making->host_network, err) < 0)
        return -1;
    if (want->image == NULL && want->spec == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "containers.create takes an image, or a spec with a snapshot");
    if (want->spec != NULL && want->image != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "containers.create takes an image or a spec, not both");
    if (want->spec != NULL && spec_take(want->spec, &making->info.command, job_arena(making->job), err) < 0)
        return -1;
    if (want->id != NULL)
        snprintf(making->id, sizeof(making->id), "%s", want->id);
    else
        random_hex(making->id, 64);
    return 0;
}

/* ---- the image ---------------------------------------------------------------------------- */

static int take_image(struct making *making, struct error *err)
{
    struct images_inspect_request which = { .name = making->want->image,
                                            .platform = making->want->platform,
                                            .driver = making->info.driver };

    if (call(making->job, &op_images_unpack, &which, &making->image, err) < 0)
        return -1;
    if (image_config_parse(making->image.config_json, strlen(making->image.config_json), job_arena(making->job),
                           &making->defaults, err) < 0)
        return error_wrap(err, "image %s", making->want->image);
    making->layer = making->image.has_layer ? making->image.layer : 0;
    return 0;
}

static int take_user(struct making *making, struct error *err)
{
    const struct container_options *options = making->options;
    const char *user = options->user != NULL ? options->user : making->defaults.user;

    return users_of_layer(making->containers->config->root, making->layer, user, &options->group_add,
                          job_arena(making->job), &making->user, err);
}

/* ---- what it stands on ---------------------------------------------------------------------- */

/* Relaxed: the record that names it is written next, and takes it along. */
static int make_root(struct making *making, struct error *err)
{
    struct snapshots_prepare_request want = {
        .key = making->id, .driver = making->info.driver, .parent = making->image.chain_id
    };
    int result;

    if (making->want->snapshot == NULL && root_labels(making->want, making->containers->config->has_volatile, &want.labels,
                                                        job_arena(making->job), err) < 0)
        return -1;
    if (making->want->snapshot != NULL) {
        making->info.snapshot = making->want->snapshot;
        return 0;
    }
    making->info.snapshot = making->id;
    job_relax(making->job, true);
    result = call(making->job, &op_snapshots_prepare, &want, &making->root, err);
    job_relax(making->job, false);
    if (result == 0)
        return 0;
    making->info.snapshot = NULL;
    if (err->code == ERROR_ALREADY_EXISTS) {
        error_set(err, ERROR_ALREADY_EXISTS, "a snapshot with the key %s exists already", making->id);
        return error_hint(err, "remove it, or choose another id for the container");
    }
    return -1;
}

/* At once: another try with the same id shall not meet it. */
static void drop_root(struct making *making)
{
    struct snapshots_key_request which = { .key = making->info.snapshot, .driver = making->info.driver };

    if (making->want->snapshot == NULL && making->info.snapshot != NULL)
        call_finally(making->job, &op_snapshots_remove, &which);
}

static int write_file(struct making *making, const char *name, const struct buffer *text, struct error *err)
{
    char path[PATH_SIZE];

    if (path_format(path, err, "%s/%s", making->folder, name) < 0)
        return -1;
    making->files[making->file_count++] = (struct container_file){
        name, { arena_copy(job_arena(making->job), text->size > 0 ? text->data : "", text->size), text->size }
    };
    return fs_write_new(path, text->size > 0 ? text->data : "", text->size, 0644, err);
}

/* What the host has under `path`; nothing when it has no such file. */
static struct bin host_file(struct making *making, const char *path)
{
    struct error ignored;
    size_t size = 0;
    char *text = fs_read(path, HOST_FILE_MAX, &size, &ignored);
    struct bin bin = { 0 };

    if (text != NULL)
        bin = (struct bin){ arena_copy(job_arena(making->job), text, size), size };
    free(text);
    return bin;
}

static int make_files(struct making *making, struct error *err)
{
    CLEANUP(buffer_free) struct buffer hostname = { 0 };
    CLEANUP(buffer_free) struct buffer hosts = { 0 };
    CLEANUP(buffer_free) struct buffer resolv = { 0 };
    char of_host[65] = "";
    struct bin host_hosts = { 0 }, host_resolv;

    if (making->host_network) {
        machine_host_name(of_host);
        host_hosts = host_file(making, "/etc/hosts");
        host_resolv = host_file(making, "/etc/resolv.conf");
        buffer_add(&resolv, host_resolv.data, host_resolv.size);
    }
    if (hostname_choose(making->options->hostname, making->host_network ? of_host : NULL, making->id, making->hostname,
                        err) < 0 ||
        hosts_text(making->hostname, making->host_network ? &host_hosts : NULL, &making->options->add_host, &hosts, err) < 0)
        return -1;
    hostname_text(making->hostname, &hostname);
    if (write_file(making, "hostname", &hostname, err) < 0 || write_file(making, "hosts", &hosts, err) < 0)
        return -1;
    return making->host_network ? write_file(making, "resolv.conf", &resolv, err) : 0;
}

/* ---- the spec ------------------------------------------------------------------------------- */

struct device_list {
    struct arena *arena;
    struct host_device *items;
    size_t count, room;
};

static int add_device(void *ctx, const struct machine_device *device)
{
    struct device_list *list = ctx;

    if (list->count == list->room) {
        struct host_device *more = arena_alloc(list->arena, (list->room + 64) * 2 * sizeof(*more));

        if (list->count > 0)
            memcpy(more, list->items, list->count * sizeof(*more));
        list->items = more;
        list->room = (list->room + 64) * 2;
    }
    list->items[list->count++] = (struct host_device){
        arena_str(list->arena, device->path), device->type, device->major, device->minor,
        device->mode, device->uid, device->gid,
    };
    return 0;
}

static int describe_host(struct making *making, struct spec_host *host, struct machine *machine, struct error *err)
{
    struct device_list devices = { .arena = job_arena(making->job) };
    const struct container_options *options = making->options;
    struct machine_limit limits[MACHINE_LIMITS_MAX];
    struct rlimit *list;
    size_t count = machine_limits(limits);

    machine_describe(machine);
    list = arena_alloc(devices.arena, count * sizeof(*list));
    for (size_t i = 0; i < count; i++)
        list[i] = (struct rlimit){ limits[i].type, limits[i].soft, limits[i].hard };
    if (((options->has_privileged && options->privileged) || options->devices.count > 0) &&
        machine_devices_each(add_device, &devices, err) < 0)
        return -1;
    *host = (struct spec_host){
        .arch = machine_arch(),
        .cgroups = machine->cgroups,
        .caps = machine_capabilities(),
        .cpus = machine->cpus,
        .swap_limit = machine_swap_limit(),
        .oom_score_adj = machine_oom_score(),
        .limits = list,
        .limit_count = count,
        .devices = devices.items,
        .device_count = devices.count,
    };
    return 0;
}

static int make_spec(struct making *making, struct error *err)
{
    struct arena *arena = job_arena(making->job);
    CLEANUP(buffer_free) struct buffer json = { 0 };
    CLEANUP(buffer_free) struct buffer command = { 0 };
    struct machine machine;
    struct container_options options = *making->options;
    struct spec_host host;
    struct spec_input input = {
        .id = making->id,
        .cgroup_path = arena_printf(arena, "/%s/%s", job_namespace(making->job), making->id),
        .rootfs = "rootfs",
        .hostname = making->hostname,
        .hostname_file = arena_printf(arena, "%s/hostname", making->folder),
        .hosts_file = arena_printf(arena, "%s/hosts", making->folder),
        .resolv_file = making->host_network ? arena_printf(arena, "%s/resolv.conf", making->folder) : NULL,
        .image = &making->defaults,
        .options = &options,
        .user = &making->user,
        .host = &host,
    };

    options.mounts = making->mounts.spec;
    if (describe_host(making, &host, &machine, err) < 0 || spec_build(&input, &json, &command, err) < 0)
        return -1;
    making->info.spec = arena_copy(arena, json.data, json.size);
    if (command.size > 0)
        making->info.command = arena_copy(arena, command.data, command.size);
    return 0;
}

/* ---- the record ----------------------------------------------------------------------------- */

/* NULL: nothing. */
static const struct container_said *what_was_said(const struct making *making)
{
    const struct container_options *options = making->options;
    struct container_said *said = arena_alloc(job_arena(making->job), sizeof(*said));

    *said = (struct container_said){
        .args = options->args,
        .entrypoint = options->entrypoint,
        .no_entrypoint = options->no_entrypoint,
        .has_no_entrypoint = options->has_no_entrypoint && options->no_entrypoint,
        .env = options->env,
        .cwd = options->cwd,
        .user = options->user,
        .stop_signal = options->stop_signal,
    };
    return said->args.count + said->entrypoint.count + said->env.count > 0 || said->has_no_entrypoint ||
                   said->cwd != NULL || said->user != NULL || said->stop_signal != NULL
               ? said
               : NULL;
}

static int fill_record(struct making *making, struct error *err)
{
    const struct containers_create_request *want = making->want;
    const struct container_options *options = making->options;
    const char *signal = options->stop_signal != NULL ? options->stop_signal : making->defaults.stop_signal;
    struct container_info *info = &making->info;
    struct error bad;
    int number;

    if (signal != NULL && signal_parse(signal, &number, &bad) < 0) {
        if (options->stop_signal != NULL)
            return *err = bad, -1;
        signal = NULL; /* the image's nonsense is not the user's fault */
    }
    info->id = making->id;
    if (want->image != NULL)
        info->said = what_was_said(making);
    info->name = want->name;
    info->labels = want->labels;
    info->runtime = want->runtime;
    if (want->image != NULL) {
        info->image = making->image.image->name;
        info->image_id = making->image.config->digest;
    }
    info->tty = options->has_tty && options->tty;
    info->stdin = options->has_stdin && options->stdin;
    info->remove = want->has_remove && want->remove;
    info->has_tty = info->has_stdin = info->has_remove = true;
    info->network = making->host_network ? "host" : "none";
    info->mounts = making->mounts.records;
    info->stop_signal = signal;
    info->stop_timeout = options->stop_timeout;
    info->has_stop_timeout = options->has_stop_timeout;
    info->log = arena_printf(job_arena(making->job), "%s/log", making->folder);
    info->created = info->updated = clock_now();
    info->has_created = info->has_updated = true;
    return 0;
}

/* The id is ours from here on, or somebody else's. */
static int make_folder(struct making *making, struct error *err)
{
    char above[PATH_SIZE];

    if (path_format(above, err, "%s/containers/%s", making->containers->config->root, job_namespace(making->job)) < 0 ||
        path_format(making->folder, err, "%s/%s", above, making->id) < 0 || fs_folder_make(above, 0711, err) < 0)
        return -1;
    if (fs_folder_new(making->folder, 0711, err) == 0)
        return 0;
    if (err->code == ERROR_ALREADY_EXISTS)
        error_set(err, ERROR_ALREADY_EXISTS, "a container with the id %s exists already", making->id);
    return -1;
}

static int fill_folder(struct making *making, struct error *err)
{
    lease_take(&making->lease, making->job);
    if ((making->want->image != NULL && take_image(making, err) < 0) || take_user(making, err) < 0 ||
        (making->want->spec == NULL && make_files(making, err) < 0)) /* who brings a spec brings its mounts */
        return -1;
    making->info.spec = making->want->spec;
    if (making->want->spec == NULL &&
        (mounts_take(making->job, making->options, &making->defaults,
                     making->want->has_remove && making->want->remove, &making->mounts, err) < 0 ||
         make_spec(making, err) < 0))
        return -1;
    return fill_record(making, err);
}

static int make(struct making *making, void *out, struct error *err)
{
    struct containers_put_request put = { .container = &making->info, .files = { 0, making->files } };

    if (check_request(making, err) < 0 || make_folder(making, err) < 0)
        return -1;
    if (fill_folder(making, err) == 0 && make_root(making, err) == 0 &&
        mounts_seed(making->job, &making->mounts, &making->root.mounts, err) == 0 && job_check(making->job, err) == 0) {
        int result;

        put.files.count = making->file_count;
        job_finish(making->job, PUT_MS); /* or nobody would know whether there is a record */
        job_relax(making->job, container_is_passing(&making->info));
        result = call(making->job, &op_containers_put, &put, out, err);
        job_relax(making->job, false);
        if (result == 0) {
            lease_settled(&making->lease);
            return 0;
        }
        if (err->code == ERROR_DEADLINE_EXCEEDED)
            return -1; /* the next start knows */
    }
    drop_root(making);
    mounts_drop(making->job, &making->mounts);
    container_folder_remove(making->job, making->id);
    return -1;
}

static int create_job(struct job *job, const void *in, void *out, struct error *err)
{
    static const struct container_options nothing_said;
    const struct containers *containers = job_self(job);
    const struct containers_create_request *want = in;
    struct making making = {
        .job = job,
        .containers = containers,
        .want = want,
        .options = want->options != NULL ? want->options : &nothing_said,
        .info = { .driver = want->driver },
    };

    int result = make(&making, out, err);

    lease_drop(&making.lease);
    return result;
}

int on_containers_create(void *self, struct request *request, struct error *err)
{
    const struct containers *containers = self;
    struct containers_create_request *want = (void *)(uintptr_t)request_body(request);

    want->driver = default_of(containers->db, request_namespace(request), DEFAULT_SNAPSHOTTER, want->driver,
                              containers->config->default_driver, request_arena(request));
    want->runtime = default_of(containers->db, request_namespace(request), DEFAULT_RUNTIME, want->runtime,
                               containers->config->default_runtime, request_arena(request));
    return request_run(request, create_job, err);
}
