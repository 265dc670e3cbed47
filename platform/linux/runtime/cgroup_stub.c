/* cgroup_stub — what is not there yet of cgroup.h: version 2, BPF, systemd, statistics. */
#include "platform/linux/runtime/cgroup_parts.h"

const char *scope_path_of(struct cgroup *cgroup UNUSED, const char *wanted UNUSED,
                          const char *id UNUSED, struct error *err)
{
    error_set(err, ERROR_UNIMPLEMENTED, "the systemd cgroup driver");
    return NULL;
}

int scope_start(struct cgroup *cgroup UNUSED, pid_t pid UNUSED, struct error *err)
{
    return error_set(err, ERROR_UNIMPLEMENTED, "the systemd cgroup driver");
}

int scope_set(struct cgroup *cgroup UNUSED, const struct resources *resources UNUSED,
              struct error *err)
{
    return error_set(err, ERROR_UNIMPLEMENTED, "the systemd cgroup driver");
}

int scope_stop(struct cgroup *cgroup UNUSED, struct error *err)
{
    return error_set(err, ERROR_UNIMPLEMENTED, "the systemd cgroup driver");
}
