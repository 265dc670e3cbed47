/*
 * features — what this runtime knows, as the document that `features` prints (runtime-spec
 * features.md): callers read it before they write a config.json.
 */
#ifndef RUNTIME_FEATURES_H
#define RUNTIME_FEATURES_H

#include <jansson.h>
#include <stddef.h>

/* What other parts of the runtime know. */
struct features_parts {
    const char *const *mount_options;
    size_t mount_option_count;
};

json_t *features_new(const struct features_parts *parts);

#endif
