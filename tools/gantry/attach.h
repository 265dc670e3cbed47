/*
 * attach — between a process in a container and the person: streams, keys, signals.
 *
 * One wait covers all of it: the daemon's messages, the keyboard (as far as the daemon
 * allows input), output that a slow reader holds up, and signals.  Output is taken from
 * the daemon only when the last piece is written, so a slow reader holds the container
 * back and costs no memory.
 *
 * A daemon that goes away, be it another that takes over, is waited for: the command comes back
 * with the number of bytes it has, and the log makes up for what was written meanwhile.
 */
#ifndef TOOLS_GANTRY_ATTACH_H
#define TOOLS_GANTRY_ATTACH_H

#include "tools/gantry/command.h"

struct attach {
    const char *id;   /* container */
    const char *exec; /* additional process, or NULL */
    const char *name; /* for messages */
    bool tty, input, hold;
    bool proxy;                            /* signals go to the process */
    const struct tasks_logs_request *logs; /* not the process but what it wrote; else NULL */
    const char *detach_keys;               /* "ctrl-p,ctrl-q"; NULL: those; "": none */
};

struct pump;

/* In two steps, so that the process can be started in between and nothing is missed. */
int attach_open(struct cli *cli, const struct attach *attach, struct pump **pump,
                struct error *err);
/*
 * Until the process has ended and its output is written; frees the pump.  The process's
 * status in *status (0 when the person detached); -1 when the connection failed or the
 * output cannot be written.
 */
int attach_run(struct pump **pump, int *status, struct error *err);
void attach_close(struct pump **pump);

/* The window of our terminal; false when there is none. */
bool attach_window(struct window *window);
/* -t with -i needs a terminal here. */
int attach_check(bool tty, bool input, struct error *err);

#endif
