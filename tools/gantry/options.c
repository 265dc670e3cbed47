/* Command line options into a request; see options.h. */
#include "tools/gantry/options.h"

#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "tools/gantry/mounts.h"
#include "tools/gantry/text.h"

#define FILE_LIMIT (1u << 20) /* bytes of an environment file or a profile */

/* ---- lists that grow ---------------------------------------------------- */

static void strs_add(struct strs *strs, const char *text, struct arena *arena)
{
    /* room is a power of two: full whenever the count is one */
    if ((strs->count & (strs->count - 1)) == 0) {
        size_t room = strs->count == 0 ? 1 : strs->count * 2;
        const char **items = arena_alloc(arena, room * sizeof(*items));

        if (strs->count > 0)
            memcpy(items, strs->items, strs->count * sizeof(*items));
        strs->items = items;
    }
    strs->items[strs->count++] = text;
}

struct map options_map(const struct strs *words, struct arena *arena)
{
    struct map map = { .entries = arena_alloc(arena, words->count * sizeof(*map.entries)) };

    for (size_t i = 0; i < words->count; i++) {
        char *key = arena_str(arena, words->items[i]);
        char *equals = strchr(key, '=');

        if (equals != NULL)
            *equals = '\0';
        map.entries[map.count++] =
            (struct map_entry){ .key = key, .value = equals ? equals + 1 : "" };
    }
    return map;
}

int options_labels(const struct args *args, size_t first, struct map *labels, struct arena *arena,
                   struct error *err)
{
    struct strs words = { .count = args->operands.count - first,
                          .items = args->operands.items + first };

    for (size_t i = 0; i < words.count; i++)
        if (strchr(words.items[i], '=') == NULL || words.items[i][0] == '=') {
            error_set(err, ERROR_INVALID_ARGUMENT, "'%.80s' is not KEY=VALUE", words.items[i]);
            return error_hint(err, "KEY= with nothing behind it removes a label");
        }
    *labels = options_map(&words, arena);
    return 0;
}

/* Only KEY=VALUE is allowed. */
static int map_of_pairs(const struct args *args, const char *name, struct map *map,
                        struct arena *arena, struct error *err)
{
    struct strs words = args_list(args, name, arena);

    for (size_t i = 0; i < words.count; i++)
        if (strchr(words.items[i], '=') == NULL || words.items[i][0] == '=')
            return error_set(err, ERROR_INVALID_ARGUMENT, "--%s: '%.80s' is not KEY=VALUE", name,
                             words.items[i]);
    *map = options_map(&words, arena);
    return 0;
}

/* ---- environment -------------------------------------------------------- */

static int env_add(struct strs *env, const char *word, const char *where, struct arena *arena,
                   struct error *err)
{
    const char *value;

    if (word[0] == '=' || word[0] == '\0')
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s: '%.80s' has no name", where, word);
    if (strchr(word, '=') != NULL) {
        strs_add(env, word, arena);
        return 0;
    }
    value = getenv(word);
    if (value != NULL)
        strs_add(env, arena_printf(arena, "%s=%s", word, value), arena);
    return 0;
}

static char *line_end(char *line, char **next)
{
    char *end = line + strcspn(line, "\n");

    *next = *end == '\0' ? end : end + 1;
    if (end > line && end[-1] == '\r')
        end--;
    *end = '\0';
    return line;
}

static int env_file(struct strs *env, const char *path, struct arena *arena, struct error *err)
{
    size_t size;
    char *text = fs_read(path, FILE_LIMIT, &size, err), *next, *lines;
    int result = 0;

    if (text == NULL)
        return error_wrap(err, "--env-file");
    lines = arena_copy(arena, text, size);
    free(text);
    if (strlen(lines) != size)
        return error_set(err, ERROR_INVALID_ARGUMENT, "--env-file: %s is not a text file", path);
    for (char *at = lines; *at != '\0' && result == 0; at = next) {
        char *line = line_end(at, &next);

        line += strspn(line, " \t");
        if (*line != '\0' && *line != '#')
            result = env_add(env, line, path, arena, err);
    }
    return result;
}

int options_env(const struct args *args, struct strs *env, struct arena *arena, struct error *err)
{
    struct strs files = args_list(args, "env-file", arena);
    struct strs words = args_list(args, "env", arena);

    for (size_t i = 0; i < files.count; i++)
        if (env_file(env, files.items[i], arena, err) < 0)
            return -1;
    for (size_t i = 0; i < words.count; i++)
        if (env_add(env, words.items[i], "--env", arena, err) < 0)
            return -1;
    return 0;
}

/* ---- mounts ------------------------------------------------------------- */

typedef int mount_of(const char *text, struct mount *mount, struct arena *arena, struct error *err);

static int add_mounts(const struct args *args, const char *name, mount_of *of, struct list *mounts,
                      struct arena *arena, struct error *err)
{
    struct strs words = args_list(args, name, arena);

    for (size_t i = 0; i < words.count; i++) {
        struct mount *mount = (struct mount *)mounts->items + mounts->count;

        if (of(words.items[i], mount, arena, err) < 0)
            return error_wrap(err, "--%s", name);
        mounts->count++;
    }
    return 0;
}

static int all_mounts(const struct args *args, struct list *mounts, struct arena *arena,
                      struct error *err)
{
    mounts->items = arena_alloc(arena, (args->given_count + 1) * sizeof(struct mount));
    if (add_mounts(args, "volume", mount_of_volume, mounts, arena, err) < 0 ||
        add_mounts(args, "mount", mount_of_fields, mounts, arena, err) < 0)
        return -1;
    return add_mounts(args, "tmpfs", mount_of_tmpfs, mounts, arena, err);
}

/* ---- limits ------------------------------------------------------------- */

static int limit_value(const char *text, uint64_t *value)
{
    char *end;

    if (strcmp(text, "-1") == 0 || strcmp(text, "unlimited") == 0) {
        *value = UINT64_MAX;
        return 0;
    }
    *value = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' ? 0 : -1;
}

/* nofile=1024:4096 */
static int rlimit_of(const char *text, struct rlimit *rlimit, struct arena *arena,
                     struct error *err)
{
    char *name = arena_str(arena, text), *soft = strchr(name, '='), *hard, *type;

    if (soft == NULL || soft == name)
        return error_set(err, ERROR_INVALID_ARGUMENT, "--ulimit: '%.80s' is not NAME=SOFT[:HARD]",
                         text);
    *soft++ = '\0';
    hard = strchr(soft, ':');
    if (hard != NULL)
        *hard++ = '\0';
    type = arena_printf(arena, "RLIMIT_%s", name);
    for (char *at = type; *at != '\0'; at++)
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
    rlimit->type = type;
    if (limit_value(soft, &rlimit->soft) < 0 || limit_value(hard ? hard : soft, &rlimit->hard) < 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "--ulimit: '%.80s' is not NAME=SOFT[:HARD]",
                         text);
    if (rlimit->soft > rlimit->hard)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "--ulimit: %.80s: the soft limit is above the hard one", text);
    return 0;
}

static int all_rlimits(const struct args *args, struct list *rlimits, struct arena *arena,
                       struct error *err)
{
    struct strs words = args_list(args, "ulimit", arena);

    rlimits->items = arena_alloc(arena, (words.count + 1) * sizeof(struct rlimit));
    for (; rlimits->count < words.count; rlimits->count++)
        if (rlimit_of(words.items[rlimits->count], (struct rlimit *)rlimits->items + rlimits->count,
                      arena, err) < 0)
            return -1;
    return 0;
}

/* -1 means without limit; else a size. */
static int memory_swap(const struct args *args, struct container_options *options,
                       struct error *err)
{
    const char *text = args_text(args, "memory-swap");
    uint64_t size = 0;

    if (text == NULL)
        return 0;
    if (strcmp(text, "-1") != 0 && args_size(args, "memory-swap", &size, err) < 0)
        return -1;
    options->memory_swap = strcmp(text, "-1") == 0 ? -1 : (int64_t)size;
    return options->has_memory_swap = true, 0;
}

/* Looks a value up and sets its presence; -1 goes up. */
#define TAKE(get, option, field)                            \
    do {                                                    \
        int got_ = get(args, option, &options->field, err); \
                                                            \
        if (got_ < 0)                                       \
            return -1;                                      \
        options->has_##field = got_ > 0;                    \
    } while (0)

static int limits(const struct args *args, struct container_options *options, struct error *err)
{
    TAKE(args_size, "memory", memory);
    TAKE(args_f64, "cpus", cpus);
    TAKE(args_u64, "cpu-shares", cpu_shares);
    TAKE(args_i64, "pids-limit", pids);
    TAKE(args_size, "shm-size", shm_size);
    TAKE(args_i64, "oom-score-adj", oom_score_adj);
    TAKE(args_u64, "stop-timeout", stop_timeout);
    if (options->has_cpus && !(options->cpus > 0))
        return error_set(err, ERROR_INVALID_ARGUMENT, "--cpus must be above 0");
    options->cpuset_cpus = args_text(args, "cpuset-cpus");
    return memory_swap(args, options, err);
}

/* docker's word; of what its drivers know there, size is what ours can. */
static int storage(const struct args *args, struct container_options *options, struct arena *arena,
                   struct error *err)
{
    struct strs words = args_list(args, "storage-opt", arena);

    for (size_t i = 0; i < words.count; i++) {
        if (strncmp(words.items[i], "size=", 5) != 0 ||
            size_parse(words.items[i] + 5, &options->storage_size) < 0)
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "--storage-opt %.60s: say size=SIZE, e.g. size=10g", words.items[i]);
        options->has_storage_size = true;
    }
    return 0;
}

/* ---- security and network ----------------------------------------------- */

static int seccomp(const char *value, struct container_options *options, struct arena *arena,
                   struct error *err)
{
    size_t size;
    char *text;

    if (strcmp(value, "unconfined") == 0) {
        options->seccomp = value;
        return 0;
    }
    text = fs_read(value, FILE_LIMIT, &size, err);
    if (text == NULL)
        return error_wrap(err, "--security-opt seccomp");
    options->seccomp = arena_copy(arena, text, size);
    free(text);
    return 0;
}

static int security(const struct args *args, struct container_options *options, struct arena *arena,
                    struct error *err)
{
    struct strs words = args_list(args, "security-opt", arena);

    for (size_t i = 0; i < words.count; i++) {
        const char *word = words.items[i];
        size_t name = strcspn(word, "=:");
        const char *value = word[name] ? word + name + 1 : "";

        if (strncmp(word, "no-new-privileges", name) == 0 && name == 17) {
            options->new_privileges = strcmp(value, "false") == 0;
            options->has_new_privileges = true;
        } else if (strncmp(word, "seccomp", name) == 0 && name == 7) {
            if (seccomp(value, options, arena, err) < 0)
                return -1;
        } else if (strcmp(word, "apparmor=unconfined") != 0 && strcmp(word, "label=disable") != 0) {
            error_set(err, ERROR_UNIMPLEMENTED, "--security-opt %.80s is not there", word);
            return error_hint(err, "there are no-new-privileges and seccomp=unconfined|FILE");
        }
    }
    return 0;
}

static int network(const struct args *args, struct container_options *options, struct error *err)
{
    const char *name = args_text(args, "network");

    if (name == NULL)
        return 0;
    if (strcmp(name, "none") != 0 && strcmp(name, "host") != 0) {
        error_set(err, ERROR_UNIMPLEMENTED,
                  "--network %.40s: containers have no network of their own yet", name);
        return error_hint(err, "none (the default: loopback alone) or host (share the host's)");
    }
    options->network = name;
    return 0;
}

/* ---- all together ------------------------------------------------------- */

static void optional_flag(const struct args *args, const char *name, bool *value, bool *has)
{
    *has = args_has(args, name);
    *value = args_flag(args, name);
}

/* An empty entry point takes the image's away; the operands are then the whole command. */
static void command_line(const struct args *args, struct container_options *options,
                         struct arena *arena)
{
    const char *entrypoint = args_text(args, "entrypoint");

    options->args =
        (struct strs){ .count = args->operands.count - 1, .items = args->operands.items + 1 };
    if (entrypoint == NULL)
        return;
    if (entrypoint[0] == '\0')
        options->no_entrypoint = options->has_no_entrypoint = true;
    else
        strs_add(&options->entrypoint, entrypoint, arena);
}

static void identity(const struct args *args, struct container_options *options,
                     struct arena *arena)
{
    options->cwd = args_text(args, "workdir");
    options->user = args_text(args, "user");
    options->hostname = args_text(args, "hostname");
    options->stop_signal = args_text(args, "stop-signal");
    options->cap_add = args_list(args, "cap-add", arena);
    options->cap_drop = args_list(args, "cap-drop", arena);
    options->devices = args_list(args, "device", arena);
    options->add_host = args_list(args, "add-host", arena);
    options->group_add = args_list(args, "group-add", arena);
    options->uidmap = args_list(args, "uidmap", arena);
    options->gidmap = args_list(args, "gidmap", arena);
    optional_flag(args, "tty", &options->tty, &options->has_tty);
    optional_flag(args, "interactive", &options->stdin, &options->has_stdin);
    optional_flag(args, "read-only", &options->read_only, &options->has_read_only);
    optional_flag(args, "privileged", &options->privileged, &options->has_privileged);
}

int options_of_args(const struct args *args, struct containers_create_request *request,
                    struct container_options *options, struct arena *arena, struct error *err)
{
    struct strs labels = args_list(args, "label", arena);

    *options = (struct container_options){ 0 };
    *request =
        (struct containers_create_request){ .image = args->operands.items[0], .options = options };
    request->platform = args_text(args, "platform");
    request->runtime = args_text(args, "runtime");
    request->driver = args_text(args, "snapshotter");
    request->labels = options_map(&labels, arena);
    optional_flag(args, "rm", &request->remove, &request->has_remove);
    command_line(args, options, arena);
    identity(args, options, arena);
    if (options_env(args, &options->env, arena, err) < 0 ||
        all_mounts(args, &options->mounts, arena, err) < 0 ||
        all_rlimits(args, &options->rlimits, arena, err) < 0 || limits(args, options, err) < 0 ||
        storage(args, options, arena, err) < 0 ||
        security(args, options, arena, err) < 0 || network(args, options, err) < 0)
        return -1;
    if (map_of_pairs(args, "annotation", &options->annotations, arena, err) < 0)
        return -1;
    return map_of_pairs(args, "sysctl", &options->sysctl, arena, err);
}
