/*
 * runtime — the daemon's side of running containers: one supervisor process
 * (the shim) per container, asked over its own socket.
 *
 * A task lives in a folder, <state>/t/<16 hex digits>.  The folder is all the
 * daemon has to remember: who has it can connect to the shim, read how the
 * process ended, and clear up after a shim that died.  Words are the records of
 * protocol/schema/shim.def; bytes of attached streams come on connections of
 * their own, so that a slow reader holds up nobody else.
 *
 * The happy path is task_create, task_starting_take, task_link_open, then asks
 * (start, ..., delete) and tells, then task_folder_remove.  Nothing here waits
 * but where it says so; what is waited for is a descriptor that becomes
 * readable.  One thread at a time may use a link, a stream or a start.
 */
#ifndef PLATFORM_RUNTIME_H
#define PLATFORM_RUNTIME_H

#include "platform/platform.h"
#include "protocol/schema.h"

#define TASK_DATA_MAX (60u * 1024) /* bytes of a stream in one packet */
#define RUNTIME_NATIVE "native"    /* in a task's `runtime`: the engine inside the shim */

/* ---- creating -------------------------------------------------------------- */

struct task_start {
    const char *state;            /* run-time state folder, e.g. /run/gantry */
    const char *shim;             /* supervisor program; NULL: gantry-shim, where helpers lie */
    const struct shim_task *task; /* its protocol and runtime_id are filled in when 0 and NULL */
    /* OCI runtime spec, JSON: root.path `rootfs`; linux.rootfsPropagation `rslave` or `rshared`
       when a volume is that (crun's default is private); cgroupsPath as in task.cgroup. */
    const void *spec;
    size_t spec_size;
};

/*
 * A supervisor that was started ahead and waits for its folder: a start finds it there instead of
 * waiting for a program to be loaded.  It ends when the one who has it ends.
 */
struct task_spare {
    bool is_there;
    struct child child;
};

int task_spare_start(const char *shim, struct task_spare *spare, struct error *err);
void task_spare_drop(struct task_spare *spare); /* for CLEANUP() */

/* A container on its way into being.  Not copied, not moved while it is in use. */
struct task_starting {
    int fd; /* readable when task_starting_take() has something to say */
    char folder[PATH_SIZE];
    struct child child;
    char answer[1024];
    size_t answer_size;
};

/*
 * Makes the folder, writes what the shim needs and starts it, or takes `spare`, if there is one.
 * May wait for the disk.  Errors: FAILED_PRECONDITION (no such shim program), what files and
 * processes give; nothing is left then.
 */
int task_create(const struct task_start *start, struct task_spare *spare,
                struct task_starting *starting, struct error *err);

/*
 * 1: the container is created, *pid is its first process as the host sees it (0: its creation is
 * deferred, ask start tells);
 * 0: not yet; -1: it failed, the folder is gone, and the error is the runtime's own:
 * NOT_FOUND when the command is not in the image, PERMISSION_DENIED when it cannot be
 * executed, FAILED_PRECONDITION when the runtime binary is missing.  Call
 * task_starting_drop() after 1 and -1.
 */
int task_starting_take(struct task_starting *starting, uint64_t *pid, struct error *err);

/* Before the answer was taken: gives up, and the shim undoes what it has made (the folder
   stays until then: task_reap_dead() waits for it).  After: frees what the start held. */
void task_starting_drop(struct task_starting *starting);

/* ---- asking ---------------------------------------------------------------- */

/* A connection for questions, answers and news. */
struct task_link;

/* UNAVAILABLE: the shim is dead; NOT_FOUND: no socket there (yet). */
struct task_link *task_link_open(const char *folder, struct error *err);
int task_link_fd(const struct task_link *link);
int task_link_send(struct task_link *link, const struct shim_ask *ask, struct error *err);
/* 1: *tell is filled, its strings live in the arena; 0: nothing now; -1: the shim is gone
   (UNAVAILABLE) or of a version this daemon does not know (FAILED_PRECONDITION). */
int task_link_receive(struct task_link *link, struct arena *arena, struct shim_tell *tell,
                      struct error *err);
void task_link_close(struct task_link **link);

/* ---- attaching ------------------------------------------------------------- */

/* A connection for the streams of one process, in one reusable packet buffer. */
struct task_stream;

enum task_item_kind { TASK_ITEM_DATA, TASK_ITEM_TELL };

struct task_item {
    enum task_item_kind kind;
    const char *stream; /* data: "stdout" or "stderr" */
    const void *bytes;  /* data: at most TASK_DATA_MAX */
    size_t size;
    bool is_last;          /* data: nothing follows on this stream */
    struct shim_tell tell; /* the answer to attach; `end` with the exit; `error` when cut off */
};

/* `attach` is the question (id, exec, stdin, hold); its `what` is filled in. */
struct task_stream *task_stream_open(const char *folder, const struct shim_ask *attach,
                                     struct error *err);
int task_stream_fd(const struct task_stream *stream);
/* Standard input.  1: sent; 0: full now, wait until the descriptor is writable; -1: gone. */
int task_stream_send(struct task_stream *stream, const void *bytes, size_t size, bool is_last,
                     struct error *err);
/* 1: *item is filled, and holds until the next call; 0: nothing now; -1: gone.  Not receiving
   is how a client with `hold` holds the container back. */
int task_stream_receive(struct task_stream *stream, struct task_item *item, struct error *err);
void task_stream_close(struct task_stream **stream);

/* ---- the folders ----------------------------------------------------------- */

/* Calls `each` with every task's folder (path and 16 digits). */
int task_folders_each(const char *state,
                      int (*each)(void *ctx, const char *folder, const char *name,
                                  struct error *err),
                      void *ctx, struct error *err);
/* What the task was created with. */
int task_record_read(const char *folder, struct arena *arena, struct shim_task *task,
                     struct error *err);
/* How a process ended (exec NULL: the container's own).  NOT_FOUND: it has not, as far as
   the shim could see. */
int task_exit_read(const char *folder, const char *exec, struct arena *arena,
                   struct shim_exit *exit, struct error *err);
/* Puts an OCI process (JSON) where ask exec {process = name} finds it. */
int task_process_write(const char *folder, const char *name, const void *json, size_t size,
                       struct error *err);
bool task_shim_is_alive(const char *folder);
/*
 * After a dead shim: kills what runs of its container, removes what the runtime keeps about
 * it and the control groups; files of the folder stay, so the exit status can be read.
 * Waits for a shim that is just undoing a given-up start, and for the processes to end: for
 * jobs.  FAILED_PRECONDITION: the shim lives, ask it to `quit`.
 */
int task_reap_dead(const char *folder, struct error *err);
/* Removes the folder and all in it. */
int task_folder_remove(const char *folder, struct error *err);

#endif
