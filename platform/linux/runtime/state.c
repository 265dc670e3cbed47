/* See state.h. */
#include "platform/linux/runtime/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/linux/runtime/cgroup.h"
#include "platform/linux/runtime/files.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/draft.h"

#define STATE_BYTES_MAX  (1u << 20)
#define CONFIG_BYTES_MAX (16u << 20)

/* ---- the folder ---------------------------------------------------------------- */

int id_check(const char *id, struct error *err)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.";
    size_t size = strlen(id);

    if (size == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "container id cannot be empty");
    if (size > STATE_ID_MAX || id[strspn(id, allowed)] != '\0' || strcmp(id, ".") == 0 ||
        strcmp(id, "..") == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "invalid container ID format: %.300s", id);
    return 0;
}

/* Only root has business there; the folders above are made as needed. */
static int root_make(const char *root, struct error *err)
{
    if (mkdir(root, 0700) == 0 || errno == EEXIST)
        return 0;
    if (errno != ENOENT)
        return error_sys(err, errno, "make %s", root);
    return fs_folder_make_all(root, 0700, err);
}

static int folder_open(struct state *state, struct error *err)
{
    char path[PATH_SIZE];

    if (path_format(path, err, "%s/%s", state->root, state->id) < 0)
        return -1;
    state->folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (state->folder < 0 && errno == ENOENT)
        return error_set(err, ERROR_NOT_FOUND, "container does not exist");
    return state->folder < 0 ? error_sys(err, errno, "open %s", path) : 0;
}

int state_new(struct state *state, const char *root, const char *id, struct error *err)
{
    char path[PATH_SIZE];

    *state = (struct state){ .root = root, .folder = -1 };
    if (id_check(id, err) < 0)
        return -1;
    strcpy(state->id, id);
    if (path_format(path, err, "%s/%s", root, id) < 0)
        return -1;
    if (mkdir(path, 0700) < 0) {
        if (errno == ENOENT && (root_make(root, err) < 0 || mkdir(path, 0700) < 0))
            return error_sys(err, errno, "make %s", path);
        if (errno == EEXIST)
            return error_set(err, ERROR_ALREADY_EXISTS, "container with given ID already exists");
        if (errno != ENOENT)
            return error_sys(err, errno, "make %s", path);
    }
    if (folder_open(state, err) == 0 && state_lock(state, err) == 0)
        return 0;
    rmdir(path);
    return -1;
}

int state_lock(struct state *state, struct error *err)
{
    struct stat info;

    while (flock(state->folder, LOCK_EX) < 0)
        if (errno != EINTR)
            return error_sys(err, errno, "lock the state of container %s", state->id);
    if (fstat(state->folder, &info) < 0)
        return error_sys(err, errno, "look at the state of container %s", state->id);
    if (info.st_nlink == 0)
        return error_set(err, ERROR_NOT_FOUND, "container does not exist");
    return 0;
}

/* The container's processes may have the same open folder for a moment: the lock goes now. */
void state_unlock(struct state *state)
{
    if (state->folder >= 0)
        flock(state->folder, LOCK_UN);
}

void state_close(struct state *state)
{
    state_unlock(state);
    file_close(&state->folder);
    json_decref(state->document);
    state->document = NULL;
}

/* ---- its files --------------------------------------------------------------------- */

int state_save(const struct state *state, const char *config, size_t size, struct error *err)
{
    CLEANUP(buffer_free) struct buffer text = { 0 };

    if (draft_write(state->document, STATE_BYTES_MAX, &text, err) < 0 ||
        file_put(state->folder, "config.json", config, size, err) < 0)
        return -1;
    return file_put(state->folder, "state.json", text.data, text.size, err);
}

int state_note(const struct state *state, struct error *err)
{
    CLEANUP(buffer_free) struct buffer text = { 0 };
    char path[PATH_SIZE];

    if (draft_write(state->document, STATE_BYTES_MAX, &text, err) < 0 ||
        path_format(path, err, "%s/%s/state.json", state->root, state->id) < 0)
        return -1;
    return fs_write(path, text.data, text.size, 0600, false, err);
}

static json_t *document_read(const struct state *state, const char *name, size_t limit,
                             struct error *err)
{
    size_t size;
    char *bytes = file_get(state->folder, name, limit, &size, err);
    json_t *document = bytes != NULL ? draft_read(bytes, size, err) : NULL;

    free(bytes);
    if (document == NULL && err->os == 0) /* it could be read, and makes no sense */
        err->code = ERROR_DATA_LOSS;
    if (document == NULL)
        error_wrap(err, "%s/%s", state->root, state->id);
    return document;
}

json_t *state_config(const struct state *state, struct error *err)
{
    return document_read(state, "config.json", CONFIG_BYTES_MAX, err);
}

int state_pid_save(struct state *state, pid_t pid, struct error *err)
{
    char text[64];
    int size;

    state->pid = pid;
    if (process_began(pid, &state->started, err) < 0)
        return -1;
    size = snprintf(text, sizeof(text), "%d %llu\n", (int)pid, (unsigned long long)state->started);
    return file_put(state->folder, "pid", text, (size_t)size, err);
}

/* Not there yet is no error; that it cannot be read must not look like that. */
static int pid_load(struct state *state, struct error *err)
{
    size_t size;
    char *text = file_get(state->folder, "pid", 64, &size, err), *end;

    if (text == NULL)
        return err->code == ERROR_NOT_FOUND ? 0 : error_wrap(err, "%s/%s", state->root, state->id);
    state->pid = (pid_t)strtol(text, &end, 10);
    state->started = strtoull(end, NULL, 10);
    free(text);
    return 0;
}

int state_open(struct state *state, const char *root, const char *id, struct error *err)
{
    *state = (struct state){ .root = root, .folder = -1 };
    if (id_check(id, err) < 0)
        return -1;
    strcpy(state->id, id);
    if (folder_open(state, err) < 0 || pid_load(state, err) < 0)
        return -1;
    state->document = document_read(state, "state.json", STATE_BYTES_MAX, err);
    /* NOT_FOUND: it is being made, or nobody got further */
    return state->document != NULL || err->code == ERROR_NOT_FOUND ? 0 : -1;
}

int state_remove(struct state *state, struct error *err)
{
    static const char *const names[] = { "start", "pid", "config.json", "state.json" };
    char path[PATH_SIZE];

    for (size_t i = 0; i < COUNT_OF(names); i++)
        unlinkat(state->folder, names[i], 0);
    if (path_format(path, err, "%s/%s", state->root, state->id) < 0)
        return -1;
    if (rmdir(path) == 0 || errno == ENOENT)
        return 0;
    /* somebody keeps more in it (logs of a checkpoint, another version's files) */
    return fs_remove_tree(path, err);
}

/* ---- what it tells ------------------------------------------------------------------- */

/* proc(5), /proc/PID/stat.  ESRCH: it ended between open and read. */
int process_began(pid_t pid, uint64_t *began, struct error *err)
{
    char path[32], text[1024], *at;
    CLEANUP(file_close) int file = -1;
    ssize_t size;

    *began = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = open(path, O_RDONLY | O_CLOEXEC);
    size = file >= 0 ? read(file, text, sizeof(text) - 1) : -1;
    if (size < 0)
        return errno == ENOENT || errno == ESRCH ? 0 : error_sys(err, errno, "read %s", path);
    text[size] = '\0';
    at = strrchr(text, ')'); /* the name may hold anything */
    if (at == NULL || at[1] != ' ' || strchr("ZX", at[2]) != NULL)
        return 0;
    for (int field = 2; field < 22 && at != NULL; field++)
        at = strchr(at + 1, ' ');
    if (at != NULL)
        *began = strtoull(at, NULL, 10);
    return 0;
}

/* While it cannot be told it counts as running: who took it for ended would remove what it needs.
 */
static bool has_ended(const struct state *state)
{
    struct error ignored;
    uint64_t began;

    return state->started == 0 ||
           (process_began(state->pid, &began, &ignored) == 0 && began != state->started);
}

static bool is_frozen(const struct state *state)
{
    struct error ignored;
    CLEANUP(cgroup_free)
    struct cgroup *cgroup = cgroup_load(json_object_get(state->document, "cgroup"), &ignored);

    return cgroup != NULL && cgroup_is_frozen(cgroup);
}

static bool is_being_made(const struct state *state)
{
    bool is_locked = flock(state->folder, LOCK_SH | LOCK_NB) < 0;

    if (!is_locked)
        flock(state->folder, LOCK_UN);
    return is_locked;
}

enum status state_status(const struct state *state)
{
    if (state->pid == 0)
        return is_being_made(state) ? STATUS_CREATING : STATUS_STOPPED;
    if (has_ended(state))
        return STATUS_STOPPED;
    if (is_frozen(state)) /* also when it was never started: it is thawed before all else */
        return STATUS_PAUSED;
    if (faccessat(state->folder, "start", F_OK, 0) == 0)
        return is_being_made(state) ? STATUS_CREATING : STATUS_CREATED;
    return STATUS_RUNNING;
}

const char *status_name(enum status status)
{
    static const char *const names[] = { "creating", "created", "running", "paused", "stopped" };

    return names[status];
}

int state_pidfd(const struct state *state, struct error *err)
{
    int process = state->pid > 0 ? (int)syscall(SYS_pidfd_open, state->pid, 0) : -1;
    uint64_t began = 0;

    if (process < 0 && state->pid > 0 && errno != ESRCH)
        return error_sys(err, errno, "hold the first process of container %s", state->id);
    /* looked at after it is held: the number cannot be given to another from here on */
    if (process >= 0 && process_began(state->pid, &began, err) < 0) {
        close(process);
        return -1;
    }
    if (process >= 0 && began == state->started)
        return process;
    file_close(&process);
    return error_set(err, ERROR_FAILED_PRECONDITION, "container not running");
}

const char *state_text(const struct state *state, const char *key)
{
    const char *text = json_string_value(json_object_get(state->document, key));

    return text != NULL ? text : "";
}

unsigned state_number(const struct state *state, const char *key)
{
    return (unsigned)json_integer_value(json_object_get(state->document, key));
}

json_t *state_describe(const struct state *state, enum status status, pid_t pid)
{
    json_t *out = draft_object(), *annotations = json_object_get(state->document, "annotations");

    draft_put(out, "ociVersion", draft_text(state_text(state, "ociVersion")));
    draft_put(out, "id", draft_text(state->id));
    draft_put(out, "pid", draft_number(status == STATUS_STOPPED ? 0 : pid));
    draft_put(out, "status", draft_text(status_name(status)));
    draft_put(out, "bundle", draft_text(state_text(state, "bundle")));
    draft_put(out, "rootfs", draft_text(state_text(state, "rootfs")));
    draft_put(out, "created", draft_text(state_text(state, "created")));
    if (json_object_size(annotations) > 0)
        draft_put(out, "annotations", draft_copy(annotations));
    draft_put(out, "owner", draft_text(""));
    return out;
}

/* ---- all of them --------------------------------------------------------------------- */

static int is_container(const struct dirent *entry)
{
    struct error ignored;

    return (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) &&
           id_check(entry->d_name, &ignored) == 0;
}

int state_each(const char *root, int (*each)(void *ctx, struct state *state, struct error *err),
               void *ctx, struct error *err)
{
    struct dirent **entries;
    int count = scandir(root, &entries, is_container, alphasort), result = 0;

    if (count < 0)
        return errno == ENOENT ? 0 : error_sys(err, errno, "read %s", root);
    for (int i = 0; i < count; i++) {
        struct state state = STATE_NONE;

        if (result == 0 && state_open(&state, root, entries[i]->d_name, err) == 0)
            result = each(ctx, &state, err);
        state_close(&state);
        free(entries[i]);
    }
    free(entries);
    return result;
}
