/* rdt_parts — what the files of rdt.h share: the class, and what is to be in its schemata. */
#ifndef RUNTIME_RDT_PARTS_H
#define RUNTIME_RDT_PARTS_H

#include <stdbool.h>

#include "platform/linux/runtime/rdt.h"

#define SCHEMATA    "schemata"
#define TASKS       "tasks"
#define MON_GROUPS  "mon_groups"
#define SCHEMAS_MAX 3

/* Lines of one field of linux.intelRdt.  Each is written by itself, in this order: the kernel
   refuses a write that says two things of one domain, and the last write wins. */
struct schemas {
    const char *field, *lines;
};

struct rdt {
    struct arena *arena;
    const char *root;    /* where resctrl is */
    const char *name;    /* of the class; "" is the default one */
    const char *folder;  /* of the class */
    const char *monitor; /* folder of the monitoring group; NULL: not asked for */
    bool is_named;       /* by closID: others may be in it */
    bool is_own;         /* made for this container, and goes with it */
    bool has_made, has_made_monitor; /* by us, just now */
    struct schemas schemas[SCHEMAS_MAX];
    size_t count;
};

/* rdt_schema.c: l3CacheSchema, memBwSchema and schemata of linux.intelRdt. */
int schemas_read(struct rdt *rdt, const struct place *place, struct error *err);
int schemas_write(const struct rdt *rdt, struct error *err);
/* All that is asked for must be so in the class already; what is not asked for may be anything. */
int schemas_compare(const struct rdt *rdt, struct error *err);

/* A file of a folder, with a NUL behind it; the caller free()s it. */
char *rdt_file(const char *folder, const char *name, struct error *err);
/* error_sys(), and what the kernel says of it in info/last_cmd_status. */
int rdt_error(const struct rdt *rdt, int os, struct error *err, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

#endif
