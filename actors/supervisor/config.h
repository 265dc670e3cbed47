/*
 * config — what the operator wants: /etc/gantry/config.toml over the defaults.
 *
 * One table (config.def) names every setting, its kind, default and meaning; the
 * file, flags, `gantry info` and the manual all go by it.  A key that is not in the table is
 * a warning with its line; a value that cannot be is an error with file, line and what
 * was expected.  toml++ does the reading; no exception leaves config.cc.
 */
#ifndef ACTORS_SUPERVISOR_CONFIG_H
#define ACTORS_SUPERVISOR_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/error.h"

#define CONFIG_FILE "/etc/gantry/config.toml"

struct config_runtime {
    const char *name;
    const char *path;
};

/* A text with a name: of a plugin's exports. */
struct config_pair {
    const char *key;
    const char *value;
};

/* Of [proxy_plugins]. */
struct config_plugin {
    const char *name;
    const char *type;                  /* snapshot; another where there is a problem */
    const char *address;               /* path of its socket */
    const char *platform;              /* NULL: this machine's */
    const struct config_pair *exports; /* ends with a NULL key */
    const char *const *capabilities;   /* ends with NULL */
    const char *problem;               /* why it is left out; NULL: it is not */
};

struct config {
    const char *root;
    const char *state;
    const char *const *listen; /* endpoints; ends with NULL */
    const char *group;
    const char *log_level;
    const char *log_format;
    const char *runtime;
    const struct config_runtime *runtimes; /* ends with a NULL name */
    const char *snapshotter;
    const struct config_plugin *plugins; /* ends with a NULL name */
    uint64_t plugin_s;
    const char *const *plain_http; /* registry hosts; ends with NULL */
    const char *short_names;       /* "docker.io" or "refuse" */
    const char *const *hosts;      /* folders, several with : between; ends with NULL */
    uint64_t answer_s;
    const char *verifiers; /* folder; "": none */
    uint64_t verifier_s;
    uint64_t message_size;
    uint64_t requests_per_client;
    uint64_t requests_total;
    uint64_t downloads;
    uint64_t ranges;
    uint64_t layer_size;
    uint64_t log_size;
    uint64_t log_files;
    const char *sharing; /* "shared" or "isolated" */
    const char *volatile_; /* "true" or "false" */
    double gc_pause;
    uint64_t gc_deletions, gc_mutations;
    uint64_t gc_schedule_ms, gc_startup_ms;
};

typedef void config_warning(void *ctx, const char *text);

/* The defaults, and over them `path` (NULL: defaults only).  A file that is not there is
   NOT_FOUND if `must_exist`.  Free with config_free(). */
#ifdef __cplusplus
extern "C" {
#endif
int config_load(const char *path, bool must_exist, struct config **config, config_warning *warn,
                void *ctx, struct error *err);
void config_free(struct config **config);

/* A flag: sets one setting, lists with blanks or commas between; `origin` is what `gantry info`
   shows, e.g. "--root".  The endpoints follow `state` as long as nobody sets them. */
int config_set(struct config *config, const char *key, const char *value, const char *origin,
               struct error *err);

/* Every setting as text, with where it comes from: "default", "file:line" or a flag. */
void config_each(const struct config *config,
                 void (*each)(void *ctx, const char *key, const char *value, const char *origin),
                 void *ctx);
size_t config_count(const struct config *config); /* how many config_each() tells */
#ifdef __cplusplus
}
#endif

#endif
