/*
 * The mounts of a spec: the kernel's file systems that every container has, the
 * three small files, and what the user binds.
 *
 * The user's word wins: a mount at a default's target takes its place, and
 * takes the defaults below it away.  Parents come before what lies in them.
 * No tmpfs is put on /run (containerd's default has one): images keep folders
 * there that their programs need, and it would hide them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/oci/spec_parts.h"

#define SHM_SIZE_DEFAULT (64ull << 20)
#define MOUNTS_MAX       1000

/* Options that exclude each other share a group. */
enum group {
    GROUP_WRITE,
    GROUP_BIND,
    GROUP_PROPAGATION,
    GROUP_SUID,
    GROUP_DEV,
    GROUP_EXEC,
    GROUP_ATIME,
    GROUP_COUNT,
    GROUP_NONE,  /* stands for itself */
    GROUP_HABIT, /* accepted from other programs' users; means nothing here */
};

static const struct flag {
    const char *name;
    enum group group;
    bool bind, tmpfs; /* where it is known */
} flags[] = {
    { "rw", GROUP_WRITE, true, true },
    { "ro", GROUP_WRITE, true, true },
    { "bind", GROUP_BIND, true, false },
    { "rbind", GROUP_BIND, true, false },
    { "private", GROUP_PROPAGATION, true, false },
    { "rprivate", GROUP_PROPAGATION, true, false },
    { "slave", GROUP_PROPAGATION, true, false },
    { "rslave", GROUP_PROPAGATION, true, false },
    { "shared", GROUP_PROPAGATION, true, false },
    { "rshared", GROUP_PROPAGATION, true, false },
    { "suid", GROUP_SUID, true, true },
    { "nosuid", GROUP_SUID, true, true },
    { "dev", GROUP_DEV, true, true },
    { "nodev", GROUP_DEV, true, true },
    { "exec", GROUP_EXEC, true, true },
    { "noexec", GROUP_EXEC, true, true },
    { "noatime", GROUP_ATIME, true, true },
    { "relatime", GROUP_ATIME, true, true },
    { "strictatime", GROUP_ATIME, true, true },
    { "nodiratime", GROUP_NONE, true, true },
    { "sync", GROUP_NONE, false, true },
    { "tmpcopyup", GROUP_NONE, false, true },
    { "z", GROUP_HABIT, true, false }, /* SELinux relabelling: no SELinux here */
    { "Z", GROUP_HABIT, true, false },
    { "cached", GROUP_HABIT, true, false }, /* consistency of shared folders in a virtual machine */
    { "delegated", GROUP_HABIT, true, false },
    { "consistent", GROUP_HABIT, true, false },
};
#define FLAG_COUNT (sizeof(flags) / sizeof(*flags))

/* The options of one mount while they are read. */
struct choice {
    const char *what; /* "mount /data", for messages */
    bool is_bind;
    const char *of_group[GROUP_COUNT];
    json_t *rest;   /* options of no group */
    uint64_t given; /* bit per key of the tmpfs table: said already */
};

static json_t *mount_json(const char *target, const char *type, const char *source, json_t *options)
{
    json_t *mount = draft_object();

    draft_put(mount, "destination", draft_text(target));
    draft_put(mount, "type", draft_text(type));
    draft_put(mount, "source", draft_text(source));
    draft_put(mount, "options", options);
    return mount;
}

/* ---- options ---------------------------------------------------------------------- */

static bool is_digits(const char *text, const char *digits)
{
    return text[0] != '\0' && text[strspn(text, digits)] == '\0' && strlen(text) <= 19;
}

static bool is_size(const char *value)
{
    char number[24];
    size_t digits = strspn(value, "0123456789");

    if (digits == 0 || digits > 18 || strlen(value) > digits + 1)
        return false;
    snprintf(number, sizeof(number), "%.*s", (int)digits, value);
    if (value[digits] == '%')
        return atoi(number) <= 100 && digits <= 3;
    return value[digits] == '\0' || strchr("kKmMgG", value[digits]) != NULL;
}

static bool is_mode(const char *value)
{
    return is_digits(value, "01234567") && strlen(value) <= 5 && strtol(value, NULL, 8) <= 07777;
}

static bool is_id(const char *value)
{
    return is_digits(value, "0123456789") && strtoull(value, NULL, 10) <= USERS_ID_MAX;
}

static const struct key {
    const char *name;
    bool (*is_valid)(const char *value);
    const char *want;
} tmpfs_keys[] = {
    { "size", is_size, "bytes, with k, m, g or %" },
    { "nr_inodes", is_size, "a number, with k, m or g" },
    { "nr_blocks", is_size, "a number, with k, m or g" },
    { "mode", is_mode, "octal digits" },
    { "uid", is_id, "0 to 2147483647" },
    { "gid", is_id, "0 to 2147483647" },
};
#define KEY_COUNT (sizeof(tmpfs_keys) / sizeof(*tmpfs_keys))

static int flag_take(struct choice *choice, const struct flag *flag, struct error *err)
{
    const char **taken;

    if (flag->group == GROUP_HABIT)
        return 0;
    if (flag->group == GROUP_NONE) {
        draft_add(choice->rest, draft_text(flag->name));
        return 0;
    }
    taken = &choice->of_group[flag->group];
    if (*taken != NULL && strcmp(*taken, flag->name) != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s: options %s and %s exclude each other",
                         choice->what, *taken, flag->name);
    *taken = flag->name;
    return 0;
}

static int key_take(struct choice *choice, const char *option, size_t length, struct error *err)
{
    struct shown text;

    for (size_t i = 0; i < KEY_COUNT && !choice->is_bind; i++) {
        const struct key *key = &tmpfs_keys[i];

        if (strlen(key->name) != length || strncmp(key->name, option, length) != 0)
            continue;
        if (!key->is_valid(option + length + 1))
            return error_set(err, ERROR_INVALID_ARGUMENT, "%s: option '%s': say %s", choice->what,
                             shown(option, &text), key->want);
        if (choice->given >> i & 1)
            return error_set(err, ERROR_INVALID_ARGUMENT, "%s: option %s is said twice",
                             choice->what, key->name);
        choice->given |= UINT64_C(1) << i;
        draft_add(choice->rest, draft_text(option));
        return 0;
    }
    return error_set(err, ERROR_INVALID_ARGUMENT, "%s: option '%s' is not known; say %s",
                     choice->what, shown(option, &text),
                     choice->is_bind ? "ro, rw, bind, rbind, (r)private, (r)slave, (r)shared, "
                                       "nosuid, nodev, noexec, noatime or relatime"
                                     : "ro, rw, size=, mode=, uid=, gid=, nr_inodes=, exec, suid, "
                                       "dev, noatime or tmpcopyup");
}

static int option_take(struct choice *choice, const char *option, struct error *err)
{
    const char *equals = strchr(option, '=');

    for (size_t i = 0; i < FLAG_COUNT; i++)
        if (strcmp(flags[i].name, option) == 0 &&
            (choice->is_bind ? flags[i].bind : flags[i].tmpfs))
            return flag_take(choice, &flags[i], err);
    return key_take(choice, option, equals == NULL ? 0 : (size_t)(equals - option), err);
}

static void group_default(struct choice *choice, enum group group, const char *name)
{
    if (choice->of_group[group] == NULL)
        choice->of_group[group] = name;
}

/* The array of options, defaults filled in; NULL and the error when they cannot be. */
static json_t *options_json(struct choice *choice, const struct strs *wanted, struct error *err)
{
    json_t *options;

    choice->rest = draft_array();
    for (size_t i = 0; i < wanted->count; i++)
        if (option_take(choice, wanted->items[i], err) < 0) {
            json_decref(choice->rest);
            return NULL;
        }
    if (choice->is_bind) {
        group_default(choice, GROUP_BIND, "rbind");
        group_default(choice, GROUP_PROPAGATION, "rprivate");
    } else {
        group_default(choice, GROUP_SUID, "nosuid");
        group_default(choice, GROUP_DEV, "nodev");
        group_default(choice, GROUP_EXEC, "noexec");
    }
    options = draft_array();
    for (int i = 0; i < GROUP_COUNT; i++)
        if (choice->of_group[i] != NULL)
            draft_add(options, draft_text(choice->of_group[i]));
    draft_extend(options, choice->rest);
    return options;
}

/* ---- the user's ------------------------------------------------------------------- */

static int source_check(const struct mount *mount, const char *what, struct error *err)
{
    struct shown text;

    if (strcmp(mount->type, "tmpfs") == 0)
        return 0;
    if (strcmp(mount->type, "bind") != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s: type '%s': say bind, tmpfs or volume", what,
                         shown(mount->type, &text));
    if (mount->source == NULL || mount->source[0] != '/')
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "%s: source '%s' is not an absolute path (a volume's name goes with type volume)",
                         what, shown(mount->source ? mount->source : "", &text));
    if (strlen(mount->source) >= PATH_TEXT_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s: the source is too long", what);
    return 0;
}

/*
 * For mounts of the host to come in later (or to go out), the container's root
 * must not be private; the runtime takes that from here.
 */
static void propagation_note(json_t *linux_part, const char *propagation)
{
    const char *now = json_string_value(json_object_get(linux_part, "rootfsPropagation"));

    if (strstr(propagation, "shared") != NULL)
        draft_put(linux_part, "rootfsPropagation", draft_text("shared"));
    else if (strstr(propagation, "slave") != NULL && now == NULL)
        draft_put(linux_part, "rootfsPropagation", draft_text("rslave"));
}

static int user_mount(const struct mount *mount, json_t *targets, json_t *linux_part,
                      struct error *err)
{
    char target[PATH_TEXT_MAX], what[96];
    struct choice choice = { .what = what };
    struct shown text;
    json_t *options;

    if (path_clean(mount->target ? mount->target : "", "mount target", target, err) < 0)
        return -1;
    snprintf(what, sizeof(what), "mount %s", shown(target, &text));
    if (source_check(mount, what, err) < 0)
        return -1;
    if (json_object_get(targets, target) != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s: two mounts have this target", what);
    choice.is_bind = strcmp(mount->type, "bind") == 0;
    options = options_json(&choice, &mount->options, err);
    if (options == NULL)
        return -1;
    if (choice.is_bind)
        propagation_note(linux_part, choice.of_group[GROUP_PROPAGATION]);
    draft_put(targets, target,
              mount_json(target, choice.is_bind ? "bind" : "tmpfs",
                         choice.is_bind ? mount->source : "tmpfs", options));
    return 0;
}

static int user_mounts(const struct plan *plan, json_t *targets, json_t *linux_part,
                       struct error *err)
{
    const struct mount *mounts = plan->options->mounts.items;

    if (plan->options->mounts.count > MOUNTS_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%zu mounts; %d at most",
                         plan->options->mounts.count, MOUNTS_MAX);
    for (size_t i = 0; i < plan->options->mounts.count; i++)
        if (user_mount(&mounts[i], targets, linux_part, err) < 0)
            return -1;
    return 0;
}

/* ---- defaults --------------------------------------------------------------------- */

/* The user's targets hide a default at the same place or below one of them. */
static bool is_hidden(const char *target, json_t *targets)
{
    char part[64];

    for (size_t i = 1; i < sizeof(part); i++) {
        if (target[i] != '/' && target[i] != '\0')
            continue;
        memcpy(part, target, i);
        part[i] = '\0';
        if (json_object_get(targets, part) != NULL)
            return true;
        if (target[i] == '\0')
            break;
    }
    return false;
}

static void default_add(json_t *list, json_t *targets, const char *target, const char *type,
                        const char *source, json_t *options)
{
    if (is_hidden(target, targets))
        json_decref(options);
    else
        draft_add(list, mount_json(target, type, source, options));
}

static json_t *shm_options(const struct plan *plan)
{
    json_t *options = draft_words("nosuid noexec nodev mode=1777");
    uint64_t size = plan->options->has_shm_size ? plan->options->shm_size : SHM_SIZE_DEFAULT;

    draft_add(options, draft_textf("size=%llu", (unsigned long long)size));
    return options;
}

static json_t *kernel_options(const struct plan *plan, const char *words)
{
    json_t *options = draft_words(words);

    if (!plan->privileged)
        draft_add(options, draft_text("ro"));
    return options;
}

static void defaults_add(const struct plan *plan, json_t *list, json_t *targets)
{
    default_add(list, targets, "/proc", "proc", "proc", draft_words("nosuid noexec nodev"));
    default_add(list, targets, "/dev", "tmpfs", "tmpfs",
                draft_words("nosuid strictatime mode=755 size=65536k"));
    default_add(list, targets, "/dev/pts", "devpts", "devpts",
                draft_words("nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5"));
    default_add(list, targets, "/dev/shm", "tmpfs", "shm", shm_options(plan));
    default_add(list, targets, "/dev/mqueue", "mqueue", "mqueue",
                draft_words("nosuid noexec nodev"));
    default_add(list, targets, "/sys", "sysfs", "sysfs",
                kernel_options(plan, "nosuid noexec nodev"));
    default_add(list, targets, "/sys/fs/cgroup", "cgroup", "cgroup",
                kernel_options(plan, "nosuid noexec nodev relatime"));
}

static void file_add(const struct plan *plan, json_t *targets, const char *target,
                     const char *source)
{
    json_t *options;

    if (source == NULL || json_object_get(targets, target) != NULL)
        return;
    options = draft_words("rbind rprivate");
    if (plan->options->read_only)
        draft_add(options, draft_text("ro"));
    draft_put(targets, target, mount_json(target, "bind", source, options));
}

/* ---- order ------------------------------------------------------------------------ */

struct place {
    size_t depth, order;
    json_t *mount;
};

static size_t depth_of(const char *path)
{
    size_t depth = 0;

    for (; *path != '\0'; path++)
        depth += *path == '/';
    return depth;
}

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->depth != y->depth)
        return x->depth < y->depth ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static void add_by_depth(json_t *list, json_t *targets)
{
    struct place places[MOUNTS_MAX + 3];
    size_t count = 0;
    const char *target;
    json_t *mount;

    json_object_foreach (targets, target, mount) {
        places[count] = (struct place){ depth_of(target), count, mount };
        count++;
    }
    qsort(places, count, sizeof(*places), by_place);
    for (size_t i = 0; i < count; i++)
        draft_add(list, json_incref(places[i].mount));
}

int plan_mounts(const struct plan *plan, json_t *spec, json_t *linux_part, struct error *err)
{
    json_t *list = draft_array(), *targets = draft_object();
    int failed;

    draft_put(spec, "mounts", list);
    failed = plan->options->has_shm_size && plan->options->shm_size > INT64_MAX
                 ? error_set(err, ERROR_INVALID_ARGUMENT, "shm_size: more than a file can have")
                 : user_mounts(plan, targets, linux_part, err);
    if (!failed) {
        defaults_add(plan, list, targets);
        file_add(plan, targets, "/etc/hostname", plan->input->hostname_file);
        file_add(plan, targets, "/etc/hosts", plan->input->hosts_file);
        file_add(plan, targets, "/etc/resolv.conf", plan->input->resolv_file);
        add_by_depth(list, targets);
    }
    json_decref(targets);
    return failed;
}
