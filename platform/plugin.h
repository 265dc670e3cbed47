/*
 * plugin — snapshot drivers that are other programs: containerd's proxy plugins.
 *
 * Each configured plugin is a driver of its own name with the table of calls plugin_snapshotter,
 * whose state is made by plugin_open().  It `waits`: every call may ask the program behind the
 * socket.
 *
 *      <root>/snapshots.mark               8 digits that tell this root from others
 *      <root>/snapshots/<number>/plugin    which snapshot of which plugin the layer is
 *      <root>/snapshots/<number>/fs        what was unpacked apart, until it is put into the snapshot;
 *                                          or where that is mounted while it is unpacked to
 *
 * What a plugin holds is only ours to remove when it carries our mark: the key holds the id of this
 * root, or, where the plugin has chosen the name, a label does.  What was lost on the way (a crash,
 * a plugin that was away) is found by listing, and removed by plugin_collect().
 */
#ifndef PLATFORM_PLUGIN_H
#define PLATFORM_PLUGIN_H

#include "platform/snapshotter.h"

struct plugin_config {
    const char *name;       /* in [proxy_plugins] */
    const char *address;    /* path of its socket */
    const char *root;       /* exports.root: where its mounts come from; NULL: anywhere fit */
    bool rebases;           /* what a snapshot stands on may be said with its commit */
    int64_t timeout_ms;     /* for one call */
    const char *const *own; /* folders that no mount may come from: ours; ends with NULL */
};

/* open() is plugin_open(). */
extern const struct snapshotter plugin_snapshotter;

/* `folder` is <root>/snapshots.  Connects to nobody.  What the config points to is copied. */
int plugin_open(const struct plugin_config *config, const char *folder, void **state,
                struct error *err);

/* What it holds and we do not know goes, leaf first; then it may clean up.  Where nothing was
   removed or has failed since the last time there is nothing to do, unless `always`.  May wait. */
int plugin_collect(void *state, bool always, struct error *err);

struct plugin_health {
    const char *state;    /* ok; connecting: nobody listens there (yet); error */
    char problem[384];    /* the last one; "": none yet */
    int64_t problem_time; /* ns since 1970 */
};
/* Asks it for something nobody has, and says how that went.  May wait. */
void plugin_health(void *state, struct plugin_health *health);

/*
 * On this thread, until it is said anew: calls of drivers that wait ask this some times a second
 * whether to go on; -1 ends the call.  NULL: they always go on.
 */
void plugin_heed(int (*check)(void *ctx, struct error *err), void *ctx);

#endif
