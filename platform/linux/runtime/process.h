/*
 * process — what config.json says about the process in the container, and how it comes true.
 *
 * The happy path is process_read in the parent, before anything is made; process_limit from the
 * parent, on the process that was cloned; then, in the container: process_cwd_make while the root
 * can still be written, process_settle as the last step of `create`, and process_exec when
 * `start` has come.  After process_settle the process is what it will be: user, groups,
 * capabilities, labels, filter.  Only the program is not yet its own.
 *
 * Everything that can be found wrong by reading is refused by process_read, with the name of
 * the field.  Texts belong to the document, which has to live as long as the spec does.
 */
#ifndef RUNTIME_PROCESS_H
#define RUNTIME_PROCESS_H

#include <sys/types.h>

#include "platform/linux/runtime/filter.h"
#include "platform/linux/runtime/place.h"

#define PROCESS_RLIMITS_MAX 16
#define NUMBERS_MAX         8192 /* processors and memory nodes have smaller numbers */

struct rlimit_want {
    unsigned resource;
    const char *type; /* RLIMIT_... */
    uint64_t soft, hard;
};

struct capability_sets {
    bool given; /* absent: all are empty, as in runc */
    uint64_t bounding, effective, permitted, inheritable, ambient;
};

/* struct sched_attr of sched_setattr(2), which libc does not declare. */
struct schedule {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

/* A list such as "0-3,7", as bits. */
struct numbers {
    unsigned long words[NUMBERS_MAX / (8 * sizeof(unsigned long))];
};

struct memory_policy {
    unsigned mode; /* MPOL_..., with the MPOL_F_ flags */
    struct numbers *nodes;
};

struct process_spec {
    struct arena *arena;
    struct strs args, env; /* env: a name stands in it once */
    const char *cwd;
    uint32_t uid, gid, umask;
    uint32_t *groups;
    size_t group_count;
    bool new_user; /* the container has a user namespace: it gives all capabilities */

    bool terminal;
    uint16_t rows, columns; /* 0: not said */

    struct rlimit_want rlimits[PROCESS_RLIMITS_MAX];
    size_t rlimit_count;
    struct capability_sets capabilities;
    bool no_new_privs;
    bool has_oom_score, has_personality;
    int oom_score;
    unsigned long personality;
    const char *apparmor, *selinux;  /* NULL: none */
    struct schedule *schedule;       /* NULL: as it is */
    int io_priority;                 /* of ioprio_set(2); -1: as it is */
    struct numbers *initial, *final; /* execCPUAffinity; NULL: as it is */
    struct memory_policy *memory;    /* NULL: as it is */

    struct strs warnings; /* sentences for the log: what was passed over */
    char path[4096];      /* of the program, found by process_settle */
};

/* `linux_` is the member of the whole document, also for a process.json.  NULL: see err. */
struct process_spec *process_read(const struct place *process, const struct place *linux_,
                                  struct error *err);
void process_free(struct process_spec **spec); /* for CLEANUP() */

/* Parent: the OOM score of `pid`, and the limits that take rights to raise.  The limits get their
   values in process_settle(): to make a container may take more than its program is to have. */
int process_limit(const struct process_spec *spec, pid_t pid, struct error *err);
/* exec only.  Before `pid` is put into the control group, and behind that. */
int process_affinity_initial(const struct process_spec *spec, pid_t pid, struct error *err);
int process_affinity_final(const struct process_spec *spec, pid_t pid, struct error *err);

/* In the container, the root still writable: makes a working directory that is not there. */
int process_cwd_make(const struct process_spec *spec, struct error *err);

struct process_settings {
    const char *keyring;   /* the container's id; NULL: stay in the session keyring */
    struct filter *filter; /* NULL: none */
    unsigned listen_fds;   /* of them (from 3 on) the program is told */
    unsigned keep_fds;     /* all that are kept, with the former: 3 to 3 + keep_fds - 1 */
};

/*
 * In the container, everything mounted: becomes what the spec says, and finds the program.
 * Descriptors above those that are kept are closed by exec.  The filter is loaded here, unless it
 * can wait for process_exec() (no_new_privs, and nobody listens).
 *
 * Errors: NOT_FOUND and PERMISSION_DENIED of the program itself (callers make 127 and 126 of
 * them) with runc's words, `exec: "x": executable file not found in $PATH`.
 */
int process_settle(struct process_spec *spec, const struct process_settings *settings,
                   struct error *err);
/* Returns only on failure; codes as above. */
int process_exec(const struct process_spec *spec, struct filter *filter, struct error *err);

#endif
