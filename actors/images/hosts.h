/*
 * hosts — who is asked for the images of a registry: what the operator's folders say, or the
 * registry itself.
 *
 * A folder of the setting registries.hosts holds one of these for a registry, the first that is
 * there: HOST_PORT_, HOST:PORT, HOST, and _default for whom none is.  In it lies containerd's
 * hosts.toml, or, as docker has it, *.crt (authorities), *.cert with *.key (who we are).  The first
 * folder of the setting that has something to say counts.  They are read for every pull: no
 * restart.
 */
#ifndef ACTORS_IMAGES_HOSTS_H
#define ACTORS_IMAGES_HOSTS_H

#include "actors/images/host.h"
#include "actors/images/images.h"
#include "actors/images/registry.h"

/* `registry` as in references.  At least one host; the last is the server.  FAILED_PRECONDITION: a
   file that cannot be read or understood, by name and line. */
int hosts_find(const struct images_config *config, const char *registry, struct arena *arena,
               struct host_list *out, struct error *err);
/* The same, for who tells the warnings himself; hosts_find() logs them. */
int hosts_look(const struct images_config *config, const char *registry, struct arena *arena,
               struct host_list *out, struct error *err);

/* "https://mirror.lan:5000/v2": for people, and one text per place. */
const char *host_url(const struct host *host, struct arena *arena);

/* "https://mirror.lan:5000": what is well or not (health.h). */
const char *host_key(const struct host *host, struct arena *arena);

/* It is what the user's credentials for `registry` are for. */
bool host_is_registry(const struct host *host, const char *registry);

/* What registry_open() is to know of it.  `registry` as in references: whose images are asked for.
 */
void host_options(const struct host *host, const char *registry, const struct images_config *config,
                  struct arena *arena, struct registry_options *out);

#endif
