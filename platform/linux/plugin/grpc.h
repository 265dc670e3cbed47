/*
 * grpc — calls to a gRPC server behind a unix socket: one request, one status, messages.
 *
 * HTTP/2 without TLS and by prior knowledge, by libcurl (curl_library.h).  A call blocks
 * the thread it is made on, a job's, until its status is there, its time is over or `check` says
 * stop. Several threads may call at once; each uses a connection of its own, which is kept for the
 * next.
 *
 * Possible failures: UNAVAILABLE, nobody listens, or who does broke off (whether it did what was
 * asked is not known); DEADLINE_EXCEEDED; what `check` and `take` say; what the server says.
 * Documents: grpc's PROTOCOL-HTTP2.md, statuscodes.md, http-grpc-status-mapping.md.
 */
#ifndef PLATFORM_LINUX_PLUGIN_GRPC_H
#define PLATFORM_LINUX_PLUGIN_GRPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/error.h"

#define GRPC_MESSAGE_MAX (16u << 20) /* bytes, each way, as containerd has it */
#define GRPC_ADDRESS_MAX 107         /* of the path of a socket, unix(7) */

struct grpc; /* a server and the connections to it */

struct grpc *grpc_new(const char *address); /* a path; connects to nobody yet */
void grpc_free(struct grpc **grpc);         /* no call may be running */

struct grpc_call {
    const char *method; /* service.name/Method */
    const void *request;
    size_t request_size;   /* without gRPC's prefix */
    const char *namespace; /* header containerd-namespace; NULL: none */
    int64_t timeout_ms;    /* at most; the server is told */
    /* Each message of the answer, in order; 0 or -1. */
    int (*take)(void *ctx, const void *message, size_t size, struct error *err);
    void *ctx;
    /* Asked some times a second: -1 ends the call.  NULL: nobody is asked. */
    int (*check)(void *ctx, struct error *err);
    void *check_ctx;

    /* What became of it, beside the error. */
    bool is_answered; /* by a status, whichever */
    bool is_absent;   /* nobody listens */
};

int grpc_call(struct grpc *grpc, struct grpc_call *call, struct error *err);

/* What a status number says; ERROR_UNKNOWN for what no list knows, ERROR_NONE for 0. */
enum error_code grpc_code(unsigned long status);
/* The text of a grpc-message: percent-decoded, what is not printable replaced, and without the word
   for the class that Go programs put behind it ("...: not found"). */
void grpc_text(const char *message, char *text, size_t room);

#endif
