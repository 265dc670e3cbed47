/*
 * cgroup_stats — what a container has used, as `events --stats` tells it.
 *
 * The shape is runc's, which is that of its Go structs: numbers that are 0 are mostly left out,
 * every section is there.  Callers (containerd's and podman's metrics) know these names.
 */
#include "platform/linux/runtime/cgroup_stats.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/oci/draft.h"

const char *stats_text(const struct group *group, const char *file)
{
    static char text[STATS_SIZE];

    if (group == NULL || control_get(group->folder, file, text, sizeof(text)) < 0)
        text[0] = '\0';
    return text;
}

uint64_t stats_number(const struct group *group, const char *file)
{
    uint64_t number = 0;

    if (group != NULL)
        control_number(group->folder, file, &number);
    return number;
}

/* Between what JSON's integers can hold and "max" there is nothing that a counter reaches. */
static json_t *size_of(uint64_t number)
{
    return draft_size(number <= INT64_MAX ? number : UINT64_MAX);
}

void stats_put(json_t *object, const char *key, uint64_t number)
{
    if (number != 0)
        draft_put(object, key, size_of(number));
}

json_t *stats_memory_entry(uint64_t limit, uint64_t usage, uint64_t most, uint64_t failed)
{
    json_t *entry = draft_object();

    draft_put(entry, "limit", size_of(limit));
    stats_put(entry, "usage", usage);
    stats_put(entry, "max", most);
    draft_put(entry, "failcnt", size_of(failed));
    return entry;
}

json_t *stats_fields(const char *text)
{
    json_t *fields = draft_object();

    for (const char *line = text; *line != '\0';) {
        char word[64];
        uint64_t number;

        if (sscanf(line, "%63s %" SCNu64, word, &number) == 2)
            draft_put(fields, word, size_of(number));
        line = strchrnul(line, '\n');
        line += *line == '\n';
    }
    return fields;
}

void stats_io(json_t *array, unsigned major, unsigned minor, const char *op, uint64_t value)
{
    json_t *item = draft_object();

    stats_put(item, "major", major);
    stats_put(item, "minor", minor);
    draft_put(item, "op", draft_text(op));
    stats_put(item, "value", value);
    draft_add(array, item);
}

void stats_put_list(json_t *object, const char *key, json_t *array)
{
    if (json_array_size(array) > 0)
        draft_put(object, key, array);
    else
        json_decref(array);
}

void stats_huge_pages(const struct group *group, const char *ending, json_t *object,
                      json_t *(*entry)(const struct group *group, const char *size))
{
    DIR *list = group != NULL ? opendir(group->folder) : NULL;
    struct dirent *file;

    while (list != NULL && (file = readdir(list)) != NULL) {
        const char *size = file->d_name + strlen("hugetlb."), *dot;
        char text[32];

        if (strncmp(file->d_name, "hugetlb.", strlen("hugetlb.")) != 0 ||
            (dot = strchr(size, '.')) == NULL || strcmp(dot + 1, ending) != 0)
            continue;
        snprintf(text, sizeof(text), "%.*s", (int)(dot - size), size);
        draft_put(object, text, entry(group, text));
    }
    if (list != NULL)
        closedir(list);
}

/* Lines "mlx4_0 hca_handle=2 hca_object=2000"; only a few hosts have them, and runc none of it. */
static json_t *rdma_lines(const char *text)
{
    json_t *array = draft_array();
    char device[64], handles[24], objects[24];

    for (const char *line = text; *line != '\0';) {
        if (sscanf(line, "%63s hca_handle=%23s hca_object=%23s", device, handles, objects) == 3) {
            json_t *item = draft_object();

            draft_put(item, "device", draft_text(device));
            stats_put(item, "hca_handles",
                      handles[0] == 'm' ? UINT32_MAX : strtoull(handles, NULL, 10));
            stats_put(item, "hca_objects",
                      objects[0] == 'm' ? UINT32_MAX : strtoull(objects, NULL, 10));
            draft_add(array, item);
        }
        line = strchrnul(line, '\n');
        line += *line == '\n';
    }
    return array;
}

static void rdma_stats(const struct group *group, json_t *data)
{
    json_t *rdma;

    if (group == NULL || !control_is_there(group->folder, "rdma.current"))
        return;
    rdma = draft_object();
    stats_put_list(rdma, "rdma_limit", rdma_lines(stats_text(group, "rdma.max")));
    stats_put_list(rdma, "rdma_current", rdma_lines(stats_text(group, "rdma.current")));
    draft_put(data, "rdma", rdma);
}

static bool is_gone(const struct cgroup *cgroup)
{
    const struct group *group = cgroup_any(cgroup);

    return group != NULL && !control_is_there(group->folder, "cgroup.procs");
}

json_t *cgroup_statistics(const struct cgroup *cgroup, struct error *err)
{
    json_t *data;

    if (is_gone(cgroup)) {
        error_set(err, ERROR_NOT_FOUND, "control group %s: is gone", cgroup_any(cgroup)->folder);
        return NULL;
    }
    data = draft_object();
    if (cgroup->v2)
        stats_v2(cgroup, data);
    else
        stats_v1(cgroup, data);
    rdma_stats(cgroup_group(cgroup, cgroup->v2 ? "" : "rdma"), data);
    draft_put(data, "intel_rdt", draft_object());
    draft_put(data, "network_interfaces", json_null());
    return data;
}

json_t *stats_pids(const struct group *group)
{
    json_t *pids = draft_object();
    uint64_t limit = stats_number(group, "pids.max");

    stats_put(pids, "current", stats_number(group, "pids.current"));
    stats_put(pids, "limit", limit == UINT64_MAX ? 0 : limit);
    return pids;
}
