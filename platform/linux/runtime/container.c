/*
 * container — one that is being made: what is read for it, the folder it is kept in, and how
 * all of that is undone.  Whoever makes it, anew (create.c) or of an image (restore.c), begins with
 * container_read().
 */
#include "platform/linux/runtime/container.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/linux/runtime/console.h"
#include "platform/linux/runtime/files.h"
#include "platform/linux/runtime/hooks.h"
#include "platform/linux/runtime/moment.h"
#include "platform/linux/runtime/network.h"
#include "platform/linux/runtime/rdt.h"
#include "platform/linux/runtime/report.h"
#include "platform/linux/runtime/sysctl.h"
#include "platform/linux/runtime/user_maps.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/draft.h"

#define CONFIG_BYTES_MAX (16u << 20)

void container_init(struct container *container, const struct options *options)
{
    *container = (struct container){
        .options = options,
        .state = STATE_NONE,
        .namespaces = NAMESPACES_NONE,
        .talk = -1,
        .their_talk = -1,
        .gate = -1,
        .console_socket = -1,
        .master = -1,
    };
}

void container_close(struct container *container)
{
    rootfs_free(&container->rootfs);
    cgroup_free(&container->cgroup);
    filter_free(&container->filter);
    process_free(&container->process);
    namespaces_close(&container->namespaces);
    state_close(&container->state);
    json_decref(container->config);
    free(container->config_bytes);
    file_close(&container->talk);
    file_close(&container->their_talk);
    file_close(&container->gate);
    file_close(&container->console_socket);
    file_close(&container->master);
}

/* ---- reading ---------------------------------------------------------------------- */

static int bundle_read(struct container *container, struct error *err)
{
    const char *config = container->options->config, *bundle = container->options->bundle;

    if (bundle != NULL && chdir(bundle) < 0)
        return error_sys(err, errno, "chdir %s", bundle);
    if (getcwd(container->bundle, sizeof(container->bundle)) == NULL)
        return error_sys(err, errno, "bundle");
    config = config != NULL ? config : "config.json";
    container->config_bytes =
        file_get(AT_FDCWD, config, CONFIG_BYTES_MAX, &container->config_size, err);
    if (container->config_bytes == NULL)
        return err->code == ERROR_NOT_FOUND
                   ? error_set(err, ERROR_NOT_FOUND, "JSON specification file %s not found", config)
                   : -1;
    container->config = draft_read(container->config_bytes, container->config_size, err);
    if (container->config == NULL)
        return error_wrap(err, "%s", config);
    container->document = place_document(container->config);
    container->linux_ = place_member(&container->document, "linux");
    container->process_place = place_member(&container->document, "process");
    return 0;
}

/* Numbers and dots, as semantic versions have them; 1.x is what we know. */
static int version_check(const struct place *document, struct error *err)
{
    struct place place = place_member(document, "ociVersion");
    const char *version;
    int major, minor, patch;

    if (place_needs(document, "ociVersion", err) < 0 ||
        place_text(document, "ociVersion", &version, err) < 0)
        return -1;
    if (sscanf(version, "%d.%d.%d", &major, &minor, &patch) != 3)
        return place_error(&place, err, "\"%s\" is no version", version);
    if (major != 1)
        return place_error(&place, err, "\"%s\" is not supported, 1.x is", version);
    return 0;
}

unsigned container_own(const struct container *container)
{
    return container->namespaces.made | container->namespaces.joined;
}

bool container_is_attended(const struct container *container)
{
    return hooks_are_there(&container->document, HOOK_PRESTART) ||
           hooks_are_there(&container->document, HOOK_CREATE_RUNTIME) ||
           json_object_size(json_object_get(container->linux_.json, "netDevices")) > 0;
}

static int names_check(struct container *container, struct error *err)
{
    static const char *const names[] = { "hostname", "domainname" };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct place place = place_member(&container->document, names[i]);
        const char *text;

        if (place_text(&container->document, names[i], &text, err) < 0)
            return -1;
        if (text != NULL && *text != '\0' && (container_own(container) & CLONE_NEWUTS) == 0)
            return place_error(&place, err, "unable to set %s without a private UTS namespace",
                               names[i]);
        if (text != NULL && strlen(text) > 64)
            return place_error(&place, err, "is longer than 64 bytes");
    }
    return 0;
}

static int annotations_check(const struct place *document, struct error *err)
{
    struct place annotations = place_member(document, "annotations");
    const char *key, *text;
    json_t *value;

    if (annotations.json != NULL && !json_is_object(annotations.json))
        return place_error(&annotations, err, "must be an object");
    json_object_foreach ((json_t *)(uintptr_t)annotations.json, key, value)
        if (place_text(&annotations, key, &text, err) < 0)
            return -1;
    return 0;
}

/* With a terminal somebody must be there to hold it. */
static int terminal_check(const struct container *container, struct error *err)
{
    const struct options *options = container->options;
    bool leaves = container->waits || options->detach;

    if (container->process->terminal && leaves && options->console_socket == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "cannot allocate tty if runc will detach without setting console socket");
    if (options->console_socket != NULL && (!container->process->terminal || !leaves))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "cannot use console socket if runc will not detach or allocate tty");
    return 0;
}

static int document_check(struct container *container, struct error *err)
{
    unsigned own;

    if (version_check(&container->document, err) < 0 ||
        namespaces_read(&container->namespaces, &container->linux_, err) < 0)
        return -1;
    own = container_own(container);
    if ((container->namespaces.made & CLONE_NEWUSER) != 0 &&
        user_maps_check(&container->linux_, err) < 0)
        return -1;
    if (names_check(container, err) < 0 || annotations_check(&container->document, err) < 0 ||
        hooks_check(&container->document, err) < 0 ||
        sysctls_check(&container->linux_, own, err) < 0 ||
        net_devices_check(&container->linux_, (own & CLONE_NEWNET) != 0, err) < 0)
        return -1;
    return rdt_check(&container->linux_, err);
}

static int cgroup_read(struct container *container, struct error *err)
{
    struct place resources = place_member(&container->linux_, "resources");
    struct place annotations = place_member(&container->document, "annotations");
    struct cgroup_want want = {
        .id = container->state.id,
        .resources = &resources,
        .annotations = &annotations,
        .systemd = container->options->systemd_cgroup,
        .rootless = container->options->is_rootless,
    };

    if (place_text(&container->linux_, "cgroupsPath", &want.path, err) < 0)
        return -1;
    container->cgroup = cgroup_new(&want, err);
    return container->cgroup != NULL ? 0 : -1;
}

static int root_read(struct container *container, struct error *err)
{
    unsigned made = container->namespaces.made, own = container_own(container);
    struct rootfs_want want = {
        .document = &container->document,
        .bundle = container->bundle,
        .cgroup = container->cgroup,
        .new_user = (own & CLONE_NEWUSER) != 0,
        .new_cgroup = (own & CLONE_NEWCGROUP) != 0,
        .new_mount = (made & CLONE_NEWNS) != 0,
        .new_net = (own & CLONE_NEWNET) != 0,
        .no_pivot = container->options->no_pivot,
        .terminal = container->process->terminal,
    };

    container->rootfs = rootfs_new(&want, err);
    return container->rootfs != NULL ? 0 : -1;
}

static int parts_read(struct container *container, struct error *err)
{
    const struct options *options = container->options;

    if (place_needs(&container->document, "process", err) < 0)
        return -1;
    container->process = process_read(&container->process_place, &container->linux_, err);
    if (container->process == NULL || terminal_check(container, err) < 0 ||
        filter_read(&container->linux_, options->seccomp_program, &container->filter, err) < 0)
        return -1;
    for (size_t i = 0; i < container->process->warnings.count; i++)
        report_warning("%s", container->process->warnings.items[i]);
    return cgroup_read(container, err) < 0 ? -1 : root_read(container, err);
}

/* ---- descriptors ------------------------------------------------------------------ */

int descriptors_count(const struct options *options, unsigned *listen_fds, unsigned *keep_fds,
                      struct error *err)
{
    const char *listen = getenv("LISTEN_FDS");
    long listening = listen != NULL ? strtol(listen, NULL, 10) : 0;

    if (options->preserve_fds < 0 || options->preserve_fds > 1000000 || listening < 0 ||
        listening > 1000000)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "--preserve-fds: no such number of descriptors");
    *listen_fds = (unsigned)listening;
    *keep_fds = (unsigned)(listening + options->preserve_fds);
    for (unsigned i = 3; i < 3 + *keep_fds; i++) {
        int flags = fcntl((int)i, F_GETFD);

        if (flags < 0 || (flags & FD_CLOEXEC) != 0) /* what we opened ourselves is closed on exec */
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "please check that preserved-fd %u (of %u) is present", i - 3,
                             *keep_fds);
    }
    return 0;
}

int pid_file_write(const struct options *options, pid_t pid, struct error *err)
{
    char text[16];

    if (options->pid_file == NULL || *options->pid_file == '\0')
        return 0;
    snprintf(text, sizeof(text), "%d", (int)pid);
    return fs_write(options->pid_file, text, strlen(text), 0644, false, err);
}

/* ---- the name and its folder ------------------------------------------------------ */

/* Pipes that were given to it are not its own: whoever restores it gives it others. */
static json_t *descriptors_note(void)
{
    json_t *list = draft_array();

    for (int i = 0; i < 3; i++) {
        char path[32], to[256];
        ssize_t size;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", i);
        size = readlink(path, to, sizeof(to) - 1);
        to[size > 0 ? size : 0] = '\0';
        draft_add(list, draft_text(to));
    }
    return list;
}

static int state_fill(struct container *container, struct error *err)
{
    json_t *document = draft_object(),
           *annotations = json_object_get(container->config, "annotations");
    struct place root = place_member(&container->document, "root");
    const char *version, *path;
    char created[MOMENT_TEXT], rootfs[PATH_SIZE];

    container->state.document = document;
    if (place_text(&container->document, "ociVersion", &version, err) < 0 ||
        place_text(&root, "path", &path, err) < 0)
        return -1;
    path = path != NULL ? path : "";
    if (path_format(rootfs, err, "%s%s%s", path[0] == '/' ? "" : container->bundle,
                    path[0] == '/' ? "" : "/", path) < 0)
        return -1;
    draft_put(document, "id", draft_text(container->state.id));
    draft_put(document, "ociVersion", draft_text(version));
    draft_put(document, "bundle", draft_text(container->bundle));
    draft_put(document, "rootfs", draft_text(rootfs));
    draft_put(document, "created", draft_text(moment_now(created, true)));
    draft_put(document, "owner", draft_number(geteuid()));
    draft_put(document, "namespaces", draft_number(container_own(container)));
    if (json_object_size(annotations) > 0)
        draft_put(document, "annotations", draft_copy(annotations));
    draft_put(document, "descriptors", descriptors_note());
    draft_put(document, "cgroup", cgroup_save(container->cgroup));
    return state_save(&container->state, container->config_bytes, container->config_size, err);
}

/* Which groups a plain user or systemd gets is known when they are made. */
int container_groups_note(struct container *container, struct error *err)
{
    if (!container->options->is_rootless && !container->options->systemd_cgroup)
        return 0;
    draft_put(container->state.document, "cgroup", cgroup_save(container->cgroup));
    return state_save(&container->state, container->config_bytes, container->config_size, err);
}

static int name_take(struct container *container, const char *id, struct error *err)
{
    if (state_new(&container->state, container->options->root, id, err) < 0)
        return -1;
    container->is_saved = true;
    return 0;
}

int container_read(struct container *container, const char *id, struct error *err)
{
    const struct options *options = container->options;

    if (descriptors_count(options, &container->listen_fds, &container->keep_fds, err) < 0)
        return -1;
    if (options->console_socket != NULL &&
        (container->console_socket = console_connect(options->console_socket, err)) < 0)
        return -1;
    if (bundle_read(container, err) < 0 || name_take(container, id, err) < 0 ||
        document_check(container, err) < 0 || parts_read(container, err) < 0)
        return -1;
    return state_fill(container, err);
}

/* ---- undoing ---------------------------------------------------------------------- */

static void hooks_after(struct container *container)
{
    json_t *state = state_describe(&container->state, STATUS_STOPPED, 0);
    struct error failure;

    if (hooks_run(&container->document, HOOK_POSTSTOP, state, true, &failure) < 0)
        report_warning("%s", failure.text);
    json_decref(state);
}

void container_undo(struct container *container)
{
    struct error ignored;

    if (container->pid > 0) {
        kill(container->pid, SIGKILL);
        waitpid(container->pid, NULL, 0);
    }
    if (container->is_grouped && cgroup_remove(container->cgroup, &ignored) < 0)
        report_warning("%s", ignored.text);
    if (container->pid > 0)
        hooks_after(container);
    if (container->is_saved && state_remove(&container->state, &ignored) < 0)
        report_warning("%s", ignored.text);
}
