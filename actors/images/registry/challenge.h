/*
 * challenge — WWW-Authenticate, read (RFC 9110, 11.6.1).
 *
 * One header line may hold several challenges, a quoted value may hold commas and
 * anything else, and a server may send several lines.  The reader takes all
 * that; what it cannot make sense of it skips, and a value that does not fit makes
 * its challenge unusable rather than cut off.
 */
#ifndef ACTORS_IMAGES_REGISTRY_CHALLENGE_H
#define ACTORS_IMAGES_REGISTRY_CHALLENGE_H

#include <stdbool.h>
#include <stddef.h>

#define CHALLENGES_MAX 8

struct challenge {
    char scheme[32]; /* lower case: bearer, basic */
    char realm[1024];
    char service[256];
    char scope[512];
    char error[64];
    bool unusable; /* a value that did not fit */
};

struct challenges {
    size_t count;
    struct challenge items[CHALLENGES_MAX];
};

/* `text`: the values of the header, one a line. */
void challenges_parse(struct challenges *challenges, const char *text);

/* The first usable one of that scheme; NULL when there is none. */
const struct challenge *challenges_find(const struct challenges *challenges, const char *scheme);

#endif
