/* at_registry — the daemon asks for credentials when a host wants them; see asked.h. */
#include "tools/gantry/at_registry.h"

#include <stdio.h>
#include <stdlib.h>

#include "platform/platform.h"
#include "tools/gantry/asked.h"
#include "tools/gantry/password.h"
#include "tools/gantry/progress.h"

int at_registry_who(struct cli *cli, const struct args *args, struct at_registry *who,
                    struct error *err)
{
    *who = (struct at_registry){ .username = args_text(args, "username") };
    /* first: it may begin this program anew, and the input is read once */
    if (cli_connect(cli, err) < 0)
        return -1;
    return password_given(args, who->username, &who->password, cli->arena, err);
}

int at_registry_call(struct cli *cli, const struct at_registry *who, bool quiet,
                     const struct op *op, const void *in, void *out, struct error *err)
{
    struct progress_view *view =
        progress_new(stderr, progress_style(quiet), getenv("NO_COLOR") == NULL);
    struct asked asked;
    int result;

    if (view == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    gantry_on_progress(cli->client, progress_told, view);
    asked_begin(&asked, cli, who->username != NULL);
    result = cli_call(cli, op, in, out, err);
    if (result < 0)
        asked_explain(&asked, err);
    asked_end(&asked);
    gantry_on_progress(cli->client, NULL, NULL);
    progress_end(&view, clock_monotonic());
    return result;
}
