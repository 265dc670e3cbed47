/*
 * See rdt.h: what a class has and what is counted in it, in runc's words.
 *
 * Counters stand in mon_data, a folder for each cache or memory controller ("mon_L3_00"); one that
 * the hardware has nothing to say of reads "Unavailable".
 */
#include "platform/linux/runtime/rdt_parts.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/linux/runtime/cgroup_stats.h"
#include "protocol/oci/draft.h"

#define CACHES "mon_L3_"

/* ---- what there is ---------------------------------------------------------------------- */

static const char *info_of(const struct rdt *rdt, const char *resource)
{
    return arena_printf(rdt->arena, "%s/info/%s", rdt->root, resource);
}

static void number_put(json_t *object, const char *folder, const char *name)
{
    uint64_t number;

    if (control_number(folder, name, &number))
        stats_put(object, name, number);
}

static void cache_put(const struct rdt *rdt, json_t *stats)
{
    const char *folder = info_of(rdt, "L3");
    json_t *info = draft_object();
    char mask[64];

    if (control_get(folder, "cbm_mask", mask, sizeof(mask)) <= 0) {
        json_decref(info);
        return;
    }
    mask[strcspn(mask, "\n")] = '\0';
    draft_put(info, "cbm_mask", draft_text(mask));
    number_put(info, folder, "min_cbm_bits");
    number_put(info, folder, "num_closids");
    draft_put(stats, "l3_cache_info", info);
}

static void bandwidth_put(const struct rdt *rdt, json_t *stats)
{
    static const char *const names[] = { "bandwidth_gran", "delay_linear", "min_bandwidth",
                                         "num_closids" };
    const char *folder = info_of(rdt, "MB");
    json_t *info;

    if (!control_is_there(folder, "bandwidth_gran"))
        return;
    info = draft_object();
    for (size_t i = 0; i < COUNT_OF(names); i++)
        number_put(info, folder, names[i]);
    draft_put(stats, "mem_bw_info", info);
}

/* ---- what the class gives ------------------------------------------------------------------ */

static void line_put(json_t *stats, const char *key, const char *line, const char *resource)
{
    if (strncmp(line, resource, strlen(resource)) == 0)
        draft_put(stats, key, draft_text(line));
}

/* Lines as the kernel prints them, right-aligned at the colon. */
static void schemata_put(const char *folder, const char *cache, const char *bandwidth,
                         const char *all, json_t *stats)
{
    struct error ignored;
    char *text = rdt_file(folder, SCHEMATA, &ignored), *save = NULL;
    json_t *lines = draft_array();

    for (char *line = text != NULL ? strtok_r(text, "\n", &save) : NULL; line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        line += strspn(line, " ");
        line_put(stats, cache, line, "L3:");
        line_put(stats, bandwidth, line, "MB:");
        draft_add(lines, draft_text(line));
    }
    free(text);
    if (all != NULL)
        stats_put_list(stats, all, lines);
    else
        json_decref(lines);
}

/* ---- counters -------------------------------------------------------------------------------- */

/* The container's own: nobody else is counted there. */
static const char *counted(const struct rdt *rdt)
{
    return rdt->monitor != NULL ? rdt->monitor : rdt->is_own ? rdt->folder : NULL;
}

static bool counter_put(json_t *object, const char *folder, const char *name)
{
    char text[32];

    if (control_get(folder, name, text, sizeof(text)) <= 0 || text[0] < '0' || text[0] > '9')
        return false;
    draft_put(object, name, draft_size(strtoull(text, NULL, 10)));
    return true;
}

static void domain_put(const char *folder, json_t *caches, json_t *bandwidths)
{
    json_t *cache = draft_object(), *bandwidth = draft_object();
    bool has_cache = counter_put(cache, folder, "llc_occupancy");
    bool has_total = counter_put(bandwidth, folder, "mbm_total_bytes");
    bool has_local = counter_put(bandwidth, folder, "mbm_local_bytes");

    if (has_cache)
        draft_add(caches, cache);
    else
        json_decref(cache);
    if (has_total || has_local)
        draft_add(bandwidths, bandwidth);
    else
        json_decref(bandwidth);
}

static int is_cache(const struct dirent *entry)
{
    return strncmp(entry->d_name, CACHES, strlen(CACHES)) == 0;
}

static void counters_put(const struct rdt *rdt, json_t *stats)
{
    const char *folder = arena_printf(rdt->arena, "%s/mon_data", counted(rdt));
    json_t *caches = draft_array(), *bandwidths = draft_array();
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_cache, alphasort);

    for (int i = 0; i < count; i++) {
        domain_put(arena_printf(rdt->arena, "%s/%s", folder, entries[i]->d_name), caches,
                   bandwidths);
        free(entries[i]);
    }
    free(entries);
    stats_put_list(stats, "mbm_stats", bandwidths);
    stats_put_list(stats, "cmt_stats", caches);
}

json_t *rdt_statistics(const struct rdt *rdt)
{
    json_t *stats = draft_object();

    cache_put(rdt, stats);
    bandwidth_put(rdt, stats);
    schemata_put(rdt->root, "l3_cache_schema_root", "mem_bw_schema_root", NULL, stats);
    schemata_put(rdt->folder, "l3_cache_schema", "mem_bw_schema", "schemata", stats);
    if (counted(rdt) != NULL)
        counters_put(rdt, stats);
    return stats;
}
