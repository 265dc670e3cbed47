/* See prune.h. */
#include "tools/gantry/prune.h"

#include <stdio.h>
#include <string.h>

#include "platform/platform.h"
#include "platform/terminal.h"
#include "protocol/json.h"
#include "tools/gantry/filters.h"
#include "tools/gantry/text.h"

static const struct nothing nothing;

/* ---- what is wanted ----------------------------------------------------- */

/* until= is ours: it is compared with when things were made.  The rest are labels. */
static int read_filters(struct prune *prune, const struct args *args, struct error *err)
{
    struct arena *arena = prune->cli->arena;
    struct strs words = args_list(args, "filter", arena);
    struct strs labels = { .items = arena_alloc(arena, (words.count + 1) * sizeof(char *)) };

    for (size_t i = 0; i < words.count; i++) {
        const char *word = words.items[i];

        if (strncmp(word, "label=", 6) == 0) {
            labels.items[labels.count++] = word;
        } else if (strncmp(word, "until=", 6) != 0) {
            error_set(err, ERROR_INVALID_ARGUMENT, "--filter: '%.60s' is not known here", word);
            return error_hint(err, "there are until=TIME and label=KEY[=VALUE]");
        } else if (moment_parse(word + 6, clock_now(), &prune->until) < 0) {
            error_set(err, ERROR_INVALID_ARGUMENT, "--filter: '%.60s' is not a time", word + 6);
            return error_hint(err, "e.g. 24h, 2024-01-02T15:04:05Z or 1700000000");
        }
    }
    return filters_of_words(&labels, filter_container_keys, &prune->filters, arena, err);
}

/* 1: no. */
static int ask(const struct args *args, const char *what, struct error *err)
{
    char answer[16] = "";

    if (args_flag(args, "force"))
        return 0;
    if (!terminal_is(INPUT_FD)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "there is no terminal to ask on");
        return error_hint(err, "give --force to remove without a question");
    }
    fprintf(stderr, "This removes\n%s", what);
    if (terminal_ask("Go on? [y/N] ", false, answer, sizeof(answer), err) < 0)
        return -1;
    return answer[0] == 'y' || answer[0] == 'Y' ? 0 : 1;
}

/* Blobs, layers, containers, logs, downloads: images are a sum of the first two. */
static int bytes_used(struct cli *cli, uint64_t *bytes, struct error *err)
{
    const struct collector_usage_request want = { 0 };
    struct collector_usage_reply reply;
    const struct usage_group *groups;

    if (cli_call(cli, &op_collector_usage, &want, &reply, err) < 0)
        return -1;
    groups = reply.groups.items;
    *bytes = 0;
    for (size_t i = 0; i < reply.groups.count; i++)
        *bytes += strcmp(groups[i].kind, "images") != 0 ? groups[i].size : 0;
    return 0;
}

int prune_begin(struct prune *prune, struct cli *cli, const struct args *args, const char *what,
                struct error *err)
{
    int answer;

    *prune = (struct prune){ .cli = cli };
    if (read_filters(prune, args, err) < 0 || (answer = ask(args, what, err)) < 0)
        return -1;
    if (answer == 1)
        return 1;
    prune->removed = json_object();
    return bytes_used(cli, &prune->before, err);
}

/* ---- what goes ---------------------------------------------------------- */

static bool is_old(const struct prune *prune, bool has_created, int64_t created)
{
    return prune->until == 0 || (has_created && created < prune->until);
}

static void tell(struct prune *prune, const char *kind, const char *name, int result,
                 const struct error *err)
{
    json_t *list = json_object_get(prune->removed, kind);

    if (result < 0 && err->code != ERROR_NOT_FOUND) {
        cli_complain(prune->cli, err);
        prune->failed = 1;
    }
    if (result < 0)
        return;
    if (list == NULL)
        json_object_set_new(prune->removed, kind, list = json_array());
    json_array_append_new(list, json_string(printable(name, prune->cli->arena)));
}

static bool is_stopped(const struct container_info *info)
{
    return strcmp(info->status, "running") != 0 && strcmp(info->status, "paused") != 0;
}

/* The pages are read to their end first: removing would shift them. */
int prune_containers(struct prune *prune, struct error *err)
{
    struct containers_list_request want = { .filters = prune->filters };
    struct containers_list_reply page = { 0 };

    do {
        const struct container_info *infos;

        if (cli_call(prune->cli, &op_containers_list, &want, &page, err) < 0)
            return -1;
        infos = page.containers.items;
        for (size_t i = 0; i < page.containers.count; i++) {
            struct containers_remove_request remove = { .id = infos[i].id,
                                                        .created = infos[i].created,
                                                        .has_created = infos[i].has_created };
            struct error why = { 0 };
            int result;

            want.after = infos[i].id;
            if (!is_stopped(&infos[i]) || !is_old(prune, infos[i].has_created, infos[i].created))
                continue;
            result = cli_call(prune->cli, &op_containers_remove, &remove, NULL, &why);
            tell(prune, "containers", infos[i].id, result, &why);
        }
    } while (page.more && page.containers.count > 0);
    return 0;
}

/* Every image has a name here, so none is left over but those that no container was made from. */
int prune_images(struct prune *prune, bool all, struct error *err)
{
    struct page_request want = { .filters = prune->filters };
    struct images_list_reply page = { 0 };

    while (all) {
        const struct image_info *infos;

        if (cli_call(prune->cli, &op_images_list, &want, &page, err) < 0)
            return -1;
        infos = page.images.items;
        for (size_t i = 0; i < page.images.count; i++) {
            const struct images_remove_request remove = { .name = infos[i].name };
            struct error why = { 0 };
            int result;

            want.after = infos[i].name;
            if (!is_old(prune, infos[i].has_created, infos[i].created))
                continue;
            result = cli_call(prune->cli, &op_images_remove, &remove, NULL, &why);
            if (result < 0 && why.code == ERROR_FAILED_PRECONDITION)
                continue; /* a container was made from it */
            tell(prune, "images", infos[i].name, result, &why);
        }
        if (!page.more || page.images.count == 0)
            break;
    }
    return 0;
}

/* Those with a name are somebody's data: `volume prune --all` takes them. */
int prune_volumes(struct prune *prune, struct error *err)
{
    const struct volumes_prune_request want = { .filters = prune->filters };
    const struct error none = { 0 };
    struct volumes_prune_reply reply;

    if (cli_call(prune->cli, &op_volumes_prune, &want, &reply, err) < 0)
        return -1;
    for (size_t i = 0; i < reply.names.count; i++)
        tell(prune, "volumes", reply.names.items[i], 0, &none);
    return 0;
}

/* What a pull that was broken off has left for the next try hangs on a lease of that name. */
static int prune_kept(struct prune *prune, struct error *err)
{
    struct page_request want = { 0 };
    struct leases_list_reply page;

    do {
        const struct lease_info *leases;

        if (cli_call(prune->cli, &op_leases_list, &want, &page, err) < 0)
            return -1;
        leases = page.leases.items;
        for (size_t i = 0; i < page.leases.count; i++) {
            const struct leases_remove_request remove = { .id = leases[i].id };
            struct error ignored = { 0 };

            want.after = leases[i].id;
            if (strncmp(leases[i].id, "kept-", 5) == 0 &&
                is_old(prune, leases[i].has_created, leases[i].created))
                cli_call(prune->cli, &op_leases_remove, &remove, NULL, &ignored);
        }
    } while (page.more && page.leases.count > 0);
    return 0;
}

int prune_downloads(struct prune *prune, struct error *err)
{
    struct page_request want = { 0 };
    struct content_ingests_reply page;

    if (prune->filters.count > 0) /* they have no labels */
        return 0;
    do {
        const struct content_ingest_info *ingests;

        if (cli_call(prune->cli, &op_content_ingests, &want, &page, err) < 0)
            return -1;
        ingests = page.ingests.items;
        for (size_t i = 0; i < page.ingests.count; i++) {
            const struct content_abort_request abort = { .ref = ingests[i].ref };
            struct error why = { 0 };
            int result;

            want.after = ingests[i].ref;
            if (ingests[i].busy || !is_old(prune, true, ingests[i].started))
                continue;
            result = cli_call(prune->cli, &op_content_abort, &abort, NULL, &why);
            tell(prune, "downloads", ingests[i].ref, result, &why);
        }
    } while (page.more && page.ingests.count > 0);
    return prune_kept(prune, err);
}

/* ---- what went ---------------------------------------------------------- */

static void print_removed(const struct prune *prune)
{
    const char *kind;
    json_t *list, *name;
    size_t i;

    json_object_foreach (prune->removed, kind, list) {
        printf("Removed %s:\n", kind);
        json_array_foreach (list, i, name)
            puts(json_string_value(name));
        putchar('\n');
    }
}

int prune_end(struct prune *prune, struct error *err)
{
    struct collector_run_reply reply;
    uint64_t after = 0;
    char size[16];

    if (cli_call(prune->cli, &op_collector_run, &nothing, &reply, err) < 0 ||
        bytes_used(prune->cli, &after, err) < 0)
        return -1;
    after = prune->before > after ? prune->before - after : 0;
    if (prune->cli->json) {
        json_object_set_new(prune->removed, "reclaimed", json_integer((json_int_t)after));
        json_print(prune->removed);
    } else {
        print_removed(prune);
        printf("Reclaimed: %s\n", size_text(after, size));
    }
    json_decref(prune->removed);
    return prune->failed;
}
