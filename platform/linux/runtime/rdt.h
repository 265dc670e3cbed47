/*
 * rdt — linux.intelRdt: which class of a processor's caches and memory bandwidth a container is in.
 *
 * The kernel's resctrl is a file system of folders.  A folder of its root is a class: `schemata`
 * says what its tasks get, `tasks` who they are (a task is a thread; who is forked is in its
 * parent's class), and a folder in its `mon_groups` counts what some of them use.  There are few
 * classes, on some processors four, so containers may share one.
 *
 *      without closID   a class that is called like the container, made for it and removed with it
 *      closID           a class by name: joined if what is asked for is what it has, else refused;
 *                       made if it is missing and something is asked for; it outlives the container
 *      closID "/"       the default class, in which everybody is who is in no other
 *
 * The rules are runtime-spec 1.3's (config-linux.md, "IntelRdt"), the files those of
 * Documentation/filesystems/resctrl.rst in the kernel's sources.  AMD's and Arm's processors have
 * the same file system and the same field.
 *
 * The happy path is rdt_new, rdt_make, rdt_enter, then (from other processes of the runtime,
 * through rdt_load) rdt_enter for exec, rdt_update, rdt_statistics, and rdt_remove.
 */
#ifndef RUNTIME_RDT_H
#define RUNTIME_RDT_H

#include <sys/types.h>

#include "platform/linux/runtime/place.h"
#include "platform/platform.h"

struct rdt;
struct cgroup;

/* Where resctrl is mounted.  FAILED_PRECONDITION: nowhere.  It is the only place that decides what
   is resctrl; the rest works on the folder it is given. */
int rdt_find(char root[PATH_SIZE], struct error *err);

/* Reads linux.intelRdt, and makes nothing; *rdt is NULL when there is no such field.  `root` NULL:
   what rdt_find() finds.  *rdt keeps texts of the document, which must outlive it. */
int rdt_new(const struct place *linux_, const char *id, const char *root, struct rdt **rdt,
            struct error *err);
void rdt_free(struct rdt **rdt); /* for CLEANUP(); NULL is fine; the class stays */

/* Makes or joins the class, and makes the container's monitoring group; on failure nothing that it
   made is left. */
int rdt_make(struct rdt *rdt, struct error *err);
/* Takes back what rdt_make() made: after a create that failed, and when its process has ended. */
int rdt_undo(struct rdt *rdt, struct error *err);
/* A process, all of whose threads are one yet, into the class and the monitoring group. */
int rdt_enter(const struct rdt *rdt, pid_t pid, struct error *err);
/* Everybody who is in the control groups: for a class that was made when they ran already. */
int rdt_gather(const struct rdt *rdt, const struct cgroup *cgroup, struct error *err);
/* At the end of a container: what was made for it alone.  What is not there is no error. */
int rdt_remove(const struct rdt *rdt, struct error *err);

/* As it is kept in state.json, and back; nothing saved is *rdt NULL. */
json_t *rdt_save(const struct rdt *rdt);
int rdt_load(const json_t *saved, struct rdt **rdt, struct error *err);

/* Writes l3CacheSchema and memBwSchema of `linux_` into the class that it is in, for everybody in
   it.  FAILED_PRECONDITION: that is the default class. */
int rdt_update(const struct rdt *rdt, const struct place *linux_, struct error *err);

/* What `events --stats` prints as "intel_rdt" (the shape is runc's).  Counters are the container's:
   of its monitoring group, or of a class that is its own, else there are none. */
json_t *rdt_statistics(const struct rdt *rdt);

#endif
