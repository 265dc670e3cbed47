/*
 * talk — what a container's first process and its parent say to each other.
 *
 * One SOCK_SEQPACKET pair, packets of a word each, sometimes with a text or a descriptor.
 * The child's end is closed by execve(): that is how the parent learns that the user's program
 * runs.  An end without any word means that the other one has died.
 */
#ifndef RUNTIME_TALK_H
#define RUNTIME_TALK_H

#include <stdbool.h>

#include "protocol/error.h"

struct msghdr;

enum talk_word {
    TALK_CLOSED,  /* nothing more comes */
    TALK_UNHEARD, /* that, and what we said last was not read */
    TALK_GO,      /* parent: maps and control groups are made; "start": the user wants it to run */
    TALK_MOUNTED, /* child: namespaces and mounts are made; the runtime's hooks may run */
    TALK_CONSOLE, /* child: here is the terminal */
    TALK_READY,   /* child: only the user's program is left to be started */
    TALK_ERROR    /* child: it cannot be */
};

int talk_pair(int ends[2], struct error *err);
/* `pass` is a descriptor to go along, or -1. */
int talk_say(int talk, enum talk_word word, int pass, struct error *err);
void talk_error(int talk, const struct error *failure);
/* The next word.  TALK_ERROR comes back as -1 with that error.  *passed may be NULL. */
int talk_hear(int talk, enum talk_word *word, int *passed, struct error *err);
/* Like it, and it has to be this word. */
int talk_expect(int talk, enum talk_word word, struct error *err);
/* The descriptor that came with a message of any such conversation, or -1. */
int talk_passed(struct msghdr *message);

#endif
