/*
 * cgroup_resources — linux.resources as a struct: what is asked for, in the document's own units.
 *
 * It says nothing of versions and files.  A number that is absent is not set; so is a zero where
 * callers write zero for "not limited", as Go programs do (limits of memory and CPU time).
 */
#ifndef RUNTIME_CGROUP_RESOURCES_H
#define RUNTIME_CGROUP_RESOURCES_H

#include "platform/linux/runtime/place.h"

struct number {
    int64_t value;
    bool is_set;
};

enum device_access {
    DEVICE_READ = 1,
    DEVICE_WRITE = 2,
    DEVICE_MAKE = 4,
    DEVICE_ALL = DEVICE_READ | DEVICE_WRITE | DEVICE_MAKE,
};

#define DEVICE_ANY (-1) /* major, minor: each */

/* Each kind of access to a device is decided by the last rule that speaks of it; what no rule
   speaks of is denied. */
struct device_rule {
    char type; /* 'b', 'c' or 'a', both */
    bool allow;
    uint8_t access; /* of enum device_access */
    int64_t major, minor;
};

struct device_rules {
    struct device_rule *items;
    size_t count;
    size_t needed; /* the last so many are what every container needs, asked for or not */
    bool asked;    /* linux.resources.devices is there */
};

struct device_number {
    uint64_t major, minor;
};

struct io_weight {
    struct device_number device;
    struct number weight, leaf;
};

struct io_limit {
    struct device_number device;
    uint64_t rate;
};

enum io_limit_kind { READ_BPS, WRITE_BPS, READ_IOPS, WRITE_IOPS, IO_LIMIT_KINDS };

struct huge_page_limit {
    const char *size;
    uint64_t limit;
};

struct net_priority {
    const char *name;
    uint32_t priority;
};

struct rdma_limit {
    const char *device;
    struct number handles, objects;
};

struct resources {
    struct device_rules devices;
    struct {
        struct number limit, reservation, swap, kernel, kernel_tcp, swappiness;
        struct number disable_oom_killer, use_hierarchy; /* 0, 1 */
        bool check_before_update;
    } memory;
    struct {
        struct number shares, quota, period, burst, rt_runtime, rt_period, idle;
        const char *cpus, *mems; /* NULL: not set */
    } cpu;
    struct {
        struct number weight, leaf;
        struct io_weight *weights;
        size_t weight_count;
        struct io_limit *limits[IO_LIMIT_KINDS];
        size_t limit_count[IO_LIMIT_KINDS];
    } io;
    struct huge_page_limit *huge_pages;
    size_t huge_page_count;
    struct number class_id;
    struct net_priority *priorities;
    size_t priority_count;
    struct number pids;
    struct rdma_limit *rdma;
    size_t rdma_count;
    struct map unified;
};

/* `resources` is zeroed memory; texts are copied into the arena.  0, or -1: see err. */
int resources_read(const struct place *place, struct resources *resources, struct arena *arena,
                   struct error *err);

extern const char *const io_limit_fields[IO_LIMIT_KINDS]; /* "blockIO.throttleReadBpsDevice"... */

#endif
