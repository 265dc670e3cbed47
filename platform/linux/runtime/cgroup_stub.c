/* cgroup_stub — what is not there yet of cgroup.h: version 2, BPF, systemd, statistics. */
#include "platform/linux/runtime/cgroup_parts.h"

int limits_apply_v2(struct cgroup *cgroup UNUSED, const struct resources *resources UNUSED,
                    bool fresh UNUSED, struct error *err)
{
    return error_set(err, ERROR_UNIMPLEMENTED, "cgroup v2");
}

int unified_apply(const struct cgroup *cgroup UNUSED, const struct group *group UNUSED,
                  const struct resources *resources UNUSED, struct error *err)
{
    return error_set(err, ERROR_UNIMPLEMENTED, "cgroup v2");
}

int devices_apply_bpf(const struct group *group UNUSED, const struct device_rules *rules UNUSED,
                      struct error *err)
{
    return error_set(err, ERROR_UNIMPLEMENTED, "cgroup v2 devices");
}

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

json_t *cgroup_statistics(const struct cgroup *cgroup UNUSED, struct error *err)
{
    error_set(err, ERROR_UNIMPLEMENTED, "statistics");
    return NULL;
}

int cgroup_memory_events(const struct cgroup *cgroup UNUSED, struct error *err)
{
    return error_set(err, ERROR_UNIMPLEMENTED, "memory events");
}

int cgroup_own(struct cgroup *cgroup UNUSED, uid_t uid UNUSED, struct error *err)
{
    return error_set(err, ERROR_UNIMPLEMENTED, "cgroup v2");
}
