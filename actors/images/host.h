/*
 * host — one place that images of a registry may come from or go to, as the operator describes it.
 *
 * A registry is a name; hosts are who is asked.  Without a word of the operator the one is the
 * other; with a hosts.toml (hosts_file.h) there are several, each trusted with some of three things.
 */
#ifndef ACTORS_IMAGES_HOST_H
#define ACTORS_IMAGES_HOST_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus /* hosts.toml is read by a C++ library */
extern "C" {
#endif
#include "protocol/record.h"
#ifdef __cplusplus
}
#endif

/* What a host may be asked for. */
enum {
    HOST_PULL = 1,    /* what has a digest */
    HOST_RESOLVE = 2, /* what a tag means: it is believed */
    HOST_PUSH = 4,
    HOST_ALL = 7,
};

struct host {
    const char *name;   /* host[:port]; NULL: the registry itself */
    const char *path;   /* of its API: /v2, or what stands before and instead of that */
    const char *origin; /* who says so: FILE:LINE, a folder, "default" */
    bool plain_http;
    unsigned capabilities;
    bool mirror; /* not the registry itself: it is told whose images are asked for (?ns=) */

    bool skip_verify;
    struct strs ca_files;     /* PEM; believed besides the system's authorities */
    struct strs client_certs; /* PEM; as many as client_keys */
    struct strs client_keys;  /* PEM; "": in the file of the certificate */
    struct strs headers;      /* "Name: value": may be secret */
    const char *proxy;        /* NULL: as the environment says */
    unsigned connect_ms;      /* 0: the default */
};

#define HOSTS_COUNT_MAX 32 /* in one list */

struct host_list {
    struct host *items; /* in the order they are asked; the registry's server is the last */
    size_t count;
    struct strs warnings; /* what the file says besides, behind FILE:LINE */
};

#endif
