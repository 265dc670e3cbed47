/*
 * container — one that is being made: everything that was read and opened for it.
 *
 * It is filled in the parent before the clone, so the first process has a copy of all of it
 * and reads nothing itself.  container.c reads, create.c is the parent's side, init.c the first
 * process's; the two meet at the words of talk.h.
 */
#ifndef RUNTIME_CONTAINER_H
#define RUNTIME_CONTAINER_H

#include "platform/linux/runtime/cgroup.h"
#include "platform/linux/runtime/filter.h"
#include "platform/linux/runtime/namespaces.h"
#include "platform/linux/runtime/options.h"
#include "platform/linux/runtime/process.h"
#include "platform/linux/runtime/rdt.h"
#include "platform/linux/runtime/rootfs.h"
#include "platform/linux/runtime/state.h"

struct container {
    const struct options *options;
    bool is_ours;       /* its first process is one of ours, until it becomes the user's */
    bool waits;         /* for `start`, behind the gate; else it runs at once */
    char bundle[4096];  /* absolute */
    char *config_bytes; /* config.json as it was found */
    size_t config_size;
    json_t *config;
    struct place document, linux_, process_place;

    struct state state;
    struct namespaces namespaces;
    struct process_spec *process;
    struct filter *filter;
    struct cgroup *cgroup;
    struct rdt *rdt; /* NULL: not asked for */
    struct rootfs *rootfs;
    unsigned listen_fds, keep_fds;

    int talk, their_talk; /* parent's and first process's end */
    int gate;             /* -1: none */
    int console_socket;   /* -1: none */
    int master;           /* the terminal, when nobody else was given it; -1 */
    pid_t pid;            /* 0: not cloned yet */
    bool is_saved,
        is_grouped; /* what has to be undone: the state's folder is filled, cgroups made */
};

void container_init(struct container *container, const struct options *options);
void container_close(struct container *container); /* for CLEANUP(); undoes nothing */

/* Reading, in this order: the bundle's config.json, first of all (it may start the program anew,
   see self.h); what can be said of it as it is; all parts, for which there must be a state by now.
 */
int container_bundle(struct container *container, struct error *err);
int container_check(struct container *container, struct error *err);
int container_read(struct container *container, struct error *err);

/* All of these but the first, the name and its folder. */
int container_begin(struct container *container, const char *id, struct error *err);
/* Leaves nothing of it; all that was done so far is known to `container`. */
void container_undo(struct container *container);

/*
 * Makes it up to where only the user's program is left to be started (`waits`), or until
 * that runs.  On failure nothing is left of it.
 */
int container_make(struct container *container, const char *id, struct error *err);
/* poststart hooks; when one fails the container is killed (runtime-spec 1.3, "Poststart"). */
int container_started(struct container *container, struct error *err);

/* Steps of making it, for those who make it another way (restore.c). */
int container_groups_make(struct container *container, struct error *err);
int container_groups_note(struct container *container, struct error *err);
int container_hooks_before(struct container *container, struct error *err);
/* Takes over the master: it goes to the console socket, or is kept for the foreground. */
int container_console(struct container *container, int master, struct error *err);
/* The foreground: until it has ended, then deletes it.  Its exit status. */
int container_attend(struct container *container, struct error *err);

/* The first process: never returns. */
void container_be_first(struct container *container) __attribute__((noreturn));

/* The runtime has something to do when the mounts are made: hooks to run, devices to move. */
bool container_is_attended(const struct container *container);
/* Nothing was shared with us for which there is a flag in this. */
unsigned container_own(const struct container *container);

/* --preserve-fds and LISTEN_FDS: all descriptors that are to be kept must be there. */
int descriptors_count(const struct options *options, unsigned *listen_fds, unsigned *keep_fds,
                      struct error *err);
/* Writes the number to options->pid_file, if there is one; never half of it. */
int pid_file_write(const struct options *options, pid_t pid, struct error *err);

#endif
