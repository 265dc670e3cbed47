/* features — until the process module prints them. */
#include "platform/linux/runtime/commands.h"

int command_features(const struct options *options, struct error *err)
{
    (void)options;
    return error_set(err, ERROR_UNIMPLEMENTED, "features");
}
