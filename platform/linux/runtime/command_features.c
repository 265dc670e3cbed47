/* The command features: what this runtime can do, as callers read it before they write a
 * config.json. */
#include <stdio.h>

#include "platform/linux/runtime/commands.h"
#include "platform/linux/runtime/features.h"
#include "platform/linux/runtime/mount_options.h"

int command_features(const struct options *options, struct error *err)
{
    struct features_parts parts = { 0 };
    json_t *features;
    int result;

    (void)options;
    parts.mount_option_count = mount_option_names(&parts.mount_options);
    features = features_new(&parts);
    result = json_dumpf(features, stdout, JSON_INDENT(2)) < 0 || putchar('\n') < 0 ||
             fflush(stdout) != 0;
    json_decref(features);
    return result ? error_set(err, ERROR_INTERNAL, "write to standard output") : 0;
}
