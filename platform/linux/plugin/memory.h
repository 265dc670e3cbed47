/*
 * memory — which snapshot of which plugin a layer is: <root>/snapshots/<number>/plugin.
 *
 * It is written before the plugin is asked for anything, so whatever the plugin holds for us after
 * a crash has a memory, or had one when it was made.  The texts stand one after the other, each
 * ended by a NUL: plugin, namespace, key, name, "remote", "direct" and the folder, or "", then
 * labels, key and value.
 */
#ifndef PLATFORM_LINUX_PLUGIN_MEMORY_H
#define PLATFORM_LINUX_PLUGIN_MEMORY_H

#include "platform/platform.h"
#include "protocol/record.h"

struct memory {
    const char *plugin;
    const char *namespace;
    const char *key;  /* at the plugin, while it is written or viewed; "": nothing is there (yet) */
    const char *name; /* ... when it is committed, or on the way to it; "": it is not */
    bool is_remote;   /* the plugin had it already, and has chosen the name */
    const char *direct; /* the plugin's folder that it is unpacked into, on nothing until its
                           commit; NULL: not so */
    struct map labels;  /* for the plugin */
};

/* NOT_FOUND: the layer has none.  In the arena. */
int memory_read(const char *folder, uint64_t number, struct memory *memory, struct arena *arena,
                struct error *err);
/* `durable`: it is on the disk when this returns. */
int memory_write(const char *folder, uint64_t number, const struct memory *memory, bool durable,
                 struct error *err);

#endif
