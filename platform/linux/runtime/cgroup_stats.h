/* cgroup_stats — what the counters of both versions have in common; see cgroup_stats.c. */
#ifndef RUNTIME_CGROUP_STATS_H
#define RUNTIME_CGROUP_STATS_H

#include "platform/linux/runtime/cgroup_parts.h"

#define STATS_SIZE (64u << 10) /* of the longest file: a line for each device, or processor */

/* The whole file in static memory, until the next call; "" when it cannot be read. */
const char *stats_text(const struct group *group, const char *file);
/* One number; 0 when it cannot be read.  As JSON, "max" is 2^64-1. */
uint64_t stats_number(const struct group *group, const char *file);
/* Puts a number, but not a 0: so these documents are. */
void stats_put(json_t *object, const char *key, uint64_t number);
/* {"limit": ..., "usage": ..., "max": ..., "failcnt": ...} */
json_t *stats_memory_entry(uint64_t limit, uint64_t usage, uint64_t most, uint64_t failed);
/* Every "word number" line of a text. */
json_t *stats_fields(const char *text);
/* Adds {"major", "minor", "op", "value"} to an array. */
void stats_io(json_t *array, unsigned major, unsigned minor, const char *op, uint64_t value);
/* Puts the array unless it is empty; takes it over. */
void stats_put_list(json_t *object, const char *key, json_t *array);
/* Sizes of huge pages, from the names of files "hugetlb.SIZE.ENDING" in the group. */
void stats_huge_pages(const struct group *group, const char *ending, json_t *object,
                      json_t *(*entry)(const struct group *group, const char *size));
/* {"current": ..., "limit": ...}; the files have the same names in both versions. */
json_t *stats_pids(const struct group *group);

void stats_v1(const struct cgroup *cgroup, json_t *data);
void stats_v2(const struct cgroup *cgroup, json_t *data);

#endif
