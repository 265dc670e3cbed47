/* See mirrors.h. */
#include "tools/gantry/mirrors.h"

#include "tools/gantry/credentials.h"

/* 1: something is kept for it. */
static int find_one(const struct image_host *host, struct arena *arena,
                    struct host_credentials *out, struct error *err)
{
    struct credentials known;
    int found = credentials_find(host->host, NULL, arena, &known, err);

    if (found == 1)
        *out = (struct host_credentials){ host->host, known.username, known.password,
                                          known.identity_token, known.registry_token };
    return found;
}

int mirrors_find(struct cli *cli, const char *reference, struct mirrors *out, struct error *err)
{
    const struct images_hosts_request ask = { .reference = reference };
    struct host_credentials *all;
    struct images_hosts_reply reply;
    struct error ignored;

    *out = (struct mirrors){ .known = { 0 } };
    if (cli_call(cli, &op_images_hosts, &ask, &reply, &ignored) < 0)
        return 0;
    all = arena_alloc(cli->arena, (reply.hosts.count + 1) * sizeof(*all));
    out->known.items = all;
    for (size_t i = 0; i < reply.hosts.count; i++) {
        const struct image_host *host = (const struct image_host *)reply.hosts.items + i;
        int found = host->mirror ? find_one(host, cli->arena, &all[out->known.count], err) : 0;

        if (found < 0)
            return -1;
        out->known.count += found == 1;
        out->receive = out->receive || (host->mirror && host->has_receives && host->receives);
    }
    return 0;
}

void mirrors_wipe(struct mirrors *mirrors)
{
    const struct host_credentials *all = mirrors->known.items;

    for (size_t i = 0; i < mirrors->known.count; i++)
        credentials_wipe(&(struct credentials){
            all[i].username, all[i].password, all[i].identity_token, all[i].registry_token, NULL });
}
