/*
 * cgroup — the control groups of one container: made, limited, entered, counted, frozen,
 * removed.
 *
 * Behind it are version 1 (a folder in each mounted hierarchy), version 2 (one folder), and
 * two drivers: `cgroupfs`, which makes the folders itself, and `systemd`, which asks the
 * service manager for a scope.  Callers do not ask which.
 *
 * The happy path is cgroup_new, cgroup_make, cgroup_enter, then (from other processes of the
 * runtime, through cgroup_load) update, pids, kill, freeze, statistics, and cgroup_remove.
 */
#ifndef RUNTIME_CGROUP_H
#define RUNTIME_CGROUP_H

#include <sys/types.h>

#include "platform/linux/runtime/place.h"

struct cgroup;

struct cgroup_want {
    const char *path;                /* linux.cgroupsPath; NULL: made of the id */
    const char *id;                  /* of the container */
    const struct place *resources;   /* linux.resources; may be absent */
    const struct place *annotations; /* org.systemd.property.*: of the scope */
    bool systemd;                    /* the driver */
    bool rootless; /* what may not be made is gone without, unless it is limited */
};

/* Where the groups will be; touches nothing.  NULL: see err (a malformed path or field). */
struct cgroup *cgroup_new(const struct cgroup_want *want, struct error *err);
void cgroup_free(struct cgroup **cgroup); /* for CLEANUP(); the groups stay */
/* What is asked for and ignored; NULL: nothing. */
const char *cgroup_warning(const struct cgroup *cgroup);

/* Makes the groups, sets the limits and opens the ways in; on failure nothing that it made is left.
   A limit that nothing here can enforce is an error that names the field.  The systemd driver
   does its part in cgroup_enter(), which is when it must know a process. */
int cgroup_make(struct cgroup *cgroup, struct error *err);

/*
 * Ways in.  The quick one (0.1 ms instead of 5 to 15, see cgroup.c) is a child's own: the parent
 * gives cgroup_folder() to clone3(CLONE_INTO_CGROUP), and the child, still single-threaded and
 * before it drops anything, calls cgroup_join().  It uses descriptors opened by the parent, so
 * it works inside a new user and mount namespace too.
 *
 * A cgroup namespace begins where its maker is: unshare(CLONE_NEWCGROUP) comes after cgroup_join(),
 * it must not be among the flags of clone3() itself (which would take the parent's groups).
 */
int cgroup_folder(const struct cgroup *cgroup); /* -1: only version 1, or systemd, or rootless */
int cgroup_join(const struct cgroup *cgroup, struct error *err);
/* exec: the ways into groups that were loaded.  `beside` is the container's first process, which on
   version 2 may have moved down because it hands controllers to groups of its own; or 0. */
int cgroup_open(struct cgroup *cgroup, pid_t beside, struct error *err);
/* exec --cgroup, before cgroup_open(): the ways lead to a group below instead, "path", or on
   version 1 "controller,...:path" for some of them.  For groups that were loaded and will not be
   saved. */
int cgroup_descend(struct cgroup *cgroup, const char *wanted, struct error *err);
/* The slow one, for any process; with systemd the only one for the first. */
int cgroup_enter(struct cgroup *cgroup, pid_t pid, struct error *err);

/* Kills what is in them and removes them, also half made ones and those below; waits for the
   processes to end.  What is not there is no error. */
int cgroup_remove(struct cgroup *cgroup, struct error *err);

/* As it is kept in state.json, and back. */
json_t *cgroup_save(const struct cgroup *cgroup);
struct cgroup *cgroup_load(const json_t *saved, struct error *err);

/* linux.resources once more: what is absent stays as it is. */
int cgroup_update(struct cgroup *cgroup, const struct place *resources, struct error *err);

/* Every process in them and below, sorted; the caller free()s *pids. */
int cgroup_pids(const struct cgroup *cgroup, pid_t **pids, size_t *count, struct error *err);
/* Sends a signal to all of them; SIGKILL leaves nobody who forks away. */
int cgroup_signal(const struct cgroup *cgroup, int signal, struct error *err);
/* Returns when all processes are frozen, or none is. */
int cgroup_freeze(struct cgroup *cgroup, bool frozen, struct error *err);
bool cgroup_is_frozen(const struct cgroup *cgroup);

/* What `events --stats` prints as "data" (the shape is runc's). */
json_t *cgroup_statistics(const struct cgroup *cgroup, struct error *err);
/* A descriptor that becomes readable (POLLIN) when memory runs out, but also when the groups are
   removed, or a limit is merely reached; -1: see err. */
int cgroup_memory_events(const struct cgroup *cgroup, struct error *err);
/* Then reads what is there, and tells whether memory really ran out.  *kills is how often it has,
   and cgroup_memory_kills() when nothing was read yet. */
bool cgroup_memory_ran_out(const struct cgroup *cgroup, int events, uint64_t *kills);
uint64_t cgroup_memory_kills(const struct cgroup *cgroup);

/* Each group as the host sees it: controller names ("memory", "cpu,cpuacct", "name=systemd",
   or "" for version 2), where the hierarchy is mounted, and the path in it. */
int cgroup_each(const struct cgroup *cgroup,
                int (*each)(void *ctx, const char *controllers, const char *mounted,
                            const char *path, struct error *err),
                void *ctx, struct error *err);
bool cgroup_is_v2(const struct cgroup *cgroup);
/* Rootless, and it may have no group anywhere: nothing is known of its processes. */
bool cgroup_is_none(const struct cgroup *cgroup);
/* Version 2, delegated (runtime-spec config-linux "Cgroup ownership"): the container's root owns
 * it. */
int cgroup_own(struct cgroup *cgroup, uid_t uid, struct error *err);

#endif
