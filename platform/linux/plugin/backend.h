/*
 * backend — a snapshot plugin as one of its callers sees it: the ten methods of
 * containerd.services.snapshots.v1.Snapshots, and how the plugin is.
 *
 * Every call may wait: for the plugin at most `timeout_ms`; for one that has answered
 * before and is gone now (it is restarted) some seconds more, in which it is tried again.  One
 * that was never there fails at once, and for a while (100 ms, doubled each time up to 3 s) nobody
 * tries again.  So a call may reach a plugin twice: what was done already is found by stat.
 */
#ifndef PLATFORM_LINUX_PLUGIN_BACKEND_H
#define PLATFORM_LINUX_PLUGIN_BACKEND_H

#include "protocol/schema.h"

#define BACKEND_BACKOFF_MAX_MS 3000
#define BACKEND_PATIENCE_MS    5000

struct backend;

struct backend_config {
    const char *name;    /* in [proxy_plugins], sent as `snapshotter` */
    const char *address; /* path of its socket */
    int64_t timeout_ms;
};

struct backend *
backend_new(const struct backend_config *config); /* copies it; connects to nobody */
void backend_free(struct backend **backend);
const char *backend_name(const struct backend *backend);

/* On whose behalf: every call takes it first. */
struct backend_asker {
    struct backend *backend;
    const char *namespace;                      /* NULL: nobody's, the collector's */
    int (*check)(void *ctx, struct error *err); /* some times a second: -1 ends the call; or NULL */
    void *ctx;
};

/* A new snapshot at the backend. */
struct backend_new {
    const char *key, *parent; /* "": on nothing */
    const struct map *labels; /* NULL: none; those that are not for backends stay here */
    bool read_only;           /* a view */
};

enum backend_kind { BACKEND_UNKNOWN, BACKEND_VIEW, BACKEND_ACTIVE, BACKEND_COMMITTED };

struct backend_info { /* strings live as long as the call they are given to, or in the arena */
    const char *name, *parent;
    enum backend_kind kind;
    struct map labels;
};

/* Mounts (records mount, in the arena) as they came: see mount_check.h. */
int backend_prepare(const struct backend_asker *asker, const struct backend_new *wanted,
                    struct list *mounts, struct arena *arena, struct error *err);
int backend_mounts(const struct backend_asker *asker, const char *key, struct list *mounts,
                   struct arena *arena, struct error *err);
/* `parent` (NULL: as prepared) is for plugins with the capability rebase. */
int backend_commit(const struct backend_asker *asker, const char *key, const char *name,
                   const char *parent, const struct map *labels, struct error *err);
int backend_remove(const struct backend_asker *asker, const char *key, struct error *err);
int backend_stat(const struct backend_asker *asker, const char *key, struct backend_info *info,
                 struct arena *arena, struct error *err);
/* Sets these labels; an empty value removes one.  All others stay. */
int backend_label(const struct backend_asker *asker, const char *name, const struct map *labels,
                  struct error *err);
/* Is a label of that key for backends? */
bool backend_is_told(const char *key);
int backend_usage(const struct backend_asker *asker, const char *key, uint64_t *size,
                  uint64_t *inodes, struct error *err);
/* Filters as containerd's; a plugin may ignore them, so who calls looks again. */
typedef int backend_each_fn(void *ctx, const struct backend_info *info, struct error *err);
int backend_each(const struct backend_asker *asker, const char *filter, backend_each_fn *each,
                 void *ctx, struct error *err);
/* A plugin that has no such method has nothing to clean: no error. */
int backend_cleanup(const struct backend_asker *asker, struct error *err);

/* ---- how it is --------------------------------------------------------------------------------
 */

enum backend_state {
    BACKEND_CONNECTING, /* nobody listens there (yet), or nobody has asked */
    BACKEND_OK,         /* the last call was answered */
    BACKEND_ERROR,      /* the last call was not, though somebody listens */
};

struct backend_health {
    enum backend_state state;
    char problem[384];    /* the last failure that was not an answer to be expected; "": none yet */
    int64_t problem_time; /* ns since 1970 */
};
void backend_health(struct backend *backend, struct backend_health *health);
/* Asks for what nobody has: 0 when the plugin answers, whatever it says. */
int backend_probe(const struct backend_asker *asker, struct error *err);

#endif
