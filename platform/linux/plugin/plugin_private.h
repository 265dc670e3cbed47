/* plugin_private — a plugin as a snapshot driver, shared by its files. */
#ifndef PLATFORM_LINUX_PLUGIN_PLUGIN_PRIVATE_H
#define PLATFORM_LINUX_PLUGIN_PLUGIN_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "platform/linux/plugin/backend.h"
#include "platform/linux/plugin/memory.h"
#include "platform/linux/plugin/mount_check.h"
#include "platform/plugin.h"

#define MARK_DIGITS 8
#define MARK_LABEL  "containerd.io/snapshot/gantry.root"
#define LABEL_REF   "containerd.io/snapshot.ref"

struct plugin {
    struct backend *backend;
    char folder[PATH_SIZE];     /* <root>/snapshots */
    char mark[MARK_DIGITS + 1]; /* of this root */
    struct arena *arena;        /* of the rules' texts */
    struct mount_rules rules;
    bool rebases;
    /* Who gets a name from the plugin reads until that is in its memory; who removes one that no
       memory has writes. */
    pthread_rwlock_t names;
    atomic_bool has_strays; /* there may be something to collect */
};

/* On whose behalf the calls of this thread are. */
struct backend_asker plugin_asker(const struct plugin *plugin, const char *namespace);

/* opening.c */
void plugin_close(void **state);

/* names.c, in the arena.  While it is written or viewed; when it is committed. */
const char *plugin_name_new(const struct plugin *plugin, const struct layer_new *layer,
                            struct arena *arena);
const char *plugin_name_committed(const struct plugin *plugin, const char *namespace,
                                  uint64_t number, const char *name, struct arena *arena);
/* Of a committed layer; "": of none, 0. */
int plugin_name_of(const struct plugin *plugin, uint64_t parent, const char **name,
                   struct arena *arena, struct error *err);
/* Of what the plugin says that it has: the memory's target, on that parent. */
int plugin_name_find(const struct plugin *plugin, const struct memory *memory, const char *parent,
                     const char **name, struct arena *arena, struct error *err);
/* Does a name at the plugin carry this root's mark?  Then the number in it. */
bool plugin_name_is_ours(const struct plugin *plugin, const char *name, uint64_t *number);

/* direct.c.  A snapshot was prepared at the plugin, to be unpacked: into it, if that can be.  1: it
   is gone again, one on nothing is to be prepared. */
int plugin_direct_begin(struct plugin *plugin, const struct layer_new *layer, struct memory *memory,
                        const struct list *mounts, struct error *err);
/* Are its mounts still what it is unpacked into? */
int plugin_direct_check(const struct plugin *plugin, const struct memory *memory,
                        const struct list *mounts, struct error *err);

/* labels.c */
int plugin_label(void *state, uint64_t number, const struct map *labels, struct error *err);

/* strays.c.  A snapshot whose name the plugin has chosen goes when no layer's memory has it. */
int plugin_drop_remote(struct plugin *plugin, const char *name, struct error *err);

#endif
