/* at_registry — credentials are looked up before the daemon is asked, and wiped after. */
#include "tools/gantry/at_registry.h"

#include <stdio.h>
#include <stdlib.h>

#include "platform/platform.h"
#include "protocol/oci/name.h"
#include "tools/gantry/password.h"
#include "tools/gantry/progress.h"

/* Under the name of the registry alone. */
static int find_known(struct cli *cli, const char *reference, struct at_registry *who,
                      struct error *err)
{
    struct reference parts;
    struct error ignored;

    if (reference_parse(reference, &parts, &ignored) < 0)
        return 0; /* the daemon says what is wrong with it */
    if (credentials_find(parts.host, parts.repository, cli->arena, &who->known, err) < 0)
        return -1;
    who->username = who->known.username;
    who->password = who->known.password;
    who->identity_token = who->known.identity_token;
    who->registry_token = who->known.registry_token;
    return 0;
}

int at_registry_known(struct cli *cli, const char *reference, struct at_registry *who,
                      struct error *err)
{
    *who = (struct at_registry){ 0 };
    if (find_known(cli, reference, who, err) < 0)
        return -1;
    return mirrors_find(cli, reference, &who->mirrors, err);
}

int at_registry_who(struct cli *cli, const struct args *args, const char *reference,
                    struct at_registry *who, struct error *err)
{
    *who = (struct at_registry){ .username = args_text(args, "username") };
    /* first: it may begin this program anew, and the input is read once */
    if (cli_connect(cli, err) < 0 ||
        password_given(args, who->username, &who->password, cli->arena, err) < 0)
        return -1;
    if (who->username == NULL && find_known(cli, reference, who, err) < 0)
        return -1;
    return mirrors_find(cli, reference, &who->mirrors, err);
}

void at_registry_wipe(struct at_registry *who)
{
    credentials_wipe(&who->known);
    mirrors_wipe(&who->mirrors);
}

/* Who was refused under a name should know which, and where it stands; but not when it may be
   another host that refused. */
static void say_whose(const struct credentials *known, struct error *err)
{
    if (err->code == ERROR_UNAUTHENTICATED || err->code == ERROR_PERMISSION_DENIED)
        error_hint(err, "asked as %.30s, which is kept in %.60s; gantry login changes it",
                   known->username != NULL ? known->username : "the owner of a token",
                   known->source);
}

int at_registry_call(struct cli *cli, struct at_registry *who, bool quiet, const struct op *op,
                     const void *in, void *out, struct error *err)
{
    struct progress_view *view =
        progress_new(stderr, progress_style(quiet), getenv("NO_COLOR") == NULL);
    int result;

    if (view == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    gantry_on_progress(cli->client, progress_told, view);
    result = cli_call(cli, op, in, out, err);
    if (result < 0 && who->known.source != NULL && !who->mirrors.receive)
        say_whose(&who->known, err);
    at_registry_wipe(who);
    gantry_on_progress(cli->client, NULL, NULL);
    progress_end(&view, clock_monotonic());
    return result;
}
