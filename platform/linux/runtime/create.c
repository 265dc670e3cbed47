/*
 * create — the runtime's side of making a container.
 *
 * The happy path is container_make: read everything, take the name, make the control groups,
 * clone; compile and write down what there is while the first process makes its namespaces; let it
 * go, and serve it until it is ready.
 *
 * Possible failures are many, and end alike: the first process is killed, its control groups and
 * the state's folder are removed, poststop hooks run if there was a process at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/linux/runtime/console.h"
#include "platform/linux/runtime/container.h"
#include "platform/linux/runtime/gate.h"
#include "platform/linux/runtime/hooks.h"
#include "platform/linux/runtime/moment.h"
#include "platform/linux/runtime/network.h"
#include "platform/linux/runtime/report.h"
#include "platform/linux/runtime/self.h"
#include "platform/linux/runtime/talk.h"
#include "platform/linux/runtime/user_maps.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/draft.h"

/* ---- descriptors -------------------------------------------------------------------------- */

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

/* ---- the name and its folder ---------------------------------------------------------------- */

/* Pipes that were given to it are not its own: whoever restores it gives it others.  What is no
   pipe has no name here. */
static json_t *descriptors_note(void)
{
    json_t *list = draft_array();

    for (int i = 0; i < 3; i++) {
        char path[32], to[256];
        struct stat info;
        ssize_t size = 0;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", i);
        if (fstat(i, &info) == 0 && S_ISFIFO(info.st_mode))
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
    if (container->rdt != NULL)
        draft_put(document, "rdt", rdt_save(container->rdt));
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

int container_begin(struct container *container, const char *id, struct error *err)
{
    const struct options *options = container->options;

    if (descriptors_count(options, &container->listen_fds, &container->keep_fds, err) < 0)
        return -1;
    if (options->console_socket != NULL &&
        (container->console_socket = console_connect(options->console_socket, err)) < 0)
        return -1;
    if (name_take(container, id, err) < 0 || container_check(container, err) < 0 ||
        container_read(container, err) < 0)
        return -1;
    return state_fill(container, err);
}

/* ---- undoing -------------------------------------------------------------------------------- */

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
    if (container->rdt != NULL && rdt_undo(container->rdt, &ignored) < 0)
        report_warning("%s", ignored.text);
    if (container->pid > 0)
        hooks_after(container);
    if (container->is_saved && state_remove(&container->state, &ignored) < 0)
        report_warning("%s", ignored.text);
}

/* ---- with the first process ----------------------------------------------------------------- */

int container_groups_make(struct container *container, struct error *err)
{
    container->is_grouped = true; /* half made ones are removed as well */
    if (cgroup_warning(container->cgroup) != NULL)
        report_warning("%s", cgroup_warning(container->cgroup));
    if (cgroup_make(container->cgroup, err) < 0)
        return -1;
    return container->rdt != NULL ? rdt_make(container->rdt, err) : 0;
}

static int clone_first(struct container *container, struct error *err)
{
    int ends[2], result;

    if (container_groups_make(container, err) < 0 || talk_pair(ends, err) < 0)
        return -1;
    container->talk = ends[0];
    container->their_talk = ends[1];
    if (container->waits && (container->gate = gate_open(container->state.folder, err)) < 0)
        return -1;
    result = namespaces_clone(&container->namespaces, cgroup_folder(container->cgroup),
                              &container->pid, err);
    if (result == 0)
        container_be_first(container);
    file_close(&container->their_talk);
    file_close(&container->gate);
    if (result < 0)
        return container->pid = 0, -1;
    /* all others it joins by itself */
    return container->options->systemd_cgroup ? cgroup_enter(container->cgroup, container->pid, err)
                                              : 0;
}

static int equip(struct container *container, struct error *err)
{
    if ((container->namespaces.made & CLONE_NEWUSER) != 0) {
        int64_t root = user_maps_root(&container->linux_, "uidMappings");

        if (user_maps_write(&container->linux_, container->pid, err) < 0)
            return -1;
        if (cgroup_is_v2(container->cgroup) && root >= 0 &&
            cgroup_own(container->cgroup, (uid_t)root, err) < 0)
            return -1;
    }
    if (container->rdt != NULL && rdt_enter(container->rdt, container->pid, err) < 0)
        return -1;
    if (process_limit(container->process, container->pid, err) < 0 ||
        container_groups_note(container, err) < 0)
        return -1;
    return state_pid_save(&container->state, container->pid, err);
}

int container_hooks_before(struct container *container, struct error *err)
{
    json_t *state = state_describe(&container->state, STATUS_CREATING, container->pid);
    int result = hooks_run(&container->document, HOOK_PRESTART, state, false, err);

    if (result == 0)
        result = hooks_run(&container->document, HOOK_CREATE_RUNTIME, state, false, err);
    json_decref(state);
    return result;
}

/* In the foreground the terminal is kept for us, else it goes to whoever asked for it. */
int container_console(struct container *container, int master, struct error *err)
{
    int to = container->console_socket;

    if (to < 0) {
        container->master = master;
        return 0;
    }
    container->console_socket = -1;
    return console_send(to, master, err);
}

/* What the first process says until it is ready, or has become the user's program. */
static int serve(struct container *container, bool until_console, struct error *err)
{
    for (;;) {
        enum talk_word word;
        int passed = -1;

        if (talk_hear(container->talk, &word, &passed, err) < 0)
            return -1;
        switch (word) {
        case TALK_MOUNTED:
            if (net_devices_move(&container->linux_, container->pid, err) < 0 ||
                container_hooks_before(container, err) < 0 ||
                talk_say(container->talk, TALK_GO, -1, err) < 0)
                return -1;
            if (until_console && !container->process->terminal)
                return 0;
            break;
        case TALK_CONSOLE:
            if (container_console(container, passed, err) < 0 || until_console)
                return until_console ? 0 : -1;
            break;
        case TALK_READY:
            return 0;
        default:
            if (container->waits)
                return error_set(err, ERROR_INTERNAL, "the container's first process has died");
            return 0;
        }
    }
}

/* A listener is fetched out of the process between two of its steps; what fails there is told
   best by the process itself. */
static int listener_serve(struct container *container, struct error *err)
{
    json_t *state;
    int result;

    if (container->filter == NULL || !filter_has_listener(container->filter))
        return 0;
    if ((container_is_attended(container) || container->process->terminal) &&
        serve(container, true, err) < 0)
        return -1;
    state = state_describe(&container->state, STATUS_CREATING, container->pid);
    result = filter_serve(container->filter, container->pid, state, err);
    json_decref(state);
    if (result < 0 && err->code == ERROR_FAILED_PRECONDITION)
        serve(container, false, err);
    return result;
}

static int make_first(struct container *container, struct error *err)
{
    if (clone_first(container, err) < 0 || equip(container, err) < 0 ||
        (container->filter != NULL && filter_compile(container->filter, err) < 0) ||
        talk_say(container->talk, TALK_GO, -1, err) < 0)
        return -1;
    self_let_go();
    if (listener_serve(container, err) < 0)
        return -1;
    return serve(container, false, err);
}

/* A step of ours may have failed since it has died; then it said why before. */
static void failure_hear(struct container *container, struct error *err)
{
    struct pollfd talk = { .fd = container->talk, .events = POLLIN };
    enum talk_word word;
    struct error said;

    while (container->pid > 0 && poll(&talk, 1, 0) > 0) {
        if (talk_hear(container->talk, &word, NULL, &said) < 0) {
            *err = said;
            return;
        }
        if (word == TALK_CLOSED)
            return;
    }
}

static int make(struct container *container, const char *id, struct error *err)
{
    if (container_begin(container, id, err) < 0)
        return -1;
    if (make_first(container, err) < 0) {
        failure_hear(container, err);
        return error_wrap(err, "unable to start container process");
    }
    return pid_file_write(container->options, container->pid, err);
}

int container_make(struct container *container, const char *id, struct error *err)
{
    if (make(container, id, err) == 0)
        return 0;
    container_undo(container);
    return -1;
}

int container_started(struct container *container, struct error *err)
{
    json_t *state;
    int result;

    if (!hooks_are_there(&container->document, HOOK_POSTSTART))
        return 0;
    state = state_describe(&container->state, STATUS_RUNNING, container->pid);
    result = hooks_run(&container->document, HOOK_POSTSTART, state, false, err);
    json_decref(state);
    return result;
}
