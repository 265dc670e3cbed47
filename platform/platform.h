/*
 * platform — everything the daemon asks of the operating system.
 *
 * One header, one implementation per system, chosen by the build.  Callers see
 * no errno, no HANDLE and no #ifdef; failures arrive as `struct error`.  Every
 * call may block on the disk unless it says otherwise.  All descriptors are
 * close-on-exec.  Paths are bytes; names that come from outside never reach a
 * path here without having been checked.
 */
#ifndef PLATFORM_PLATFORM_H
#define PLATFORM_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/error.h"

#define PATH_SIZE 4096 /* room for a path and its NUL */

/* ---- files and folders ---------------------------------------------------- */

/* snprintf for paths: RESOURCE_EXHAUSTED instead of a cut-off path. */
int path_format(char path[PATH_SIZE], struct error *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

struct fs_info {
    uint64_t size; /* bytes */
    int64_t changed; /* time of last write, ns since 1970 */
    bool is_folder;
    bool is_file;
};

int fs_stat(const char *path, struct fs_info *info, struct error *err);
bool fs_exists(const char *path);

/* Makes the folder if it is not there, and gives it exactly this mode (0700, 0711). */
int fs_folder_make(const char *path, unsigned mode, struct error *err);
/* ALREADY_EXISTS when it is there: of several who try, one succeeds. */
int fs_folder_new(const char *path, unsigned mode, struct error *err);
/* Like fs_folder_make, and the folders above it (0755 where they are new). */
int fs_folder_make_all(const char *path, unsigned mode, struct error *err);
/* Calls `each` for every name but . and ..; stops when it returns -1. */
int fs_folder_each(const char *path, int (*each)(void *ctx, const char *name, struct error *err),
                   void *ctx, struct error *err);
int fs_folder_sync(const char *path, struct error *err);

/* Removes a file, or a folder with all in it; never follows links, never leaves
   the file system it began on.  Something that is not there is no error. */
int fs_remove_tree(const char *path, struct error *err);
int fs_remove(const char *path, struct error *err);
int fs_rename(const char *from, const char *to, struct error *err);
int fs_owner(const char *path, uint32_t uid, uint32_t gid, struct error *err); /* not of what a link leads to */
/* Each gets the other's name, in one step; where there is no `to`, `from` gets it. */
int fs_exchange(const char *from, const char *to, struct error *err);

/* Where the links of the path lead; itself when it is not there yet. */
int fs_follow(const char *path, char out[PATH_SIZE], struct error *err);

/* The whole file, with a NUL behind it; NULL and RESOURCE_EXHAUSTED beyond `limit` bytes.
   The caller free()s it. */
char *fs_read(const char *path, size_t limit, size_t *size, struct error *err);
/* Durable: written beside, synced, renamed over, folder synced.  Without `durable` only atomic. */
int fs_write(const char *path, const void *data, size_t size, unsigned mode, bool durable,
             struct error *err);
/* A file that is not there yet, in a folder where nobody looks yet: written in place. */
int fs_write_new(const char *path, const void *data, size_t size, unsigned mode, struct error *err);

/* A file opened for writing at `offset` (what lies behind is cut off). */
int file_open_append(const char *path, uint64_t offset, int *file, struct error *err);
/* One without a name in that folder: it is gone when it is closed, or the machine is. */
int file_open_unnamed(const char *folder, int *file, struct error *err);
/* One that is there and is written as it is: a pipe with a name, a device. */
int file_open_stream(const char *path, int *file, struct error *err);
int file_open_read(const char *path, int *file, struct error *err);
int file_write(int file, const void *data, size_t size, struct error *err);
int64_t file_read(int file, void *data, size_t room, struct error *err); /* 0 at the end */
int64_t file_read_at(int file, void *data, size_t room, uint64_t offset, struct error *err);
bool file_is_at(int file, const char *path); /* `path` is a name of the very file */
uint64_t file_identity(int file); /* tells files of one folder apart, whatever their names; 0: none */
int file_sync(int file, struct error *err);
int file_mode(int file, unsigned mode, struct error *err);
void file_close(int *file); /* for CLEANUP(); -1 is no file */

/* All data of the file system that holds `path` (syncfs). */
int fs_sync_all(const char *path, struct error *err);
/* Bytes and files a tree takes, each hard-linked file once.  `below`: a tree whose files are not counted
   again where they have stayed as they are; or NULL. */
int fs_usage(const char *path, const char *below, uint64_t *size, uint64_t *inodes,
             struct error *err);
int fs_free_bytes(const char *path, uint64_t *available, struct error *err);

/* An advisory lock that the system drops when the process dies.  The file then holds
   "pid command\n".  FAILED_PRECONDITION when somebody has it (`holder` tells who). */
struct holder {
    int pid;
    bool is_gone; /* killed: a child of its has the lock until it has become another program */
    char command[200];
};
int lock_take(const char *path, int *lock, struct holder *holder, struct error *err);
/* The same, waiting so long for who has it. */
int lock_wait(const char *path, int wait_ms, int *lock, struct holder *holder, struct error *err);
void lock_drop(int *lock);

/* Gives a socket file its mode and group (name; no such group: root only, no error). */
int endpoint_protect(const char *path, unsigned mode, const char *group, struct error *err);

/* ---- clock, identity, the machine ----------------------------------------- */

int64_t clock_now(void);       /* ns since 1970 UTC */
int64_t clock_monotonic(void); /* ns since some moment; never jumps */
void random_bytes(void *data, size_t size);
void random_hex(char *out, size_t digits); /* and a NUL */
const char *machine_boot_id(void);         /* differs after every boot */
const char *machine_os(void);              /* linux, windows */
const char *machine_arch(void);            /* amd64, arm64, ... */
const char *machine_variant(void);         /* e.g. v8; "" where there is none */

struct machine {
    char kernel[128];
    uint64_t cpus;
    uint64_t memory;     /* bytes */
    char cgroups[16];    /* v1, v2, hybrid */
};
void machine_describe(struct machine *machine);

/* What a container can be given here. */
uint64_t machine_capabilities(void); /* of our bounding set, bit = number */
int64_t machine_oom_score(void);     /* our own adjustment */
bool machine_swap_limit(void);       /* memory and swap can be limited together */
int machine_host_name(char name[65]);

struct machine_limit {
    const char *type; /* RLIMIT_NOFILE, ... */
    uint64_t soft, hard;
};
#define MACHINE_LIMITS_MAX 16
size_t machine_limits(struct machine_limit limits[MACHINE_LIMITS_MAX]); /* before process_limits_raise() */

struct machine_device {
    char path[256]; /* below /dev */
    char type;      /* c or b */
    int64_t major, minor;
    uint32_t mode, uid, gid;
};
/* All device nodes below /dev, not those of terminals and shared memory. */
int machine_devices_each(int (*each)(void *ctx, const struct machine_device *device), void *ctx, struct error *err);

/* ---- processes -------------------------------------------------------------- */

int process_id(void);
unsigned process_user(void); /* its number */
/* A helper's work can wait for what waits for an answer: it gives way to the daemon. */
void process_yield(void);
const char *process_name(void); /* basename of what was started, for messages */
/* Folder of the running program: helpers lie beside it or in ../libexec/gantry. */
int program_find(const char *name, char path[PATH_SIZE], struct error *err);
bool program_is(const char *path); /* there is one, and it may be started */
/* First executable of that name in PATH and the usual places; or the path itself. */
int program_look_up(const char *name, char path[PATH_SIZE], struct error *err);

/* Before the first thread: raises descriptor limits, remembers the old ones for children. */
void process_limits_raise(void);

/* Before the first thread: few heaps for many threads.  Later, when little happens: what the
   heaps do not need goes back to the system. */
void process_memory_setup(void);
void process_memory_give_back(void);
void memory_wipe(void *data, size_t size); /* of secrets; no compiler leaves it out */

/* A thread that nobody waits for; for helpers, which end all at once. */
int thread_detach(void (*run)(void *ctx), void *ctx, struct error *err);
/* This one works when nobody else wants the processor or the disk. */
void thread_give_way(void);
/* The calling thread has less of processor and disk than others: for work that nobody waits for, but that
   holds locks others need. */
void thread_stand_back(void);
/* What lists of threads (top -H) call the one that says so; 15 bytes of it. */
void thread_name(const char *name);
/* Ends this process now, whatever its threads do; nothing is tidied up. */
void process_end(int status) __attribute__((noreturn));

/* Becomes another program, with our descriptors and environment; comes back only with an error. */
int process_become(const char *path, char *const *argv, struct error *err);

struct child {
    int pid;
    int input;  /* written by us, -1 when not asked for */
    int output; /* read by us, -1 when not asked for */
    bool leads; /* a group of processes, which goes with it */
};
struct child_options {
    const char *const *argv;
    const char *path;        /* of the program; NULL: argv[0] */
    bool input, output;      /* pipes on its stdin, stdout; else /dev/null */
    int channel;             /* instead of `input`, this end is its stdin (channel.h); 0: none */
    int errors;              /* its stderr goes here; -1: /dev/null, 2: ours, 1: where its stdout goes */
    bool detached;           /* a session of its own: it outlives us */
    bool leads;              /* a group of its own: child_kill() kills what it has started, too */
};
/* posix_spawn with the limits of before process_limits_raise(); nothing else is inherited. */
int child_start(const struct child_options *options, struct child *child, struct error *err);
/* write() to its stdin, whose reader may have died: how much, or -1 with errno. */
int64_t child_say(const struct child *child, const void *bytes, size_t size);
/* Waits; status as a shell counts (128 + signal). */
int child_wait(struct child *child, int *status, struct error *err);
/* How it ended, if it does so within that time; child_wait() can still say so again. */
bool child_ended(const struct child *child, int wait_ms, int *status);
/* "was killed by signal 9 (Killed)", "ended with status 1".  Returns `text`. */
const char *child_fate(int status, char text[80]);
void child_kill(struct child *child);
void child_drop(struct child *child); /* kills, reaps, closes: for CLEANUP() */

/* A program that is asked one thing, and what it says. */
struct child_words {
    const void *input;
    size_t input_size;
    char *output; /* room for `room` bytes; gets a NUL behind its end */
    size_t room;
    size_t output_size;
    bool all; /* its stderr is part of the output, and of too much the beginning is enough */
    int wait_ms; /* at most */
    int (*check)(void *ctx, struct error *err); /* asked some times a second: -1 ends it; may be NULL */
    void *ctx;
};
/* Starts it, hands it the input, takes its output, waits for its end.  Its stderr is ours, unless
   `all` is wanted.  DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED ("it ..."), what check says: it was killed,
   with what it has started.  `path` as for child_start(). */
int child_ask(const char *const *argv, const char *path, struct child_words *words, int *status,
              struct error *err);

/* Calls to a service manager, where there is one: "READY=1", "STOPPING=1", "STATUS=...". */
void service_notify(const char *state);

#ifdef GANTRY_TEST_HOOKS
/* Fault and crash tests (tests/fault): every function above that can fail counts as one call.
   The one whose number a test has chosen fails, or ends the process; see hook.c. */
int hook_platform_call(const char *what, struct error *err);
/* A moment worth dying at, where nothing can fail. */
void hook_platform_point(const char *what);
#else
#define hook_platform_call(what, err) 0
#define hook_platform_point(what)     ((void)0)
#endif

#endif
