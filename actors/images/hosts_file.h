/*
 * hosts_file — containerd's hosts.toml (its docs/hosts.md), read as it is.
 *
 *      server = "https://registry.example"      # the last that is asked; the registry itself when
 * absent capabilities = ["pull", "resolve"]       # of the server, as all that follows
 *      [host."https://mirror.lan:5000/quay"]    # asked first, in the order of the file
 *        capabilities = ["pull"]                # also resolve, push; all when absent
 *        ca = "mirror.crt"                      # or a list; relative to the file
 *        client = [["c.cert", "c.key"]]         # or a file, or a list of files
 *        skip_verify = false
 *        override_path = false                  # true: the path is the API's root, no /v2 follows
 *        dial_timeout = "5s"
 *        proxy = "http://proxy.lan:3128"
 *        [host."https://mirror.lan:5000/quay".header]
 *          x-for = "gantry"                     # or a list
 *
 * A key that is none of these is a warning, for newer versions of containerd will have more; a
 * value that cannot be is an error: a host that was meant to be asked by TLS with some authority
 * must not be asked in another way.
 */
#ifndef ACTORS_IMAGES_HOSTS_FILE_H
#define ACTORS_IMAGES_HOSTS_FILE_H

#include "actors/images/host.h"

#define HOSTS_FILE_MAX (1u << 20) /* bytes */

#ifdef __cplusplus
extern "C" {
#endif
/*
 * `text` is the whole file, `path` its name, absolute.  The last host is the server; its name is
 * NULL where the file names none.  Everything goes into the arena.  FAILED_PRECONDITION: what is
 * wrong, behind FILE:LINE.
 */
int hosts_file_parse(const char *path, const char *text, size_t size, struct arena *arena,
                     struct host_list *out, struct error *err);
#ifdef __cplusplus
}
#endif

#endif
