/* password — nothing of it is shown, and no option holds it: others could read our arguments. */
#include "tools/gantry/password.h"

#include <stdio.h>
#include <string.h>

#include "platform/terminal.h"
#include "tools/gantry/credentials.h"

/* All of it, for some are several lines long; without the line's end that echo puts there. */
static int read_input(const char **out, struct arena *arena, struct error *err)
{
    char *text = arena_alloc(arena, SECRET_SIZE);
    size_t size = 0;
    int64_t got;

    while ((got = input_read(text + size, SECRET_SIZE - size, err)) > 0)
        size += (size_t)got;
    if (got < 0)
        return -1;
    if (size == SECRET_SIZE)
        return error_set(err, ERROR_INVALID_ARGUMENT, "--password-stdin: more than %d bytes",
                         SECRET_SIZE - 1);
    if (size > 0 && text[size - 1] == '\n')
        text[--size] = '\0';
    if (size > 0 && text[size - 1] == '\r')
        text[--size] = '\0';
    if (size == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "--password-stdin: nothing on standard input");
    if (strlen(text) != size)
        return error_set(err, ERROR_INVALID_ARGUMENT, "--password-stdin: a NUL byte in it");
    *out = text;
    return 0;
}

int password_ask(const char *question, bool secret, const char **out, struct arena *arena,
                 struct error *err)
{
    char *text = arena_alloc(arena, SECRET_SIZE);

    if (!terminal_is(INPUT_FD))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "there is no terminal to ask on: give --username and --password-stdin");
    *out = text;
    if (terminal_ask(question, secret, text, SECRET_SIZE, err) < 0)
        return -1;
    return *text != '\0' ? 0 : error_set(err, ERROR_INVALID_ARGUMENT, "nothing was typed");
}

int password_given(const struct args *args, const char *username, const char **out,
                   struct arena *arena, struct error *err)
{
    bool from_input = args_flag(args, "password-stdin");

    *out = NULL;
    if (username == NULL && from_input)
        return error_set(err, ERROR_INVALID_ARGUMENT, "--password-stdin: whose? give --username");
    if (from_input)
        return read_input(out, arena, err);
    return username != NULL ? password_ask("Password: ", true, out, arena, err) : 0;
}
