/*
 * capabilities — the privileges of root, one by one, as a set of bits.
 *
 * Bit n is the kernel's capability number n, so a set compares directly with
 * the CapBnd line of /proc/self/status.
 */
#ifndef PROTOCOL_OCI_CAPABILITIES_H
#define PROTOCOL_OCI_CAPABILITIES_H

#include <stdint.h>

#include "protocol/record.h"

/* In the kernel's order: the place is the number. */
#define CAPABILITIES(X)                                                                            \
    X(CHOWN) X(DAC_OVERRIDE) X(DAC_READ_SEARCH) X(FOWNER) X(FSETID) X(KILL) X(SETGID) X(SETUID)    \
    X(SETPCAP) X(LINUX_IMMUTABLE) X(NET_BIND_SERVICE) X(NET_BROADCAST) X(NET_ADMIN) X(NET_RAW)     \
    X(IPC_LOCK) X(IPC_OWNER) X(SYS_MODULE) X(SYS_RAWIO) X(SYS_CHROOT) X(SYS_PTRACE) X(SYS_PACCT)   \
    X(SYS_ADMIN) X(SYS_BOOT) X(SYS_NICE) X(SYS_RESOURCE) X(SYS_TIME) X(SYS_TTY_CONFIG) X(MKNOD)    \
    X(LEASE) X(AUDIT_WRITE) X(AUDIT_CONTROL) X(SETFCAP) X(MAC_OVERRIDE) X(MAC_ADMIN) X(SYSLOG)     \
    X(WAKE_ALARM) X(BLOCK_SUSPEND) X(AUDIT_READ) X(PERFMON) X(BPF) X(CHECKPOINT_RESTORE)

enum capability {
#define X(name) CAPABILITY_##name,
    CAPABILITIES(X)
#undef X
    CAPABILITY_COUNT
};

#define CAP_SET(name)     (UINT64_C(1) << CAPABILITY_##name)
#define CAPABILITIES_ALL  ((UINT64_C(1) << CAPABILITY_COUNT) - 1)
#define CAPABILITIES_NONE UINT64_C(0)

/* What a container has when nothing is said: docker's and containerd's fourteen. */
#define CAPABILITIES_DEFAULT                                                                       \
    (CAP_SET(CHOWN) | CAP_SET(DAC_OVERRIDE) | CAP_SET(FSETID) | CAP_SET(FOWNER) | CAP_SET(MKNOD) | \
     CAP_SET(NET_RAW) | CAP_SET(SETGID) | CAP_SET(SETUID) | CAP_SET(SETFCAP) | CAP_SET(SETPCAP) |  \
     CAP_SET(NET_BIND_SERVICE) | CAP_SET(SYS_CHROOT) | CAP_SET(KILL) | CAP_SET(AUDIT_WRITE))

const char *capability_name(enum capability capability); /* "CAP_CHOWN" */

/* "SYS_ADMIN", "cap_sys_admin": a set of one.  "ALL": all that are known.
   INVALID_ARGUMENT for a name that is not known, with the one that is near. */
int capability_parse(const char *text, uint64_t *set, struct error *err);

/*
 * `base` with the names of `drop` taken away and those of `add` put in, as
 * docker does: drop ALL leaves what is added, add ALL leaves out what is dropped.
 * Bits that `host` does not have go silently, except where `add` names one:
 * FAILED_PRECONDITION.
 */
int capabilities_choose(uint64_t base, const struct strs *add, const struct strs *drop,
                        uint64_t host, uint64_t *chosen, struct error *err);

#endif
