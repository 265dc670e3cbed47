/*
 * store — a temporary root with all the actors that keep state, for their tests.
 *
 * store_stop() and store_start() are a restart of the daemon on the same root.
 */
#ifndef TESTS_ACTORS_STORE_H
#define TESTS_ACTORS_STORE_H

#include "actors/base/db.h"
#include "platform/platform.h"
#include "tests/actors/peer.h"

/* Actors that run besides, when they are asked for: they need helper programs. */
enum store_more { WITH_IMAGES = 1, WITH_CONTAINERS = 2, WITH_TASKS = 4, WITH_DAEMON = 8 };

struct store {
    char root[256];
    char database[300];
    struct running *running;
    struct peer namespaces, volumes, leases, content, snapshots, events, collector;
    struct peer images, containers, tasks, daemon;
    /* These take effect with the next start; 0 means the default. */
    unsigned with; /* of enum store_more */
    uint64_t keep_events;
    bool collects;                /* the collector runs, too */
    bool isolated;                /* namespaces bring their bytes themselves */
    double pause_threshold;       /* of the collector */
    uint64_t deletion_threshold, mutation_threshold;
    uint64_t layer_size;          /* of one layer, uncompressed */
    unsigned ranges;              /* connections for a big layer */
    uint64_t range_size;          /* of its parts */
    const char *const *plain_http; /* besides loopback */
    uint64_t log_size, log_files; /* of a container's log */
    const char *runtime;          /* name or path of the default OCI runtime */
};

/* The snapshot driver of it all: GANTRY_TEST_SNAPSHOTTER, or overlay. */
const char *store_driver(void);
bool store_is_overlay(void);

void store_open(struct store *store);
void store_open_with(struct store *store, unsigned with);
void store_close(struct store *store);
void store_start(struct store *store);
void store_stop(struct store *store);

/* All peers speak in this namespace from now on. */
void store_use(struct store *store, const char *namespace);

/* Looks into the tables behind everybody's back: the first column of the first row, -1 when
   there is none.  `format` as in db.h. */
int64_t store_number(struct store *store, const char *sql);
/* Changes them (rows of actors that do not run here). */
void store_sql(struct store *store, const char *sql);

/* Rows of the actors that do not run here. */
void store_image(struct store *store, const char *name, const char *digest);
void store_container(struct store *store, const char *id, const char *snapshot);

/* A path below the root, in a buffer that the next call but three overwrites. */
const char *store_path(struct store *store, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A blob of this text, in the content peer's namespace and lease; its digest. */
const char *store_blob(struct store *store, const char *text, const struct map *labels,
                       char digest[136]);
const char *digest_text(const char *text, char digest[136]);
/* Fills what content.ingest said. */
void write_at(const char *path, const char *text);

#endif
