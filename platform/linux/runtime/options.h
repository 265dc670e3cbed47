/*
 * options — the words of a command line, by tables.
 *
 * Both gantry-oci's global options and each command's are rows of a table; a row says what
 * kind of value there is and where in `struct options` it goes.  They are written as runc's users
 * and crun's users write them: -name, --name, --name=value, --name value, -x value.
 */
#ifndef RUNTIME_OPTIONS_H
#define RUNTIME_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/error.h"

#define OPTION_LIST_MAX 256 /* how often a repeatable option may be given */

struct option_list {
    size_t count;
    const char **items;
};

/* All commands' together: what a command has no row for stays at zero. */
struct options {
    /* global */
    const char *root, *log, *log_format, *criu, *rootless_text, *cgroup_manager;
    bool debug, systemd_cgroup, help, version;
    bool is_rootless; /* worked out of rootless_text */
    /* create, run, exec */
    const char *bundle, *config, *console_socket, *pid_file, *seccomp_program;
    bool detach, keep, no_pivot, no_new_keyring, no_subreaper;
    int64_t preserve_fds;
    /* exec */
    const char *process, *cwd, *user, *process_label, *apparmor;
    bool tty, no_new_privs, ignore_paused;
    struct option_list env, caps, gids, cgroups;
    /* kill, delete, list, ps, events, spec */
    bool all, force, quiet, stats, rootless_spec;
    const char *format, *interval, *regex;
    /* checkpoint, restore */
    const char *image_path, *work_path, *parent_path, *page_server, *manage_cgroups_mode,
        *lsm_profile, *lsm_mount_context;
    bool leave_running, tcp_established, tcp_skip_in_flight, ext_unix_sk, shell_job, lazy_pages,
        file_locks, pre_dump, auto_dedup, link_remap;
    int64_t status_fd;
    struct option_list empty_ns;
    /* update */
    const char *resources;
    const char *blkio_weight, *cpu_period, *cpu_quota, *cpu_burst, *cpu_shares, *cpu_rt_period,
        *cpu_rt_runtime, *cpu_idle, *cpuset_cpus, *cpuset_mems, *memory, *memory_reservation,
        *memory_swap, *pids_limit, *l3_cache_schema, *mem_bw_schema;
    /* what is left */
    int argc;
    char **argv;
};

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER, OPTION_LIST };

struct option_row {
    const char *name;  /* without dashes */
    const char *alias; /* a letter or another name; may be NULL */
    enum option_kind kind;
    size_t at; /* offset in struct options */
    const char *help;
};

#define OPTION_AT(field) offsetof(struct options, field)

/* Takes what the table has from argv[0..argc); the rest is in out->argc, out->argv (argv is put
   in order in place).  With `in_order` it stops at the first word that is no option. */
int options_parse(const struct option_row *rows, int argc, char **argv, bool in_order,
                  struct options *out, struct error *err);
void options_free(struct options *options); /* for CLEANUP(): its lists */

#endif
