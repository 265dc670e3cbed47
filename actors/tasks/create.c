/*
 * Creating a task: a job, because the root file system's mounts are asked of another
 * actor and the OCI runtime takes its time.  What it has made it hands to the actor
 * with tasks.adopt; what it could not make it gives back the same way.
 */
#include "actors/base/containers.h"
#include "actors/base/defaults.h"
#include "actors/base/log.h"
#include "actors/tasks/task.h"
#include "platform/scope.h"
#include "protocol/oci/draft.h"
#include "protocol/oci/spec.h"
#include "protocol/oci/spec_scan.h"

#define UNDO_MS 30000

struct creation {
    struct container_info container; /* spec included */
    const struct window *window;
    bool hold, defer;
    struct task_spare *spare;
};

static const char *runtime_program(const struct tasks_config *config, const char *name)
{
    for (const struct runtime_path *runtime = config->runtimes; runtime->name != NULL; runtime++)
        if (strcmp(runtime->name, name) == 0)
            return runtime->path != NULL ? runtime->path : runtime->name;
    return name;
}

/* `program` is left as it is for the engine inside the shim. */
static int look_up_runtime(const struct tasks_config *config, const char *name,
                           char program[PATH_SIZE], struct error *err)
{
    const char *wanted = runtime_program(config, name);
    struct error missing;

    if (strcmp(wanted, RUNTIME_NATIVE) == 0)
        return 0;
    if (program_look_up(wanted, program, &missing) < 0)
        return error_set(err, ERROR_FAILED_PRECONDITION, "OCI runtime %s: %.250s", wanted,
                         missing.text);
    return 0;
}

int on_runtime(void *self, struct request *request, struct error *err)
{
    const struct tasks *tasks = self;
    const struct tasks_runtime_request *in = request_body(request);
    char program[PATH_SIZE] = "";
    struct tasks_runtime_reply out = {
        .name = default_of(tasks->db, request_namespace(request), DEFAULT_RUNTIME, in->name,
                           tasks->config->default_runtime, request_arena(request)),
    };

    if (look_up_runtime(tasks->config, out.name, program, err) < 0)
        return -1;
    out.program = program[0] != '\0' ? program : NULL;
    return request_reply(request, &out);
}

static int root_mounts(struct job *job, const struct container_info *container, struct list *mounts,
                       struct error *err)
{
    struct snapshots_key_request want = { .key = container->snapshot, .driver = container->driver };
    struct snapshots_mounts_reply reply;

    if (container->snapshot == NULL)
        return error_set(err, ERROR_FAILED_PRECONDITION, "container %s has no root file system",
                         container->id);
    if (call(job, &op_snapshots_mounts, &want, &reply, err) < 0)
        return error_wrap(err, "root file system of container %s", container->id);
    *mounts = reply.mounts;
    return 0;
}

static bool is_rshared(const json_t *mount)
{
    const json_t *options = json_object_get(mount, "options"), *option;
    size_t i;

    json_array_foreach (options, i, option)
        if (json_is_string(option) && strcmp(json_string_value(option), "rshared") == 0)
            return true;
    return false;
}

static bool is_crun(const char *program)
{
    const char *name = strrchr(program, '/');

    return strncmp(name != NULL ? name + 1 : program, "crun", 4) == 0;
}

/* ---- the spec that the runtime gets -------------------------------------------------------- */

/* A spec in three parts, the middle one its system call filter: most of it, and seldom looked at. */
struct spec_parts {
    struct bin before, filter, after; /* no filter: `before` is all */
};

static struct spec_parts spec_split(const char *spec, size_t size)
{
    size_t begin, end;

    if (!spec_scan_seccomp(spec, size, &begin, &end))
        return (struct spec_parts){ .before = { spec, size } };
    return (struct spec_parts){ { spec, begin }, { spec + begin, end - begin }, { spec + end, size - end } };
}

static struct bin spec_join(const struct spec_parts *parts, const struct bin *middle, struct arena *arena)
{
    CLEANUP(buffer_free) struct buffer text = { 0 };

    buffer_add(&text, parts->before.data, parts->before.size);
    buffer_add(&text, middle->data, middle->size);
    buffer_add(&text, parts->after.data, parts->after.size);
    return (struct bin){ arena_copy(arena, text.data, text.size), text.size };
}

static struct bin spec_without_filter(const struct spec_parts *parts, struct arena *arena)
{
    static const struct bin none = { "null", 4 };

    return parts->filter.size > 0 ? spec_join(parts, &none, arena) : parts->before;
}

/* crun's: with the program as an annotation, and the filter as it was. */
static int take_annotated(struct job *job, json_t *root, const struct spec_parts *parts, struct task_start *start,
                          struct error *err)
{
    const struct tasks *tasks = job_self(job);
    CLEANUP(buffer_free) struct buffer text = { 0 };
    struct spec_parts copy;
    struct bin spec;

    if (!task_filter_add(tasks->config->state, &parts->filter, root))
        return 0;
    draft_put(json_object_get(root, "linux"), "seccomp", draft_object()); /* its place */
    if (draft_write(root, SPEC_BYTES_MAX, &text, err) < 0)
        return -1;
    copy = spec_split(text.data, text.size);
    spec = spec_join(&copy, &parts->filter, job_arena(job));
    start->spec = spec.data;
    start->spec_size = spec.size;
    return 0;
}

/* What the shim has to know of the spec: its control group, and the sources whose mounts go both
 * ways. */
static void take_essence(const json_t *root, struct shim_task *task, struct arena *arena)
{
    const json_t *mounts = json_object_get(root, "mounts"), *mount;
    size_t i;

    task->cgroup = arena_str(
        arena, json_string_value(json_object_get(json_object_get(root, "linux"), "cgroupsPath")));
    task->shared.items =
        arena_alloc(arena, (json_array_size(mounts) + 1) * sizeof(*task->shared.items));
    json_array_foreach (mounts, i, mount) {
        const char *source = json_string_value(json_object_get(mount, "source"));

        if (source != NULL && is_rshared(mount))
            task->shared.items[task->shared.count++] = arena_str(arena, source);
    }
}

static int read_spec(struct job *job, struct task_start *start, struct shim_task *task, struct error *err)
{
    const struct tasks *tasks = job_self(job);
    struct arena *arena = job_arena(job);
    struct spec_parts parts = spec_split(start->spec, start->spec_size);
    struct bin bare = spec_without_filter(&parts, arena);
    json_t *root = draft_read(bare.data, bare.size, err);
    char *filter = arena_alloc(arena, PATH_SIZE);
    int result = 0;

    if (root == NULL)
        return error_wrap(err, "the container's spec");
    take_essence(root, task, arena);
    if (parts.filter.size > 0 && is_crun(task->runtime)) {
        result = take_annotated(job, root, &parts, start, err);
    } else if (parts.filter.size > 0 && strcmp(task->runtime, RUNTIME_NATIVE) == 0 &&
               task_filter_file(tasks->config->state, &parts.filter, filter)) {
        task->filter = filter;
        start->spec = bare.data;
        start->spec_size = bare.size;
    }
    json_decref(root);
    return result;
}

/* Nobody wants the container any more.  A shim whose answer finds no reader undoes what it has
   made; one whose answer was on its way already is told to. */
static void abandon(struct job *job, struct task_starting *starting)
{
    struct error err = { 0 };

    job_finish(job, UNDO_MS);
    task_starting_drop(starting);
    if (task_folder_undo(job, starting->folder, &err) < 0)
        log_warn("tasks", "give up %s: %s; the next start tries again", starting->folder, err.text);
}

static int create(struct job *job, const struct creation *creation, struct task_starting *starting,
                  uint64_t *pid, struct error *err)
{
    const struct tasks *tasks = job_self(job);
    const struct tasks_config *config = tasks->config;
    const struct container_info *container = &creation->container;
    char program[PATH_SIZE], runtime_root[PATH_SIZE];
    struct shim_task task = {
        .namespace = job_namespace(job),
        .id = container->id,
        .runtime_root = runtime_root,
        .runtime = program,
        SET(tty, container->tty),
        SET(stdin, container->stdin),
        SET(hold, creation->hold),
        SET(defer, creation->defer),
        SET(remove, container->remove),
        .log = container->log,
        SET(log_size, config->log_size),
        SET(log_files, config->log_files),
        .window = creation->window,
    };
    struct task_start start = { .state = config->state,
                                .task = &task,
                                .spec = container->spec,
                                .spec_size = strlen(container->spec) };
    const char *name = container->runtime ? container->runtime : config->default_runtime;
    int got;

    snprintf(program, sizeof(program), "%s", RUNTIME_NATIVE);
    if (look_up_runtime(config, name, program, err) < 0 ||
        path_format(runtime_root, err, "%s/oci", config->state) < 0 ||
        fs_folder_make(runtime_root, 0700, err) < 0 ||
        read_spec(job, &start, &task, err) < 0 ||
        root_mounts(job, container, &task.rootfs, err) < 0 ||
        task_create(&start, creation->spare, starting, err) < 0)
        return -1;
    while ((got = task_starting_take(starting, pid, err)) == 0)
        if (job_wait(job, starting->fd, JOB_FD, -1, err) < 0)
            return abandon(job, starting), -1;
    return got < 0 ? -1 : 0;
}

static int create_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct creation *creation = in;
    struct tasks_adopt_request adopt = { .id = creation->container.id };
    CLEANUP(task_starting_drop) struct task_starting starting = { .fd = -1 };
    uint64_t pid;

    if (create(job, creation, &starting, &pid, err) < 0) {
        task_spare_drop(creation->spare); /* if it was not taken yet */
        call_finally(job, &op_tasks_adopt, &adopt);
        return -1;
    }
    adopt.folder = starting.folder;
    adopt.pid = pid;
    adopt.has_pid = true;
    job_finish(job, 10000); /* it exists: a cancel that comes now is answered by a kill */
    return call(job, &op_tasks_adopt, &adopt, out, err);
}

static void create_gone(void *self, struct request *request, void *arg)
{
    struct task *task = arg;

    (void)self;
    for (struct waiter *waiter = task->waiters; waiter != NULL; waiter = waiter->next)
        if (waiter->request == request) {
            waiter_drop(waiter);
            return;
        }
}

int on_create(void *self, struct request *request, struct error *err)
{
    const struct tasks_create_request *in = request_body(request);
    struct tasks *tasks = self;
    struct creation *creation = arena_alloc(request_arena(request), sizeof(*creation));
    const struct container_info *container = &creation->container;
    struct task *task;

    if (container_find(tasks->db, request_namespace(request), in->id, true, request_arena(request),
                       &creation->container, err) < 0)
        return -1;
    if (container->spec == NULL)
        return error_set(err, ERROR_DATA_LOSS, "container %s has no spec", in->id);
    task = task_find(tasks, request_namespace(request), container->id);
    if (task != NULL && task->init.status == TASK_STOPPED) { /* it is just being cleared away */
        waiter_add(task, request, NULL)->retry = true;
        return request_keep(request, create_gone, task);
    }
    if (task != NULL)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "container %s has a task already: it is %s", in->id, container->status);
    creation->window = in->window;
    creation->hold = in->has_hold && in->hold;
    creation->defer = in->has_defer && in->defer;
    task = task_new(tasks, request_namespace(request), container->id);
    task->init.status = TASK_CREATING;
    task->init.tty = container->has_tty && container->tty;
    task->init.stdin = container->has_stdin && container->stdin;
    task->remove = container->has_remove && container->remove;
    task->made = container->has_created ? container->created : 0;
    creation->spare = arena_copy(request_arena(request), &tasks->spare, sizeof(tasks->spare));
    tasks->spare.is_there = false;
    if (request_run_on(request, create_job, creation, err) == 0)
        return 0;
    task_spare_drop(creation->spare);
    task_free(task);
    return -1;
}

int on_adopt(void *self, struct request *request, struct error *err)
{
    const struct tasks_adopt_request *in = request_body(request);
    struct tasks *tasks = self;
    struct task *task = task_find(tasks, request_namespace(request), in->id);
    struct task_info info;

    if (!request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED, "tasks.adopt is for the daemon itself");
    spare_soon(tasks);
    if (task == NULL || task->init.status != TASK_CREATING)
        return error_set(err, ERROR_INTERNAL, "container %s: nothing is being created", in->id);
    if (in->folder == NULL) {
        if (task->remove)
            task_container_remove(tasks, task->namespace, task->id, task->made);
        task_free(task);
        return request_reply(request, &(struct task_info){ .id = in->id, .status = "stopped" });
    }
    snprintf(task->folder, sizeof(task->folder), "%s", in->folder);
    task->init.pid = in->pid;
    task->init.status = TASK_CREATED;
    if (task_connect(task, err) < 0) {
        task->init.status = TASK_STOPPED; /* to nobody's knowledge, so nothing is told */
        task->init.written = task->deleted = true;
        task->needs_undoing = true;
        row_settle(task);
        return -1;
    }
    row_put(task, "/tasks/create");
    info = process_info_of(task, &task->init);
    return request_reply(request, &info);
}
