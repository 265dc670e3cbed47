/*
 * The command cp: files out of a container and into one, by docker's rules.
 *
 * Both ways a tar goes over the connection.  What it unpacks to is decided before it is sent: the
 * folder that things go to, and what the first of them is called there.
 *
 *      SOURCE      DESTINATION     goes to
 *      file        missing         that name, in its folder
 *      file        file            that file
 *      anything    folder          the folder, by its own name
 *      folder      missing         that name, in its folder
 *      folder/.    folder          the folder: only what is in it
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/local_tree.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "platform/terminal.h"
#include "tools/gantry/archive/blobs.h"

#define PIECE (64u << 10)
#define LINKS 40

struct end {               /* of the way */
    const char *container; /* NULL: here */
    const char *path;      /* "-": a stream */
};

/* CONTAINER:PATH; what begins with a slash or a dot is a path here, whatever is in it. */
static struct end end_of(const char *text, struct arena *arena)
{
    const char *colon = strchr(text, ':');

    if (colon == NULL || colon == text || *text == '/' || *text == '.')
        return (struct end){ NULL, text };
    return (struct end){ arena_printf(arena, "%.*s", (int)(colon - text), text),
                         colon[1] != '\0' ? colon + 1 : "/" };
}

static bool is_stream(const struct end *end)
{
    return end->container == NULL && strcmp(end->path, "-") == 0;
}

/* ---- paths as text ------------------------------------------------------------------------------
 */

static const char *without_slashes(const char *path, struct arena *arena)
{
    size_t length = strlen(path);

    while (length > 1 && path[length - 1] == '/')
        length--;
    return arena_printf(arena, "%.*s", (int)length, path);
}

/* "." where the path has no name of its own. */
static const char *name_of(const char *path, struct arena *arena)
{
    const char *plain = without_slashes(path, arena), *slash = strrchr(plain, '/');
    const char *name = slash != NULL ? slash + 1 : plain;

    return *name == '\0' || strcmp(name, "..") == 0 ? "." : name;
}

static const char *folder_of(const char *path, struct arena *arena)
{
    const char *plain = without_slashes(path, arena), *slash = strrchr(plain, '/');

    if (slash == NULL)
        return ".";
    return slash == plain ? "/" : arena_printf(arena, "%.*s", (int)(slash - plain), plain);
}

static bool ends_in_slash(const char *path)
{
    size_t length = strlen(path);

    return length > 1 && path[length - 1] == '/';
}

/* ---- what is there
 * ------------------------------------------------------------------------------- */

enum there { THERE_NOTHING, THERE_FOLDER, THERE_OTHER };

struct thing {
    enum there there;
    const char *path; /* where it really is, or would be */
};

/* In the container, the link at the end followed too, if that is wanted. */
static int look_there(struct cli *cli, const struct end *end, bool follow, struct thing *thing,
                      struct error *err)
{
    struct containers_path_request want = { .id = end->container, .path = end->path };
    struct containers_path_info info;

    *thing = (struct thing){ .path = end->path };
    for (int links = 0; links < LINKS; links++) {
        if (cli_call(cli, &op_containers_look, &want, &info, err) < 0)
            return err->code == ERROR_NOT_FOUND && links > 0 ? 0 : -1;
        thing->path = info.path;
        thing->there = strcmp(info.kind, "folder") == 0 ? THERE_FOLDER : THERE_OTHER;
        if (!follow || info.target == NULL)
            return 0;
        want.path =
            info.target[0] == '/'
                ? info.target
                : arena_printf(cli->arena, "%s/%s", folder_of(info.path, cli->arena), info.target);
        *thing = (struct thing){ .path = want.path };
    }
    return error_set(err, ERROR_INVALID_ARGUMENT, "%s: too many links", end->path);
}

/* A destination need not be there yet; the container has to. */
static int look_at_destination(struct cli *cli, const struct end *end, struct thing *thing,
                               struct error *err)
{
    struct containers_get_request which = { .id = end->container };
    struct local_info info;

    *thing = (struct thing){ .path = end->path };
    if (end->container == NULL) {
        if (local_look(end->path, &info, err) < 0)
            return -1;
        if (info.kind == LOCAL_OTHER && info.real[0] != '\0')
            thing->path = arena_str(cli->arena, info.real);
        thing->there = info.kind == LOCAL_NONE     ? THERE_NOTHING
                       : info.kind == LOCAL_FOLDER ? THERE_FOLDER
                                                   : THERE_OTHER;
        return 0;
    }
    if (look_there(cli, end, true, thing, err) == 0)
        return 0;
    if (err->code != ERROR_NOT_FOUND)
        return -1;
    *thing = (struct thing){ .path = end->path };
    return cli_call(cli, &op_containers_get, &which, NULL, err);
}

/* ---- the rules
 * ------------------------------------------------------------------------------------ */

struct goal {
    const char *folder, *name; /* "." as name: what is in it */
};

static int goal_find(const struct thing *from, const char *source, const struct thing *to,
                     const char *destination, struct goal *goal, struct arena *arena,
                     struct error *err)
{
    const char *name = name_of(source, arena);
    bool is_folder = from->there == THERE_FOLDER;

    if (to->there == THERE_FOLDER) {
        *goal = (struct goal){ to->path, name };
        return 0;
    }
    if (to->there == THERE_OTHER && is_folder)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "%s: is a file, and a folder cannot be copied over it", destination);
    if (ends_in_slash(destination) && (!is_folder || to->there == THERE_OTHER))
        return error_set(err, ERROR_NOT_FOUND, "%s: there is no such folder", destination);
    *goal = (struct goal){ folder_of(to->path, arena), name_of(to->path, arena) };
    return 0;
}

/* ---- out of a container
 * ---------------------------------------------------------------------------- */

struct coming {
    struct gantry_stream *stream;
    bool ended;
};

static int64_t coming_read(void *ctx, const void **bytes, struct error *err)
{
    struct coming *coming = ctx;
    struct gantry_message message;

    while (!coming->ended) {
        if (gantry_stream_next(coming->stream, -1, &message, err) < 0)
            return -1;
        coming->ended = message.kind == GANTRY_REPLY;
        if (message.kind == GANTRY_DATA && message.size > 0)
            return *bytes = message.bytes, (int64_t)message.size;
    }
    return 0;
}

static int to_output(struct coming *coming, struct error *err)
{
    const void *bytes;
    int64_t got;

    while ((got = coming_read(coming, &bytes, err)) > 0)
        if (file_write(OUTPUT_FD, bytes, (size_t)got, err) < 0)
            return -1;
    return got < 0 ? -1 : 0;
}

static int to_files(struct cli *cli, const struct args *args, struct coming *coming,
                    const struct goal *goal, struct error *err)
{
    struct local_unpack unpack = { .folder = goal->folder,
                                   .name = goal->name,
                                   .keep = args_flag(args, "archive"),
                                   .read = coming_read,
                                   .ctx = coming };
    const void *rest;

    (void)cli;
    if (local_unpack(&unpack, err) < 0)
        return -1;
    if (unpack.left_out > 0)
        fprintf(stderr, "gantry: %llu devices were left out; --archive copies them\n",
                (unsigned long long)unpack.left_out);
    while (!coming->ended) /* what is behind the tar's end: the answer */
        if (coming_read(coming, &rest, err) < 0)
            return -1;
    return 0;
}

static int copy_out(struct cli *cli, const struct args *args, const struct end *from,
                    const struct end *to, struct error *err)
{
    struct containers_path_request want = { .id = from->container, .path = from->path };
    struct coming coming = { 0 };
    struct thing source, destination;
    struct goal goal;
    bool stream = is_stream(to);
    int result;

    if (stream && terminal_is(OUTPUT_FD))
        return error_set(err, ERROR_INVALID_ARGUMENT, "an archive is not for a terminal");
    if (look_there(cli, from, args_flag(args, "follow-link"), &source, err) < 0)
        return -1;
    if (args_flag(args, "follow-link") && strcmp(name_of(from->path, cli->arena), ".") != 0)
        want.path = source.path;
    if (!stream &&
        (look_at_destination(cli, to, &destination, err) < 0 ||
         goal_find(&source, from->path, &destination, to->path, &goal, cli->arena, err) < 0))
        return -1;
    if (gantry_stream_open(cli->client, &op_containers_take, &want, &coming.stream, err) < 0)
        return -1;
    result = stream ? to_output(&coming, err) : to_files(cli, args, &coming, &goal, err);
    gantry_stream_close(&coming.stream);
    return result;
}

/* ---- into a container
 * ------------------------------------------------------------------------------ */

struct going {
    struct gantry_stream *stream;
    bool answered;
};

/* 1: that was the answer. */
static int answer_take(struct going *going, int timeout_ms, struct error *err)
{
    struct gantry_message message;
    int result = 0;

    while (!going->answered &&
           (result = gantry_stream_next(going->stream, timeout_ms, &message, err)) == 1)
        going->answered = message.kind == GANTRY_REPLY;
    return result < 0 ? -1 : going->answered;
}

static int going_write(void *ctx, const void *bytes, size_t size, struct error *err)
{
    struct going *going = ctx;
    const char *at = bytes;

    for (size_t part; size > 0; at += part, size -= part) {
        part = size < PIECE ? size : PIECE;
        if (gantry_stream_send(going->stream, "tar", at, part, false, err) < 0 ||
            answer_take(going, 0, err) < 0)
            return -1;
    }
    return 0;
}

static int from_input(struct cli *cli, struct going *going, struct error *err)
{
    char *piece = arena_alloc(cli->arena, PIECE);
    struct patience patience;
    int64_t got = 1;

    if (remote_patience(cli, &patience, err) < 0)
        return -1;
    while (got > 0) {
        if (patience.wait(patience.ctx, INPUT_FD, false, err) < 0)
            return -1;
        got = file_read(INPUT_FD, piece, PIECE, err);
        if (got < 0 || (got > 0 && going_write(going, piece, (size_t)got, err) < 0))
            return -1;
    }
    return 0;
}

static int from_files(const struct args *args, const struct end *from, const struct goal *goal,
                      struct going *going, struct error *err)
{
    const struct local_pack pack = {
        .path = from->path,
        .name = goal->name,
        .follow = args_flag(args, "follow-link"),
        .keep = args_flag(args, "archive"),
        .write = going_write,
        .ctx = going,
    };

    return local_pack(&pack, err);
}

static int goal_in(struct cli *cli, const struct args *args, const struct end *from,
                   const struct end *to, struct goal *goal, struct error *err)
{
    bool follow = args_flag(args, "follow-link");
    struct thing source = { 0 }, destination;
    struct local_info info;

    if (look_at_destination(cli, to, &destination, err) < 0)
        return -1;
    *goal = (struct goal){ destination.path, "." };
    if (is_stream(from))
        return destination.there == THERE_FOLDER
                   ? 0
                   : error_set(err, ERROR_NOT_FOUND, "%s: there is no such folder", to->path);
    if (local_look(from->path, &info, err) < 0)
        return -1;
    if (info.kind == LOCAL_NONE && (!info.is_link || follow))
        return error_set(err, ERROR_NOT_FOUND, "%s: there is none", from->path);
    source.there =
        info.kind == LOCAL_FOLDER && (!info.is_link || follow) ? THERE_FOLDER : THERE_OTHER;
    return goal_find(&source, from->path, &destination, to->path, goal, cli->arena, err);
}

static int copy_in(struct cli *cli, const struct args *args, const struct end *from,
                   const struct end *to, struct error *err)
{
    struct containers_path_request want = { .id = to->container };
    struct going going = { 0 };
    struct goal goal;
    int result;

    if (is_stream(from) && terminal_is(INPUT_FD))
        return error_set(err, ERROR_INVALID_ARGUMENT, "an archive does not come from a terminal");
    if (goal_in(cli, args, from, to, &goal, err) < 0)
        return -1;
    want.path = goal.folder;
    if (gantry_stream_open(cli->client, &op_containers_put_files, &want, &going.stream, err) < 0)
        return -1;
    result =
        is_stream(from) ? from_input(cli, &going, err) : from_files(args, from, &goal, &going, err);
    if (result == 0 && !going.answered)
        result = gantry_stream_send(going.stream, "tar", NULL, 0, true, err);
    if (result == 0)
        result = answer_take(&going, -1, err) < 0 ? -1 : 0;
    gantry_stream_close(&going.stream);
    return result;
}

int command_cp(struct cli *cli, const struct args *args, struct error *err)
{
    const struct end from = end_of(args->operands.items[0], cli->arena);
    const struct end to = end_of(args->operands.items[1], cli->arena);

    if ((from.container == NULL) == (to.container == NULL)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "cp copies between a container and here");
        return error_hint(err, "one of both is CONTAINER:PATH; a path here with a colon in it "
                               "begins with ./");
    }
    if (cli_connect(cli, err) < 0)
        return -1;
    return from.container != NULL ? copy_out(cli, args, &from, &to, err)
                                  : copy_in(cli, args, &from, &to, err);
}
