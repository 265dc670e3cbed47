/*
 * console — terminals: handed to whoever asked for one, or served here in the foreground.
 */
#ifndef RUNTIME_CONSOLE_H
#define RUNTIME_CONSOLE_H

#include <sys/types.h>

#include "protocol/error.h"

/* Connects to the socket of --console-socket; early, since its path is relative to us. */
int console_connect(const char *path, struct error *err);
/* Sends the master; both are closed. */
int console_send(int socket, int master, struct error *err);

/* In the container: the slave becomes our terminal and our descriptors 0 to 2. */
int console_take(int slave, unsigned height, unsigned width, struct error *err);

#endif
