/*
 * user — who the process is: ids, groups and umask.
 *
 * The groups are exactly those of the spec, never ours (CVE-2023-25173).  Capabilities outlive the
 * change of the user by PR_SET_KEEPCAPS alone, so that capabilities_apply() can choose among them.
 */
#include <errno.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/linux/runtime/process_parts.h"

#define UMASK_DEFAULT 0022       /* runc's and crun's */
#define ID_NONE       UINT32_MAX /* setresuid(2): "do not change", which would leave root */
#define GROUPS_MAX    65536      /* NGROUPS_MAX of the kernel */

static int read_id(const struct place *user, const char *key, uint32_t *id, struct error *err)
{
    struct place place = place_member(user, key);

    if (place_u32(user, key, id, NULL, err) < 0)
        return -1;
    return *id == ID_NONE ? place_failure(&place, err, "%u is no id", *id) : 0;
}

static int read_groups(struct process_spec *spec, const struct place *user, struct error *err)
{
    struct place array = place_member(user, "additionalGids");

    if (place_count(&array, &spec->group_count, err) < 0)
        return -1;
    if (spec->group_count > GROUPS_MAX)
        return place_failure(&array, err, "more than %d groups", GROUPS_MAX);
    spec->groups = arena_alloc(spec->arena, (spec->group_count + 1) * sizeof(*spec->groups));
    for (size_t i = 0; i < spec->group_count; i++) {
        struct place place = place_element(&array, i);

        if (!json_is_integer(place.json) || json_integer_value(place.json) < 0 ||
            json_integer_value(place.json) >= ID_NONE)
            return place_failure(&place, err, "is no id of a group");
        spec->groups[i] = (uint32_t)json_integer_value(place.json);
    }
    return 0;
}

int user_read(struct process_spec *spec, const struct place *process, struct error *err)
{
    struct place user = place_member(process, "user"), umask_ = place_member(&user, "umask");
    bool has_umask;

    if (read_id(&user, "uid", &spec->uid, err) < 0 || read_id(&user, "gid", &spec->gid, err) < 0 ||
        place_u32(&user, "umask", &spec->umask, &has_umask, err) < 0)
        return -1;
    if (!has_umask)
        spec->umask = UMASK_DEFAULT;
    if (spec->umask > 0777)
        return place_failure(&umask_, err, "has more than the permission bits (511 at most)");
    return read_groups(spec, &user, err);
}

/* Where a user namespace was made by a plain user, setgroups(2) is denied to all in it. */
static int set_groups(const struct process_spec *spec, struct error *err)
{
    if (setgroups(spec->group_count, spec->groups) == 0)
        return 0;
    if (errno == EPERM && spec->new_user && spec->group_count == 0)
        return 0;
    return error_sys(err, errno, "process.user.additionalGids: setgroups");
}

int user_become(const struct process_spec *spec, struct error *err)
{
    umask(spec->umask);
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return error_sys(err, errno, "PR_SET_KEEPCAPS");
    if (set_groups(spec, err) < 0)
        return -1;
    /* the calls themselves, as libc would ask its threads to do the same */
    if (syscall(SYS_setresgid, spec->gid, spec->gid, spec->gid) < 0)
        return error_sys(err, errno, "process.user.gid: setgid %u", spec->gid);
    if (syscall(SYS_setresuid, spec->uid, spec->uid, spec->uid) < 0)
        return error_sys(err, errno, "process.user.uid: setuid %u", spec->uid);
    if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
        return error_sys(err, errno, "PR_SET_KEEPCAPS");
    return 0;
}
