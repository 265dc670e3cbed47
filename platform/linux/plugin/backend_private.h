/* backend_private — the way of a call, shared by backend.c (how the plugin is) and methods. */
#ifndef PLATFORM_LINUX_PLUGIN_BACKEND_PRIVATE_H
#define PLATFORM_LINUX_PLUGIN_BACKEND_PRIVATE_H

#include <protobuf-c/protobuf-c.h>

#include "platform/linux/plugin/backend.h"

/* One call, of which a message or a stream of messages comes back. */
struct backend_call {
    const char *method; /* Prepare */
    const char *key;    /* for messages to people; NULL: none */
    const ProtobufCMessage *request;
    const ProtobufCMessageDescriptor *answer;
    /* Takes a message, which is freed afterwards; of a unary call exactly one comes. */
    int (*take)(void *ctx, const ProtobufCMessage *message, struct error *err);
    void *ctx;
    bool is_stream;
    bool is_optional; /* it is tried once, and a plugin that resets it is well all the same */

    /* out */
    unsigned tries; /* so often it was sent */
    bool is_absent; /* the last time: nobody listened */
    bool has_begun; /* some of a stream has been taken: it cannot be tried again */
};

int backend_call(const struct backend_asker *asker, struct backend_call *call, struct error *err);

#endif
