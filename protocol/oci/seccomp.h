/*
 * seccomp — which system calls a container may make.
 *
 * The default profile is an allow-list made from the kernel's own list of
 * calls, up to Linux 6.17.  Every call is in one of four groups:
 *
 *      allowed     what programs need and the kernel keeps apart per container
 *      by right    allowed where the container has a capability that covers it
 *      refused     answered EPERM: the host's business (swap, keyrings, io_uring)
 *      not named   answered ENOSYS
 *
 * The last group is the profile's default, and it is what keeps old profiles
 * and new programs together: a C library tries a new call first and falls back
 * when the kernel answers ENOSYS, but takes EPERM as final.  A call is not
 * named when it came after this profile, or when the libseccomp beneath the
 * runtime is older than the call and does not know its number.  runc has a
 * mechanism of its own for calls above the highest one that a profile names;
 * it stands aside where the default is ENOSYS already.  crun has none: with a
 * default of EPERM it would break programs made for newer kernels.  Hence the
 * default here is ENOSYS, and what is refused is named.
 *
 * clone3 is not named either unless namespaces may be made: its flags lie in
 * memory where no filter can see them, and libc falls back to clone.  The same
 * blindness is the one known gap: 32-bit x86 programs reach socket() by
 * socketcall(), so the rule against AF_VSOCK does not bind them.
 */
#ifndef PROTOCOL_OCI_SECCOMP_H
#define PROTOCOL_OCI_SECCOMP_H

#include <jansson.h>
#include <stdint.h>

#include "protocol/error.h"

#define SECCOMP_PROFILE_MAX (1u << 20) /* bytes of a user's profile */

/*
 * linux.seccomp of a spec, for a machine (as machine_arch()) and a container's
 * bounding set.  The caller json_decref()s it.  NULL: no profile for that machine.
 */
json_t *seccomp_default(const char *arch, uint64_t caps);

/*
 * The same from a user's profile: the OCI form, or docker's (archMap, and rules
 * with includes and excludes, which are decided here; minKernel counts as
 * reached).  NULL and INVALID_ARGUMENT when it is neither; actions that need a
 * listener are UNIMPLEMENTED.
 */
json_t *seccomp_profile(const char *text, const char *arch, uint64_t caps, struct error *err);

/* What the files of seccomp share. */
struct seccomp_arch {
    const char *arch; /* as machine_arch() */
    const char *native;
    const char *others;       /* architectures whose programs run as well, words */
    unsigned clone_flags_arg; /* which argument of clone has the flags */
};
const struct seccomp_arch *seccomp_arch_find(const char *arch); /* NULL: not known */

struct seccomp_group {
    uint64_t caps;     /* any of these gives the right; 0: always allowed */
    const char *calls; /* words */
};
extern const struct seccomp_group seccomp_groups[]; /* up to one without calls */
extern const char seccomp_refused[];                /* words */

#endif
