/*
 * runtime_client — shims, as the daemon sees them: their folders, their birth, and what is
 * left when one has died.  The connections are in runtime_link.c.
 *
 * The shim answers on the pipe that is its standard output, one line, and the process that
 * was started ends at once (the shim itself is its child): a daemon has nothing to reap
 * later.  Dropping the pipe before the answer is how a start is given up.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/runtime.h"
#include "platform/scope.h"

#define SHIM_PROGRAM  "gantry-shim"
#define TASK_PROTOCOL 1
#define TASK_DIGITS   16
#define TASK_MAX      (60u * 1024) /* the shim reads it into one packet's room */
#define EXIT_MAX      4096

/* ---- the folder ------------------------------------------------------------- */

static int folder_make(const char *state, char folder[PATH_SIZE], char name[TASK_DIGITS + 1],
                       struct error *err)
{
    char above[PATH_SIZE], rootfs[PATH_SIZE];

    random_hex(name, TASK_DIGITS);
    if (path_format(above, err, "%s/t", state) < 0 ||
        path_format(folder, err, "%s/%s", above, name) < 0 ||
        path_format(rootfs, err, "%s/rootfs", folder) < 0)
        return -1;
    if (fs_folder_make_all(above, 0711, err) < 0 || fs_folder_make(folder, 0700, err) < 0)
        return -1;
    return fs_folder_make(rootfs, 0755, err);
}

static int task_write(const char *folder, const struct shim_task *task, struct error *err)
{
    CLEANUP(buffer_free) struct buffer bytes = { 0 };
    char path[PATH_SIZE];

    record_pack(shim_task_record(), task, &bytes);
    if (bytes.size > TASK_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED,
                         "task of %zu bytes: too many mounts for one container", bytes.size);
    if (path_format(path, err, "%s/task", folder) < 0)
        return -1;
    /* Whole or not there: after a crash it tells what there is to clear up. */
    return fs_write(path, bytes.data, bytes.size, 0600, false, err);
}

static int folder_fill(const struct task_start *start, const char *folder, const char *name,
                       struct error *err)
{
    struct shim_task task = *start->task;
    char path[PATH_SIZE];

    task.protocol = task.protocol != 0 ? task.protocol : TASK_PROTOCOL;
    task.runtime_id = task.runtime_id != NULL ? task.runtime_id : name;
    if (task_write(folder, &task, err) < 0 || path_format(path, err, "%s/config.json", folder) < 0)
        return -1;
    return fs_write_new(path, start->spec, start->spec_size, 0600, err);
}

/* ---- the program ----------------------------------------------------------------- */

#define REACH_SIZE 40

/*
 * The shim's file by a read-only mount that has no name.  The native engine enters containers
 * in the shim's program, where /proc/PID/exe leads to it: through that nobody can write to the
 * file (CVE-2019-5736).  A shim that is started another way sees to it itself, at every command.
 * Made once, and anew when another version was installed; the one before stays, it may be in use.
 */
static int program_mount(const char *program)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct stat of;
    static int mounted = -1;
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
    struct stat now;
    int file;

    pthread_mutex_lock(&lock);
    if (stat(program, &now) == 0 &&
        (mounted < 0 || now.st_ino != of.st_ino || now.st_dev != of.st_dev)) {
        file = open_tree(AT_FDCWD, program, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (file >= 0 && mount_setattr(file, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0) {
            mounted = file;
            of = now;
        } else {
            file_close(&file);
            mounted = -1;
        }
    }
    file = mounted;
    pthread_mutex_unlock(&lock);
    return file;
}

/* Between spawn and exec the child has no descriptors of ours left: it goes by our own. */
static const char *program_reach(const char *program, char name[REACH_SIZE])
{
    int mounted = program_mount(program);

    if (mounted < 0)
        return program;
    snprintf(name, REACH_SIZE, "/proc/%d/fd/%d", (int)getpid(), mounted);
    return access(name, X_OK) == 0 ? name : program;
}

/* ---- the start ----------------------------------------------------------------- */

static int shim_log_open(const char *folder, struct error *err)
{
    char path[PATH_SIZE];
    int file;

    if (hook_platform_call("open shim.log", err))
        return -1;
    if (path_format(path, err, "%s/shim.log", folder) < 0)
        return -1;
    file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    return file < 0 ? error_sys(err, errno, "open %s", path) : file;
}

/* Its input stays open until we have done what child_start() does to a child after its
   start; it begins when that ends. */
static int shim_start(const char *program, const char *option, const char *folder,
                      struct child *child, struct error *err)
{
    const char *argv[] = { program, option != NULL ? option : folder,
                           option != NULL ? folder : NULL, NULL };
    CLEANUP(file_close) int errors = shim_log_open(folder, err);
    char reach[REACH_SIZE];
    const struct child_options options = { .argv = argv,
                                           .path = program_reach(program, reach),
                                           .input = true,
                                           .output = true,
                                           .errors = errors,
                                           .detached = true };

    if (errors < 0 || child_start(&options, child, err) < 0)
        return -1;
    file_close(&child->input);
    fcntl(child->output, F_SETFL, O_RDONLY | O_NONBLOCK);
    return 0;
}

/* NOT_FOUND is kept for the command inside the container. */
static int shim_find(const struct task_start *start, char program[PATH_SIZE], struct error *err)
{
    int status = start->shim != NULL ? program_look_up(start->shim, program, err)
                                     : program_find(SHIM_PROGRAM, program, err);

    if (status < 0)
        err->code = ERROR_FAILED_PRECONDITION;
    return status;
}

/* The first process has ended, or does so now: it forked and had nothing else to do. */
static void first_reap(struct child *child)
{
    struct error ignored;
    int status;

    if (child->pid > 0)
        child_wait(child, &status, &ignored);
}

/* ---- one ahead ------------------------------------------------------------------- */

int task_spare_start(const char *shim, struct task_spare *spare, struct error *err)
{
    const struct task_start start = { .shim = shim };
    char program[PATH_SIZE];
    const char *argv[] = { program, "--spare", NULL };
    char reach[REACH_SIZE];
    struct child_options options = {
        .argv = argv, .input = true, .output = true, .errors = -1, .detached = true
    };
    struct child *child = &spare->child;

    *child = (struct child){ .input = -1, .output = -1 };
    if (shim_find(&start, program, err) < 0)
        return -1;
    options.path = program_reach(program, reach);
    if (child_start(&options, child, err) < 0)
        return -1;
    fcntl(child->output, F_SETFL, O_RDONLY | O_NONBLOCK);
    first_reap(child);
    spare->is_there = true;
    return 0;
}

void task_spare_drop(struct task_spare *spare)
{
    if (!spare->is_there)
        return;
    file_close(&spare->child.input);
    file_close(&spare->child.output);
    spare->is_there = false;
}

/* False: there is none, or it has died meanwhile. */
static bool spare_take(struct task_spare *spare, const char *folder, struct child *child)
{
    struct error ignored;

    if (spare == NULL || !spare->is_there)
        return false;
    if (file_write(spare->child.input, folder, strlen(folder), &ignored) < 0) {
        task_spare_drop(spare);
        return false;
    }
    *child = spare->child;
    file_close(&child->input);
    spare->is_there = false;
    return true;
}

/* ---- all of it --------------------------------------------------------------------- */

int task_create(const struct task_start *start, struct task_spare *spare,
                struct task_starting *starting, struct error *err)
{
    char program[PATH_SIZE], name[TASK_DIGITS + 1];
    struct error ignored;

    starting->fd = -1;
    starting->answer_size = 0;
    starting->folder[0] = '\0';
    starting->child = (struct child){ .input = -1, .output = -1 };
    if (shim_find(start, program, err) < 0)
        return -1;
    if (folder_make(start->state, starting->folder, name, err) < 0 ||
        folder_fill(start, starting->folder, name, err) < 0 ||
        (!spare_take(spare, starting->folder, &starting->child) &&
         shim_start(program, NULL, starting->folder, &starting->child, err) < 0)) {
        if (starting->folder[0] != '\0')
            fs_remove_tree(starting->folder, &ignored);
        return -1;
    }
    starting->fd = starting->child.output;
    return 0;
}

/* `ok PID` or `error CODE TEXT`. */
static int answer_parse(const char *line, uint64_t *pid, struct error *err)
{
    char code[32];
    int text = 0;
    unsigned long long number;

    if (sscanf(line, "ok %llu", &number) == 1) {
        *pid = number;
        return 0;
    }
    if (sscanf(line, "error %31s %n", code, &text) == 1 && text > 0)
        return error_set(err, error_code_of_name(code), "%s", line + text);
    return error_set(err, ERROR_INTERNAL, "the shim answered '%.100s'", line);
}

/* A shim that says so itself has undone everything; one that died has not. */
static int failed(struct task_starting *starting, bool has_answered)
{
    struct error ignored;

    first_reap(&starting->child);
    if (has_answered || task_reap_dead(starting->folder, &ignored) == 0)
        fs_remove_tree(starting->folder, &ignored);
    return -1;
}

/* 1: the line is complete, 0: not yet, -1: it will not be. */
static int answer_read(struct task_starting *starting, struct error *err)
{
    size_t room = sizeof(starting->answer) - 1 - starting->answer_size;
    ssize_t size;
    char *end;

    hook_platform_point("hear gantry-shim");
    size = read(starting->fd, starting->answer + starting->answer_size, room);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (size <= 0)
        return error_set(err, ERROR_INTERNAL, "the shim of %s ended without an answer",
                         starting->folder);
    starting->answer_size += (size_t)size;
    starting->answer[starting->answer_size] = '\0';
    end = strchr(starting->answer, '\n');
    if (end == NULL)
        return room == (size_t)size
                   ? error_set(err, ERROR_INTERNAL, "the shim's answer is too long")
                   : 0;
    *end = '\0';
    return 1;
}

int task_starting_take(struct task_starting *starting, uint64_t *pid, struct error *err)
{
    int status = answer_read(starting, err);

    if (status == 0)
        return 0;
    if (status < 0 || answer_parse(starting->answer, pid, err) < 0)
        return failed(starting, status > 0);
    first_reap(&starting->child);
    return 1;
}

void task_starting_drop(struct task_starting *starting)
{
    if (starting->fd < 0)
        return; /* it was never started: nothing else in it means anything */
    file_close(&starting->child.output);
    starting->fd = -1;
    first_reap(&starting->child);
}

/* ---- reading the folder ---------------------------------------------------------- */

struct folders_walk {
    const char *above;
    int (*each)(void *ctx, const char *folder, const char *name, struct error *err);
    void *ctx;
};

static int folder_seen(void *ctx, const char *name, struct error *err)
{
    const struct folders_walk *walk = ctx;
    char folder[PATH_SIZE];

    if (strlen(name) != TASK_DIGITS || strspn(name, "0123456789abcdef") != TASK_DIGITS)
        return 0;
    if (path_format(folder, err, "%s/%s", walk->above, name) < 0)
        return -1;
    return walk->each(walk->ctx, folder, name, err);
}

int task_folders_each(const char *state,
                      int (*each)(void *ctx, const char *folder, const char *name,
                                  struct error *err),
                      void *ctx, struct error *err)
{
    char above[PATH_SIZE];
    struct folders_walk walk = { above, each, ctx };

    if (path_format(above, err, "%s/t", state) < 0)
        return -1;
    if (!fs_exists(above))
        return 0;
    return fs_folder_each(above, folder_seen, &walk, err);
}

static int record_load(const char *path, const struct record *record, size_t limit, void *out,
                       struct arena *arena, struct error *err)
{
    size_t size;
    char *bytes = fs_read(path, limit, &size, err);
    int status;

    if (bytes == NULL)
        return -1;
    status = record_unpack(record, RECORD_LENIENT, bytes, size, out, arena, err);
    free(bytes);
    return status < 0 ? error_wrap(err, "%s", path) : 0;
}

int task_record_read(const char *folder, struct arena *arena, struct shim_task *task,
                     struct error *err)
{
    char path[PATH_SIZE];

    if (path_format(path, err, "%s/task", folder) < 0)
        return -1;
    return record_load(path, shim_task_record(), TASK_MAX, task, arena, err);
}

int task_exit_read(const char *folder, const char *exec, struct arena *arena,
                   struct shim_exit *exit, struct error *err)
{
    char path[PATH_SIZE];

    if (path_format(path, err, "%s/exit%s%s", folder, exec != NULL ? "." : "",
                    exec != NULL ? exec : "") < 0)
        return -1;
    if (!fs_exists(path))
        return error_set(err, ERROR_NOT_FOUND, "no exit status in %s", folder);
    return record_load(path, shim_exit_record(), EXIT_MAX, exit, arena, err);
}

int task_process_write(const char *folder, const char *name, const void *json, size_t size,
                       struct error *err)
{
    char path[PATH_SIZE];

    if (path_format(path, err, "%s/%s", folder, name) < 0)
        return -1;
    return fs_write(path, json, size, 0600, false, err);
}

/* ---- the dead ---------------------------------------------------------------------- */

/* A shim holds the lock on this file from its first step to its end. */
bool task_shim_is_alive(const char *folder)
{
    struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
    char path[PATH_SIZE];
    struct error ignored;
    CLEANUP(file_close) int file = -1;

    if (path_format(path, &ignored, "%s/shim.pid", folder) < 0)
        return false;
    file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return file >= 0 && fcntl(file, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

int task_reap_dead(const char *folder, struct error *err)
{
    CLEANUP(child_drop) struct child child = { .input = -1, .output = -1 };
    char program[PATH_SIZE], answer[1024];
    uint64_t ignored;
    int64_t size;

    if (program_find(SHIM_PROGRAM, program, err) < 0 ||
        shim_start(program, "--reap", folder, &child, err) < 0)
        return -1;
    fcntl(child.output, F_SETFL, O_RDONLY);
    size = file_read(child.output, answer, sizeof(answer) - 1, err);
    if (size < 0)
        return -1;
    answer[size] = '\0';
    answer[strcspn(answer, "\n")] = '\0';
    first_reap(&child);
    return answer_parse(answer, &ignored, err);
}

int task_folder_remove(const char *folder, struct error *err)
{
    return fs_remove_tree(folder, err);
}
