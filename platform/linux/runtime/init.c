/*
 * init — the container's first process, from its birth to the user's program.
 *
 * Every step has its reason to stand where it does; each is one function, and the table below
 * is the order.  What fails is told to the parent, and the process ends: what it made goes with
 * its namespaces.
 */
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/linux/runtime/console.h"
#include "platform/linux/runtime/container.h"
#include "platform/linux/runtime/gate.h"
#include "platform/linux/runtime/hooks.h"
#include "platform/linux/runtime/network.h"
#include "platform/linux/runtime/self.h"
#include "platform/linux/runtime/standing.h"
#include "platform/linux/runtime/sysctl.h"
#include "platform/linux/runtime/talk.h"
#include "platform/platform.h"
#include "platform/scope.h"

#define TALK(container) ((container)->their_talk)

/* What only the parent needs must not be here for a moment longer: the state's lock hangs on it. */
static int be_alone(struct container *container, struct error *err UNUSED)
{
    self_let_go();
    file_close(&container->talk);
    file_close(&container->state.folder);
    file_close(&container->console_socket);
    standing_begin();
    return 0;
}

/* Root of the new user namespace, once the maps are there.  Before them nothing we make would
   have an owner. */
static int be_root(struct container *container, struct error *err)
{
    bool is_new = (container->namespaces.made & CLONE_NEWUSER) != 0;

    if (is_new && talk_expect(TALK(container), TALK_GO, err) < 0)
        return -1;
    if (!is_new && (container->namespaces.joined & CLONE_NEWUSER) == 0)
        return 0;
    setgroups(0, NULL); /* where it is denied there are none to lose */
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return error_sys(err, errno, "become root of the user namespace");
    return 0;
}

/* The quick way in is a process's own (cgroup.h).  First of all: what is made is to count. */
static int join_groups(struct container *container, struct error *err)
{
    return container->options->systemd_cgroup ? 0 : cgroup_join(container->cgroup, err);
}

static int enter_namespaces(struct container *container, struct error *err)
{
    return namespaces_enter(&container->namespaces, err);
}

static int wait_for_go(struct container *container, struct error *err)
{
    if ((container->namespaces.made & CLONE_NEWUSER) != 0)
        return 0; /* it was said with the maps */
    return talk_expect(TALK(container), TALK_GO, err);
}

static int enter_cgroup_namespace(struct container *container, struct error *err)
{
    return namespaces_enter_cgroup(&container->namespaces, err);
}

static int name_host(struct container *container, struct error *err)
{
    const char *host, *domain;

    if (place_text(&container->document, "hostname", &host, err) < 0 ||
        place_text(&container->document, "domainname", &domain, err) < 0)
        return -1;
    if (host != NULL && *host != '\0' && sethostname(host, strlen(host)) < 0)
        return error_sys(err, errno, "hostname: set it to \"%s\"", host);
    if (domain != NULL && *domain != '\0' && setdomainname(domain, strlen(domain)) < 0)
        return error_sys(err, errno, "domainname: set it to \"%s\"", domain);
    return 0;
}

static int bring_up_network(struct container *container, struct error *err)
{
    return (container->namespaces.made & CLONE_NEWNET) != 0 ? loopback_up(err) : 0;
}

/* In a mount namespace that others have as well nothing is mounted: there is only a root to go to.
 */
static int mount_all(struct container *container, struct error *err)
{
    return container->rootfs != NULL ? rootfs_mount(container->rootfs, err) : 0;
}

static int let_runtime_act(struct container *container, struct error *err)
{
    if (!container_is_attended(container))
        return 0;
    if (talk_say(TALK(container), TALK_MOUNTED, -1, err) < 0)
        return -1;
    return talk_expect(TALK(container), TALK_GO, err);
}

static int hooks_here(struct container *container, enum hook_kind kind, enum status status,
                      struct error *err)
{
    json_t *state;
    int result;

    if (!hooks_are_there(&container->document, kind))
        return 0;
    state = state_describe(&container->state, status, getpid());
    result = hooks_run(&container->document, kind, state, false, err);
    json_decref(state);
    return result;
}

static int run_create_hooks(struct container *container, struct error *err)
{
    return hooks_here(container, HOOK_CREATE_CONTAINER, STATUS_CREATING, err);
}

static int write_sysctls(struct container *container, struct error *err)
{
    return sysctls_write(&container->linux_, err);
}

static int enter_root(struct container *container, struct error *err)
{
    return container->rootfs != NULL ? rootfs_enter(container->rootfs, err) : 0;
}

static int make_folder(struct container *container, struct error *err)
{
    return process_cwd_make(container->process, err);
}

static int take_terminal(struct container *container, struct error *err)
{
    int slave, master;

    if (!container->process->terminal)
        return 0;
    master = rootfs_console(&slave, err);
    if (master < 0 || talk_say(TALK(container), TALK_CONSOLE, master, err) < 0)
        return -1;
    close(master);
    return console_take(slave, container->process->rows, container->process->columns, err);
}

static int seal(struct container *container, struct error *err)
{
    return container->rootfs != NULL ? rootfs_seal(container->rootfs, err) : 0;
}

static int settle(struct container *container, struct error *err)
{
    struct process_settings settings = {
        .keyring = container->options->no_new_keyring ? NULL : container->state.id,
        .filter = container->filter,
        .listen_fds = container->listen_fds,
        .keep_fds = container->keep_fds,
    };

    standing_own(container->process->uid);
    return process_settle(container->process, &settings, err);
}

/* A container may wait for long, and nothing must hang on that: not the caller's pipes that he
   forgot to close, nor the host's files that we needed so far. */
static void close_but(unsigned first, unsigned one, unsigned other)
{
    unsigned low = one < other ? one : other, high = one < other ? other : one;

    if (low > first)
        syscall(SYS_close_range, first, low - 1, 0);
    if (high > low + 1)
        syscall(SYS_close_range, low + 1, high - 1, 0);
    syscall(SYS_close_range, high + 1, ~0u, 0);
}

/* From the gate on it is `start` that is told what goes wrong. */
static int wait_for_start(struct container *container, struct error *err)
{
    int start;

    if (!container->waits)
        return 0;
    close_but(3 + container->keep_fds, (unsigned)TALK(container), (unsigned)container->gate);
    if (talk_say(TALK(container), TALK_READY, -1, err) < 0)
        return -1;
    close(TALK(container));
    start = gate_wait(container->gate, err);
    TALK(container) = start;
    return start < 0 ? -1 : 0;
}

static int run_start_hooks(struct container *container, struct error *err)
{
    return hooks_here(container, HOOK_START_CONTAINER, STATUS_CREATED, err);
}

static int exec_program(struct container *container, struct error *err)
{
    return process_exec(container->process, container->filter, err);
}

static int (*const steps[])(struct container *container, struct error *err) = {
    be_alone,
    join_groups,
    be_root,
    enter_namespaces, /* meanwhile the parent compiles the filter and writes the state */
    wait_for_go,
    enter_cgroup_namespace, /* its root is the group that we are in by now */
    name_host,
    bring_up_network,
    mount_all,
    let_runtime_act,
    run_create_hooks,
    write_sysctls, /* through the host's /proc, which is gone next */
    enter_root,
    make_folder,
    take_terminal,
    seal, /* from here on nothing can be written that is to be read-only */
    settle,
    wait_for_start,
    run_start_hooks,
    exec_program,
};

void container_be_first(struct container *container)
{
    struct error err = { 0 };

    for (size_t i = 0; i < COUNT_OF(steps); i++)
        if (steps[i](container, &err) < 0)
            break;
    talk_error(TALK(container), &err);
    _exit(1);
}
