/*
 * The command line: global options, then a command, its options and its arguments.
 *
 * Everything about a command that is not its work stands in one row: its options, how many
 * arguments it takes, and whether what it starts runs inside a container, in which case our own
 * program must not be reachable from there (self.h).
 */
#include "platform/linux/runtime/oci.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "platform/linux/runtime/commands.h"
#include "platform/linux/runtime/report.h"
#include "platform/linux/runtime/self.h"
#include "platform/scope.h"

#define EXEC_FAILED 255 /* to tell it from statuses of commands, as runc does */

#define FLAG(name, alias, field, help) { name, alias, OPTION_FLAG, OPTION_AT(field), help }
#define TEXT(name, alias, field, help) { name, alias, OPTION_TEXT, OPTION_AT(field), help }
#define NUMBER(name, alias, field, help) { name, alias, OPTION_NUMBER, OPTION_AT(field), help }
#define LIST(name, alias, field, help) { name, alias, OPTION_LIST, OPTION_AT(field), help }
#define HELP FLAG("help", "h", help, "show help")
#define END { NULL, NULL, OPTION_FLAG, 0, NULL }

static const struct option_row global_rows[] = {
    FLAG("debug", NULL, debug, "log more"),
    TEXT("log", NULL, log, "file that messages go to instead of standard error"),
    TEXT("log-format", NULL, log_format, "text or json"),
    TEXT("root", NULL, root, "folder of the containers' state (default: /run/gantry-oci)"),
    TEXT("criu", NULL, criu, "path of criu, for checkpoint and restore"),
    FLAG("systemd-cgroup", NULL, systemd_cgroup, "let systemd make the control groups"),
    TEXT("rootless", NULL, rootless_text, "live without control groups: true, false or auto"),
    TEXT("cgroup-manager", NULL, cgroup_manager, "cgroupfs or systemd"),
    FLAG("version", "v", version, "print the version"),
    HELP,
    END,
};

#define BUNDLE TEXT("bundle", "b", bundle, "folder of the bundle (default: the current one)")
#define START_ROWS                                                                                \
    BUNDLE, TEXT("config", "f", config, "file to read instead of the bundle's config.json"),      \
        TEXT("console-socket", NULL, console_socket, "socket that is sent the terminal"),         \
        TEXT("pid-file", NULL, pid_file, "file to write the process id to"),                      \
        FLAG("no-pivot", NULL, no_pivot, "do not use pivot_root (for a root on a ramdisk)"),      \
        FLAG("no-new-keyring", NULL, no_new_keyring, "keep the caller's session keyring"),        \
        FLAG("no-subreaper", NULL, no_subreaper, "ignored"),                                      \
        NUMBER("preserve-fds", NULL, preserve_fds, "hand over N descriptors after 2"),            \
        TEXT("seccomp-program", NULL, seccomp_program, "a compiled filter, for linux.seccomp"),  \
        HELP

static const struct option_row create_rows[] = { START_ROWS, END };
static const struct option_row run_rows[] = {
    START_ROWS,
    FLAG("detach", "d", detach, "do not wait for the end"),
    FLAG("keep", NULL, keep, "do not delete the container when it has ended"),
    END,
};
static const struct option_row exec_rows[] = {
    TEXT("console-socket", NULL, console_socket, "socket that is sent the terminal"),
    TEXT("cwd", NULL, cwd, "working directory"),
    LIST("env", "e", env, "set an environment variable"),
    FLAG("tty", "t", tty, "with a terminal"),
    TEXT("user", "u", user, "UID[:GID]"),
    LIST("additional-gids", "g", gids, "further groups"),
    TEXT("process", "p", process, "a process.json that says everything"),
    FLAG("detach", "d", detach, "do not wait for the end"),
    TEXT("pid-file", NULL, pid_file, "file to write the process id to"),
    TEXT("process-label", NULL, process_label, "SELinux label"),
    TEXT("apparmor", NULL, apparmor, "AppArmor profile"),
    FLAG("no-new-privs", NULL, no_new_privs, "set no_new_privs"),
    LIST("cap", "c", caps, "one more capability"),
    NUMBER("preserve-fds", NULL, preserve_fds, "hand over N descriptors after 2"),
    LIST("cgroup", NULL, cgroups, "[CONTROLLER:]PATH below the container's control group"),
    FLAG("ignore-paused", NULL, ignore_paused, "also when the container is paused"),
    TEXT("seccomp-program", NULL, seccomp_program, "a compiled filter in place of linux.seccomp"),
    HELP,
    END,
};
static const struct option_row plain_rows[] = { HELP, END };
static const struct option_row kill_rows[] = {
    FLAG("all", "a", all, "every process of the container"),
    HELP,
    END,
};
static const struct option_row delete_rows[] = {
    FLAG("force", "f", force, "kill it first; no error when there is none"),
    HELP,
    END,
};
static const struct option_row list_rows[] = {
    TEXT("format", "f", format, "table or json"),
    FLAG("quiet", "q", quiet, "only the ids"),
    HELP,
    END,
};
static const struct option_row ps_rows[] = {
    TEXT("format", "f", format, "table or json"),
    HELP,
    END,
};
static const struct option_row events_rows[] = {
    TEXT("interval", NULL, interval, "time between two, like 5s (the default)"),
    FLAG("stats", NULL, stats, "print the statistics once"),
    HELP,
    END,
};
static const struct option_row spec_rows[] = {
    BUNDLE,
    FLAG("rootless", NULL, rootless_spec, "for a user who is not root"),
    HELP,
    END,
};
static const struct option_row update_rows[] = {
    TEXT("resources", "r", resources, "JSON file with linux.resources; - is standard input"),
    TEXT("blkio-weight", NULL, blkio_weight, "10 to 1000"),
    TEXT("cpu-period", NULL, cpu_period, "microseconds"),
    TEXT("cpu-quota", NULL, cpu_quota, "microseconds in each period"),
    TEXT("cpu-burst", NULL, cpu_burst, "microseconds beyond the quota"),
    TEXT("cpu-share", "cpu-shares", cpu_shares, "relative weight"),
    TEXT("cpu-rt-period", NULL, cpu_rt_period, "microseconds"),
    TEXT("cpu-rt-runtime", NULL, cpu_rt_runtime, "microseconds in each period"),
    TEXT("cpu-idle", NULL, cpu_idle, "1: only when nobody else wants to run"),
    TEXT("cpuset-cpus", NULL, cpuset_cpus, "processors, like 0-3,7"),
    TEXT("cpuset-mems", NULL, cpuset_mems, "memory nodes"),
    TEXT("memory", NULL, memory, "bytes"),
    TEXT("memory-reservation", NULL, memory_reservation, "bytes"),
    TEXT("memory-swap", NULL, memory_swap, "bytes of memory and swap; -1: no limit"),
    TEXT("pids-limit", NULL, pids_limit, "number of processes"),
    TEXT("l3-cache-schema", NULL, l3_cache_schema, "shares of the L3 caches, like L3:0=ff;1=f0"),
    TEXT("mem-bw-schema", NULL, mem_bw_schema, "of memory bandwidth, like MB:0=20;1=70"),
    HELP,
    END,
};

#define IMAGE_ROWS                                                                               \
    TEXT("image-path", NULL, image_path, "folder of the images (default: ./checkpoint)"),        \
        TEXT("work-path", NULL, work_path, "folder for criu's logs and other files"),            \
        FLAG("tcp-established", NULL, tcp_established, "with open TCP connections"),             \
        FLAG("ext-unix-sk", NULL, ext_unix_sk, "with unix sockets to outside"),                  \
        FLAG("shell-job", NULL, shell_job, "with a terminal of the host's"),                     \
        FLAG("lazy-pages", NULL, lazy_pages, "not supported"),                                   \
        FLAG("file-locks", NULL, file_locks, "with file locks"),                                 \
        TEXT("manage-cgroups-mode", NULL, manage_cgroups_mode, "soft, full, strict or ignore"),  \
        LIST("empty-ns", NULL, empty_ns, "a namespace that is made empty: network"),             \
        FLAG("auto-dedup", NULL, auto_dedup, "keep pages of memory once"), HELP

static const struct option_row checkpoint_rows[] = {
    IMAGE_ROWS,
    TEXT("parent-path", NULL, parent_path, "images of a pre-dump, relative to --image-path"),
    FLAG("leave-running", NULL, leave_running, "let it go on afterwards"),
    FLAG("tcp-skip-in-flight", NULL, tcp_skip_in_flight, "without TCP connections that begin"),
    FLAG("link-remap", NULL, link_remap, "with files that have no name any more"),
    NUMBER("status-fd", NULL, status_fd, "ignored: belongs to --lazy-pages"),
    TEXT("page-server", NULL, page_server, "not supported"),
    FLAG("pre-dump", NULL, pre_dump, "save memory only, and let it go on"),
    END,
};
static const struct option_row restore_rows[] = {
    IMAGE_ROWS,
    BUNDLE,
    TEXT("console-socket", NULL, console_socket, "socket that is sent the terminal"),
    TEXT("pid-file", NULL, pid_file, "file to write the process id to"),
    FLAG("detach", "d", detach, "do not wait for the end"),
    FLAG("no-subreaper", NULL, no_subreaper, "ignored"),
    FLAG("no-pivot", NULL, no_pivot, "ignored: criu has its own way"),
    TEXT("lsm-profile", NULL, lsm_profile, "TYPE:NAME of another profile"),
    TEXT("lsm-mount-context", NULL, lsm_mount_context, "another SELinux context of mounts"),
    END,
};

enum habits {
    IN_ORDER = 1, /* what stands behind the first argument is not ours */
    ENTERS = 2    /* a process of ours is seen inside a container: see self.h */
};

static const struct command {
    const char *name, *arguments, *help;
    command_run *run;
    const struct option_row *rows;
    int least, most; /* arguments */
    unsigned habits;
} commands[] = {
    { "create", "ID", "make a container", command_create, create_rows, 1, 1, 0 },
    { "run", "ID", "make and start a container", command_run_container, run_rows, 1, 1, 0 },
    { "start", "ID", "start a created container", command_start, plain_rows, 1, 1, 0 },
    { "state", "ID", "print the state of a container", command_state, plain_rows, 1, 1, 0 },
    { "kill", "ID [SIGNAL]", "send a signal (SIGTERM)", command_kill, kill_rows, 1, 2, 0 },
    { "delete", "ID", "remove a container", command_delete, delete_rows, 1, 1, 0 },
    { "exec", "ID COMMAND [ARGUMENT...]", "run a command in a container", command_exec, exec_rows,
      1, INT_MAX, IN_ORDER | ENTERS },
    { "ps", "ID [PS-OPTION...]", "processes of a container", command_ps, ps_rows, 1, INT_MAX,
      IN_ORDER },
    { "pause", "ID", "stop all processes", command_pause, plain_rows, 1, 1, 0 },
    { "resume", "ID", "let them go on", command_resume, plain_rows, 1, 1, 0 },
    { "update", "ID", "change limits", command_update, update_rows, 1, 1, 0 },
    { "events", "ID", "statistics and events", command_events, events_rows, 1, 1, 0 },
    { "checkpoint", "ID", "save a running container to files", command_checkpoint, checkpoint_rows,
      1, 1, 0 },
    { "restore", "ID", "make a container of a checkpoint", command_restore, restore_rows, 1, 1, 0 },
    { "list", "", "all containers", command_list, list_rows, 0, 0, 0 },
    { "spec", "", "write a config.json to begin with", command_spec, spec_rows, 0, 0, 0 },
    { "features", "", "what this runtime can do", command_features, plain_rows, 0, 0, 0 },
};

/* ---- help ------------------------------------------------------------------------ */

static void rows_print(const struct option_row *rows)
{
    for (; rows->name != NULL; rows++) {
        char names[80];

        snprintf(names, sizeof(names), "--%s%s%s%s", rows->name,
                 rows->alias != NULL ? (rows->alias[1] == '\0' ? ", -" : ", --") : "",
                 rows->alias != NULL ? rows->alias : "", rows->kind == OPTION_FLAG ? "" : " value");
        printf("   %-32s %s\n", names, rows->help);
    }
}

static int help_print(void)
{
    printf("NAME:\n   gantry-oci - runs OCI containers\n\n"
           "USAGE:\n   gantry-oci [global options] command [command options] [arguments...]\n\n"
           "COMMANDS:\n");
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        printf("   %-12s %s\n", commands[i].name, commands[i].help);
    printf("\nGLOBAL OPTIONS:\n");
    rows_print(global_rows);
    return 0;
}

static int command_help(const struct command *command)
{
    printf("NAME:\n   gantry-oci %s - %s\n\nUSAGE:\n   gantry-oci %s [command options] %s\n\n"
           "OPTIONS:\n",
           command->name, command->help, command->name, command->arguments);
    rows_print(command->rows);
    return 0;
}

static int version_print(void)
{
    return printf("gantry-oci version %s\nspec: 1.3.0\n", GANTRY_VERSION) < 0;
}

/* ---- from words to a command --------------------------------------------------------- */

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int defaults_set(struct options *options, struct error *err)
{
    const char *run = getenv("XDG_RUNTIME_DIR"), *rootless = options->rootless_text;
    static char root[PATH_MAX];

    if (rootless != NULL && strcmp(rootless, "true") != 0 && strcmp(rootless, "false") != 0 &&
        strcmp(rootless, "auto") != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "--rootless is \"%s\", must be true, false or auto", rootless);
    options->is_rootless = rootless != NULL && strcmp(rootless, "auto") != 0
                               ? strcmp(rootless, "true") == 0
                               : geteuid() != 0;
    if (options->cgroup_manager != NULL)
        options->systemd_cgroup = strcmp(options->cgroup_manager, "systemd") == 0;
    if (options->root != NULL && *options->root != '\0')
        return 0;
    options->root = "/run/gantry-oci";
    if (geteuid() != 0 && run != NULL) {
        snprintf(root, sizeof(root), "%s/gantry-oci", run);
        options->root = root;
    }
    return 0;
}

/* What is relative is so to where we were started; later we go to the bundle. */
static int path_settle(const char **path, char room[PATH_MAX], struct error *err)
{
    char folder[PATH_MAX];

    if (*path == NULL || **path == '/' || **path == '\0')
        return 0;
    if (getcwd(folder, sizeof(folder)) == NULL)
        return error_sys(err, errno, "current folder");
    if (snprintf(room, PATH_MAX, "%s/%s", folder, *path) >= PATH_MAX)
        return error_sys(err, ENAMETOOLONG, "%s", *path);
    *path = room;
    return 0;
}

static int paths_settle(struct options *options, struct error *err)
{
    static char root[PATH_MAX], pid_file[PATH_MAX], program[PATH_MAX]; /* for as long as we live */

    return path_settle(&options->root, root, err) < 0 ||
                   path_settle(&options->pid_file, pid_file, err) < 0 ||
                   path_settle(&options->seccomp_program, program, err) < 0
               ? -1
               : 0;
}

static int arguments_check(const struct command *command, const struct options *options,
                           struct error *err)
{
    if (options->argc >= command->least && options->argc <= command->most)
        return 0;
    return error_set(err, ERROR_INVALID_ARGUMENT, "\"%s\" requires %s %d argument(s)",
                     command->name, command->most == command->least ? "exactly" : "a minimum of",
                     command->least);
}

static int command_do(const struct command *command, struct options *options, struct error *err)
{
    if (command == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "no such command: %s", options->argv[0]);
    if (options_parse(command->rows, options->argc - 1, options->argv + 1,
                      (command->habits & IN_ORDER) != 0,
                      options, err) < 0 ||
        defaults_set(options, err) < 0 || paths_settle(options, err) < 0)
        return -1;
    if (options->help)
        return command_help(command);
    if (arguments_check(command, options, err) < 0)
        return -1;
    if ((command->habits & ENTERS) != 0 && self_protect(err) < 0)
        return -1;
    return command->run(options, err);
}

/* jansson would open /dev/urandom for it; the kernel has given us random bytes already
   (getauxval(3), AT_RANDOM). */
static void hashes_seed(void)
{
    const void *bytes = (const void *)getauxval(AT_RANDOM); /* aligned to nothing */
    size_t seed = 0;

    if (bytes == NULL)
        return;
    memcpy(&seed, bytes, sizeof(seed));
    json_object_seed(seed | 1);
}

/* Whoever starts us without some of the first three descriptors would have files of ours in their
   place, and hand them to the container. */
static void standard_streams_fill(void)
{
    struct pollfd streams[3] = { { .fd = 0 }, { .fd = 1 }, { .fd = 2 } };

    if (poll(streams, 3, 0) <= 0)
        return;
    for (int i = 0; i < 3; i++)
        if ((streams[i].revents & POLLNVAL) != 0 && open("/dev/null", O_RDWR) < 0)
            _exit(1); /* and could not even say so */
}

static void words_free(char ***words)
{
    free(*words);
}

int oci_main(int argc, char **argv)
{
    CLEANUP(options_free) struct options options = { 0 };
    struct error err = { 0 };
    const struct command *command;
    CLEANUP(words_free) char **words = calloc((size_t)argc + 1, sizeof(*words)); /* is reordered */
    int status;

    standard_streams_fill();
    if (words == NULL)
        return 1;
    hashes_seed();
    memcpy(words, argv, (size_t)argc * sizeof(*words));
    if (options_parse(global_rows, argc - 1, words + 1, true, &options, &err) < 0 ||
        report_open(options.log, options.log_format, options.debug, &err) < 0) {
        report_error(&err);
        return 1;
    }
    if (options.version)
        return version_print();
    if (options.help || options.argc == 0 || strcmp(options.argv[0], "help") == 0)
        return help_print();
    command = command_find(options.argv[0]);
    status = command_do(command, &options, &err);
    if (status >= 0)
        return status;
    report_error(&err);
    return command != NULL && command->run == command_exec ? EXEC_FAILED : 1;
}
