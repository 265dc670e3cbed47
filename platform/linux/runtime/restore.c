/*
 * restore — the command that makes a container of what checkpoint has saved.
 *
 * Everything around the processes is made as for a new container, of the bundle's config.json:
 * the folder of its state, control groups, hooks.  The processes are criu's work, which runs in the
 * container's groups and in a mount namespace of its own (mountpoints.c), and makes the
 * first of them our child.  What was outside of the container is given back by name.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/linux/runtime/commands.h"
#include "platform/linux/runtime/container.h"
#include "platform/linux/runtime/criu.h"
#include "platform/linux/runtime/files.h"
#include "platform/linux/runtime/images.h"
#include "platform/linux/runtime/network.h"
#include "platform/linux/runtime/protobuf.h"
#include "platform/linux/runtime/report.h"
#include "platform/linux/runtime/terminal.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/draft.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

#define DESCRIPTORS_MAX (64u << 10)
#define ROOT_NAME       "criu-root" /* in the state's folder: where criu finds the root */

struct restore {
    struct container *container;
    struct images images;
    struct criu criu;
    struct criu_start start;
    char root[PATH_SIZE]; /* "": it has no mounts of its own */
    bool has_failed;      /* not criu, but what we did on the way */
};

static void restore_close(struct restore *restore)
{
    criu_close(&restore->criu);
    images_close(&restore->images);
    if (restore->root[0] != '\0') /* nothing is mounted there but in criu's namespace */
        unlinkat(restore->container->state.folder, ROOT_NAME, AT_REMOVEDIR);
}

/* ---- fields with fields ----------------------------------------------------------- */

static void pair_add(struct restore *restore, enum criu_option option, const char *first,
                     const char *second)
{
    CLEANUP(buffer_free) struct buffer inner = { 0 };

    proto_text(&inner, 1, first);
    proto_text(&inner, 2, second);
    proto_message(&restore->images.options, option, &inner);
}

static void inherited_add(struct restore *restore, const char *key, int file)
{
    CLEANUP(buffer_free) struct buffer inner = { 0 };

    proto_text(&inner, 1, key);
    proto_number(&inner, 2, (unsigned)file);
    proto_message(&restore->images.options, CRIU_INHERIT_FD, &inner);
}

/* ---- what comes from outside ------------------------------------------------------ */

static int external_add(void *ctx, const char *inside UNUSED, const char *name, const char *outside,
                        struct error *err UNUSED)
{
    struct restore *restore = ctx;
    char text[2 * PATH_SIZE + 16];

    snprintf(text, sizeof(text), "mnt[%s]:%s", name, outside);
    proto_text(&restore->images.options, CRIU_EXTERNAL, text);
    return 0;
}

/* Pipes take the place of pipes; everything else is opened again by its path. */
static int descriptors_add(struct restore *restore, struct error *err)
{
    size_t size, i;
    char *text = file_get(restore->images.folder, "descriptors.json", DESCRIPTORS_MAX, &size, err);
    json_t *list = text != NULL ? json_loadb(text, size, 0, NULL) : NULL, *item;
    int result = 0;

    free(text);
    if (text == NULL)
        return error_wrap(err, "%s", restore->images.path);
    if (!json_is_array(list))
        result = error_set(err, ERROR_INVALID_ARGUMENT,
                           "%s/descriptors.json: must be a list of texts", restore->images.path);
    json_array_foreach (list, i, item) {
        const char *name = json_string_value(item);

        if (i < 3 && name != NULL && strstr(name, "pipe:") != NULL)
            inherited_add(restore, name, (int)i);
    }
    json_decref(list);
    return result;
}

/* The network and pid namespace go as descriptors, as checkpoint.c has named them. */
static int namespaces_add(struct restore *restore, struct error *err)
{
    struct namespaces *spaces = &restore->container->namespaces;

    for (int kind = 0; kind < NAMESPACE_COUNT; kind++) {
        char path[48];

        if ((spaces->joined & namespace_flag_of(kind)) == 0)
            continue;
        if (kind == NAMESPACE_CGROUP)
            return error_set(err, ERROR_FAILED_PRECONDITION,
                             "linux.namespaces: a cgroup namespace at a path cannot be restored");
        if (kind == NAMESPACE_NETWORK || kind == NAMESPACE_PID) {
            int at = kind == NAMESPACE_PID;

            restore->start.files[at] = spaces->files[kind];
            inherited_add(restore, at ? "extRootPidNS" : "extRootNetNS", CRIU_FILE_BASE + at);
            continue;
        }
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), spaces->files[kind]);
        pair_add(restore, CRIU_JOIN_NS, namespace_file(kind), path);
    }
    return 0;
}

static int options_add(struct restore *restore, struct error *err)
{
    struct container *container = restore->container;
    const struct options *options = container->options;
    struct buffer *to = &restore->images.options;

    proto_number(to, CRIU_EVASIVE_DEVICES, true);
    proto_number(to, CRIU_RST_SIBLING, true);
    proto_text(to, CRIU_ROOT,
               restore->root[0] != '\0' ? restore->root : state_text(&container->state, "rootfs"));
    if (options->lsm_profile != NULL && *options->lsm_profile != '\0')
        proto_text(to, CRIU_LSM_PROFILE, options->lsm_profile);
    if (options->lsm_mount_context != NULL && *options->lsm_mount_context != '\0')
        proto_text(to, CRIU_LSM_MOUNT_CONTEXT, options->lsm_mount_context);
    images_configure(&restore->images, container->config);
    if (namespaces_add(restore, err) < 0 ||
        rootfs_externals(container->rootfs, -1, external_add, restore, err) < 0)
        return -1;
    return descriptors_add(restore, err);
}

/* ---- around criu ------------------------------------------------------------------ */

static int root_make(struct restore *restore, struct error *err)
{
    struct container *container = restore->container;
    char folder[PATH_SIZE];

    if ((container->namespaces.made & CLONE_NEWNS) == 0)
        return 0;
    if (realpath(container->options->root, folder) == NULL ||
        mkdirat(container->state.folder, ROOT_NAME, 0755) < 0)
        return error_sys(err, errno, "make a folder for criu");
    return path_format(restore->root, err, "%s/%s/" ROOT_NAME, folder, container->state.id);
}

static int root_prepare(void *ctx, struct error *err)
{
    struct restore *restore = ctx;

    if (restore->root[0] == '\0')
        return 0;
    return rootfs_prepare(restore->container->rootfs, restore->root, err);
}

/* Processes are put below where criu itself is: "9:name=systemd:/a/b" (cgroups(7)). */
static int groups_add(struct restore *restore, struct error *err)
{
    char path[32], *text, *save = NULL;
    size_t size;

    snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)restore->criu.pid);
    text = file_get(AT_FDCWD, path, DESCRIPTORS_MAX, &size, err);
    if (text == NULL)
        return -1;
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char *name = strchr(line, ':'), *at = name != NULL ? strchr(name + 1, ':') : NULL;

        if (at == NULL)
            continue;
        *at = '\0';
        pair_add(restore, CRIU_CG_ROOT, name + 1, at + 1);
    }
    free(text);
    return 0;
}

/* ---- notices ---------------------------------------------------------------------- */

/* criu leaves an empty network namespace with loopback down. */
static int loopback_raise(struct container *container, pid_t pid, struct error *err)
{
    char path[48];
    CLEANUP(file_close) int space = -1;
    int status = 0;
    pid_t helper;

    if ((container->namespaces.made & CLONE_NEWNET) == 0)
        return 0;
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    space = open(path, O_RDONLY | O_CLOEXEC);
    helper = space >= 0 ? fork() : -1;
    if (helper == 0)
        _exit(setns(space, CLONE_NEWNET) < 0 || loopback_up(err) < 0);
    if (helper < 0 || waitpid(helper, &status, 0) < 0 || status != 0)
        return error_set(err, ERROR_INTERNAL, "bring the loopback device up");
    return 0;
}

static int namespaces_ready(struct container *container, pid_t pid, struct error *err)
{
    container->pid = pid;
    if (loopback_raise(container, pid, err) < 0)
        return -1;
    if (!container_is_attended(container))
        return 0;
    if (net_devices_move(&container->linux_, pid, err) < 0)
        return -1;
    return container_hooks_before(container, err);
}

/* A clock must not go backwards for those who slept: criu gives them a time namespace. */
static bool has_own_time(pid_t pid)
{
    struct stat its, ours;
    char path[48];

    snprintf(path, sizeof(path), "/proc/%d/ns/time", (int)pid);
    return stat(path, &its) == 0 && stat("/proc/self/ns/time", &ours) == 0 &&
           its.st_ino != ours.st_ino;
}

/* Last of all: whoever finds the process may kill it, and criu waits forever for one that dies
   before it was let go.  Until then the control groups say what there is to remove. */
static int process_save(struct container *container, struct error *err)
{
    struct state *state = &container->state;
    unsigned own = container_own(container);

    if (has_own_time(container->pid)) {
        draft_put(state->document, "namespaces", draft_number(own | CLONE_NEWTIME));
        if (state_save(state, container->config_bytes, container->config_size, err) < 0)
            return -1;
    }
    return state_pid_save(state, container->pid, err);
}

static int notice_act(struct restore *restore, struct criu_notice *notice, struct error *err)
{
    int passed = notice->passed;

    if (strcmp(notice->name, "setup-namespaces") == 0)
        return namespaces_ready(restore->container, notice->pid, err);
    if (strcmp(notice->name, "post-restore") == 0) {
        restore->container->pid = notice->pid;
        restore->criu.watch = (int)syscall(SYS_pidfd_open, notice->pid, 0);
    }
    if (strcmp(notice->name, "orphan-pts-master") != 0 || passed < 0)
        return 0;
    notice->passed = -1;
    return container_console(restore->container, passed, err);
}

static int notice_hear(void *ctx, struct criu_notice *notice, struct error *err)
{
    struct restore *restore = ctx;
    int result = notice_act(restore, notice, err);

    restore->has_failed = result < 0;
    return result;
}

/* ---- all of it -------------------------------------------------------------------- */

static int criu_restore(struct restore *restore, struct error *err)
{
    struct container *container = restore->container;

    if (container_groups_make(container, err) < 0 ||
        criu_open(&restore->criu, &restore->start, err) < 0 ||
        images_move(&restore->images, restore->criu.pid, err) < 0 ||
        cgroup_enter(container->cgroup, restore->criu.pid, err) < 0 ||
        (container->rdt != NULL && rdt_enter(container->rdt, restore->criu.pid, err) < 0) ||
        container_groups_note(container, err) < 0 || groups_add(restore, err) < 0)
        return -1;
    if (criu_ask(&restore->criu, CRIU_RESTORE, &restore->images.options, notice_hear, restore,
                 err) < 0)
        return restore->has_failed ? -1 : images_error(&restore->images, err);
    if (container->pid == 0)
        return error_set(err, ERROR_INTERNAL, "criu has restored nothing");
    return process_save(container, err);
}

static int container_restore(struct container *container, const char *id, struct error *err)
{
    const struct options *options = container->options;
    char program[PATH_SIZE];
    CLEANUP(restore_close)
    struct restore restore = {
        .container = container,
        .images = IMAGES_NONE,
        .criu = CRIU_NONE,
        .start = { .program = program,
                   .files = { -1, -1 },
                   .keep_session = options->shell_job,
                   .prepare = root_prepare },
    };

    restore.start.ctx = &restore;
    if (criu_find(options->criu, program, err) < 0 ||
        images_open(&restore.images, options, "restore.log", 0, err) < 0 ||
        container_bundle(container, err) < 0 || container_begin(container, id, err) < 0 ||
        root_make(&restore, err) < 0 || options_add(&restore, err) < 0 ||
        criu_restore(&restore, err) < 0)
        return -1;
    return pid_file_write(options, container->pid, err);
}

int command_restore(const struct options *options, struct error *err)
{
    CLEANUP(container_close) struct container container;

    container_init(&container, options);
    if (options->is_rootless)
        report_warning("restore is untested with rootless containers");
    if (!options->detach && foreground_prepare(err) < 0)
        return -1;
    if (container_restore(&container, options->argv[0], err) < 0) {
        container_undo(&container);
        return -1;
    }
    return options->detach ? 0 : container_attend(&container, err);
}
