/*
 * See container.h: what a new container is read from, and what it may not be.
 *
 * Everything that can be found wrong by reading is found here, before anything is made.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/linux/runtime/container.h"
#include "platform/linux/runtime/files.h"
#include "platform/linux/runtime/hooks.h"
#include "platform/linux/runtime/network.h"
#include "platform/linux/runtime/report.h"
#include "platform/linux/runtime/self.h"
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
    rdt_free(&container->rdt);
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

/* ---- reading ----------------------------------------------------------------------- */

static int config_read(struct container *container, int folder, struct error *err)
{
    const char *config = container->options->config;

    config = config != NULL ? config : "config.json";
    container->config_bytes =
        file_get(folder, config, CONFIG_BYTES_MAX, &container->config_size, err);
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

static bool has_new_pids(const struct container *container)
{
    const json_t *list = json_object_get(container->linux_.json, "namespaces"), *one;
    size_t i;

    json_array_foreach (list, i, one) {
        const char *type = json_string_value(json_object_get(one, "type"));

        if (type != NULL && strcmp(type, "pid") == 0)
            return json_object_get(one, "path") == NULL;
    }
    return false;
}

/* Somebody inside could see our process there, which is why we have to be out of reach (self.h):
   one that waits for its start may be entered by others meanwhile. */
static bool is_seen(const struct container *container)
{
    return container->waits || !has_new_pids(container) ||
           hooks_are_there(&container->document, HOOK_CREATE_CONTAINER) ||
           hooks_are_there(&container->document, HOOK_START_CONTAINER);
}

int container_bundle(struct container *container, struct error *err)
{
    const char *bundle = container->options->bundle != NULL ? container->options->bundle : ".";
    CLEANUP(file_close) int folder = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0)
        return error_sys(err, errno, "chdir %s", bundle);
    if (config_read(container, folder, err) < 0 ||
        (container->is_ours && is_seen(container) &&
         self_protect(err) < 0)) /* begins where we were started */
        return -1;
    if (fchdir(folder) < 0 || getcwd(container->bundle, sizeof(container->bundle)) == NULL)
        return error_sys(err, errno, "bundle");
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
        return place_failure(&place, err, "\"%s\" is no version", version);
    if (major != 1)
        return place_failure(&place, err, "\"%s\" is not supported, 1.x is", version);
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
            return place_failure(&place, err, "unable to set %s without a private UTS namespace",
                               names[i]);
        if (text != NULL && strlen(text) > 64)
            return place_failure(&place, err, "is longer than 64 bytes");
    }
    return 0;
}

static int annotations_check(const struct place *document, struct error *err)
{
    struct place annotations = place_member(document, "annotations");
    const char *key, *text;
    json_t *value;

    if (annotations.json != NULL && !json_is_object(annotations.json))
        return place_failure(&annotations, err, "must be an object");
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

int container_check(struct container *container, struct error *err)
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
    return rdt_new(&container->linux_, container->state.id, NULL, &container->rdt, err);
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
    };

    container->rootfs = rootfs_new(&want, err);
    return container->rootfs != NULL ? 0 : -1;
}

int container_read(struct container *container, struct error *err)
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
