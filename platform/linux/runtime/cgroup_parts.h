/*
 * cgroup_parts — what the files of cgroup.h share: the groups of one container, the limits
 * they are given, and how a control file is written.
 *
 * A `group` is one folder in one hierarchy.  Version 1 has one per mounted hierarchy, version 2
 * a single one, a hybrid host those of version 1 and one that has few controllers or none.
 * Who wants to limit something asks for the group that has the controller and writes into it.
 */
#ifndef RUNTIME_CGROUP_PARTS_H
#define RUNTIME_CGROUP_PARTS_H

#include <limits.h>

#include "platform/linux/runtime/cgroup.h"
#include "platform/linux/runtime/cgroup_resources.h"
#include "platform/scope.h"

struct group {
    const char *controllers; /* as in /proc/self/cgroup: "cpu,cpuacct", "name=systemd"; "": v2 */
    const char *mounted;     /* where its hierarchy is */
    const char *path;        /* from there, beginning with a slash */
    const char *folder;      /* both */
    size_t made_from;        /* `folder` up to there was there before we came; 0: all was */
    int door;                /* v1: its `tasks`; v2: the folder; -1: not opened */
    bool absent;             /* rootless, and we may not make it */
};

struct cgroup {
    struct arena *arena; /* everything below lives there */
    struct group *groups;
    size_t count;
    bool v2; /* the one group is of version 2 */
    bool rootless;
    const char *slice, *unit; /* systemd's; NULL with the driver cgroupfs */
    bool is_started;          /* the unit */
    const struct place *annotations;
    struct resources resources;
    char warning[160];
};

/* cgroup_host.c: cgroup->groups, for this path of the document (which was checked). */
int cgroup_find(struct cgroup *cgroup, const char *path, struct error *err);
/* One more group; the texts are copied. */
void cgroup_add(struct cgroup *cgroup, const char *controllers, const char *mounted,
                const char *path);
/* The group of a controller: "memory", or "" for that of version 2.  NULL: none. */
struct group *cgroup_group(const struct cgroup *cgroup, const char *controller);
/* Any of them: the processes are in all. */
struct group *cgroup_any(const struct cgroup *cgroup);

/* cgroup_path.c */
/* The path that goes with linux.cgroupsPath or without one; NULL: see err. */
const char *cgroup_path_of(const char *wanted, const char *id, struct arena *arena,
                           struct error *err);

/* cgroup_systemd.c: the unit's name and slice, and the path of its group; NULL: see err.  The scope
   of a process; its properties; and its end. */
const char *scope_path_of(struct cgroup *cgroup, const char *wanted, const char *id,
                          struct error *err);
int scope_start(struct cgroup *cgroup, pid_t pid, struct error *err);
int scope_set(struct cgroup *cgroup, const struct resources *resources, struct error *err);
int scope_stop(struct cgroup *cgroup, struct error *err);

/* cgroup_members.c: processes in a group and below, sorted. */
struct members {
    pid_t *pids;
    size_t count, room;
};
void members_free(struct members *members); /* for CLEANUP() */
int members_list(const struct group *group, struct members *members, struct error *err);
/* Kills them, and whom they fork meanwhile; *all is who was there at the end. */
int members_kill(const struct group *group, struct members *all, struct error *err);
/* -1: somebody lives on after the time. */
int members_wait(const struct members *members, int timeout_ms);
/* cgroup_remove.c: waits for "frozen 1", "populated 0" in cgroup.events; -1 with errno. */
int events_wait_v2(const struct group *group, const char *word, uint64_t value, int timeout_ms);

/* cgroup_freeze.c: a frozen process of version 1 does not even die of SIGKILL. */
void cgroup_thaw_v1(const struct cgroup *cgroup);

/* cgroup_control.c: control files.  -1 with errno, and no error set. */
struct control {
    const char *file;
    int fd;
    bool is_open; /* by the first control_say() */
};
int control_say(const char *folder, struct control *control, const char *text);
void control_close(struct control *control); /* for CLEANUP() */
int control_put(const char *folder, const char *file, const char *text);
ssize_t control_get(const char *folder, const char *file, char *text, size_t room);
bool control_is_there(const char *folder, const char *file);
/* The first number in a file, "max" is UINT64_MAX.  false: cannot be read. */
bool control_number(const char *folder, const char *file, uint64_t *number);
/* The number behind a word at the beginning of a line ("oom_kill 3"). */
bool control_field(const char *text, const char *word, uint64_t *number);

/* Writes, for a field of linux.resources ("memory.limit"), which the error names. */
int limit_text(const struct group *group, const char *file, const char *text, const char *field,
               struct error *err);
int limit_number(const struct group *group, const char *file, int64_t number, const char *field,
                 struct error *err);
/* linux.resources.FIELD: needs the controller NAME, which this host does not have. */
int limit_refuse(const char *field, const char *controller, struct error *err);

/* Limits that bound one another: the kernel refuses one while another stands, so they are
   written in whatever order it takes, and it is asked instead of guessed at. */
struct limit {
    const char *file;
    const char *field;
    char text[48];
};
void limit_say(struct limit *limit, const char *file, const char *field, int64_t number);
int limits_settle(const struct group *group, struct limit *limits, size_t count, struct error *err);

/* cgroup_v1.c, cgroup_v2.c: all limits; what is not asked for is left alone. */
int limits_apply_v1(struct cgroup *cgroup, const struct resources *resources, bool fresh,
                    struct error *err);
/* A cpuset that was just made is empty, and then nobody may enter. */
int cpuset_inherit_v1(const struct group *group, const struct resources *resources,
                      struct error *err);
int limits_apply_v2(struct cgroup *cgroup, const struct resources *resources, bool fresh,
                    struct error *err);
/* The map `unified`, also of a hybrid host; `group` NULL: there is no version 2. */
int unified_apply(const struct group *group, const struct map *unified, struct error *err);
/* Has the group of version 2 this controller, or can it be handed down to it?  Also of a hybrid
   host, where that of version 2 has what nobody has mounted as version 1. */
bool controller_get_v2(const struct group *group, const char *controller);
int huge_pages_apply_v2(const struct group *group, const struct resources *resources,
                        struct error *err);
int64_t weight_of_shares(int64_t shares);
int64_t io_weight_of(int64_t weight);
/* The same file and lines in both versions. */
int rdma_apply(const struct group *group, const struct resources *resources, struct error *err);
/* 0 is a limit (runtime-spec 1.3), and as one process is there, the same as 1; but into a group
   whose limit is 0 nobody could be cloned. */
#define PIDS_LIMIT(limit) ((limit) == 0 ? 1 : (limit))

/* cgroup_devices_v1.c: what ordered rules come down to, for who knows no order: a default and
   exceptions to it.  Not every list can be said so, which is an error. */
struct device_exception {
    char type;      /* 'b' or 'c' */
    bool asked;     /* by the document; the others are gone without where the host refuses them */
    uint8_t access; /* 0: none any more */
    int64_t major, minor;
};
struct device_policy {
    bool allow; /* what is no exception */
    struct device_exception *items;
    size_t count;
};
int device_policy_of(const struct device_rules *rules, struct device_policy *policy,
                     struct error *err);
void device_policy_free(struct device_policy *policy); /* for CLEANUP() */
void device_access_text(uint8_t access, char text[4]); /* "rwm" */

/* cgroup_devices_v1.c, cgroup_devices_bpf.c */
int devices_apply_v1(const struct group *group, const struct device_rules *rules, bool fresh,
                     struct error *err);
int devices_apply_bpf(const struct group *group, const struct device_rules *rules, bool fresh,
                      struct error *err);

#endif
