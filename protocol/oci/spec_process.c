/* The process of a spec: what runs, as whom, where, with which privileges and limits. */
#include <stdio.h>
#include <string.h>

#include "protocol/oci/spec_parts.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/*
 * Descriptors: a low soft limit keeps programs that use select() or close every
 * descriptor up to the limit quick and right; a high hard one lets servers raise
 * it themselves.  The same pair as systemd gives, and docker since it stopped
 * handing out a million.
 */
#define NOFILE_SOFT 1024
#define NOFILE_HARD 524288

static const char *const rlimit_names[] = {
    "RLIMIT_AS",     "RLIMIT_CORE",   "RLIMIT_CPU",        "RLIMIT_DATA",
    "RLIMIT_FSIZE",  "RLIMIT_LOCKS",  "RLIMIT_MEMLOCK",    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",   "RLIMIT_NOFILE", "RLIMIT_NPROC",      "RLIMIT_RSS",
    "RLIMIT_RTPRIO", "RLIMIT_RTTIME", "RLIMIT_SIGPENDING", "RLIMIT_STACK",
};
#define RLIMIT_COUNT (sizeof(rlimit_names) / sizeof(*rlimit_names))

/* ---- what runs ------------------------------------------------------------------ */

static int args_put(const struct plan *plan, json_t *process, struct error *err)
{
    const struct container_options *options = plan->options;
    bool replaced = options->entrypoint.count > 0 || options->no_entrypoint;
    const struct strs none = { 0 };
    const struct strs *first = options->entrypoint.count > 0 ? &options->entrypoint
                               : options->no_entrypoint      ? &none
                                                             : &plan->image->entrypoint;
    const struct strs *second = options->args.count > 0 ? &options->args
                                : replaced              ? &none
                                                        : &plan->image->cmd;
    json_t *args = draft_texts(first);

    draft_add_texts(args, second);
    draft_put(process, "args", args);
    if (json_array_size(args) == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "no command to run: %s; say one after the image",
                         replaced ? "the entrypoint was taken away, and the image's command with it"
                                  : "the image names neither Entrypoint nor Cmd");
    if (json_string_length(json_array_get(args, 0)) == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "the command's first word is empty");
    return 0;
}

static int env_put(const struct plan *plan, json_t *process, struct error *err)
{
    json_t *env = draft_object();
    int failed;

    env_merge(env, &plan->image->env, false, err);
    env_default(env, "PATH", DEFAULT_PATH);
    if (plan->options->tty)
        env_default(env, "TERM", "xterm");
    env_default(env, "HOME", plan->input->user->home);
    env_default(env, "HOSTNAME", plan->input->hostname);
    failed = env_merge(env, &plan->options->env, true, err);
    draft_put(process, "env", env_list(env));
    json_decref(env);
    return failed;
}

/*
 * A path below /proc/<process>/fd names what somebody has open, which may lie
 * outside of the container (CVE-2024-21626).  The runtime must check where it
 * ends up; this refuses what is plain to see.
 */
int cwd_check(const char *cwd, const char *whose, struct error *err)
{
    char clean[PATH_TEXT_MAX];
    struct shown text;
    const char *part;

    if (cwd[0] != '/')
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "working directory '%s' of %s: not absolute; say one with cwd",
                         shown(cwd, &text), whose);
    if (cwd[strspn(cwd, "/.")] == '\0' && strstr(cwd, "..") == NULL)
        return 0;
    if (path_clean(cwd, "working directory", clean, err) < 0)
        return -1;
    part = strncmp(clean, "/proc/", 6) == 0 ? strchr(clean + 6, '/') : NULL;
    if (part != NULL && (strncmp(part, "/fd", 3) == 0 || strstr(part, "/fd/") != NULL))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "working directory '%s' of %s: may lie outside of the container",
                         shown(cwd, &text), whose);
    return 0;
}

static int cwd_put(const struct plan *plan, json_t *process, struct error *err)
{
    const char *cwd = plan->options->cwd, *whose = "the options";

    if (cwd == NULL || cwd[0] == '\0') {
        cwd = plan->image->working_dir;
        whose = "the image";
    }
    if (cwd == NULL || cwd[0] == '\0')
        cwd = "/";
    if (cwd_check(cwd, whose, err) < 0)
        return -1;
    draft_put(process, "cwd", draft_text(cwd));
    return 0;
}

/* ---- as whom -------------------------------------------------------------------- */

static json_t *user_json(const struct user_ids *user)
{
    json_t *object = draft_object(), *gids = draft_array();

    draft_put(object, "uid", draft_number(user->uid));
    draft_put(object, "gid", draft_number(user->gid));
    for (size_t i = 0; i < user->gid_count; i++)
        draft_add(gids, draft_number(user->gids[i]));
    draft_put(object, "additionalGids", gids);
    return object;
}

/* Another user than root gets none into its own hands, only the bound: what execve would do. */
json_t *caps_json(uint64_t bounding, uint32_t uid)
{
    json_t *object = draft_object(), *names = draft_array();

    for (unsigned i = 0; i < CAPABILITY_COUNT; i++)
        if (bounding >> i & 1)
            draft_add(names, draft_text(capability_name((enum capability)i)));
    draft_put(object, "bounding", names);
    if (uid == 0) {
        draft_put(object, "effective", draft_copy(names));
        draft_put(object, "permitted", draft_copy(names));
    }
    return object;
}

/* ---- limits --------------------------------------------------------------------- */

/* "nofile", "NOFILE", "RLIMIT_NOFILE": the last; NULL when there is none. */
static const char *rlimit_name(const char *text)
{
    char name[32];

    if (strlen(text) > 20)
        return NULL;
    snprintf(name, sizeof(name), "%s%s", strncmp(text, "RLIMIT_", 7) == 0 ? "" : "RLIMIT_", text);
    for (char *c = name; *c != '\0'; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
    for (size_t i = 0; i < RLIMIT_COUNT; i++)
        if (strcmp(rlimit_names[i], name) == 0)
            return rlimit_names[i];
    return NULL;
}

/* How high a hard limit can be: only CAP_SYS_RESOURCE raises it. */
static uint64_t hard_most(const struct spec_host *host, const char *name)
{
    if (host->caps & CAP_SET(SYS_RESOURCE))
        return UINT64_MAX;
    for (size_t i = 0; i < host->limit_count; i++)
        if (strcmp(host->limits[i].type, name) == 0)
            return host->limits[i].hard;
    return UINT64_MAX;
}

static void rlimit_put(json_t *limits, const char *name, uint64_t soft, uint64_t hard)
{
    json_t *limit = draft_object();

    draft_put(limit, "type", draft_text(name));
    draft_put(limit, "hard", draft_size(hard));
    draft_put(limit, "soft", draft_size(soft));
    draft_put(limits, name, limit);
}

static bool fits(uint64_t value)
{
    return value <= INT64_MAX || value == UINT64_MAX;
}

static int rlimit_check(const struct plan *plan, const struct rlimit *limit, const char *name,
                        struct error *err)
{
    uint64_t most = hard_most(plan->host, name);

    if (!fits(limit->soft) || !fits(limit->hard))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "rlimit %s: a limit is at most 9223372036854775807, or unlimited", name);
    if (limit->soft > limit->hard)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "rlimit %s: the soft limit %llu is above the hard one %llu", name,
                         (unsigned long long)limit->soft, (unsigned long long)limit->hard);
    if (limit->hard > most)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "rlimit %s: this host gives at most %llu, as the daemon may not raise "
                         "its own hard limit (CAP_SYS_RESOURCE)",
                         name, (unsigned long long)most);
    return 0;
}

static int rlimit_add(const struct plan *plan, const struct rlimit *limit, json_t *limits,
                      struct error *err)
{
    const char *name = rlimit_name(limit->type);
    struct shown text;

    if (name == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "rlimit '%s': not known; say one such as NOFILE, NPROC, CORE or MEMLOCK",
                         shown(limit->type, &text));
    if (json_object_get(limits, name) != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "rlimit %s: said twice", name);
    if (rlimit_check(plan, limit, name, err) < 0)
        return -1;
    rlimit_put(limits, name, limit->soft, limit->hard);
    return 0;
}

static void nofile_default(const struct plan *plan, json_t *limits)
{
    uint64_t most = hard_most(plan->host, "RLIMIT_NOFILE");
    uint64_t hard = most < NOFILE_HARD ? most : NOFILE_HARD;

    if (json_object_get(limits, "RLIMIT_NOFILE") == NULL)
        rlimit_put(limits, "RLIMIT_NOFILE", hard < NOFILE_SOFT ? hard : NOFILE_SOFT, hard);
}

static int rlimits_put(const struct plan *plan, json_t *process, struct error *err)
{
    const struct rlimit *wanted = plan->options->rlimits.items;
    json_t *limits = draft_object(), *list = draft_array(), *limit;
    const char *name;
    int failed = 0;

    for (size_t i = 0; i < plan->options->rlimits.count && !failed; i++)
        failed = rlimit_add(plan, &wanted[i], limits, err);
    nofile_default(plan, limits);
    json_object_foreach (limits, name, limit)
        draft_add(list, json_incref(limit));
    json_decref(limits);
    draft_put(process, "rlimits", list);
    return failed;
}

/* A container does not inherit the protection that a daemon gives itself. */
static int oom_score_put(const struct plan *plan, json_t *process, struct error *err)
{
    int64_t score = plan->options->oom_score_adj, own = plan->host->oom_score_adj;

    if (!plan->options->has_oom_score_adj) {
        if (own < 0)
            draft_put(process, "oomScoreAdj", draft_number(0));
        return 0;
    }
    if (score < -1000 || score > 1000)
        return error_set(err, ERROR_INVALID_ARGUMENT, "oom_score_adj %lld: say -1000 to 1000",
                         (long long)score);
    if (score < own && !(plan->host->caps & CAP_SET(SYS_RESOURCE)))
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "oom_score_adj %lld: this host does not let the daemon go below its own "
                         "%lld (CAP_SYS_RESOURCE)",
                         (long long)score, (long long)own);
    draft_put(process, "oomScoreAdj", draft_number(score));
    return 0;
}

int plan_process(const struct plan *plan, json_t *spec, struct error *err)
{
    const struct container_options *options = plan->options;
    json_t *process = draft_object();

    draft_put(spec, "process", process);
    draft_put(process, "terminal", draft_bool(options->tty));
    draft_put(process, "user", user_json(plan->input->user));
    if (args_put(plan, process, err) < 0 || env_put(plan, process, err) < 0 ||
        cwd_put(plan, process, err) < 0)
        return -1;
    draft_put(process, "capabilities", caps_json(plan->caps, plan->input->user->uid));
    if (rlimits_put(plan, process, err) < 0 || oom_score_put(plan, process, err) < 0)
        return -1;
    draft_put(process, "noNewPrivileges",
              draft_bool(options->has_new_privileges && !options->new_privileges));
    return 0;
}

/* ---- an additional process ---------------------------------------------------------- */

static json_t *member(json_t *object, const char *key)
{
    return json_object_get(object, key);
}

/* The container's own environment, as an object. */
static json_t *env_of_spec(json_t *process)
{
    json_t *env = draft_object(), *entry;
    size_t i;

    json_array_foreach (member(process, "env"), i, entry) {
        const char *text = json_string_value(entry);
        struct strs one = { 1, &text };
        struct error ignored;

        if (text != NULL)
            env_merge(env, &one, false, &ignored);
    }
    return env;
}

static int exec_env(json_t *process, const struct tasks_exec_request *request,
                    const struct user_ids *user, struct error *err)
{
    json_t *env = env_of_spec(process);
    int failed;

    if (user != NULL)
        draft_put(env, "HOME", draft_text(user->home));
    if (request->tty)
        env_default(env, "TERM", "xterm");
    failed = env_merge(env, &request->env, true, err);
    draft_put(process, "env", env_list(env));
    json_decref(env);
    return failed;
}

static int exec_args(json_t *process, const struct tasks_exec_request *request, struct error *err)
{
    if (request->args.count == 0 || request->args.items[0][0] == '\0')
        return error_set(err, ERROR_INVALID_ARGUMENT, "no command to run; say one");
    draft_put(process, "args", draft_texts(&request->args));
    return 0;
}

static void exec_terminal(json_t *process, const struct tasks_exec_request *request)
{
    const struct window *window = request->window;
    json_t *size;

    json_object_del(process, "consoleSize");
    draft_put(process, "terminal", draft_bool(request->tty));
    if (!request->tty || window == NULL || window->rows > UINT16_MAX ||
        window->columns > UINT16_MAX)
        return;
    size = draft_object();
    draft_put(size, "height", draft_size(window->rows));
    draft_put(size, "width", draft_size(window->columns));
    draft_put(process, "consoleSize", size);
}

/* The bounding set of the container's process, as bits. */
static uint64_t caps_of_spec(json_t *process)
{
    uint64_t set = 0, one;
    struct error ignored;
    json_t *name;
    size_t i;

    json_array_foreach (member(member(process, "capabilities"), "bounding"), i, name)
        if (json_is_string(name) && capability_parse(json_string_value(name), &one, &ignored) == 0)
            set |= one;
    return set;
}

static void exec_privileges(json_t *process, const struct tasks_exec_request *request,
                            const struct user_ids *user, uint64_t host_caps)
{
    json_int_t uid = json_integer_value(member(member(process, "user"), "uid"));

    if (request->privileged)
        draft_put(process, "capabilities", caps_json(host_caps, uid == 0 ? 0 : 1));
    else if (user != NULL)
        draft_put(process, "capabilities", caps_json(caps_of_spec(process), user->uid));
}

static int exec_change(json_t *process, const struct tasks_exec_request *request,
                       const struct user_ids *user, uint64_t host_caps, struct error *err)
{
    if (exec_args(process, request, err) < 0)
        return -1;
    if (request->cwd != NULL && request->cwd[0] != '\0') {
        if (cwd_check(request->cwd, "the request", err) < 0)
            return -1;
        draft_put(process, "cwd", draft_text(request->cwd));
    }
    if (user != NULL)
        draft_put(process, "user", user_json(user));
    exec_privileges(process, request, user, host_caps);
    exec_terminal(process, request);
    return exec_env(process, request, user, err);
}

int process_build(const char *bytes, size_t size, const struct tasks_exec_request *request,
                  const struct user_ids *user, uint64_t host_caps, struct buffer *json,
                  struct error *err)
{
    json_t *spec, *process;
    int failed;

    if (draft_check_texts(tasks_exec_request_record(), request, err) < 0)
        return -1;
    spec = draft_read(bytes, size, err);
    process = member(spec, "process");
    if (!json_is_object(process)) {
        json_decref(spec);
        return error_set(err, ERROR_DATA_LOSS,
                         "the container's spec has no process; make the container anew");
    }
    failed = exec_change(process, request, user, host_caps, err);
    if (!failed)
        failed = draft_write(process, SPEC_BYTES_MAX, json, err);
    json_decref(spec);
    return failed;
}
