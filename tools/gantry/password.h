/* password — how a command gets one: from standard input, or from the person at the terminal. */
#ifndef TOOLS_GANTRY_PASSWORD_H
#define TOOLS_GANTRY_PASSWORD_H

#include "tools/gantry/args.h"

/* A line that the person types; `secret`: unseen. */
int password_ask(const char *question, bool secret, const char **out, struct arena *arena,
                 struct error *err);

/* What --password-stdin or the person gives for `username`; NULL when there is no user. */
int password_given(const struct args *args, const char *username, const char **out,
                   struct arena *arena, struct error *err);

#endif
