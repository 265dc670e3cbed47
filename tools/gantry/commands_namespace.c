/* Commands about namespaces: consumers share a daemon without seeing each other's names. */
#include <stdio.h>
#include <string.h>

#include "platform/platform.h"
#include "protocol/json.h"
#include "tools/gantry/command.h"
#include "tools/gantry/options.h"
#include "tools/gantry/text.h"

int command_namespace_ls(struct cli *cli, const struct args *args, struct error *err)
{
    struct table *table = table_new(cli->arena, "NAME", "CREATED", "LABELS", NULL);
    struct page_request want = { 0 };
    struct namespaces_list_reply page;
    json_t *array = json_array();
    int result;

    (void)args;
    while ((result = cli_call(cli, &op_namespaces_list, &want, &page, err)) == 0) {
        const struct namespace_info *names = page.namespaces.items;
        char ago[40];

        json_add_list(array, namespace_info_record(), &page.namespaces);
        for (size_t i = 0; i < page.namespaces.count; i++)
            table_row(table, names[i].name,
                      ago_text(names[i].has_created ? names[i].created : 0, clock_now(), ago),
                      labels_text(&names[i].labels, cli->arena));
        if (!page.more || page.namespaces.count == 0)
            break;
        want.after = names[page.namespaces.count - 1].name;
    }
    if (result == 0 && cli->json)
        json_print(array);
    else if (result == 0)
        table_print(table, stdout);
    json_decref(array);
    return result;
}

int command_namespace_create(struct cli *cli, const struct args *args, struct error *err)
{
    struct namespace_info want = { .name = args->operands.items[0] };
    struct namespace_info made;

    if (options_labels(args, 1, &want.labels, cli->arena, err) < 0 ||
        cli_call(cli, &op_namespaces_create, &want, &made, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(namespace_info_record(), &made);
    else
        puts(printable(made.name, cli->arena));
    return 0;
}

static int remove_namespace(struct cli *cli, const struct args *args, const char *name,
                            struct error *err)
{
    struct namespaces_get_request want = { .name = name };

    (void)args;
    if (cli_call(cli, &op_namespaces_remove, &want, NULL, err) < 0)
        return -1;
    puts(printable(name, cli->arena));
    return 0;
}

int command_namespace_rm(struct cli *cli, const struct args *args, struct error *err)
{
    (void)err;
    return cli_each(cli, args, remove_namespace);
}

/* ---- one of them ---------------------------------------------------------- */

int command_namespace_inspect(struct cli *cli, const struct args *args, struct error *err)
{
    json_t *array = json_array();
    struct strs names = args->operands;
    int failed = 0;

    (void)err;
    for (size_t i = 0; i < names.count; i++) {
        const struct namespaces_get_request want = { .name = names.items[i] };
        struct namespace_info info;
        struct error why = { 0 };

        if (cli_call(cli, &op_namespaces_get, &want, &info, &why) == 0) {
            json_array_append_new(array, record_json(namespace_info_record(), &info));
            continue;
        }
        cli_complain(cli, &why);
        failed = 1;
    }
    json_print(array);
    json_decref(array);
    return failed;
}

int command_namespace_label(struct cli *cli, const struct args *args, struct error *err)
{
    struct namespaces_update_request want = { .name = args->operands.items[0] };
    struct namespace_info info;

    if (options_labels(args, 1, &want.labels, cli->arena, err) < 0 ||
        cli_call(cli, &op_namespaces_update, &want, &info, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(namespace_info_record(), &info);
    else
        puts(printable(labels_text(&info.labels, cli->arena), cli->arena));
    return 0;
}
