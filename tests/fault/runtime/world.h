/*
 * world — where the containers of a fault test live: a tmpfs with a bundle and the runtime's state.
 *
 * It is in a mount namespace of ours, so every mount that is new there was left behind; and we are
 * the reaper of our descendants, so every process that loses its parent comes to us.
 */
#ifndef FAULT_WORLD_H
#define FAULT_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum kind { KIND_PLAIN, KIND_USER };

/* Ends the program, as skipped, where it cannot be made. */
void world_make(const char *runtime);
void world_remove(void);
void die(const char *what) __attribute__((noreturn));

/* A path in it; good for the next few calls. */
const char *below(const char *name);
/* Of any file; "" when it cannot be read.  Returns `text`. */
char *file_text(const char *path, char *text, size_t size);

/* The container `box`: of which kind, and what it runs: `touch /ran`, or a long sleep. */
const char *kind_name(enum kind kind);
void config_write(enum kind kind, bool lasting);
/* Whether the container's program has run since this was asked last. */
bool has_run(void);
pid_t box_pid(void); /* 0: there is none */
/* Of its control groups: who is in them besides its first process; 0: nobody. */
pid_t box_stranger(void);
/* A word for where its state, its mounts and its first process are. */
void box_describe(char *text, size_t size);

/* ---- the runtime, untraced ---- */
/* In a child, never returns: `runtime --root STATE words...`, its output in the file `output`.
   A word "@name" is the path below("name"). */
void runtime_exec(const char *const *words, const char *output) __attribute__((noreturn));
pid_t runtime_spawn(const char *const *words);
/* Its exit status, 128 + the signal that ended it.  Output is in the file "said". */
int runtime_run(const char *const *words);
#define RUN(...) runtime_run((const char *const[]){ __VA_ARGS__, NULL })

/* What is left of `box`, which is then taken away; NULL: nothing.  `what` names it. */
const char *left_behind(char *what, size_t size);
void reap(void); /* whoever has ended meanwhile */

#endif
