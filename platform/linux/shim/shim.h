/*
 * shim — the supervisor of one container: its nouns, and who hangs on whom.
 *
 *      main      how the shim comes to life, step by step, and how it ends
 *      rootfs    the mount namespace, and what is mounted in it
 *      cgroup    whether memory ran out; what a dead shim leaves
 *      runtime   commands of the OCI runtime, which run beside everything else
 *      console   a terminal handed over by the runtime
 *      process   the container's own process and additional ones
 *      streams   their output, to the log and to who is attached; their input
 *      log       the log file
 *      clients   connections, and what waits to be sent on them
 *      still     the container stands still, as long as a connection wants it
 *      asks      the questions: one table of what may be asked when; starts, ends
 *      exits     who has ended, written down, then told
 *      reap      clearing up after a shim that was killed
 *
 * One thread, one loop (loop.h), and nothing in it waits: not for the runtime, not
 * for a disk that is full, not for a client.  The working directory is the task's
 * folder, so every file of the task goes by its plain name.
 */
#ifndef SHIM_SHIM_H
#define SHIM_SHIM_H

#include <limits.h>
#include <sys/types.h>

#include "platform/linux/freezer.h"
#include "platform/linux/shim/loop.h"
#include "platform/scope.h"
#include "protocol/schema.h"
#include "protocol/shim_wire.h"

#define SHIM_PROTOCOL 1
#define EXEC_SIZE     77 /* an exec id of 76 characters */
#define EXECS_MAX     256
#define CLIENTS_MAX   64
#define BEHIND_MAX    (1u << 20) /* bytes a client without `hold` may be behind */
#define NAME_SIZE     (NAME_MAX + 1)

struct shim;
struct client;
struct process;

/* Who asked, so that the answer finds it: clients come and go, numbers do not come twice. */
struct asker {
    uint64_t client; /* 0: nobody waits for an answer */
    uint64_t id;
};

/* ---- log ------------------------------------------------------------------- */

struct log {
    int file; /* -1: none */
    const char *path;
    uint64_t size, size_max; /* size_max 0: never rotated */
    unsigned files;
    uint64_t dropped; /* bytes of output that the file did not take, not noted yet */
    int why;
};

int log_open(struct log *log, const struct shim_task *task, struct error *err);
/* Which file is being written, as file_identity() says; false: none. */
bool log_identity(const struct log *log, uint64_t *identity);
/* Never waits, never fails: what cannot be written is counted, and the count is written later. */
void log_write(struct log *log, const char *stream, const char *bytes, size_t size);

/* ---- processes ------------------------------------------------------------- */

enum state {
    STATE_CREATING = 1, /* init only: the runtime is at it */
    STATE_CREATED = 2,
    STATE_RUNNING = 4,
    STATE_STOPPED = 8,
};

/* What a process gets as descriptors 0, 1 and 2; -1: /dev/null. */
struct ends {
    int in, out, err;
};

/* One pipe or terminal that the process writes to. */
struct stream {
    struct source source;
    struct process *process;
    const char *name;
    bool is_terminal;
    bool is_drained; /* what was written before the process ended has been read */
    uint64_t seen;   /* bytes read of it */
    size_t left;     /* after the end: it cannot have written more than this */
};

/* Where the process reads from. */
struct input {
    struct source source;
    bool is_wanted; /* stdin is kept open for clients */
    bool is_closed;
    bool is_ending; /* close when nothing is pending */
    bool is_midline;
    char *pending; /* what did not fit; while there is any, clients that send are not read */
    size_t pending_size;
};

struct process {
    struct process *next;
    struct shim *shim;
    char exec[EXEC_SIZE]; /* "": the container's own */
    char file[NAME_SIZE]; /* exec: its OCI process */
    enum state state;
    bool is_terminal;
    bool is_waiting; /* for a client with `hold`: nothing is read yet */
    bool is_starting;
    int pending_signal; /* came while it was being started and had no number yet; 0: none */
    bool has_ended; /* reaped; told when its start was answered */
    bool is_told;
    bool is_over;      /* ended, and all of its output is delivered */
    unsigned commands; /* that refer to it */
    pid_t pid;
    uint64_t exit_status;
    int64_t started, exited;
    bool is_oom;
    uint64_t oom_before;
    struct window window;
    struct ends ends;         /* its side of the pipes, until it is started */
    struct stream out, error; /* a terminal is `out` alone */
    struct input input;
};

struct process *process_add(struct shim *shim, const char *exec);
/* The number of the container's own process, for whoever finds the folder. */
int pid_write(const struct shim *shim, pid_t pid, struct error *err);
struct process *process_find(struct shim *shim, const char *exec); /* NULL, "": the own one */
struct process *process_of_pid(struct shim *shim, pid_t pid);
void process_remove(struct process *process);
size_t processes_count(const struct shim *shim);
const char *process_status(const struct process *process);
bool exec_is_valid(const char *exec);

/* ---- streams --------------------------------------------------------------- */

/* Pipes; a terminal comes later, from the runtime. */
int streams_open(struct process *process, struct error *err);
void ends_close(struct ends *ends);
int streams_take_terminal(struct process *process, int master, struct error *err);
/* Reads what it may: after a start, when a holder came or has caught up, at the end. */
void streams_read(struct process *process);
void streams_close(struct process *process);
int terminal_resize(struct process *process, const struct window *window, struct error *err);
/* Standard input from a client; the bytes that do not fit are kept. */
void input_write(struct process *process, const char *bytes, size_t size);
void input_end(struct process *process);

/* ---- the runtime ------------------------------------------------------------ */

struct command;
/* `failure` is NULL when it succeeded, else the runtime's own words. */
typedef void command_done(struct command *command, const struct error *failure);

struct command {
    struct command *next;
    struct shim *shim;
    struct process *process;
    struct asker asker;
    command_done *done;
    const char *verb;
    unsigned number;
    pid_t pid;
    int output;  /* memfd: its stdout, when that is wanted */
    int errors;  /* memfd: its stderr, where the container does not share it */
    int console; /* listening for a terminal; -1: none */
    bool has_ended;
    int status;
    bool wants_output, wants_console;
};

/* `args` (NULL at the end) follow the global options and the verb; `ends` NULL: what it says
   is only for us.  May fail at once: then `done` is not called and the command is gone. */
struct command *command_new(struct process *process, const char *verb, command_done *done);
int command_run(struct command *command, const char *const *args, const struct ends *ends,
                  struct error *err);
void command_free(struct command *command);
/* After its process was reaped: calls `done`, frees it. */
void command_finish(struct command *command);
void commands_kill(struct shim *shim);
int command_pid_read(const struct command *command, pid_t *pid, struct error *err);
/* After a command that made a process: its number, and its terminal if it has one.  One whose
   terminal did not come is killed: nobody could ever see it. */
int process_take(struct command *command, struct error *err);
void command_pid_file(unsigned number, char name[NAME_SIZE]);
/* The global options and the verb's: room for COMMAND_ARGS pointers. */
#define COMMAND_ARGS 32
size_t runtime_args(const struct shim_task *task, const char *log, const char **argv);
bool runtime_is_crun(const char *path);
int runtime_spawn(const char *const *argv, const struct ends *ends, pid_t *pid);

int console_listen(unsigned number, char name[NAME_SIZE], struct error *err);
/* The terminal that came, or -1. */
int console_receive(int listener, struct error *err);

/* ---- rootfs, cgroups -------------------------------------------------------- */

int namespace_leave(const struct shim_task *task, struct error *err);
/* What of it needs no task, for one that is started ahead. */
void namespace_leave_ahead(void);
int rootfs_make(const struct shim_task *task, struct error *err);
void rootfs_unmount(void);

struct memory {
    int events; /* memory.events or memory.oom_control of the container; -1: none */
};
void memory_open(struct memory *memory, pid_t pid);
uint64_t memory_oom_kills(const struct memory *memory);
/* Kills what is in the control groups of that path and removes them. */
void cgroups_remove(const char *path);

/* ---- clients ---------------------------------------------------------------- */

struct packet {
    struct packet *next;
    size_t size;
    char bytes[];
};

struct client {
    struct client *next;
    struct shim *shim;
    struct source source;
    uint64_t number;
    struct process *process; /* attached to */
    bool sends_input, holds;
    bool was_held;  /* by its `hold`: it has everything before the shim ends */
    bool is_stream; /* attached, or was: gets no news */
    bool wants_still; /* of the container; asks for nothing else */
    bool is_lost;   /* freed at the end of the turn */
    struct packet *first, **last;
    size_t queued;
};

int clients_listen(struct shim *shim, struct error *err);
void clients_sweep(struct shim *shim);
bool clients_are_served(const struct shim *shim); /* nothing waits to be sent */
bool clients_lose_nothing(const struct shim *shim); /* ... to those who have said `hold` */
void client_lose(struct client *client);
void client_widen(struct client *client); /* it will carry much */
void client_tell(struct client *client, const struct shim_tell *tell);
void client_send(struct client *client, const char *head, size_t head_size, const char *bytes,
                 size_t size);
/* Sets which events it is waited for: its input only while the process takes it. */
void client_watch(struct client *client);
void clients_watch(struct process *process);
bool clients_hold(const struct process *process); /* one with `hold` has not taken all */
/* To who is attached to the process / to who is not attached at all. */
void clients_data(struct process *process, const char *stream, const char *bytes, size_t size);
void clients_news(struct shim *shim, const struct shim_tell *tell);
void clients_end(struct process *process);
void clients_fail(struct process *process, const struct error *failure);

/* ---- standing still ---------------------------------------------------------- */

struct still {
    struct freezer freezer; /* open while it is ours to let go on */
    bool is_ours;
};

/* A connection that wanted it is gone. */
void still_leave(struct shim *shim);
/* All goes on: it is killed. */
void still_break(struct shim *shim);

/* ---- questions and answers --------------------------------------------------- */

void ask_handle(struct client *client, const char *bytes, size_t size);
void answer(struct shim *shim, struct asker asker, struct shim_tell *tell);
void answer_ok(struct shim *shim, struct asker asker);
void answer_pid(struct shim *shim, struct asker asker, pid_t pid);
void answer_failure(struct shim *shim, struct asker asker, const struct error *err);
/* When the container's own process has ended and somebody asked to quit. */
void quit_go_on(struct shim *shim);

/* ---- exits ------------------------------------------------------------------- */

int exits_open(struct shim *shim, struct error *err);
/* After a command about it, or its end: writes down and tells what can be told. */
void process_conclude(struct process *process);
/* Its output may be complete now. */
void process_look_over(struct process *process);
/* One that was never started ends as if by this signal. */
void process_give_up(struct process *process, int signal);
/* A process whose end was seen before its number was known. */
void orphans_claim(struct process *process);
struct shim_exit process_exit(const struct process *process);

/* ---- all of it ---------------------------------------------------------------- */

#define ORPHANS_MAX 512

struct shim {
    struct arena *arena;
    struct shim_task task;
    char folder[PATH_MAX];
    int lock;             /* on shim.pid, as long as we live */
    struct source answer; /* the pipe to who started us; gone when answered */
    struct source signals, listener;
    struct process *processes; /* the container's own first */
    struct client *clients;
    struct command *commands;
    struct log log;
    struct memory memory;
    struct still still;
    uint64_t clients_seen;
    unsigned commands_seen;
    bool is_quitting, is_deleting;
    struct asker quitter;
    bool is_ending;
    int64_t ends_at; /* monotonic: when nobody is waited for any longer */
    struct orphan {
        pid_t pid;
        int status;
        int64_t time;
    } orphans[ORPHANS_MAX];
    size_t orphan_count;
};

/* The one buffer everything foreign passes through: used up before the loop turns. */
extern char shim_packet[SHIM_PACKET_MAX + 1];

/* Removes what the runtime has made, then ends. */
void shim_undo(struct shim *shim);
void shim_end(struct shim *shim);
/* Takes shim.pid and locks it: -1 with EAGAIN when another has it. */
int lock_open(void);
int64_t time_now(void);       /* ns since 1970 */
int64_t time_monotonic(void); /* ns */
int file_replace(const char *name, const void *bytes, size_t size);
/* The file's bytes into room, with a NUL; -1 when there is none. */
ssize_t file_load(const char *name, char *room, size_t size);

int reap_main(const char *folder); /* gantry-shim --reap FOLDER */

#endif
