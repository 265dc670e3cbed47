/*
 * criu — the program that saves processes to files and makes them again, and how it is spoken to.
 *
 * `criu swrk FD` serves one caller on a socket: a request, notices on the way that have to be
 * answered, a result (criu(8), "swrk"; criu.org/RPC).  It is a child of ours, so a process that it
 * restores can be made our child as well (rst_sibling).
 */
#ifndef RUNTIME_CRIU_H
#define RUNTIME_CRIU_H

#include <stdbool.h>
#include <sys/types.h>

#include "platform/platform.h"
#include "protocol/record.h"

/* Message types. */
enum criu_type {
    CRIU_DUMP = 1,
    CRIU_RESTORE = 2,
    CRIU_PRE_DUMP = 4,
    CRIU_NOTIFY = 6,
    CRIU_VERSION = 10,
    CRIU_SINGLE_PRE_DUMP = 13
};

/* Numbers of the options that we use. */
enum criu_option {
    CRIU_IMAGES_DIR_FD = 1, /* descriptors are ours: criu looks into /proc/PID/fd */
    CRIU_PID = 2,
    CRIU_LEAVE_RUNNING = 3,
    CRIU_EXT_UNIX_SK = 4,
    CRIU_TCP_ESTABLISHED = 5,
    CRIU_EVASIVE_DEVICES = 6,
    CRIU_SHELL_JOB = 7,
    CRIU_FILE_LOCKS = 8,
    CRIU_LOG_LEVEL = 9,
    CRIU_LOG_FILE = 10,
    CRIU_NOTIFY_SCRIPTS = 12,
    CRIU_ROOT = 13,
    CRIU_PARENT_IMG = 14,
    CRIU_TRACK_MEM = 15,
    CRIU_AUTO_DEDUP = 16,
    CRIU_WORK_DIR_FD = 17,
    CRIU_LINK_REMAP = 18,
    CRIU_MANAGE_CGROUPS = 24,
    CRIU_CG_ROOT = 25,
    CRIU_RST_SIBLING = 26,
    CRIU_INHERIT_FD = 27, /* descriptors are criu's own */
    CRIU_MANAGE_CGROUPS_MODE = 34,
    CRIU_EXTERNAL = 37,
    CRIU_EMPTY_NS = 38,
    CRIU_JOIN_NS = 39,
    CRIU_FREEZE_CGROUP = 44,
    CRIU_TCP_SKIP_IN_FLIGHT = 46,
    CRIU_ORPHAN_PTS_MASTER = 50,
    CRIU_CONFIG_FILE = 51,
    CRIU_LSM_PROFILE = 53,
    CRIU_LSM_MOUNT_CONTEXT = 63
};

/* What criu gives back as it goes on. */
struct criu_notice {
    char name[32]; /* "setup-namespaces", "post-restore", ... */
    pid_t pid;     /* of the root process; 0: none */
    int passed;    /* a descriptor; whoever takes it leaves -1 */
};
typedef int criu_hear(void *ctx, struct criu_notice *notice, struct error *err);

struct criu {
    pid_t pid; /* 0: none */
    int talk;
    int watch; /* a pidfd of the process that is restored, from when it is known; -1 */
    bool is_stuck;
};

#define CRIU_NONE               \
    {                           \
        .talk = -1, .watch = -1 \
    }
#define CRIU_FILES     2 /* that it can be given; they are its descriptors 4 and 5 */
#define CRIU_FILE_BASE 4

struct criu_start {
    const char *program;   /* what criu_find() found */
    int files[CRIU_FILES]; /* -1: none */
    bool keep_session;     /* it stays in ours (--shell-job) */
    /* In the child, before it becomes criu; may be NULL. */
    int (*prepare)(void *ctx, struct error *err);
    void *ctx;
};

/* The program: `name` is a path, or a name to look up in PATH; NULL: criu. */
int criu_find(const char *name, char path[PATH_SIZE], struct error *err);
/* Returns when criu runs and is new enough (4.1); `criu` begins as CRIU_NONE. */
int criu_open(struct criu *criu, const struct criu_start *start, struct error *err);
/* One request with these options (fields by enum criu_option), until its result. */
int criu_ask(struct criu *criu, enum criu_type type, const struct buffer *options, criu_hear *hear,
             void *ctx, struct error *err);
/* Waits for its end; for CLEANUP(). */
void criu_close(struct criu *criu);

#endif
