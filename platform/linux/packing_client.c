/*
 * The daemon's side of gantry-pack: see platform/packing.h.
 *
 * Words come as lines, read a byte at a time, so that nothing is left in a buffer of ours that
 * poll() cannot see; "data N" is followed by N bytes, which are read at once.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/linux/mounts_text.h"
#include "platform/linux/pack/protocol.h"
#include "platform/packing.h"
#include "platform/scope.h"

#ifdef GANTRY_TEST_HOOKS
#define HELPER_ERRORS 2 /* a sanitizer's report is worth reading */
#else
#define HELPER_ERRORS (-1) /* what a stranger's file could make it write belongs nowhere */
#endif

bool packing_is_running(uint64_t pid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%" PRIu64 "/ns/mnt", pid); /* of a zombie it is not there */
    return access(path, F_OK) == 0;
}

/* ---- starting ----------------------------------------------------------------- */

static int helper_start(struct packing *packing, const char *name, const char **arguments,
                        bool input, struct error *err)
{
    char program[PATH_SIZE];
    struct child_options options = {
        .argv = arguments, .input = input, .output = true, .errors = HELPER_ERRORS
    };

    packing->program = name;
    if (program_find(name, program, err) < 0)
        return -1;
    packing->data = malloc(PACKING_DATA_MAX);
    if (packing->data == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for a piece");
    arguments[0] = program;
    if (child_start(&options, &packing->child, err) == 0)
        return 0;
    packing_drop(packing);
    return -1;
}

/* Mounts before and after, what is excluded, NULL; from `arguments` on. */
static int trees_put(const struct packing_trees *trees, const char **arguments, struct arena *arena,
                     struct error *err)
{
    arguments[0] = mounts_to_text(trees->before, arena, err);
    arguments[1] = mounts_to_text(trees->after, arena, err);
    if (arguments[0] == NULL || arguments[1] == NULL)
        return -1;
    for (size_t i = 0; trees->excluded != NULL && i < trees->excluded->count; i++) {
        const char *path = trees->excluded->items[i];

        arguments[2 + i] = path + strspn(path, "/");
    }
    return 0;
}

static const char **arguments_new(const struct packing_trees *trees, struct arena *arena)
{
    size_t count = 9 + (trees->excluded != NULL ? trees->excluded->count : 0);

    return arena_alloc(arena, count * sizeof(const char *));
}

int packing_layer(const struct packing_layer *layer, struct packing *packing, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    const char **arguments = arguments_new(&layer->trees, arena);
    char latest[24] = "-";

    *packing = (struct packing){ .child = { .input = -1, .output = -1 } };
    if (layer->latest != NULL)
        snprintf(latest, sizeof(latest), "%" PRId64, *layer->latest);
    arguments[1] = "layer";
    arguments[2] = layer->file;
    arguments[3] = layer->compression;
    arguments[4] = latest;
    arguments[5] = layer->still == NULL ? "-"
                   : arena_printf(arena, "%s %s", layer->must_still ? "must" : "may", layer->still);
    if (trees_put(&layer->trees, arguments + 6, arena, err) < 0)
        return -1;
    return helper_start(packing, "gantry-pack", arguments, false, err);
}

int packing_changes(const struct packing_trees *trees, struct packing *packing, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    const char **arguments = arguments_new(trees, arena);

    *packing = (struct packing){ .child = { .input = -1, .output = -1 } };
    arguments[1] = "changes";
    if (trees_put(trees, arguments + 2, arena, err) < 0)
        return -1;
    return helper_start(packing, "gantry-pack", arguments, false, err);
}

static const char *root_text(const struct packing_root *root, struct arena *arena,
                             struct error *err)
{
    return root->pid != 0 ? arena_printf(arena, "pid %" PRIu64, root->pid)
                          : mounts_to_text(root->mounts, arena, err);
}

static int root_start(const char *mode, const struct packing_root *root, const char *path,
                      struct packing *packing, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    const char *arguments[] = { NULL, mode, root_text(root, arena, err), path, NULL };

    *packing = (struct packing){ .child = { .input = -1, .output = -1 } };
    return arguments[2] != NULL ? helper_start(packing, "gantry-pack", arguments, false, err) : -1;
}

int packing_put(const struct packing_root *root, const char *folder, struct packing *packing,
                struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    const char *arguments[] = { NULL, "put", folder, root_text(root, arena, err), NULL };

    *packing = (struct packing){ .child = { .input = -1, .output = -1 } };
    return arguments[3] != NULL ? helper_start(packing, "gantry-unpack", arguments, true, err) : -1;
}

int packing_say(struct packing *packing, const void *bytes, size_t size, struct error *err)
{
    const char *at = bytes;
    int64_t wrote;

    for (; size > 0 && packing->child.input >= 0; at += wrote, size -= (size_t)wrote) {
        wrote = child_say(&packing->child, at, size);
        if (wrote < 0 && errno == EINTR)
            wrote = 0;
        else if (wrote < 0 && errno == EPIPE)
            file_close(&packing->child.input), wrote = 0;
        else if (wrote < 0)
            return error_sys(err, errno, "write to %s", packing->program);
    }
    return 0;
}

void packing_say_end(struct packing *packing)
{
    file_close(&packing->child.input);
}

int packing_copy(const struct packing_root *root, const char *path, struct packing *packing,
                 struct error *err)
{
    return root_start("copy", root, path, packing, err);
}

int packing_stat(const struct packing_root *root, const char *path, struct packing *packing,
                 struct error *err)
{
    return root_start("stat", root, path, packing, err);
}

/* ---- hearing ---------------------------------------------------------------------- */

int packing_fd(const struct packing *packing)
{
    return packing->child.output;
}

static int helper_died(struct packing *packing, struct error *err)
{
    int status;
    char fate[80];

    if (child_wait(&packing->child, &status, err) < 0)
        return -1;
    if (status == 128 + SIGSYS)
        return error_set(err, ERROR_INTERNAL, "%s was stopped by its system call filter",
                         packing->program);
    return error_set(err, ERROR_INTERNAL, "%s %s, saying nothing", packing->program,
                     child_fate(status, fate));
}

/* So many bytes. */
static int take(struct packing *packing, char *bytes, size_t size, struct error *err)
{
    ssize_t got;

    for (size_t have = 0; have < size; have += (size_t)got) {
        got = read(packing->child.output, bytes + have, size - have);
        if (got < 0 && errno == EINTR)
            got = 0;
        else if (got < 0)
            return error_sys(err, errno, "read from %s", packing->program);
        else if (got == 0)
            return helper_died(packing, err);
    }
    return 0;
}

/* The next line without its newline. */
static int take_line(struct packing *packing, char line[PACK_LINE], struct error *err)
{
    if (hook_platform_call("hear gantry-pack", err))
        return -1;
    for (size_t have = 0; have < PACK_LINE; have++) {
        if (take(packing, line + have, 1, err) < 0)
            return -1;
        if (line[have] == '\n') {
            line[have] = '\0';
            return 0;
        }
    }
    return error_set(err, ERROR_INTERNAL, "%s says more than a line holds", packing->program);
}

static int take_data(struct packing *packing, struct packing_news *news, struct error *err)
{
    news->kind = PACKING_DATA;
    news->data = packing->data;
    if (news->size > PACKING_DATA_MAX)
        return error_set(err, ERROR_INTERNAL, "%s: %zu bytes are too many", packing->program,
                         news->size);
    return take(packing, packing->data, news->size, err);
}

/* The helper has said its last word; it goes by itself. */
static int helper_end(struct packing *packing, struct error *err)
{
    int status;

    file_close(&packing->child.output);
    return child_wait(&packing->child, &status, err);
}

static int helper_error(struct packing *packing, const char *line, struct error *err)
{
    char code[32];
    int text = 0;

    if (sscanf(line, "error %31s %n", code, &text) != 1 || text == 0)
        return error_set(err, ERROR_INTERNAL, "%s says \"%.100s\"", packing->program, line);
    return error_set(err, error_code_of_name(code), "%s", line + text);
}

static bool is_last(const char *line, struct packing_news *news)
{
    int64_t seconds;
    long fraction;
    int still;

    if (strcmp(line, "ok") == 0)
        return true;
    if (sscanf(line, "layer %71s %71s %" SCNu64 " %" SCNu64 " %" SCNu64 " %d", news->diff_id,
               news->digest, &news->packed, &news->unpacked, &news->entries, &still) == 6) {
        news->still = still != 0;
        return true;
    }
    if (sscanf(line, "stat %o %" SCNu64 " %" SCNd64 " %ld", &news->mode, &news->file_size, &seconds,
               &fraction) != 4)
        return false;
    news->modified = seconds * 1000000000 + fraction;
    return true;
}

int packing_next(struct packing *packing, struct packing_news *news, struct error *err)
{
    char line[PACK_LINE];

    *news = (struct packing_news){ .kind = PACKING_PROGRESS };
    if (packing->child.pid <= 0)
        return error_set(err, ERROR_INTERNAL, "packing: nothing runs");
    if (take_line(packing, line, err) < 0)
        return -1;
    if (sscanf(line, "data %zu", &news->size) == 1)
        return take_data(packing, news, err);
    if (sscanf(line, "progress %" SCNu64 " %" SCNu64, &news->bytes, &news->entries) == 2)
        return 0;
    news->kind = PACKING_DONE;
    return is_last(line, news) ? helper_end(packing, err) : helper_error(packing, line, err);
}

void packing_drop(struct packing *packing)
{
    free(packing->data);
    packing->data = NULL;
    if (packing->child.pid > 0)
        child_drop(&packing->child);
}
