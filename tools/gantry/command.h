/*
 * command — what the command line can do, as one table.
 *
 * The one idea: a command is a row.  Dispatch, checking of what was typed, help, the
 * manual page and the shell's completion all read the same rows (table.c), so none of
 * them can fall behind.
 */
#ifndef TOOLS_GANTRY_COMMAND_H
#define TOOLS_GANTRY_COMMAND_H

#include <stdbool.h>

#include "protocol/client/gantry.h"
#include "tools/gantry/args.h"
#include "tools/gantry/format.h"

#define STATUS_USAGE       2   /* the command line is wrong */
#define STATUS_INTERRUPTED 130 /* by Ctrl-C, as a shell counts */

/* What every command works with. */
struct cli {
    struct arena *arena;   /* for the whole run of the program */
    char *const *argv;     /* as it was typed */
    const char *host;      /* endpoint; NULL: the default one, or an engine of our own */
    const char *namespace; /* NULL: `default` */
    const char *config, *root, *state; /* of an engine of our own; NULL: as the daemon's */
    bool json, debug, embedded, never_embedded;
    struct gantry *client; /* NULL before cli_connect() */
    const char *lease;     /* that the command has taken for its whole work; NULL: none */
    const char *asked_lease; /* --lease: what is made hangs on it; NULL: none */
    int failure;           /* exit status when the command returns -1 */
    unsigned wait_s;       /* for a daemon that went away from under a foreground command */
};

/* The exit status; -1 with `err`, which main prints. */
typedef int command_run(struct cli *cli, const struct args *args, struct error *err);

/* What a shell completes where operands are. */
enum complete {
    COMPLETE_NOTHING,
    COMPLETE_CONTAINERS,
    COMPLETE_RUNNING,
    COMPLETE_IMAGES,
    COMPLETE_NAMESPACES,
    COMPLETE_SNAPSHOTS,
    COMPLETE_LEASES,
    COMPLETE_VOLUMES,
    COMPLETE_PLUGINS,
    COMPLETE_REGISTRIES, /* where somebody is logged in */
    COMPLETE_OBJECTS,  /* containers and images */
    COMPLETE_COMMANDS, /* of this program */
    COMPLETE_SHELLS,
};

struct command {
    const char *name;     /* "run", "namespace ls" */
    const char *operands; /* as help shows them */
    int least, most;      /* of operands; most -1: no limit */
    bool stops;  /* options end at the first operand: what follows belongs to the container */
    bool hidden; /* from help */
    int failure; /* exit status when it fails; 0: 1, and 2 for a wrong command line */
    enum complete complete;
    const struct option *options; /* ends with an empty one; may be NULL */
    command_run *run;
    const char *doc;  /* one line */
    const char *more; /* further paragraphs, or NULL */
};

extern const struct command commands[]; /* ends with an empty one */
extern const struct option global_options[];

/* Takes the words off that name the command; NULL and `err` with a suggestion. */
const struct command *command_find(int *argc, char ***argv, struct error *err);
/* The word most like `word`, NULL when none is; `next` gives words until NULL. */
const char *nearest(const char *word, const char *(*next)(void *ctx), void *ctx);

/* Connects, or starts an engine in this process when there is no daemon; at once when
   that was done. */
int cli_connect(struct cli *cli, struct error *err);
/* A call of the connected client. */
int cli_call(struct cli *cli, const struct op *op, const void *in, void *out, struct error *err);
/* `gantry: MESSAGE` and `hint: ...` on stderr. */
void cli_complain(const struct cli *cli, const struct error *err);
/* Prints a record as JSON on stdout. */
void cli_print_json(const struct record *record, const void *in);
/* For each operand; the errors are told one by one, the status is 1 when there was one. */
typedef int cli_each_do(struct cli *cli, const struct args *args, const char *operand,
                        struct error *err);
int cli_each(struct cli *cli, const struct args *args, cli_each_do *each);

command_run command_actors, command_attach, command_check, command_completion, command_copy, command_create,
    command_events, command_exec, command_gc, command_help, command_images, command_info,
    command_inspect, command_import, command_kill, command_load, command_login, command_logout,
    command_logs, command_names, command_namespace_create,
    command_blob_delete, command_container_prune, command_df, command_image_prune, command_prune, command_lease_add, command_lease_create, command_lease_inspect, command_lease_ls,
    command_lease_release, command_lease_rm, command_lease_update, command_namespace_inspect, command_namespace_label, command_namespace_ls, command_namespace_rm, command_ps, command_manifest_delete, command_manifest_inspect, command_pull, command_push, command_referrers,
    command_registry_explain, command_rm, command_rmi,
    command_plugins_inspect, command_plugins_ls, command_run_, command_save, command_snapshot_commit, command_snapshot_label,
    command_snapshot_ls, command_snapshot_mounts, command_snapshot_prepare, command_snapshot_rm,
    command_commit, command_cp, command_diff, command_image_mount, command_image_umount, command_snapshot_mount, command_snapshot_diff,
    command_snapshot_tree, command_snapshot_usage, command_snapshot_view, command_start, command_stop, command_tag, command_tags_ls, command_version, command_wait, command_why;
command_run command_volume_create, command_volume_inspect, command_volume_ls, command_volume_prune,
    command_volume_rm;
int names_of_volumes(struct cli *cli, struct error *err); /* one a line, for completion */
int inspect_volume(struct cli *cli, const char *name, bool size, json_t *array, struct error *err);

#endif
