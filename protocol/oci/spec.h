/*
 * spec — the OCI runtime spec of a container: from what the image says, what
 * the user says and what the host can do, the one document that a runtime
 * binary carries out.
 *
 * The rule behind every line: the user's word is obeyed or refused with a
 * reason, never dropped; the image's word sets defaults and can never reach a
 * control field; what nobody said is as docker's users expect it, as far as the
 * host can give it (docs/adr/ says where the defaults differ from containerd's).
 *
 * Pure: everything about the host comes in `struct spec_host`, everything
 * looked up (users, devices, files) in `struct spec_input`.  Waits for nothing.
 */
#ifndef PROTOCOL_OCI_SPEC_H
#define PROTOCOL_OCI_SPEC_H

#include <stdint.h>

#include "protocol/id_map.h"
#include "protocol/oci/image_config.h"
#include "protocol/oci/users.h"
#include "protocol/record.h"
#include "protocol/schema.h"

#define SPEC_BYTES_MAX (4u << 20) /* no spec is longer */
#define SPEC_VERSION   "1.0.2"    /* the lowest that describes what is used */

/* A device node of the host. */
struct host_device {
    const char *path; /* /dev/... */
    char type;        /* c or b */
    int64_t major;
    int64_t minor;
    uint32_t mode; /* permission bits */
    uint32_t uid;
    uint32_t gid;
};

struct spec_host {
    const char *arch;            /* as machine_arch() */
    const char *cgroups;         /* v1, v2 or hybrid, as in struct machine */
    uint64_t caps;               /* CapBnd of the daemon, bit = number */
    uint64_t cpus;               /* 0: not known */
    bool swap_limit;             /* memory and swap can be limited together */
    int64_t oom_score_adj;       /* the daemon's own */
    const struct rlimit *limits; /* the daemon's, as containers inherit them */
    size_t limit_count;
    /* All device nodes below /dev; needed for `privileged` and `devices` only. */
    const struct host_device *devices;
    size_t device_count;
};

struct spec_input {
    const char *id;
    const char *cgroup_path;                 /* /<namespace>/<id> */
    const char *rootfs;                      /* relative to the bundle, or absolute */
    const char *hostname;                    /* from hostname_choose() */
    const char *hostname_file;               /* on the host; NULL: none is mounted */
    const char *hosts_file;                  /* the same */
    const char *resolv_file;                 /* the same; with the host's network only */
    const struct image_config *image;        /* NULL: no image */
    const struct container_options *options; /* NULL: nothing said */
    const struct user_ids *user;             /* from users_resolve() */
    const struct spec_host *host;
};

/*
 * Appends the spec as one line of JSON, and to `command` (may be NULL) its command for people:
 * arguments with a space between, cut off at SPEC_COMMAND_MAX bytes or before.
 *
 * Errors: INVALID_ARGUMENT for what cannot be, naming the option and the value;
 * FAILED_PRECONDITION for what this host cannot give although the user asked
 * for it by name; NOT_FOUND for a device; RESOURCE_EXHAUSTED beyond SPEC_BYTES_MAX.
 */
#define SPEC_COMMAND_MAX 1000
int spec_build(const struct spec_input *input, struct buffer *json, struct buffer *command,
               struct error *err);

/* 0 when a spec that a program brings itself is one: an object with a version, a root file system
   and a process that has a command and a place.  Else INVALID_ARGUMENT, RESOURCE_EXHAUSTED.
   `command`: as above. */
int spec_check(const char *bytes, size_t size, struct buffer *command, struct error *err);

/* Both empty: the container has no user namespace.  INVALID_ARGUMENT for what is no map. */
int spec_id_maps(const struct container_options *options, struct id_map *uids, struct id_map *gids,
                 struct error *err);

/* The host's network is shared.  INVALID_ARGUMENT for a network that is neither none nor host. */
int spec_network_is_host(const struct container_options *options, bool *is_host, struct error *err);

/*
 * Appends the OCI process for an additional process in a container: the
 * container's own as its spec (`bytes`, `size`) describes it, changed by what
 * the request says.  `user` is what the request's user resolved to, NULL when
 * it names none; `host_caps` as in spec_host, for privileged requests.
 * Errors: INVALID_ARGUMENT; DATA_LOSS when the spec is not one.
 */
int process_build(const char *bytes, size_t size, const struct tasks_exec_request *request,
                  const struct user_ids *user, uint64_t host_caps, struct buffer *json,
                  struct error *err);

#endif
