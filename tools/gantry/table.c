/* The table of all commands and options; see command.h. */
#include "tools/gantry/command.h"

#define FLAG(letter, name, doc)              \
    {                                        \
        letter, name, OPTION_FLAG, NULL, doc \
    }
#define TEXT(letter, name, value, doc)        \
    {                                         \
        letter, name, OPTION_TEXT, value, doc \
    }
#define EACH(letter, name, value, doc)        \
    {                                         \
        letter, name, OPTION_LIST, value, doc \
    }
#define REFUSED(letter, name, value, doc)        \
    {                                            \
        letter, name, OPTION_REFUSED, value, doc \
    }
#define END \
    {       \
        0   \
    }

/* clang-format off */
const struct option global_options[] = {
    TEXT('H', "host", "URL", "Ask the daemon at this endpoint, e.g. ipc:///run/gantry/gantry.sock (GANTRY_HOST)"),
    TEXT('n', "namespace", "NAME", "Work in this namespace (GANTRY_NAMESPACE; `default`)"),
    TEXT(0, "lease", "ID", "Let what is made hang on this lease, so that it stays until somebody names it"),
    TEXT(0, "format", "table|json", "Print tables for people or JSON for programs"),
    FLAG(0, "embedded", "Run the engine inside this command instead of asking a daemon"),
    TEXT(0, "config", "FILE", "Configuration of an embedded engine"),
    TEXT(0, "root", "DIR", "Where an embedded engine keeps what lasts"),
    TEXT(0, "state", "DIR", "Where an embedded engine keeps what lasts until the next boot"),
    FLAG('D', "debug", "Say with errors what programs see: code, actor, system error"),
    FLAG(0, "help", "Show help"),
    FLAG(0, "version", "Show the version of this command"),
    END,
};

/* What run and create share. */
#define CONTAINER_OPTIONS                                                                         \
    TEXT(0, "name", "NAME", "Name of the container; one is made up when absent"),                 \
    FLAG('i', "interactive", "Keep standard input open"),                                         \
    FLAG('t', "tty", "Give it a terminal"),                                                       \
    FLAG(0, "rm", "Remove the container when it has ended"),                                      \
    EACH('e', "env", "KEY[=VALUE]", "Environment variable; KEY alone takes ours"),                \
    EACH(0, "env-file", "FILE", "Environment variables, one a line"),                             \
    EACH('v', "volume", "[SRC:]DST[:OPT]", "Mount a volume by its name, or bind a folder or file by its whole path; OPT: ro, nocopy, rslave, ..."), \
    EACH(0, "mount", "FIELDS", "type=bind,source=,target=,readonly,bind-propagation= or "         \
                               "type=tmpfs,target=,tmpfs-size=,tmpfs-mode= or type=volume,source=,target=,readonly,volume-nocopy"),                     \
    EACH(0, "volumes-from", "CONTAINER[:ro]", "Mount the volumes and binds of another container, at the same places"), \
    EACH(0, "tmpfs", "DST[:OPT]", "Mount a file system in memory; OPT: size=64m, mode=1777, exec"), \
    TEXT('w', "workdir", "DIR", "Working directory"),                                             \
    TEXT('u', "user", "USER[:GROUP]", "Names or numbers"),                                        \
    TEXT('h', "hostname", "NAME", "Host name; the first digits of the id when absent"),           \
    TEXT(0, "entrypoint", "PROGRAM", "Instead of the image's entry point; \"\" for none"),        \
    TEXT(0, "network", "none|host", "none (the default): loopback alone; host: the host's network"), \
    TEXT('m', "memory", "SIZE", "Memory limit, e.g. 64m"),                                        \
    TEXT(0, "memory-swap", "SIZE", "Memory and swap together; -1: no limit to swap"),             \
    TEXT(0, "cpus", "NUMBER", "So many processors' worth of time, e.g. 1.5"),                     \
    TEXT(0, "cpu-shares", "NUMBER", "Weight beside other containers"),                            \
    TEXT(0, "cpuset-cpus", "LIST", "Processors it may run on, e.g. 0-2,7"),                       \
    TEXT(0, "pids-limit", "NUMBER", "Processes at most; -1: no limit"),                           \
    FLAG(0, "read-only", "The root file system cannot be written"),                               \
    FLAG(0, "privileged", "All capabilities and devices; keeps nothing from the container"),      \
    EACH(0, "cap-add", "NAME", "Add a capability; ALL"),                                          \
    EACH(0, "cap-drop", "NAME", "Take a capability away; ALL"),                                   \
    EACH(0, "security-opt", "OPTION", "no-new-privileges, seccomp=unconfined or seccomp=FILE"),   \
    EACH(0, "device", "SRC[:DST[:rwm]]", "Give it a device"),                                     \
    EACH(0, "ulimit", "NAME=SOFT[:HARD]", "Resource limit of its processes, e.g. nofile=1024"),   \
    EACH(0, "sysctl", "KEY=VALUE", "Kernel parameter of the container's own namespaces"),         \
    TEXT(0, "shm-size", "SIZE", "Size of /dev/shm; 64m when absent"),                             \
    EACH('l', "label", "KEY[=VALUE]", "Label the container"),                                     \
    EACH(0, "annotation", "KEY=VALUE", "Annotation of the OCI spec"),                             \
    EACH(0, "add-host", "NAME:ADDRESS", "Line for /etc/hosts"),                                   \
    EACH(0, "group-add", "GROUP", "Further group of the process"),                                \
    EACH(0, "storage-opt", "size=SIZE", "What may be written to its root file system, e.g. size=10g (xfs or ext4 with project quotas, btrfs with quotas)"), \
    EACH(0, "uidmap", "CONTAINER:HOST:SIZE", "A user namespace with these users; its groups, too, without --gidmap"), \
    EACH(0, "gidmap", "CONTAINER:HOST:SIZE", "A user namespace with these groups; its users, too, without --uidmap"), \
    TEXT(0, "oom-score-adj", "NUMBER", "-1000 to 1000"),                                          \
    TEXT(0, "stop-signal", "SIGNAL", "What stop sends"),                                          \
    TEXT(0, "stop-timeout", "SECONDS", "How long stop waits before it kills"),                    \
    TEXT(0, "platform", "OS/ARCH", "Of the image; the host's when absent"),                       \
    TEXT(0, "runtime", "NAME", "native (our own engine), runc, crun or a path"),                         \
    TEXT(0, "snapshotter", "overlay|native|btrfs",                                                 \
         "Driver of its root file system; the namespace's or the daemon's default"),              \
    TEXT(0, "pull", "always|missing|never", "When to pull the image; missing when absent"),       \
    TEXT(0, "cidfile", "FILE", "Write the id to this file, which must not exist"),                \
    FLAG('q', "quiet", "Show no progress of a pull"),                                             \
    REFUSED('p', "publish", "PORTS", "containers have no network of their own yet; --network host "  \
                                     "shares the host's ports"),                                  \
    REFUSED('P', "publish-all", NULL, "containers have no network of their own yet; --network host " \
                                      "shares the host's ports"),                                 \
    REFUSED(0, "init", NULL, "no init program is put into containers yet; start one of the "      \
                             "image's, e.g. tini"),                                               \
    REFUSED(0, "restart", "POLICY", "restart policies do not exist yet; let a service manager "   \
                                    "start the container again"),                                 \
    REFUSED(0, "userns", "MODE", "say which ids are mapped, with --uidmap and --gidmap"), \
    REFUSED(0, "gpus", "LIST", "devices are given one by one with --device")

static const struct option run_options[] = {
    FLAG('d', "detach", "Leave it in the background and print its id"),
    CONTAINER_OPTIONS,
    TEXT(0, "detach-keys", "KEYS", "Keys that leave the container running (ctrl-p,ctrl-q)"),
    FLAG(0, "sig-proxy", "Hand signals on to the container; the default"),
    END,
};

#define UNPACK_FOR                                                                                \
    TEXT(0, "snapshotter", "overlay|native|btrfs",                                                \
         "Driver to unpack for; the namespace's or the daemon's default")

static const struct option save_options[] = {
    TEXT('o', "output", "FILE|DIR", "Write there instead of to standard output; a folder ends in /"),
    TEXT(0, "platform", "OS/ARCH", "Only this variant; all that are here when absent"),
    END,
};

static const struct option load_options[] = {
    TEXT('i', "input", "FILE|DIR", "Read from there instead of from standard input"),
    TEXT(0, "name", "IMAGE", "Name of images that have none there; a tag that one has is put behind it"),
    FLAG('q', "quiet", "Print the names alone"),
    FLAG(0, "no-unpack", "Only bring the blobs here"),
    UNPACK_FOR,
    END,
};

static const struct option import_options[] = {
    EACH('c', "change", "INSTRUCTION", "Change its config by a Dockerfile's line, e.g. 'CMD [\"sh\"]'"),
    TEXT('m', "message", "TEXT", "For its history"),
    TEXT(0, "platform", "OS/ARCH", "What it runs on; this machine's when absent"),
    UNPACK_FOR,
    END,
};

#define EPOCH                                                                              \
    TEXT(0, "source-date-epoch", "SECONDS", "No time in the layer is later (SOURCE_DATE_EPOCH)")

static const struct option create_options[] = { CONTAINER_OPTIONS, END };

static const struct option start_options[] = {
    FLAG('a', "attach", "Show its output and end with its status"),
    FLAG('i', "interactive", "Hand on standard input too"),
    TEXT(0, "detach-keys", "KEYS", "Keys that leave the container running (ctrl-p,ctrl-q)"),
    END,
};

static const struct option attach_options[] = {
    FLAG(0, "no-stdin", "Do not hand on standard input"),
    FLAG(0, "sig-proxy", "Hand signals on to the container; the default"),
    TEXT(0, "detach-keys", "KEYS", "Keys that leave the container running (ctrl-p,ctrl-q)"),
    END,
};

static const struct option exec_options[] = {
    FLAG('i', "interactive", "Keep standard input open"),
    FLAG('t', "tty", "Give it a terminal"),
    FLAG('d', "detach", "Leave it in the background"),
    EACH('e', "env", "KEY[=VALUE]", "Environment variable; KEY alone takes ours"),
    EACH(0, "env-file", "FILE", "Environment variables, one a line"),
    TEXT('u', "user", "USER[:GROUP]", "Names or numbers"),
    TEXT('w', "workdir", "DIR", "Working directory"),
    FLAG(0, "privileged", "All capabilities"),
    TEXT(0, "detach-keys", "KEYS", "Keys that leave the process running (ctrl-p,ctrl-q)"),
    END,
};

static const struct option pull_options[] = {
    TEXT(0, "platform", "OS/ARCH", "Which variant; the host's when absent"),
    FLAG(0, "all-platforms", "Every variant, to save them for example; only the one that runs here is unpacked"),
    FLAG('q', "quiet", "Print the name alone, no progress"),
    FLAG(0, "no-unpack", "Only download"),
    UNPACK_FOR,
    TEXT(0, "username", "NAME", "For the registry, instead of who is logged in there"),
    FLAG(0, "password-stdin", "Read the password from standard input"),
    END,
};

static const struct option push_options[] = {
    TEXT(0, "platform", "OS/ARCH", "Only this variant"),
    FLAG(0, "all-platforms", "The index with all its variants, or fail"),
    EACH(0, "tag", "TAG", "Call it by this tag, too; any number of them"),
    FLAG('q', "quiet", "Print the name alone, no progress"),
    TEXT(0, "username", "NAME", "For the registry, instead of who is logged in there"),
    FLAG(0, "password-stdin", "Read the password from standard input"),
    END,
};

static const struct option copy_options[] = {
    TEXT(0, "platform", "OS/ARCH", "Only this variant; all when absent"),
    FLAG('q', "quiet", "Print the name alone, no progress"),
    TEXT(0, "username", "NAME", "For the registry of DESTINATION, instead of who is logged in there"),
    FLAG(0, "password-stdin", "Read the password from standard input"),
    END,
};

#define WHO_OPTIONS                                                                               \
    TEXT(0, "username", "NAME", "For the registry, instead of who is logged in there"),          \
    FLAG(0, "password-stdin", "Read the password from standard input")

static const struct option ask_options[] = { WHO_OPTIONS, END };

static const struct option tags_options[] = {
    TEXT(0, "after", "TAG", "Only those behind this one, which need not be there"),
    TEXT(0, "limit", "NUMBER", "No more than so many"),
    WHO_OPTIONS,
    END,
};

static const struct option referrers_options[] = {
    TEXT(0, "artifact-type", "TYPE", "Only those of this type"),
    WHO_OPTIONS,
    END,
};

static const struct option login_options[] = {
    TEXT('u', "username", "NAME", "Who; asked for when absent"),
    FLAG(0, "password-stdin", "Read the password from standard input, to its end; else it is asked for"),
    REFUSED('p', "password", "PASSWORD", "other users of this machine could read it; give it to "
                                         "--password-stdin"),
    END,
};

static const struct option images_options[] = {
    FLAG('q', "quiet", "Print ids alone"),
    FLAG(0, "no-trunc", "Print ids in full"),
    FLAG(0, "digests", "Show what the names stand for"),
    EACH('f', "filter", "FILTER", "reference=WORD, label=KEY[=VALUE], or a filter of the protocol"),
    END,
};

static const struct option rmi_options[] = {
    FLAG('f', "force", "Also if containers were made from it"),
    END,
};

static const struct option inspect_options[] = {
    TEXT(0, "type", "container|image|volume", "Look for this kind alone"),
    TEXT(0, "platform", "OS/ARCH", "Of an image; the host's when absent"),
    END,
};

static const struct option ps_options[] = {
    FLAG('a', "all", "Also those that do not run"),
    FLAG('q', "quiet", "Print ids alone"),
    FLAG(0, "no-trunc", "Print ids and commands in full"),
    EACH('f', "filter", "FILTER", "name=, id=, status=, image=, label=KEY[=VALUE], or a filter of "
                                  "the protocol; all must match"),
    END,
};

static const struct option logs_options[] = {
    FLAG('f', "follow", "Stay until the container ends"),
    TEXT(0, "since", "TIME", "Only what was written after: 10m, a time, or seconds since 1970"),
    TEXT(0, "until", "TIME", "Only what was written before"),
    TEXT('n', "tail", "LINES", "Only so many last lines"),
    FLAG('t', "timestamps", "Each line behind its time"),
    END,
};

static const struct option kill_options[] = {
    TEXT('s', "signal", "SIGNAL", "Instead of KILL; name or number"),
    END,
};

static const struct option stop_options[] = {
    TEXT('s', "signal", "SIGNAL", "Instead of the container's own"),
    TEXT('t', "time", "SECONDS", "Before it is killed"),
    END,
};

static const struct option rm_options[] = {
    FLAG('f', "force", "Kill it first when it runs"),
    FLAG(0, "sync", "Wait until what only it kept is gone, too"),
    FLAG('v', "volumes", "Its anonymous volumes, too"),
    END,
};

static const struct option events_options[] = {
    TEXT(0, "since", "NUMBER", "Begin behind this sequence number; 0: from the first on"),
    FLAG('f', "follow", "Stay and wait for more; the default, --follow=false ends"),
    EACH(0, "filter", "FILTER", "A filter of the protocol, e.g. topic==/tasks/exit"),
    FLAG(0, "all", "Of all namespaces"),
    END,
};

static const struct option check_options[] = {
    FLAG(0, "deep", "Also hash every blob, and compare every committed layer with its inventory"),
    FLAG(0, "repair", "Fetch anew and unpack anew what is found wrong"),
    END,
};

#define SNAPSHOTTER \
    TEXT(0, "snapshotter", "overlay|native|btrfs", "Of this driver instead of the default one")
static const struct option snapshot_options[] = {
    SNAPSHOTTER,
    END,
};

static const struct option snapshot_rm_options[] = {
    SNAPSHOTTER,
    FLAG(0, "sync", "Wait until what only they kept is gone, too"),
    END,
};

static const struct option snapshot_ls_options[] = {
    SNAPSHOTTER,
    EACH('f', "filter", "FILTER", "A filter of the protocol, e.g. kind==active"),
    FLAG('q', "quiet", "Keys alone"),
    END,
};

static const struct option snapshot_make_options[] = {
    SNAPSHOTTER,
    EACH('l', "label", "KEY=VALUE", "A label"),
    END,
};

static const struct option cp_options[] = {
    FLAG('a', "archive", "Keep owners, set-id bits and devices"),
    FLAG('L', "follow-link", "Copy what a link leads to"),
    END,
};

static const struct option image_mount_options[] = {
    FLAG(0, "rw", "To be written, too; what is written goes with umount"),
    TEXT(0, "platform", "OS/ARCH", "Of an image for several; this machine's when absent"),
    END,
};

static const struct option commit_options[] = {
    TEXT('a', "author", "TEXT", "Who made it"),
    EACH('c', "change", "INSTRUCTION", "Change its config by a Dockerfile's line, e.g. 'CMD [\"sh\"]'"),
    TEXT('m', "message", "TEXT", "For its history"),
    FLAG('p', "pause", "Let a running container stand still meanwhile; so it does by itself where that is possible, and not with =false"),
    TEXT(0, "media-type", "TYPE", "Of the layer; its end is +gzip, +zstd or neither"),
    EPOCH,
    END,
};

static const struct option snapshot_diff_options[] = {
    SNAPSHOTTER,
    TEXT('o', "output", "FILE|-", "Write the layer there; else it stays in the content store"),
    TEXT(0, "media-type", "TYPE", "Of the layer; its end is +gzip, +zstd or neither"),
    EACH('l', "label", "KEY=VALUE", "A label of the blob"),
    EPOCH,
    END,
};

static const struct option volume_create_options[] = {
    TEXT('d', "driver", "NAME", "local, the only one"),
    EACH('l', "label", "KEY[=VALUE]", "A label"),
    EACH('o', "opt", "KEY=VALUE", "Option of the driver; local has none"),
    END,
};

#define VOLUME_FILTER(letter) \
    EACH(letter, "filter", "FILTER", "name=, dangling=true|false, anonymous=true|false, label=KEY[=VALUE], or a filter of the protocol")
static const struct option volume_ls_options[] = {
    VOLUME_FILTER('f'),
    FLAG('q', "quiet", "Names alone"),
    FLAG('s', "size", "Count what they take on disk, too"),
    END,
};

static const struct option volume_inspect_options[] = {
    FLAG('s', "size", "Count what they take on disk, too"),
    END,
};

static const struct option volume_rm_options[] = {
    FLAG('f', "force", "One that is not there is no error"),
    END,
};

static const struct option volume_prune_options[] = {
    FLAG('a', "all", "Those with a name, too"),
    VOLUME_FILTER(0),
    FLAG('f', "force", "Accepted as a habit: nothing is asked anyway"),
    END,
};

static const struct option gc_options[] = {
    FLAG(0, "dry-run", "Only say what would go"),
    FLAG(0, "explain", "Say why each thing goes"),
    END,
};

static const struct option lease_create_options[] = {
    TEXT('x', "expires", "TIME", "When it lapses: 10m, 2030-01-02T15:04:05Z or never; a day from now when absent"),
    FLAG(0, "flat", "Keep what it holds, and not what the labels of that lead to"),
    EACH('l', "label", "KEY=VALUE", "A label"),
    END,
};

static const struct option lease_update_options[] = {
    TEXT('x', "expires", "TIME", "When it lapses: 10m, 2030-01-02T15:04:05Z or never"),
    END,
};

static const struct option lease_ls_options[] = {
    EACH('f', "filter", "FILTER", "A filter of the protocol, e.g. labels.team==red"),
    FLAG('q', "quiet", "Ids alone"),
    END,
};

static const struct option lease_rm_options[] = {
    FLAG(0, "sync", "Wait until what only they kept is gone"),
    END,
};

static const struct option df_options[] = {
    FLAG('v', "verbose", "Show images and containers one by one, too"),
    END,
};

#define PRUNE_OPTIONS                                                                            \
    FLAG('f', "force", "Do not ask"),                                                            \
    EACH(0, "filter", "FILTER", "until=TIME (made before: 24h, a time), label=KEY[=VALUE]; all must match")
static const struct option container_prune_options[] = { PRUNE_OPTIONS, END };

static const struct option image_prune_options[] = {
    FLAG('a', "all", "Images that no container was made from, too"),
    PRUNE_OPTIONS,
    END,
};

static const struct option prune_options[] = {
    FLAG('a', "all", "Images that no container was made from, too"),
    FLAG(0, "volumes", "Volumes without a name that no container holds, too"),
    PRUNE_OPTIONS,
    END,
};

static const struct option help_options[] = {
    FLAG(0, "man", "Print the manual page instead"),
    END,
};

const struct command commands[] = {
    { .name = "run", .failure = 125, .operands = "IMAGE [COMMAND [ARG...]]", .least = 1, .most = -1, .stops = true,
      .complete = COMPLETE_IMAGES, .options = run_options, .run = command_run_,
      .doc = "Make a container from an image and run a command in it",
      .more = "Pulls the image when it is not here, makes a container, starts it and shows its output. The "
              "exit status is the container's; 125 when gantry itself failed, 126 when the command cannot "
              "be executed, 127 when it is not in the image. Without a terminal signals are handed on to "
              "the container; with -it the keys ctrl-p ctrl-q leave it running." },
    { .name = "create", .operands = "IMAGE [COMMAND [ARG...]]", .least = 1, .most = -1, .stops = true,
      .complete = COMPLETE_IMAGES, .options = create_options, .run = command_create,
      .doc = "Make a container without starting it", .more = "Prints its id; see start." },
    { .name = "start", .operands = "CONTAINER...", .least = 1, .most = -1,
      .complete = COMPLETE_CONTAINERS, .options = start_options, .run = command_start,
      .doc = "Start containers that were made or have ended" },
    { .name = "attach", .operands = "CONTAINER", .least = 1, .most = 1,
      .complete = COMPLETE_RUNNING, .options = attach_options, .run = command_attach,
      .doc = "Connect to the streams of a running container" },
    { .name = "exec", .operands = "CONTAINER COMMAND [ARG...]", .least = 2, .most = -1, .stops = true,
      .complete = COMPLETE_RUNNING, .options = exec_options, .run = command_exec,
      .doc = "Run another command in a running container" },
    { .name = "ps", .operands = "", .options = ps_options, .run = command_ps,
      .doc = "List containers" },
    { .name = "logs", .operands = "CONTAINER", .least = 1, .most = 1,
      .complete = COMPLETE_CONTAINERS, .options = logs_options, .run = command_logs,
      .doc = "Show what a container wrote" },
    { .name = "commit", .operands = "CONTAINER [IMAGE]", .least = 1, .most = 2,
      .complete = COMPLETE_CONTAINERS, .options = commit_options, .run = command_commit,
      .doc = "Make an image of a container's files",
      .more = "The new image is the container's image and one layer more: what diff lists. Its config is the image's, changed as "
              "--change says (CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR); what was said to run "
              "alone stays with the container, and so do files in its volumes and other mounts. Prints the image's id." },
    { .name = "cp", .operands = "CONTAINER:PATH PATH|- | PATH|- CONTAINER:PATH", .least = 2, .most = 2,
      .complete = COMPLETE_CONTAINERS, .options = cp_options, .run = command_cp,
      .doc = "Copy files out of a container or into one, running or not",
      .more = "As cp -r does: into a folder that is there by its own name, else by the name that is said; SOURCE/. means what is in "
              "that folder. - is a tar, plain or packed with gzip or zstd, that comes from or goes to a pipe. Links in the container are followed "
              "there and lead nowhere else. Files that come get this user as their owner, files that go root. A folder "
              "and anything else never take each other's place." },
    { .name = "diff", .operands = "CONTAINER", .least = 1, .most = 1,
      .complete = COMPLETE_CONTAINERS, .run = command_diff,
      .doc = "List the files that a container has added (A), changed (C) or removed (D)" },
    { .name = "stop", .operands = "CONTAINER...", .least = 1, .most = -1,
      .complete = COMPLETE_RUNNING, .options = stop_options, .run = command_stop,
      .doc = "Ask containers to end, then make them end" },
    { .name = "kill", .operands = "CONTAINER...", .least = 1, .most = -1,
      .complete = COMPLETE_RUNNING, .options = kill_options, .run = command_kill,
      .doc = "Send containers a signal" },
    { .name = "wait", .operands = "CONTAINER...", .least = 1, .most = -1,
      .complete = COMPLETE_RUNNING, .run = command_wait,
      .doc = "Wait until containers have ended and print their exit statuses" },
    { .name = "rm", .operands = "CONTAINER...", .least = 1, .most = -1,
      .complete = COMPLETE_CONTAINERS, .options = rm_options, .run = command_rm,
      .doc = "Remove containers" },
    { .name = "pull", .operands = "IMAGE", .least = 1, .most = 1,
      .options = pull_options, .run = command_pull,
      .doc = "Bring an image here from its registry",
      .more = "IMAGE is written as usual: busybox, redis:7, registry.example:5000/a/b@sha256:... An "
              "interrupted pull (Ctrl-C) keeps nothing but what a later pull of the same image takes up again. "
              "For private images: see login." },
    { .name = "push", .operands = "IMAGE [REFERENCE]", .least = 1, .most = 2,
      .complete = COMPLETE_IMAGES, .options = push_options, .run = command_push,
      .doc = "Send an image to a registry",
      .more = "IMAGE goes to where its name says, or to REFERENCE: registry.example:5000/a/b:tag. What the registry has "
              "is not sent, nor what it has in another repository that it was pulled from or pushed to. An image for "
              "several platforms goes as a whole when all of it is here. Where only one variant is (as after a pull "
              "of one platform), that variant's manifest goes alone, and it is said; where there are "
              "several but not all, choose one with --platform (or pull --all-platforms). Documents are sent as they are: digests do not "
              "change. With --tag it gets further tags of that repository in the same push: gantry push app "
              "registry.example:5000/app:1.2.3 --tag 1.2 --tag latest. The last line is docker's, one for each tag: "
              "TAG: digest: DIGEST size: BYTES." },
    { .name = "copy", .operands = "SOURCE DESTINATION", .least = 2, .most = 2,
      .options = copy_options, .run = command_copy,
      .doc = "Bring an image from one registry to another",
      .more = "With all its variants, and without a name or an unpacked file system here. The digest stays the same." },
    { .name = "tags ls", .operands = "REPOSITORY", .least = 1, .most = 1, .options = tags_options,
      .run = command_tags_ls, .doc = "List the tags of a registry's repository",
      .more = "In the registry's order, which mostly is that of the alphabet. A part at a time: --limit 100, then the same with --after "
              "and the last tag that came." },
    { .name = "manifest inspect", .operands = "IMAGE", .least = 1, .most = 1, .options = ask_options,
      .run = command_manifest_inspect, .doc = "Print an image's manifest or index as its registry has it",
      .more = "Byte for byte, if not to a terminal: gantry manifest inspect IMAGE | sha256sum" },
    { .name = "manifest delete", .operands = "IMAGE", .least = 1, .most = 1, .options = ask_options,
      .run = command_manifest_delete, .doc = "Have a registry remove an image",
      .more = "By its digest (NAME@sha256:...) with all its tags; by a tag only where the registry can do that. What is "
              "here stays." },
    { .name = "blob delete", .operands = "NAME@DIGEST", .least = 1, .most = 1, .options = ask_options,
      .run = command_blob_delete, .doc = "Have a registry remove a blob from a repository",
      .more = "A layer or a config, whose digests manifest inspect shows. Images there that consist of it cannot be "
              "pulled until it is sent again; push does that. Of other repositories it stays a part, and what is here stays." },
    { .name = "referrers", .operands = "IMAGE", .least = 1, .most = 1, .options = referrers_options,
      .run = command_referrers, .doc = "List what refers to an image in its registry: signatures and the like" },
    { .name = "login", .operands = "[REGISTRY]", .most = 1,
      .complete = COMPLETE_REGISTRIES, .options = login_options, .run = command_login,
      .doc = "Log in to a registry: verify a name and password there and keep them",
      .more = "REGISTRY is host or host:port; Docker Hub when absent. They are kept where docker keeps them: by the "
              "credential helper that ~/.docker/config.json names (credHelpers, credsStore), else in that file, which "
              "only you can read; DOCKER_CONFIG is another folder. A registry's token service may give a token "
              "that is kept instead of the password. pull, push, run and create look up what is kept there, or what "
              "docker, podman and skopeo have kept (REGISTRY_AUTH_FILE, containers/auth.json), when a registry does "
              "not give to everybody what is wanted; the daemon keeps nothing of it. Where neither name nor password is given, what is kept already is verified." },
    { .name = "logout", .operands = "[REGISTRY]", .most = 1, .complete = COMPLETE_REGISTRIES,
      .run = command_logout,
      .doc = "Forget the name and password that login has kept" },
    { .name = "registry explain", .operands = "IMAGE", .least = 1, .most = 1, .complete = COMPLETE_IMAGES,
      .run = command_registry_explain,
      .doc = "Show which hosts are asked for an image, in which order, and how they are",
      .more = "The daemon's setting registries.hosts names folders with containerd's hosts.toml and with docker's "
              "certificates (/etc/gantry/certs.d). Shown is what is in force now: each host with what it is trusted "
              "with (pull: by digest; resolve: what a tag means; push), the file and line that say so, under which "
              "name it is asked, and its health: a host that fails is left out for a while that grows." },
    { .name = "images", .operands = "", .options = images_options, .run = command_images,
      .doc = "List images" },
    { .name = "rmi", .operands = "IMAGE...", .least = 1, .most = -1,
      .complete = COMPLETE_IMAGES, .options = rmi_options, .run = command_rmi,
      .doc = "Remove names of images, and what nothing else names" },
    { .name = "save", .operands = "IMAGE...", .least = 1, .most = -1,
      .complete = COMPLETE_IMAGES, .options = save_options, .run = command_save,
      .doc = "Write images to an archive",
      .more = "The archive is an OCI layout, which docker, podman, skopeo, containerd and load read. Of an "
              "image of several platforms, those that are here are saved." },
    { .name = "load", .operands = "", .options = load_options, .run = command_load,
      .doc = "Bring images here from an archive",
      .more = "Archives are OCI layouts and those of docker save, as a tar (packed with gzip, zstd or not) or a "
              "folder. Every blob is verified; an image without a name is loaded as localhost/loaded@DIGEST." },
    { .name = "image mount", .operands = "IMAGE FOLDER", .least = 2, .most = 2,
      .complete = COMPLETE_IMAGES, .options = image_mount_options, .run = command_image_mount,
      .doc = "Show an image's files in a folder of this machine",
      .more = "As root, beside the daemon. Read-only, unless --rw says otherwise; a snapshot keeps the image's layers until umount." },
    { .name = "image umount", .operands = "FOLDER", .least = 1, .most = 1, .options = snapshot_options,
      .run = command_image_umount, .doc = "Take an image's files away from a folder again" },
    { .name = "image prune", .operands = "", .options = image_prune_options, .run = command_image_prune,
      .doc = "Remove broken-off downloads and, with --all, images that no container was made from" },
    { .name = "import", .operands = "FILE|- [IMAGE]", .least = 1, .most = 2,
      .options = import_options, .run = command_import,
      .doc = "Make an image of the tar of a file system" },
    { .name = "tag", .operands = "IMAGE NAME", .least = 2, .most = 2,
      .complete = COMPLETE_IMAGES, .run = command_tag, .doc = "Give an image another name" },
    { .name = "inspect", .operands = "CONTAINER|IMAGE|VOLUME...", .least = 1, .most = -1,
      .complete = COMPLETE_OBJECTS, .options = inspect_options, .run = command_inspect,
      .doc = "Print all that is known of containers, images and volumes, as JSON" },
    { .name = "events", .operands = "", .options = events_options, .run = command_events,
      .doc = "Show what happens" },
    { .name = "namespace ls", .operands = "", .run = command_namespace_ls, .doc = "List namespaces" },
    { .name = "namespace create", .operands = "NAME [KEY=VALUE...]", .least = 1, .most = -1,
      .run = command_namespace_create, .doc = "Make a namespace, with labels" },
    { .name = "namespace inspect", .operands = "NAME...", .least = 1, .most = -1, .complete = COMPLETE_NAMESPACES,
      .run = command_namespace_inspect, .doc = "Print all that is known of namespaces, as JSON" },
    { .name = "namespace label", .operands = "NAME KEY=VALUE...", .least = 2, .most = -1, .complete = COMPLETE_NAMESPACES,
      .run = command_namespace_label, .doc = "Change labels; an empty value removes one",
      .more = "containerd.io/defaults/runtime and containerd.io/defaults/snapshotter are what requests in it mean that name "
              "none; containerd.io/namespace.shareable=true lends its blobs and layers to others where namespaces are isolated." },
    { .name = "namespace rm", .operands = "NAME...", .least = 1, .most = -1,
      .complete = COMPLETE_NAMESPACES, .run = command_namespace_rm, .doc = "Remove empty namespaces" },
    { .name = "lease create", .operands = "[ID]", .most = 1, .options = lease_create_options, .run = command_lease_create,
      .doc = "Make a lease: what hangs on it stays",
      .more = "gantry --lease ID COMMAND lets what the command makes hang on it." },
    { .name = "lease ls", .operands = "", .options = lease_ls_options, .run = command_lease_ls, .doc = "List leases" },
    { .name = "lease inspect", .operands = "ID...", .least = 1, .most = -1, .complete = COMPLETE_LEASES,
      .run = command_lease_inspect, .doc = "Print leases and what they hold, as JSON" },
    { .name = "lease add", .operands = "ID RESOURCE...", .least = 2, .most = -1, .complete = COMPLETE_LEASES,
      .run = command_lease_add, .doc = "Let a lease hold something",
      .more = "RESOURCE is KIND:NAME, as in content:sha256:..., image:busybox, ingest:REF, snapshot:KEY or, of another driver, "
              "snapshot/DRIVER:KEY." },
    { .name = "lease release", .operands = "ID RESOURCE...", .least = 2, .most = -1, .complete = COMPLETE_LEASES,
      .run = command_lease_release, .doc = "Let a lease hold something no longer",
      .more = "RESOURCE is KIND:NAME, as in content:sha256:..., image:busybox, ingest:REF, snapshot:KEY or, of another driver, "
              "snapshot/DRIVER:KEY." },
    { .name = "lease update", .operands = "ID [KEY=VALUE...]", .least = 1, .most = -1, .complete = COMPLETE_LEASES,
      .options = lease_update_options, .run = command_lease_update,
      .doc = "Change when a lease lapses, and its labels; an empty value removes one" },
    { .name = "lease rm", .operands = "ID...", .least = 1, .most = -1, .complete = COMPLETE_LEASES,
      .options = lease_rm_options, .run = command_lease_rm, .doc = "Remove leases; what nothing else keeps goes" },
    { .name = "snapshot ls", .operands = "", .options = snapshot_ls_options,
      .run = command_snapshot_ls, .doc = "List snapshots" },
    { .name = "snapshot tree", .operands = "", .options = snapshot_options,
      .run = command_snapshot_tree, .doc = "Show which snapshot stands on which" },
    { .name = "snapshot prepare", .operands = "KEY [PARENT]", .least = 1, .most = 2, .options = snapshot_make_options,
      .run = command_snapshot_prepare, .doc = "Make a snapshot that can be written",
      .more = "Nothing names it: give it the label containerd.io/gc.root, or the next gc removes it." },
    { .name = "snapshot view", .operands = "KEY PARENT", .least = 2, .most = 2, .options = snapshot_make_options,
      .run = command_snapshot_view, .doc = "Make a snapshot that can be read" },
    { .name = "snapshot commit", .operands = "KEY NAME", .least = 2, .most = 2, .complete = COMPLETE_SNAPSHOTS,
      .options = snapshot_make_options, .run = command_snapshot_commit,
      .doc = "Make a written snapshot one that others can stand on" },
    { .name = "snapshot mounts", .operands = "KEY FOLDER", .least = 2, .most = 2, .complete = COMPLETE_SNAPSHOTS,
      .options = snapshot_options, .run = command_snapshot_mounts,
      .doc = "Print the commands that mount a snapshot on a folder" },
    { .name = "snapshot rm", .operands = "KEY...", .least = 1, .most = -1, .complete = COMPLETE_SNAPSHOTS,
      .options = snapshot_rm_options, .run = command_snapshot_rm, .doc = "Remove snapshots" },
    { .name = "snapshot usage", .operands = "KEY...", .least = 1, .most = -1, .complete = COMPLETE_SNAPSHOTS,
      .options = snapshot_options, .run = command_snapshot_usage, .doc = "Show what snapshots take, without their parents" },
    { .name = "snapshot mount", .operands = "KEY FOLDER", .least = 2, .most = 2, .complete = COMPLETE_SNAPSHOTS,
      .options = snapshot_options, .run = command_snapshot_mount,
      .doc = "Mount a snapshot on a folder of this machine",
      .more = "As root, beside the daemon. Of a committed one a view is made, which goes with umount." },
    { .name = "snapshot umount", .operands = "FOLDER", .least = 1, .most = 1, .options = snapshot_options,
      .run = command_image_umount, .doc = "Take a snapshot away from a folder again" },
    { .name = "snapshot diff", .operands = "[BEFORE] KEY", .least = 1, .most = 2, .complete = COMPLETE_SNAPSHOTS,
      .options = snapshot_diff_options, .run = command_snapshot_diff,
      .doc = "Make a layer of what a snapshot has changed",
      .more = "Compared with its parent, or with any other snapshot. Without --output the blob stays in the content store, "
              "labelled containerd.io/gc.root, and its digest is printed. The same files always give the same tar." },
    { .name = "snapshot label", .operands = "KEY KEY=VALUE...", .least = 2, .most = -1, .complete = COMPLETE_SNAPSHOTS,
      .options = snapshot_options, .run = command_snapshot_label, .doc = "Change labels; an empty value removes one" },
    { .name = "volume create", .operands = "[NAME]", .most = 1, .options = volume_create_options,
      .run = command_volume_create, .doc = "Make a volume: a folder that outlives containers",
      .more = "run and create make one by using it: -v NAME:/path. Without NAME it is anonymous." },
    { .name = "volume ls", .operands = "", .options = volume_ls_options, .run = command_volume_ls, .doc = "List volumes" },
    { .name = "volume inspect", .operands = "VOLUME...", .least = 1, .most = -1, .complete = COMPLETE_VOLUMES,
      .options = volume_inspect_options, .run = command_volume_inspect,
      .doc = "Print all that is known of volumes, as JSON" },
    { .name = "volume rm", .operands = "VOLUME...", .least = 1, .most = -1, .complete = COMPLETE_VOLUMES,
      .options = volume_rm_options, .run = command_volume_rm, .doc = "Remove volumes and their data",
      .more = "One that a container holds, running or not, stays; the message says which containers." },
    { .name = "volume prune", .operands = "", .options = volume_prune_options, .run = command_volume_prune,
      .doc = "Remove anonymous volumes that no container holds",
      .more = "With --all those with a name as well: their data are gone then." },
    { .name = "plugins ls", .operands = "", .run = command_plugins_ls,
      .doc = "List snapshot drivers, runtimes and plugins, and how they are",
      .more = "Plugins are other programs behind a socket, from [proxy_plugins] of the daemon's configuration; they are asked "
              "when the list is made. connecting: nobody listens there (yet). An asterisk marks the daemon's defaults." },
    { .name = "plugins inspect", .operands = "ID", .least = 1, .most = 1, .complete = COMPLETE_PLUGINS,
      .run = command_plugins_inspect, .doc = "Show what is known of a driver, runtime or plugin",
      .more = "TYPE/ID where two types have the same ID, e.g. snapshotter/native and runtime/native." },
    { .name = "check", .operands = "", .options = check_options, .run = command_check,
      .doc = "Compare what is recorded with what is on disk",
      .more = "The exit status is 1 when something is not as it should be, and stays so.  --repair fetches a blob once "
              "more from where it came, and unpacks a layer once more from its blob in its place; what cannot be repaired "
              "is said, and why." },
    { .name = "df", .operands = "", .options = df_options, .run = command_df,
      .doc = "Show what takes how much disk, and what can be had back",
      .more = "What several images share is counted once; images are the sum of the layers and blobs that they lead to.  "
              "What can be had back is what no container uses: gantry prune --all removes it." },
    { .name = "prune", .operands = "", .options = prune_options, .run = command_prune,
      .doc = "Remove what is not in use: stopped containers, broken-off downloads" },
    { .name = "container prune", .operands = "", .options = container_prune_options, .run = command_container_prune,
      .doc = "Remove all containers that do not run" },
    { .name = "gc", .operands = "", .options = gc_options, .run = command_gc, .doc = "Remove now what nothing names",
      .more = "It happens by itself, a moment after something was let go of.  --dry-run lists what would go." },
    { .name = "why", .operands = "DIGEST|SNAPSHOT", .least = 1, .most = 1, .run = command_why,
      .doc = "Show what keeps a blob or a snapshot",
      .more = "The beginning of a name is enough, without sha256: as well.  The shortest way is shown, from an image, a "
              "container, a lease or a label that keeps by itself." },
    { .name = "version", .operands = "", .run = command_version, .doc = "Show the versions of this command and of the daemon" },
    { .name = "info", .operands = "", .run = command_info, .doc = "Show paths, settings and counts of the daemon" },
    { .name = "actors", .operands = "", .run = command_actors, .doc = "Show how the daemon's parts are doing" },
    { .name = "completion", .operands = "bash", .least = 1, .most = 1, .complete = COMPLETE_SHELLS,
      .run = command_completion, .doc = "Print a script that completes words for a shell",
      .more = "Put it where the shell finds it: gantry completion bash >/etc/bash_completion.d/gantry" },
    { .name = "help", .operands = "[COMMAND]", .most = 2, .complete = COMPLETE_COMMANDS,
      .options = help_options, .run = command_help, .doc = "Explain a command" },
    { .name = "names", .operands = "containers|running|images|namespaces|snapshots|leases|volumes|plugins|registries", .least = 1, .most = 1, .hidden = true,
      .run = command_names, .doc = "Print names, one a line, for completion" },
    END,
};
/* clang-format on */
