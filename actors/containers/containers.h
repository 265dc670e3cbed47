/*
 * containers — the actor that owns container records.
 *
 *      serves   protocol/schema/containers.def
 *      asks     images (config, unpacking), snapshots (root file systems, diffs), content, volumes, tasks (what runs; ends, before a removal); by jobs
 *      emits    /containers/create, update, delete
 *      owns     <root>/containers/<id> (log and the small files every container gets) and the containers_* tables
 */
#ifndef ACTORS_CONTAINERS_CONTAINERS_H
#define ACTORS_CONTAINERS_CONTAINERS_H

#include "actors/base/actor.h"
#include "actors/base/db.h"
#include "actors/base/job.h"
#include "actors/base/writer.h"

struct containers_config {
    const char *root;
    const char *database;
    const char *default_runtime;
    const char *default_driver;
    bool has_volatile; /* roots of passing containers wait for no disk */
    bool new_boot; /* the machine was started since the last change: it may have lost what was not synced */
};

struct removal;

struct containers {
    const struct containers_config *config;
    struct db *db; /* read-only */
    struct removal *removals; /* under way */
};

extern const struct actor containers_actor; /* self: struct containers */
extern const struct db_schema containers_schema;

/* With --rm: it goes when its task ends, and that ends with the machine. So nothing that is said of it
   has to wait for the disk. */
bool container_is_passing(const struct container_info *info);

/* In a job of containers: the folder of one that no row names any more.  What resists for seconds
   goes at the next start. */
void container_folder_remove(struct job *job, const char *id);

/* files.c: the small files of a container's folder, kept with its record.  In a write; and at the start: those that
   are missing or empty are written anew. */
int files_put(struct write *write, const char *id, const struct list *files, struct error *err);
int files_restore(const struct containers *containers, struct error *err);

/* create.c */
int on_containers_create(void *self, struct request *request, struct error *err);
/* create.c.  A spec that a program has brought is checked; its command for people, NULL where it has none. */
int spec_take(const char *spec, const char **command, struct arena *arena, struct error *err);

/* copy.c */
int on_containers_look(void *self, struct request *request, struct error *err);
int on_containers_take(void *self, struct request *request, struct error *err);
int on_containers_put_files(void *self, struct request *request, struct error *err);

/* commit.c */
int on_containers_commit(void *self, struct request *request, struct error *err);

#endif
