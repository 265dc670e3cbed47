/*
 * registry_options — what both ends of registry.h know: the daemon's (registry.c) and that of
 * gantry-fetch (registry/registry.c).
 *
 * What is no name of a registry, a repository or a tag is refused before a process is asked,
 * and once more where it becomes part of an address.
 */
#ifndef ACTORS_IMAGES_REGISTRY_OPTIONS_H
#define ACTORS_IMAGES_REGISTRY_OPTIONS_H

#include "actors/images/registry.h"

/* INVALID_ARGUMENT: a host or repository that is none, a user name with a colon. */
int registry_options_check(const struct registry_options *options, struct error *err);

/* INVALID_ARGUMENT: what nobody can be known by, e.g. a name with a colon. */
int registry_known_check(const struct registry_known *user, struct error *err);
void registry_known_wipe(struct registry_known *user); /* where it lies */
struct registry_known registry_known_of(const struct registry_options *options);
/* By something at all.  NULL: nobody. */
bool registry_known_any(const struct registry_known *user);
/* There is something that a token service, and it alone, should see.  NULL: nobody. */
bool registry_known_has_secret(const struct registry_known *user);

/* INVALID_ARGUMENT, OUT_OF_RANGE: what is asked for cannot be. */
int registry_blob_check(const struct registry_blob *blob, struct error *err);

int registry_upload_check(const struct registry_upload *upload, struct error *err);
int registry_put_check(const struct registry_put *put, struct error *err);
int registry_list_check(const struct registry_list *list, struct error *err);
int registry_delete_check(const char *tag_or_digest, bool blob, struct error *err);
/* Lower case, printable, no blanks: fit for a header. */
bool registry_is_media_type(const char *text);
bool registry_is_repository(const char *text);

/* Grammar of the distribution-spec. */
bool registry_is_tag(const char *text);

/* What messages call the registry: the one in the image's name, whoever is asked for it. */
const char *registry_named(const struct registry_options *options);

/* Docker Hub is named one way and reached another. */
const char *registry_host_of(const char *host);

#endif
