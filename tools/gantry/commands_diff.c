/*
 * Commands about what has changed: diff, of a container; snapshot diff, of any two, as a layer.
 *
 * The layer is made in the daemon's content store.  From there it is taken over the connection, so
 * client and daemon need not share a file system.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "platform/scope.h"
#include "platform/terminal.h"
#include "protocol/json.h"
#include "protocol/oci/spec_places.h"
#include "tools/gantry/command.h"
#include "tools/gantry/options.h"
#include "tools/gantry/text.h"

#define LEASE_MS (3600u * 1000)
#define GC_ROOT  "containerd.io/gc.root"
#define SECOND   1000000000

/* ---- a container's changes ------------------------------------------------------------------- */

struct line {
    const char *path;
    char letter;
};

struct lines {
    struct buffer text; /* as it came */
    struct line *items;
    size_t count;
};

/* Letter, path, NUL; and again. */
static void lines_find(struct lines *lines, struct arena *arena)
{
    size_t room = 0;

    for (size_t at = 0; at < lines->text.size; at++)
        room += lines->text.data[at] == '\0';
    lines->items = arena_alloc(arena, (room + 1) * sizeof(*lines->items));
    for (const char *at = lines->text.data; lines->count < room; at += strlen(at) + 1)
        lines->items[lines->count++] = (struct line){ at + (*at != '\0'), *at };
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct line *)a)->path, ((const struct line *)b)->path);
}

static int changes_take(struct cli *cli, const struct snapshots_changes_request *want,
                        struct lines *lines, struct error *err)
{
    struct gantry_message message = { .kind = GANTRY_DATA };
    struct gantry_stream *stream;
    int result;

    if (gantry_stream_open(cli->client, &op_snapshots_changes, want, &stream, err) < 0)
        return -1;
    do {
        result = gantry_stream_next(stream, -1, &message, err);
        if (result == 1 && message.kind == GANTRY_DATA && message.size > 0)
            buffer_add(&lines->text, message.bytes, message.size);
    } while (result >= 0 && message.kind != GANTRY_REPLY);
    gantry_stream_close(&stream);
    return result < 0 ? -1 : 0;
}

static void lines_print(struct cli *cli, const struct lines *lines)
{
    json_t *array = cli->json ? json_array() : NULL;

    for (size_t i = 0; i < lines->count; i++) {
        const struct line *line = &lines->items[i];

        if (array == NULL)
            printf("%c %s\n", line->letter, printable(line->path, cli->arena));
        else
            json_array_append_new(array,
                                  json_pack("{s:s#, s:s}", "change", &line->letter, (size_t)1,
                                            "path", printable(line->path, cli->arena)));
    }
    if (array != NULL)
        json_print(array);
    json_decref(array);
}

int command_diff(struct cli *cli, const struct args *args, struct error *err)
{
    const struct containers_get_request which = { .id = args->operands.items[0] };
    struct snapshots_changes_request want = { 0 };
    struct container_info container;
    struct lines lines = { 0 };

    if (cli_call(cli, &op_containers_get, &which, &container, err) < 0)
        return -1;
    if (container.snapshot == NULL || container.spec == NULL)
        return error_set(err, ERROR_FAILED_PRECONDITION, "%s: has no root file system of its own",
                         which.id);
    want.key = container.snapshot;
    want.driver = container.driver;
    if (spec_places(container.spec, strlen(container.spec), cli->arena, &want.exclude, err) < 0 ||
        changes_take(cli, &want, &lines, err) < 0) {
        buffer_free(&lines.text);
        return -1;
    }
    lines_find(&lines, cli->arena);
    qsort(lines.items, lines.count, sizeof(*lines.items), by_path);
    lines_print(cli, &lines);
    buffer_free(&lines.text);
    return 0;
}

/* ---- a layer ----------------------------------------------------------------------------------
 */

/* What is written to: standard output, or a file that gets its name when it is complete. */
struct output {
    const char *path; /* NULL: standard output */
    char partial[PATH_SIZE];
    int file;
};

static int output_begin(const char *path, struct output *output, struct error *err)
{
    bool is_stream = strcmp(path, "-") == 0;

    *output = (struct output){ .path = is_stream ? NULL : path, .file = OUTPUT_FD };
    if (is_stream && terminal_is(OUTPUT_FD)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "a layer is not for a terminal");
        return error_hint(err, "send it on: -o - | ..., or name a file: -o FILE");
    }
    if (is_stream)
        return 0;
    return path_format(output->partial, err, "%s.partial", path) < 0
               ? -1
               : file_open_append(output->partial, 0, &output->file, err);
}

static int output_end(struct output *output, int result, struct error *err)
{
    struct error ignored;

    if (output->path == NULL)
        return result;
    file_close(&output->file);
    if (result == 0)
        result = fs_rename(output->partial, output->path, err);
    if (result < 0)
        fs_remove(output->partial, &ignored);
    return result;
}

static int blob_write(struct cli *cli, const char *digest, struct output *output, struct error *err)
{
    const struct content_read_request want = { .digest = digest };
    struct gantry_message message = { .kind = GANTRY_DATA };
    struct gantry_stream *stream;
    int result;

    if (gantry_stream_open(cli->client, &op_content_read, &want, &stream, err) < 0)
        return -1;
    do {
        result = gantry_stream_next(stream, -1, &message, err);
        if (result == 1 && message.kind == GANTRY_DATA && message.size > 0 &&
            file_write(output->file, message.bytes, message.size, err) < 0)
            result = -1;
    } while (result >= 0 && message.kind != GANTRY_REPLY);
    gantry_stream_close(&stream);
    return result < 0 ? -1 : 0;
}

/* Made under a lease that goes with this command: the blob need not stay. */
static int layer_take(struct cli *cli, const struct snapshots_diff_request *want, const char *path,
                      struct error *err)
{
    const struct leases_create_request lease = { SET(ttl_ms, LEASE_MS) };
    struct snapshots_diff_reply made;
    struct leases_remove_request over;
    struct lease_info held;
    struct output output;
    struct error ignored;
    int result;

    if (output_begin(path, &output, err) < 0)
        return -1;
    if (cli_call(cli, &op_leases_create, &lease, &held, err) < 0)
        return output_end(&output, -1, err);
    gantry_lease(cli->client, held.id);
    result = cli_call(cli, &op_snapshots_diff, want, &made, err) < 0
                 ? -1
                 : blob_write(cli, made.blob->digest, &output, err);
    gantry_lease(cli->client, NULL);
    over = (struct leases_remove_request){ .id = held.id };
    cli_call(cli, &op_leases_remove, &over, NULL, &ignored);
    return output_end(&output, result, err);
}

static int layer_keep(struct cli *cli, struct snapshots_diff_request *want, struct error *err)
{
    struct map_entry *entries =
        arena_alloc(cli->arena, (want->labels.count + 1) * sizeof(*entries));
    struct snapshots_diff_reply made;

    if (want->labels.count > 0)
        memcpy(entries, want->labels.entries, want->labels.count * sizeof(*entries));
    entries[want->labels.count++] = (struct map_entry){ GC_ROOT, "yes" };
    want->labels.entries = entries;
    if (cli_call(cli, &op_snapshots_diff, want, &made, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(snapshots_diff_reply_record(), &made);
    else
        printf("%s\n", made.blob->digest);
    return 0;
}

/* --source-date-epoch, or what the environment says: seconds. */
int option_epoch(const struct args *args, int64_t *ns, struct error *err)
{
    const char *text = getenv("SOURCE_DATE_EPOCH");
    int64_t seconds = 0;
    char *end = NULL;
    int given = args_i64(args, "source-date-epoch", &seconds, err);

    if (given == 0 && text != NULL && *text != '\0') {
        seconds = strtoll(text, &end, 10);
        given = *end == '\0' ? 1
                             : error_set(err, ERROR_INVALID_ARGUMENT,
                                         "SOURCE_DATE_EPOCH '%.40s': no number of seconds", text);
    }
    if (given == 1 && (seconds < 0 || seconds > INT64_MAX / SECOND))
        return error_set(err, ERROR_INVALID_ARGUMENT, "%" PRId64 " s since 1970: no such time",
                         seconds);
    *ns = seconds * SECOND;
    return given;
}

int command_snapshot_diff(struct cli *cli, const struct args *args, struct error *err)
{
    const struct strs labels = args_list(args, "label", cli->arena);
    const struct strs *operands = &args->operands;
    const char *path = args_text(args, "output");
    struct snapshots_diff_request want = {
        .key = operands->items[operands->count - 1],
        .parent = operands->count > 1 ? operands->items[0] : NULL,
        .driver = args_text(args, "snapshotter"),
        .media_type = args_text(args, "media-type"),
        .labels = options_map(&labels, cli->arena),
    };
    int given = option_epoch(args, &want.latest, err);

    if (given < 0 || cli_connect(cli, err) < 0)
        return -1;
    want.has_latest = given == 1;
    return path != NULL ? layer_take(cli, &want, path, err) : layer_keep(cli, &want, err);
}
