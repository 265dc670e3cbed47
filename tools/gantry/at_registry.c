/* at_registry — credentials are looked up before the daemon is asked, and wiped after. */
#include "tools/gantry/at_registry.h"

#include <stdio.h>
#include <stdlib.h>

#include "platform/platform.h"
#include "protocol/oci/name.h"
#include "tools/gantry/password.h"
#include "tools/gantry/progress.h"

int at_registry_known(struct cli *cli, const char *reference, struct at_registry *who,
                      struct error *err)
{
    struct reference parts;
    struct error ignored;

    *who = (struct at_registry){ 0 };
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

int at_registry_who(struct cli *cli, const struct args *args, const char *reference,
                    struct at_registry *who, struct error *err)
{
    *who = (struct at_registry){ .username = args_text(args, "username") };
    /* first: it may begin this program anew, and the input is read once */
    if (cli_connect(cli, err) < 0 ||
        password_given(args, who->username, &who->password, cli->arena, err) < 0)
        return -1;
    return who->username != NULL ? 0 : at_registry_known(cli, reference, who, err);
}

/* Who was refused under a name should know which, and where it stands. */
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
    if (result < 0 && who->known.source != NULL)
        say_whose(&who->known, err);
    credentials_wipe(&who->known);
    gantry_on_progress(cli->client, NULL, NULL);
    progress_end(&view, clock_monotonic());
    return result;
}
