/*
 * Commands about leases: what hangs on one stays, until it lapses or is removed.
 *
 * A resource is written KIND:NAME, e.g. content:sha256:..., image:busybox, ingest:REF,
 * snapshot:KEY; snapshot/DRIVER:KEY is another driver's.  A digest alone is a blob.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "platform/platform.h"
#include "protocol/json.h"
#include "tools/gantry/command.h"
#include "tools/gantry/options.h"
#include "tools/gantry/text.h"

/* ---- what is typed ------------------------------------------------------ */

/* never, a duration, or a moment to come. */
static int expiry_of(const struct args *args, uint64_t *ttl_ms, bool *has, struct error *err)
{
    const char *text = args_text(args, "expires");
    int64_t ns, now = clock_now();

    *has = text != NULL;
    *ttl_ms = 0;
    if (text == NULL || strcmp(text, "never") == 0)
        return 0;
    if (duration_parse(text, &ns) < 0) {
        if (time_parse(text, &ns) < 0) {
            error_set(err, ERROR_INVALID_ARGUMENT, "--expires: '%.60s' is not a time", text);
            return error_hint(err, "e.g. 10m, 2030-01-02T15:04:05Z or never");
        }
        ns -= now;
    }
    if (ns < 1000000)
        return error_set(err, ERROR_INVALID_ARGUMENT, "--expires: %.60s has passed", text);
    *ttl_ms = (uint64_t)ns / 1000000;
    return 0;
}

/* Only the daemon knows which driver is the default one here. */
static int find_driver(struct cli *cli, struct resource *resource, struct error *err)
{
    const struct snapshots_key_request want = { .key = resource->key };
    struct snapshot_info info;

    if (cli_call(cli, &op_snapshots_stat, &want, &info, err) < 0)
        return -1;
    resource->driver = info.driver;
    return 0;
}

static int resource_of(struct cli *cli, const char *word, struct resource *resource,
                       struct error *err)
{
    const char *colon = strchr(word, ':');
    char *kind = arena_printf(cli->arena, "%.*s", colon ? (int)(colon - word) : 0, word);
    char *slash = strchr(kind, '/');

    if (strcmp(kind, "sha256") == 0 || strcmp(kind, "sha512") == 0) {
        *resource = (struct resource){ .kind = "content", .key = word };
        return 0;
    }
    if (colon == NULL || colon[1] == '\0' || kind[0] == '\0') {
        error_set(err, ERROR_INVALID_ARGUMENT, "'%.80s' is not KIND:NAME", word);
        return error_hint(err, "e.g. content:sha256:..., image:busybox, snapshot:KEY, ingest:REF");
    }
    if (slash != NULL)
        *slash = '\0';
    *resource = (struct resource){ .kind = kind,
                                   .key = colon + 1,
                                   .driver = slash != NULL ? slash + 1 : NULL };
    if (strcmp(kind, "snapshot") == 0 && resource->driver == NULL)
        return find_driver(cli, resource, err);
    return 0;
}

static int resources_of(struct cli *cli, const struct args *args, struct list *list,
                        struct error *err)
{
    size_t count = args->operands.count - 1;
    struct resource *resources = arena_alloc(cli->arena, count * sizeof(*resources));

    for (size_t i = 0; i < count; i++)
        if (resource_of(cli, args->operands.items[i + 1], &resources[i], err) < 0)
            return -1;
    *list = (struct list){ .items = resources, .count = count };
    return 0;
}

static int print_lease(struct cli *cli, const struct lease_info *info)
{
    if (cli->json)
        cli_print_json(lease_info_record(), info);
    else
        puts(printable(info->id, cli->arena));
    return 0;
}

/* ---- create, update ----------------------------------------------------- */

static int new_labels(struct cli *cli, const struct args *args, struct map *labels,
                      struct error *err)
{
    struct strs given = args_list(args, "label", cli->arena);
    const char **words = arena_alloc(cli->arena, (given.count + 1) * sizeof(*words));
    struct strs all = { .items = words };

    for (; all.count < given.count; all.count++) {
        if (strchr(given.items[all.count], '=') == NULL)
            return error_set(err, ERROR_INVALID_ARGUMENT, "--label: '%.80s' is not KEY=VALUE",
                             given.items[all.count]);
        words[all.count] = given.items[all.count];
    }
    if (args_flag(args, "flat"))
        words[all.count++] = "containerd.io/gc.flat=true";
    *labels = options_map(&all, cli->arena);
    return 0;
}

int command_lease_create(struct cli *cli, const struct args *args, struct error *err)
{
    struct leases_create_request want = {
        .id = args->operands.count > 0 ? args->operands.items[0] : NULL,
    };
    struct lease_info made;

    if (new_labels(cli, args, &want.labels, err) < 0 ||
        expiry_of(args, &want.ttl_ms, &want.has_ttl_ms, err) < 0 ||
        cli_call(cli, &op_leases_create, &want, &made, err) < 0)
        return -1;
    return print_lease(cli, &made);
}

int command_lease_update(struct cli *cli, const struct args *args, struct error *err)
{
    struct leases_update_request want = { .id = args->operands.items[0] };
    struct lease_info info;

    if (options_labels(args, 1, &want.labels, cli->arena, err) < 0 ||
        expiry_of(args, &want.ttl_ms, &want.has_ttl_ms, err) < 0)
        return -1;
    if (want.labels.count == 0 && !want.has_ttl_ms)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "nothing to change: give labels, KEY=VALUE, or --expires");
    if (cli_call(cli, &op_leases_update, &want, &info, err) < 0)
        return -1;
    return print_lease(cli, &info);
}

/* ---- ls, inspect -------------------------------------------------------- */

static void list_row(struct cli *cli, struct table *table, const struct lease_info *lease)
{
    int64_t now = clock_now();
    char created[40], left[32];

    table_row(table, lease->id, ago_text(lease->has_created ? lease->created : 0, now, created),
              lease->has_expires ? duration_text(lease->expires - now, left) : "never",
              labels_text(&lease->labels, cli->arena));
}

int command_lease_ls(struct cli *cli, const struct args *args, struct error *err)
{
    struct table *table = table_new(cli->arena, "ID", "CREATED", "LAPSES IN", "LABELS", NULL);
    struct page_request want = { .filters = args_list(args, "filter", cli->arena) };
    struct leases_list_reply page;
    json_t *array = json_array();
    int result;

    while ((result = cli_call(cli, &op_leases_list, &want, &page, err)) == 0) {
        const struct lease_info *leases = page.leases.items;

        json_add_list(array, lease_info_record(), &page.leases);
        for (size_t i = 0; i < page.leases.count; i++) {
            list_row(cli, table, &leases[i]);
            if (!cli->json && args_flag(args, "quiet"))
                puts(printable(leases[i].id, cli->arena));
        }
        if (!page.more || page.leases.count == 0)
            break;
        want.after = leases[page.leases.count - 1].id;
    }
    if (result == 0 && cli->json)
        json_print(array);
    else if (result == 0 && !args_flag(args, "quiet"))
        table_print(table, stdout);
    json_decref(array);
    return result;
}

static int inspect_one(struct cli *cli, const char *id, json_t *array, struct error *err)
{
    const struct leases_get_request want = { .id = id };
    struct leases_resources_reply held;
    struct lease_info info;
    json_t *json, *resources;

    if (cli_call(cli, &op_leases_get, &want, &info, err) < 0 ||
        cli_call(cli, &op_leases_resources, &want, &held, err) < 0)
        return -1;
    json = record_json(lease_info_record(), &info);
    resources = json_array();
    json_add_list(resources, resource_record(), &held.resources);
    json_object_set_new(json, "resources", resources);
    json_array_append_new(array, json);
    return 0;
}

int command_lease_inspect(struct cli *cli, const struct args *args, struct error *err)
{
    json_t *array = json_array();
    int failed = 0;

    (void)err;
    for (size_t i = 0; i < args->operands.count; i++) {
        struct error why = { 0 };

        if (inspect_one(cli, args->operands.items[i], array, &why) == 0)
            continue;
        cli_complain(cli, &why);
        failed = 1;
    }
    json_print(array);
    json_decref(array);
    return failed;
}

/* ---- add, release, rm --------------------------------------------------- */

int command_lease_add(struct cli *cli, const struct args *args, struct error *err)
{
    struct leases_add_request want = { .id = args->operands.items[0] };

    if (resources_of(cli, args, &want.resources, err) < 0)
        return -1;
    return cli_call(cli, &op_leases_add, &want, NULL, err);
}

int command_lease_release(struct cli *cli, const struct args *args, struct error *err)
{
    struct leases_release_request want = { .id = args->operands.items[0] };

    if (resources_of(cli, args, &want.resources, err) < 0)
        return -1;
    return cli_call(cli, &op_leases_release, &want, NULL, err);
}

static int remove_lease(struct cli *cli, const struct args *args, const char *id, struct error *err)
{
    const struct leases_remove_request want = { .id = id, SET(sync, args_flag(args, "sync")) };

    if (cli_call(cli, &op_leases_remove, &want, NULL, err) < 0)
        return -1;
    puts(printable(id, cli->arena));
    return 0;
}

int command_lease_rm(struct cli *cli, const struct args *args, struct error *err)
{
    (void)err;
    return cli_each(cli, args, remove_lease);
}
