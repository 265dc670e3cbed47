/*
 * The five capability sets of a process: read by name, and taken on.
 *
 * The bounding set is cut while the process is still root, the others are set when it is its
 * user already: setuid(2) would clear them.  What cannot be given is left out and told of, as
 * runc does with names; only a set that the kernel refuses for another reason is an error.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/linux/runtime/process_parts.h"
#include "platform/scope.h"
#include "protocol/oci/capabilities.h"

#define LISTED_MAX 400

/* ---- reading ------------------------------------------------------------------ */

/* "[CAP_A CAP_B]" grows by a name; what has no room is not listed. */
static void list_add(char list[LISTED_MAX], const char *name)
{
    size_t length = strlen(list);

    if (length + strlen(name) + 2 < LISTED_MAX && strstr(list, name) == NULL)
        snprintf(list + length, LISTED_MAX - length, "%s%s", length > 0 ? " " : "", name);
}

static uint64_t bit_of(const char *name)
{
    for (unsigned i = 0; i < CAPABILITY_COUNT; i++)
        if (strcmp(capability_name((enum capability)i), name) == 0)
            return UINT64_C(1) << i;
    return 0;
}

static int read_set(const struct process_spec *spec, const struct place *sets, const char *key,
                    uint64_t *set, char unknown[LISTED_MAX], struct error *err)
{
    struct strs names;

    if (place_texts(sets, key, &names, spec->arena, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        uint64_t bit = bit_of(names.items[i]);

        if (bit == 0)
            list_add(unknown, names.items[i]);
        *set |= bit;
    }
    return 0;
}

/* Those of `wanted` that the kernel knows and that we have to give. */
static uint64_t available(const struct process_spec *spec, uint64_t wanted,
                          char unknown[LISTED_MAX], char lacking[LISTED_MAX])
{
    for (unsigned i = 0; i < CAPABILITY_COUNT; i++) {
        const char *name = capability_name((enum capability)i);
        int here;

        if (!(wanted >> i & 1))
            continue;
        here = prctl(PR_CAPBSET_READ, i, 0, 0, 0);
        if (here > 0 || (here == 0 && spec->new_user))
            continue;
        list_add(here < 0 ? unknown : lacking, name);
        wanted &= ~(UINT64_C(1) << i);
    }
    return wanted;
}

int capabilities_read(struct process_spec *spec, const struct place *process, struct error *err)
{
    struct place place = place_member(process, "capabilities");
    struct capability_sets *sets = &spec->capabilities;
    char unknown[LISTED_MAX] = "", lacking[LISTED_MAX] = "";
    uint64_t have;

    sets->given = place.json != NULL;
    if (read_set(spec, &place, "bounding", &sets->bounding, unknown, err) < 0 ||
        read_set(spec, &place, "effective", &sets->effective, unknown, err) < 0 ||
        read_set(spec, &place, "permitted", &sets->permitted, unknown, err) < 0 ||
        read_set(spec, &place, "inheritable", &sets->inheritable, unknown, err) < 0 ||
        read_set(spec, &place, "ambient", &sets->ambient, unknown, err) < 0)
        return -1;
    have = available(spec,
                     sets->bounding | sets->effective | sets->permitted | sets->inheritable |
                         sets->ambient,
                     unknown, lacking);
    sets->bounding &= have;
    sets->effective &= have;
    sets->permitted &= have;
    sets->inheritable &= have;
    sets->ambient &= have;
    if (unknown[0] != '\0')
        process_warn(spec, "ignoring unknown or unavailable capabilities: [%s]", unknown);
    if (lacking[0] != '\0')
        process_warn(spec, "capabilities that this host does not let us give: [%s]", lacking);
    /* what else the kernel would refuse; `runc spec` writes such sets, so nothing is said */
    sets->ambient &= sets->permitted & sets->inheritable;
    if ((sets->effective & ~sets->permitted) != 0)
        return place_failure(&place, err, "what is effective must be permitted as well");
    return 0;
}

/* ---- taking on ---------------------------------------------------------------- */

int capabilities_bound(const struct process_spec *spec, struct error *err)
{
    for (unsigned i = 0; i < 64; i++) {
        if (spec->capabilities.bounding >> i & 1)
            continue;
        if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0)
            continue;
        if (errno == EINVAL) /* beyond the kernel's last */
            return 0;
        if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) != 0)
            return error_sys(err, errno,
                             "process.capabilities.bounding: unable to apply bounding "
                             "set");
    }
    return 0;
}

static int set_all(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    const struct __user_cap_data_struct data[2] = {
        { (uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable },
        { (uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32) },
    };

    return (int)syscall(SYS_capset, &header, data);
}

int capabilities_raise(struct error *err)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2];

    if (syscall(SYS_capget, &header, data) < 0)
        return error_sys(err, errno, "capget");
    data[0].effective = data[0].permitted;
    data[1].effective = data[1].permitted;
    return syscall(SYS_capset, &header, data) < 0 ? error_sys(err, errno, "capset") : 0;
}

int capabilities_apply(const struct process_spec *spec, struct error *err)
{
    const struct capability_sets *sets = &spec->capabilities;

    /* one that was not inheritable cannot become ambient: so they come behind */
    if (set_all(sets->effective, sets->permitted, sets->inheritable) < 0)
        return error_sys(err, errno, "process.capabilities: unable to apply caps");
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
        return error_sys(err, errno, "process.capabilities.ambient");
    for (unsigned i = 0; i < CAPABILITY_COUNT; i++)
        if (sets->ambient >> i & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
            return error_sys(err, errno,
                             "process.capabilities.ambient: can't raise ambient "
                             "capability %s",
                             capability_name((enum capability)i));
    return 0;
}
