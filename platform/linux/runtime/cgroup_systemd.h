/* cgroup_systemd — what a scope is made with: its names and its properties; see
   cgroup_systemd.c. */
#ifndef RUNTIME_CGROUP_SYSTEMD_H
#define RUNTIME_CGROUP_SYSTEMD_H

#include "platform/linux/runtime/cgroup_parts.h"

/* "/a.slice/a-b.slice" for "a-b.slice"; NULL: see err. */
const char *slice_path(const char *slice, struct arena *arena, struct error *err);

/* Each appends a struct (sv). */
void property_bool(struct buffer *out, const char *name, bool value);
void property_u64(struct buffer *out, const char *name, uint64_t value);
void property_text(struct buffer *out, const char *name, const char *value);

/* cgroup_properties.c: the limits that systemd knows, and what annotations ask for
   (org.systemd.property.NAME, with a value as GVariant's text has it). */
int resources_properties(const struct cgroup *cgroup, const struct resources *resources, bool fresh,
                         struct buffer *out, struct error *err);
int annotations_properties(const struct place *annotations, struct buffer *out, struct error *err);

#endif
