/*
 * checkpoint — the command that saves a container's processes to files.
 *
 * criu does it; what is told to it is where the container ends: mounts from outside
 * (externals.c), namespaces that are somebody else's, and the pipes its standard descriptors were
 * at the beginning, which are noted beside the images (descriptors.json, as runc does).
 * Afterwards the container is gone, unless it is to go on.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/linux/runtime/cgroup.h"
#include "platform/linux/runtime/commands.h"
#include "platform/linux/runtime/criu.h"
#include "platform/linux/runtime/ending.h"
#include "platform/linux/runtime/files.h"
#include "platform/linux/runtime/images.h"
#include "platform/linux/runtime/namespaces.h"
#include "platform/linux/runtime/protobuf.h"
#include "platform/linux/runtime/report.h"
#include "platform/linux/runtime/rootfs.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/draft.h"

struct checkpoint {
    const struct options *options;
    struct state state;
    json_t *config;
    struct cgroup *cgroup;
    struct images images;
    struct criu criu;
};

static void checkpoint_close(struct checkpoint *checkpoint)
{
    criu_close(&checkpoint->criu);
    images_close(&checkpoint->images);
    cgroup_free(&checkpoint->cgroup);
    json_decref(checkpoint->config);
    state_close(&checkpoint->state);
}

/* ---- what is the container's, and what is not ------------------------------------- */

static int external_add(void *ctx, const char *inside, const char *name, const char *outside UNUSED,
                        struct error *err)
{
    struct checkpoint *checkpoint = ctx;
    char text[2 * PATH_SIZE + 16];

    if (strchr(inside, ']') != NULL)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "mount %s: criu has no name for a path with a ]", inside);
    snprintf(text, sizeof(text), "mnt[%s]:%s", inside, name);
    proto_text(&checkpoint->images.options, CRIU_EXTERNAL, text);
    return 0;
}

static int externals_add(struct checkpoint *checkpoint, struct error *err)
{
    struct place document = place_document(checkpoint->config);
    unsigned own = state_number(&checkpoint->state, "namespaces");
    struct rootfs_want want = {
        .document = &document,
        .bundle = state_text(&checkpoint->state, "bundle"),
        .cgroup = checkpoint->cgroup,
        .new_user = (own & CLONE_NEWUSER) != 0,
        .new_cgroup = (own & CLONE_NEWCGROUP) != 0,
        .new_mount = (own & CLONE_NEWNS) != 0,
        .new_net = (own & CLONE_NEWNET) != 0,
    };
    CLEANUP(rootfs_free) struct rootfs *rootfs = rootfs_read(&want, err);
    CLEANUP(file_close) int root = -1;
    char path[32];

    snprintf(path, sizeof(path), "/proc/%d/root", (int)checkpoint->state.pid);
    root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (rootfs == NULL)
        return -1;
    if (root < 0)
        return error_sys(err, errno, "open %s", path);
    return rootfs_externals(rootfs, root, external_add, checkpoint, err);
}

/* A network or pid namespace that was joined stays where it is (criu has this for no other). */
static int namespace_add(struct checkpoint *checkpoint, enum namespace_kind kind, const char *key,
                         struct error *err)
{
    struct place document = place_document(checkpoint->config);
    char path[48], text[96];
    struct stat st;

    if ((state_number(&checkpoint->state, "namespaces") & namespace_flag_of(kind)) == 0 ||
        !namespace_is_joined(&document, kind))
        return 0;
    snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)checkpoint->state.pid,
             namespace_file(kind));
    if (stat(path, &st) < 0)
        return error_sys(err, errno, "%s", path);
    snprintf(text, sizeof(text), "%s[%llu]:%s", namespace_file(kind), (unsigned long long)st.st_ino,
             key);
    proto_text(&checkpoint->images.options, CRIU_EXTERNAL, text);
    return 0;
}

/* ---- control groups --------------------------------------------------------------- */

/* criu stops the processes by the freezer: none is missed, and one that was frozen before stays. */
static int freezer_find(void *ctx, const char *controllers, const char *mounted, const char *path,
                        struct error *err UNUSED)
{
    struct checkpoint *checkpoint = ctx;
    char folder[PATH_SIZE];

    if (strcmp(controllers, cgroup_is_v2(checkpoint->cgroup) ? "" : "freezer") != 0)
        return 0;
    snprintf(folder, sizeof(folder), "%s%s%s", mounted, path[0] == '/' ? "" : "/", path);
    proto_text(&checkpoint->images.options, CRIU_FREEZE_CGROUP, folder);
    return 0;
}

/* ---- descriptors ------------------------------------------------------------------ */

/* Older states do not have them: then it is what they are now. */
static json_t *descriptors_of(const struct state *state)
{
    json_t *saved = json_object_get(state->document, "descriptors"), *list;

    if (json_is_array(saved))
        return draft_copy(saved);
    list = draft_array();
    for (int i = 0; i < 3; i++) {
        char path[48], to[256];
        ssize_t size;

        snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)state->pid, i);
        size = readlink(path, to, sizeof(to) - 1);
        to[size > 0 ? size : 0] = '\0';
        draft_add(list, draft_text(to));
    }
    return list;
}

static int descriptors_write(const struct checkpoint *checkpoint, struct error *err)
{
    json_t *list = descriptors_of(&checkpoint->state);
    char *text = json_dumps(list, JSON_COMPACT);
    int result;

    json_decref(list);
    if (text == NULL)
        return error_sys(err, ENOMEM, "descriptors.json");
    result = file_put(checkpoint->images.folder, "descriptors.json", text, strlen(text), err);
    free(text);
    return result;
}

/* ---- all of it -------------------------------------------------------------------- */

static int options_add(struct checkpoint *checkpoint, struct error *err)
{
    const struct options *options = checkpoint->options;
    struct buffer *to = &checkpoint->images.options;

    proto_number(to, CRIU_PID, (unsigned)checkpoint->state.pid);
    proto_text(to, CRIU_ROOT, state_text(&checkpoint->state, "rootfs"));
    if (options->leave_running)
        proto_number(to, CRIU_LEAVE_RUNNING, true);
    if (options->tcp_skip_in_flight)
        proto_number(to, CRIU_TCP_SKIP_IN_FLIGHT, true);
    if (options->link_remap)
        proto_number(to, CRIU_LINK_REMAP, true);
    images_configure(&checkpoint->images, checkpoint->config);
    if (namespace_add(checkpoint, NAMESPACE_NETWORK, "extRootNetNS", err) < 0 ||
        namespace_add(checkpoint, NAMESPACE_PID, "extRootPidNS", err) < 0 ||
        cgroup_each(checkpoint->cgroup, freezer_find, checkpoint, err) < 0)
        return -1;
    if (options->pre_dump)
        return 0;
    return externals_add(checkpoint, err) < 0 ? -1 : descriptors_write(checkpoint, err);
}

static int notice_hear(void *ctx UNUSED, struct criu_notice *notice UNUSED,
                       struct error *err UNUSED)
{
    return 0;
}

/* A paused container may be saved: containerd pauses it before, and criu leaves it frozen. */
static int status_check(const struct state *state, struct error *err)
{
    enum status status = state_status(state);

    if (status == STATUS_PAUSED && faccessat(state->folder, "start", F_OK, 0) == 0)
        status = STATUS_CREATED; /* it was never started */
    if (status == STATUS_RUNNING || status == STATUS_PAUSED)
        return 0;
    return error_set(err, ERROR_FAILED_PRECONDITION, "Container cannot be checkpointed in %s state",
                     status_name(status));
}

static int checkpoint_make(struct checkpoint *checkpoint, struct error *err)
{
    const struct options *options = checkpoint->options;
    char program[PATH_SIZE];
    struct criu_start start = { .program = program,
                                .files = { -1, -1 },
                                .keep_session = options->shell_job };
    enum criu_type type = options->pre_dump ? CRIU_SINGLE_PRE_DUMP : CRIU_DUMP;
    bool has_users = (state_number(&checkpoint->state, "namespaces") & CLONE_NEWUSER) != 0;

    /* at restore the root of the user namespace looks for files there; each is still only ours */
    if (criu_find(options->criu, program, err) < 0 ||
        images_open(&checkpoint->images, options, "dump.log", has_users ? 0711 : 0700, err) < 0 ||
        options_add(checkpoint, err) < 0 || criu_open(&checkpoint->criu, &start, err) < 0)
        return -1;
    if (criu_ask(&checkpoint->criu, type, &checkpoint->images.options, notice_hear, NULL, err) < 0)
        return images_error(&checkpoint->images, err);
    return 0;
}

int command_checkpoint(const struct options *options, struct error *err)
{
    CLEANUP(checkpoint_close)
    struct checkpoint checkpoint = {
        .options = options, .state = STATE_NONE, .images = IMAGES_NONE, .criu = CRIU_NONE
    };
    struct state *state = &checkpoint.state;

    if (options->is_rootless)
        report_warning("checkpoint is untested with rootless containers");
    if (state_open(state, options->root, options->argv[0], err) < 0 || state_lock(state, err) < 0 ||
        status_check(state, err) < 0)
        return -1;
    checkpoint.config = state_config(state, err);
    if (checkpoint.config == NULL)
        return -1;
    checkpoint.cgroup = cgroup_load(json_object_get(state->document, "cgroup"), err);
    if (checkpoint.cgroup == NULL || checkpoint_make(&checkpoint, err) < 0)
        return -1;
    criu_close(&checkpoint.criu);
    if (options->leave_running || options->pre_dump)
        return 0;
    return container_end(state, checkpoint.config, err);
}
