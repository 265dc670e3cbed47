/* task — the inside of the tasks actor: one entry per container that has a shim. */
#ifndef ACTORS_TASKS_TASK_H
#define ACTORS_TASKS_TASK_H

#include "actors/base/actor.h"
#include "actors/base/job.h"
#include "actors/base/writer.h"
#include "actors/tasks/tasks.h"
#include "platform/runtime.h"
#include "protocol/oci/draft.h"

enum task_status { TASK_CREATING, TASK_CREATED, TASK_RUNNING, TASK_STOPPED };

struct process {
    struct process *next;
    char exec[80]; /* "": the container's own */
    enum task_status status;
    uint64_t pid;
    uint64_t exit_status;
    int64_t started, exited; /* 0: not yet */
    char reason[32];
    bool tty, stdin, detached;
    bool written; /* its end is in the database, or could not be: who waits is told now, not before */
    bool durable; /* ... is there */
};

/* A request that waits: for the shim's answer (ask != 0), or for the end of a process. */
struct waiter {
    struct waiter *next;
    struct task *task;
    struct request *request; /* NULL: nobody waits for the answer */
    uint64_t ask;
    char exec[80];
    void (*answer)(struct task *task, struct waiter *waiter, const struct shim_tell *tell);
    void (*failed)(struct task *task, struct waiter *waiter, const struct error *err); /* may be NULL */
    int timer;  /* -1: none */
    bool retry; /* a create that waits for the task before it to be gone */
};

struct task {
    struct task *next;
    struct tasks *home;
    char namespace[80], id[80];
    char folder[PATH_SIZE];
    struct task_link *link;
    struct process init;
    struct process *execs;
    struct waiter *waiters;
    uint64_t last_ask;
    bool remove;        /* the container goes when the task ends */
    int64_t made;       /* when the container was created: another of its id is not meant */
    bool winding_up;    /* the shim has been told to delete */
    bool wound_up;      /* ... and has done it */
    bool found;         /* after a start: what there is to tell of it may have been told before */
    bool deleted;       /* its row is gone, and that has been told */
    bool is_over;       /* nothing runs any more: the entry goes when its end is written */
    bool is_settling;   /* ... and that is under way */
    bool needs_undoing; /* its shim has not done it: see task_clear_up() */
    bool is_stale;      /* the row could not be written */
    int again;          /* timer: a step that failed is tried again; -1: none did */
    uint64_t again_ms;
};

struct tasks {
    const struct tasks_config *config;
    struct loop *loop;
    struct db *db; /* read-only */
    struct task *first;
    struct task_spare spare; /* the next container's supervisor */
    bool makes_spare;
};

/* entries (tasks.c) */
struct task *task_find(struct tasks *tasks, const char *namespace, const char *id);
struct task *task_new(struct tasks *tasks, const char *namespace, const char *id);
void task_free(struct task *task);
struct process *task_process(struct task *task, const char *exec); /* NULL: there is none */
struct task_info process_info_of(const struct task *task, const struct process *process);
/* The task of the container that `text` means; FAILED_PRECONDITION when it has none. */
struct task *task_of_request(struct tasks *tasks, struct request *request, const char *text, struct error *err);
const char *task_status_name(enum task_status status);

/* talking with the shim (link.c) */
int task_connect(struct task *task, struct error *err);
int task_ask(struct task *task, struct request *request, struct shim_ask *ask,
             void (*answer)(struct task *task, struct waiter *waiter, const struct shim_tell *tell), struct error *err);
/* The same, and `failed` hears of a refusal, before the request does. */
int task_ask_or(struct task *task, struct request *request, struct shim_ask *ask,
                void (*answer)(struct task *task, struct waiter *waiter, const struct shim_tell *tell),
                void (*failed)(struct task *task, struct waiter *waiter, const struct error *err), struct error *err);
void answer_nothing(struct task *task, struct waiter *waiter, const struct shim_tell *tell);
struct waiter *waiter_add(struct task *task, struct request *request, const char *exec);
void waiter_drop(struct waiter *waiter);
void waiter_gone(void *self, struct request *request, void *arg); /* request_gone */
void task_ended(struct task *task, struct process *process, const struct shim_exit *exit, const char *reason);
void task_end_written(struct task *task, struct process *process); /* tells who waits for it */
void task_lost(struct task *task, const struct error *why); /* the shim is dead */
void exec_forget(struct task *task, struct process *process); /* here and in the shim */

/* what is kept of it (rows.c) */
void row_put(const struct task *task, const char *topic);
void row_exit(const struct task *task, const struct process *process);
void row_event(const struct task *task, const char *topic, const struct process *process);
/* Answers with `info` when the row is gone for everybody: a removal of the container comes next.
   `silent`: the event of it was written already. */
int row_delete(struct request *request, const struct task_info *info, bool silent, struct error *err);
/* Writes the end of it; then, after all rows before are on disk, removes its folder, which holds how
   it ended, and forgets the entry. */
void row_settle(struct task *task);
void task_container_remove(struct tasks *tasks, const char *namespace, const char *id, int64_t made); /* for --rm */

/* what a shim left behind (clear.c) */
/* Ends a shim that still lives there, kills what a dead one left, and removes the folder. In a job. */
int task_folder_undo(struct job *job, const char *folder, struct error *err);
/* The same, behind; then the task, if there is one, is forgotten. Until then nobody makes another for
   the container. */
void task_clear_up(struct tasks *tasks, struct task *task, const char *folder);
void task_forget(struct task *task); /* and its container, if that is to go with it */

/* what failed is tried again (again.c) */
void task_again(struct task *task);
void task_wind_up(struct task *task);                        /* link.c: asks the shim to delete */
void task_reconnect(struct task *task);                      /* recover.c */
void task_dead(struct task *task);                           /* link.c: what ran ended as its files tell */

/* The system call filter of a spec, compiled (filter.c); `section` is the text of its linux.seccomp.
   False: that is left to the runtime.  As a file that stays until the next boot: */
bool task_filter_file(const char *state, const struct bin *section, char path[PATH_SIZE]);
/* As an annotation in the spec, which crun takes: */
bool task_filter_add(const char *state, const struct bin *section, json_t *spec);

/* a supervisor started ahead (spare.c) */
void spare_soon(struct tasks *tasks); /* there is to be one, when the rush is over */

/* operations with files of their own */
int on_create(void *self, struct request *request, struct error *err);   /* create.c */
int on_runtime(void *self, struct request *request, struct error *err);
int on_adopt(void *self, struct request *request, struct error *err);
int on_attach(void *self, struct request *request, struct error *err);   /* attach.c */
int on_exec(void *self, struct request *request, struct error *err);     /* exec.c */
int on_logs(void *self, struct request *request, struct error *err);     /* logs.c */
int tasks_recover(struct tasks *tasks, struct error *err);               /* recover.c */

#endif
