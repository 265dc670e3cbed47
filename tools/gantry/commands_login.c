/*
 * Commands about credentials: login, logout.
 *
 * The happy path of a login is: who -> does the registry take it -> keep it.  Nothing is kept that
 * was not verified, unless the registry wants to know nobody; then that is said.
 */
#include <stdio.h>
#include <string.h>

#include "platform/terminal.h"
#include "tools/gantry/command.h"
#include "tools/gantry/credentials.h"
#include "tools/gantry/password.h"

#define HUB "docker.io"

static int host_of(const struct args *args, struct arena *arena, const char **host,
                   struct error *err)
{
    return credentials_host(args->operands.count > 0 ? args->operands.items[0] : HUB, arena, host,
                            err);
}

static int ask_who(const struct args *args, struct arena *arena, struct credentials *out,
                   struct error *err)
{
    *out = (struct credentials){ .username = args_text(args, "username") };
    if (out->username == NULL && !args_flag(args, "password-stdin") &&
        password_ask("Username: ", false, &out->username, arena, err) < 0)
        return -1;
    return password_given(args, out->username, &out->password, arena, err);
}

/* 1: those that are kept already; 0: new ones. */
static int who(const char *host, const struct args *args, struct arena *arena,
               struct credentials *out, struct error *err)
{
    int known = 0;

    if (args_text(args, "username") == NULL && !args_flag(args, "password-stdin"))
        known = credentials_find(host, NULL, arena, out, err);
    return known != 0 ? known : ask_who(args, arena, out, err);
}

static int verify(struct cli *cli, const char *host, const struct credentials *who,
                  struct images_login_reply *reply, struct error *err)
{
    const struct images_login_request want = { .registry = host,
                                               .username = who->username,
                                               .password = who->password,
                                               .identity_token = who->identity_token,
                                               .registry_token = who->registry_token };

    return cli_call(cli, &op_images_login, &want, reply, err);
}

static void say_kept(struct cli *cli, const char *where, bool helper)
{
    fprintf(stderr, "%s %s%s\n", helper ? "Kept by" : "Kept in", printable(where, cli->arena),
            helper ? ""
                   : ", readable: a credential helper would keep it safer (see gantry help login)");
}

static int keep(struct cli *cli, const char *host, struct credentials *who,
                const struct images_login_reply *reply, struct error *err)
{
    const char *where;
    bool helper;

    if (reply->identity_token != NULL) /* good for the next time, and worth less to others */
        who->identity_token = reply->identity_token;
    if (credentials_keep(host, who, cli->arena, &where, &helper, err) < 0)
        return -1;
    say_kept(cli, where, helper);
    return 0;
}

static int login(struct cli *cli, const char *host, struct credentials *who, bool known,
                 struct error *err)
{
    struct images_login_reply reply;

    if (verify(cli, host, who, &reply, err) < 0)
        return known ? error_wrap(err, "%.80s", who->source) : -1;
    if (!known && keep(cli, host, who, &reply, err) < 0)
        return -1;
    if (!reply.asked)
        fprintf(stderr, "%s did not ask who you are: nothing was verified\n",
                printable(host, cli->arena));
    if (cli->json)
        cli_print_json(images_login_reply_record(),
                       &(struct images_login_reply){ .asked = reply.asked });
    else
        printf("Logged in to %s%s%s\n", printable(host, cli->arena), known ? " by " : "",
               known ? printable(who->source, cli->arena) : "");
    return 0;
}

/* What was kept is no longer good: the person may know better. */
static int login_anew(struct cli *cli, const char *host, const struct args *args,
                      struct credentials *credentials, struct error *err)
{
    if (!terminal_is(INPUT_FD))
        return error_hint(err, "give others with --username and --password-stdin");
    cli_complain(cli, err);
    *err = (struct error){ 0 };
    credentials_wipe(credentials);
    return ask_who(args, cli->arena, credentials, err) < 0
               ? -1
               : login(cli, host, credentials, false, err);
}

int command_login(struct cli *cli, const struct args *args, struct error *err)
{
    struct credentials credentials;
    const char *host;
    int known, result;

    /* First, because connecting may begin this program anew, and the input is read once. */
    if (host_of(args, cli->arena, &host, err) < 0 || cli_connect(cli, err) < 0)
        return -1;
    known = who(host, args, cli->arena, &credentials, err);
    if (known < 0)
        return -1;
    result = login(cli, host, &credentials, known == 1, err);
    if (result < 0 && known == 1 && err->code == ERROR_UNAUTHENTICATED)
        result = login_anew(cli, host, args, &credentials, err);
    credentials_wipe(&credentials);
    return result;
}

/* Somebody else's file may still let the next pull in. */
static int warn_of_others(struct cli *cli, const char *host, struct error *err)
{
    struct credentials left;
    int known = credentials_find(host, NULL, cli->arena, &left, err);

    if (known == 1)
        fprintf(stderr, "%s is still known in %s\n", printable(host, cli->arena),
                printable(left.source, cli->arena));
    credentials_wipe(&left);
    return known < 0 ? -1 : 0;
}

int command_logout(struct cli *cli, const struct args *args, struct error *err)
{
    const char *host, *where;
    int known;

    if (host_of(args, cli->arena, &host, err) < 0)
        return -1;
    known = credentials_forget(host, cli->arena, &where, err);
    if (known < 0)
        return -1;
    if (known == 1)
        printf("Logged out of %s (%s)\n", printable(host, cli->arena),
               printable(where, cli->arena));
    else
        fprintf(stderr, "Not logged in to %s (%s)\n", printable(host, cli->arena),
                printable(where, cli->arena));
    return warn_of_others(cli, host, err);
}
