/* cgroup_devices_bpf — the program alone, for who wants to look at it; see cgroup_devices_bpf.c. */
#ifndef RUNTIME_CGROUP_DEVICES_BPF_H
#define RUNTIME_CGROUP_DEVICES_BPF_H

#include <linux/bpf.h>

#include "platform/linux/runtime/cgroup_parts.h"

/* free() it; NULL: out of memory. */
struct bpf_insn *devices_program(const struct device_rules *rules, size_t *count);
/* No program is needed. */
bool devices_allow_all(const struct device_rules *rules);

#endif
