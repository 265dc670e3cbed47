/* spec_parts — what the files of spec share: the plan, made once, and a builder per part. */
#ifndef PROTOCOL_OCI_SPEC_PARTS_H
#define PROTOCOL_OCI_SPEC_PARTS_H

#include "protocol/oci/capabilities.h"
#include "protocol/oci/draft.h"
#include "protocol/oci/shown.h"
#include "protocol/oci/spec.h"

#define PATH_TEXT_MAX 4096

/* What several parts need to know; options and image are never NULL here. */
struct plan {
    const struct spec_input *input;
    const struct spec_host *host;
    const struct container_options *options;
    const struct image_config *image;
    uint64_t caps; /* bounding set */
    bool privileged;
    bool host_network;
    bool cgroup2;
};

/* Each puts its part into `spec` (or `linux`, the object below it). */
int plan_process(const struct plan *plan, json_t *spec, struct error *err);
int plan_mounts(const struct plan *plan, json_t *spec, json_t *linux_part, struct error *err);
int plan_resources(const struct plan *plan, json_t *resources, struct error *err);
int plan_devices(const struct plan *plan, json_t *linux_part, json_t *resources, struct error *err);
int plan_sysctl(const struct plan *plan, json_t *linux_part, struct error *err);
int plan_users(const struct plan *plan, json_t *linux_part, json_t *namespaces, struct error *err);
int plan_annotations(const struct plan *plan, json_t *spec, struct error *err);

/* Merges KEY=VALUE texts into `env`, an object; an entry without a key or "=" is an error
   (strict: the user's) or passed over (the image's). */
int env_merge(json_t *env, const struct strs *entries, bool strict, struct error *err);
void env_default(json_t *env, const char *key, const char *value);
json_t *env_list(const json_t *env); /* ["KEY=VALUE", ...] */

/* Working directories: absolute, and none that leads out by an open descriptor. */
int cwd_check(const char *cwd, const char *whose, struct error *err);

/* {"bounding": [...], ...} for a process of that uid. */
json_t *caps_json(uint64_t bounding, uint32_t uid);

/* `path` without doubled '/', '.' and trailing '/'.  INVALID_ARGUMENT naming `what` when it is
   not absolute, is "/", contains "..", or is too long. */
int path_clean(const char *path, const char *what, char out[PATH_TEXT_MAX], struct error *err);

#endif
