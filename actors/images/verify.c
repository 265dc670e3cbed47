/*
 * Verifiers: programs of the operator's that say whether an image may come in.
 *
 * The happy path is for each program of the folder, in order of their names: start it, give it the
 * descriptor, take what it says, wait for its end; all must end with 0.  The arguments are those of
 * containerd's image verifiers, so what was written for those serves here.  Whatever is wrong with
 * a verifier is a refusal: nothing gets by because a program is broken.
 */
#include <stdlib.h>

#include "actors/base/log.h"
#include "actors/images/images.h"
#include "actors/images/verify.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/json.h"

#define VERIFIERS_MAX  10
#define SAID_MAX       4096  /* bytes of what a verifier says that are kept */
#define DESCRIPTOR_MAX 60000 /* bytes; a pipe takes them without a reader */
#define LOOK_MS        20

struct verifiers {
    const char *folder;
    struct arena *arena;
    const char *names[VERIFIERS_MAX];
    size_t count;
};

static int take_name(void *ctx, const char *name, struct error *err)
{
    struct verifiers *verifiers = ctx;
    char path[PATH_SIZE];
    size_t at;

    if (path_format(path, err, "%s/%s", verifiers->folder, name) < 0)
        return -1;
    if (!program_is(path))
        return 0;
    if (verifiers->count == VERIFIERS_MAX)
        return error_set(err, ERROR_FAILED_PRECONDITION, "%s: more than %d verifiers",
                         verifiers->folder, VERIFIERS_MAX);
    for (at = verifiers->count++; at > 0 && strcmp(verifiers->names[at - 1], name) > 0; at--)
        verifiers->names[at] = verifiers->names[at - 1];
    verifiers->names[at] = arena_str(verifiers->arena, name);
    return 0;
}

/* ---- one of them --------------------------------------------------------------------------------
 */

struct verdict {
    struct job *job;
    struct child child;
    int64_t until; /* clock_monotonic() */
    char said[SAID_MAX];
    size_t size;
};

static int64_t left_ms(const struct verdict *verdict)
{
    int64_t left = (verdict->until - clock_monotonic()) / 1000000;

    return left > 0 ? left : 0;
}

static int late(struct error *err)
{
    return error_set(err, ERROR_FAILED_PRECONDITION, "has not ended in time");
}

/* All it says until it closes its output; what is too much is read and dropped. */
static int listen_to(struct verdict *verdict, struct error *err)
{
    char piece[1024];
    int64_t got = 1;

    while (got > 0) {
        int ready = job_wait(verdict->job, verdict->child.output, JOB_FD, left_ms(verdict), err);
        size_t room = sizeof(verdict->said) - 1 - verdict->size;

        if (ready <= 0)
            return ready < 0 ? -1 : late(err);
        got = file_read(verdict->child.output, piece, sizeof(piece), err);
        if (got < 0)
            return -1;
        room = room < (size_t)got ? room : (size_t)got;
        memcpy(verdict->said + verdict->size, piece, room);
        verdict->size += room;
    }
    verdict->said[verdict->size] = '\0';
    return 0;
}

static int wait_for_end(struct verdict *verdict, int *status, struct error *err)
{
    while (!child_ended(&verdict->child, LOOK_MS, status)) {
        if (job_check(verdict->job, err) < 0)
            return -1;
        if (left_ms(verdict) == 0)
            return late(err);
    }
    return 0;
}

/* One line of it, without what would steer a terminal. */
static const char *words_of(struct verdict *verdict)
{
    size_t size = verdict->size;

    while (size > 0 && strchr(" \t\r\n", verdict->said[size - 1]) != NULL)
        verdict->said[--size] = '\0';
    for (char *at = verdict->said; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = ' ';
    return verdict->said;
}

static int ask(struct verdict *verdict, const char *descriptor, struct error *err)
{
    int status;

    /* one that does not read it is free to: it has been told the digest */
    child_say(&verdict->child, descriptor, strlen(descriptor));
    file_close(&verdict->child.input);
    if (listen_to(verdict, err) < 0 || wait_for_end(verdict, &status, err) < 0)
        return -1;
    if (status == 0)
        return 0;
    return error_set(err, ERROR_FAILED_PRECONDITION, "%s", words_of(verdict));
}

static void verdict_drop(struct verdict *verdict)
{
    child_drop(&verdict->child);
}

static int ask_one(struct job *job, const char *path, const char *name,
                   const struct descriptor *target, const char *descriptor, struct error *err)
{
    const struct images *images = job_self(job);
    const char *argv[] = { path,
                           "-name",
                           name,
                           "-digest",
                           target->digest,
                           "-stdin-media-type",
                           "application/vnd.oci.descriptor.v1+json",
                           NULL };
    const struct child_options options = {
        .argv = argv, .input = true, .output = true, .errors = 1, .leads = true
    };
    CLEANUP(verdict_drop)
    struct verdict verdict = {
        .job = job,
        .child = { .pid = -1, .input = -1, .output = -1 },
        .until = clock_monotonic() + (int64_t)images->config->verifier_s * 1000000000,
    };

    return child_start(&options, &verdict.child, err) < 0 ? -1 : ask(&verdict, descriptor, err);
}

/* ---- all of them --------------------------------------------------------------------------------
 */

static void text_free(char **text)
{
    free(*text);
}

static char *descriptor_text(const struct descriptor *target)
{
    json_t *json = json_pack("{s:s, s:s, s:I}", "mediaType", target->media_type, "digest",
                             target->digest, "size", (json_int_t)target->size);
    json_t *annotations = json_object();
    char *text;

    for (size_t i = 0; i < target->annotations.count; i++)
        json_object_set_new(annotations, target->annotations.entries[i].key,
                            json_string(target->annotations.entries[i].value));
    if (target->annotations.count > 0)
        json_object_set(json, "annotations", annotations);
    json_decref(annotations);
    text = json_dumps(json, JSON_COMPACT);
    if (text != NULL && strlen(text) > DESCRIPTOR_MAX) {
        free(text);
        json_object_del(json, "annotations");
        text = json_dumps(json, JSON_COMPACT);
    }
    json_decref(json);
    return text;
}

int image_verify(struct job *job, const char *name, const struct descriptor *target,
                 struct error *err)
{
    const struct images *images = job_self(job);
    struct verifiers verifiers = { .folder = images->config->verifiers, .arena = job_arena(job) };
    CLEANUP(text_free) char *descriptor = NULL;
    char path[PATH_SIZE];

    if (verifiers.folder == NULL || verifiers.folder[0] == '\0')
        return 0;
    if (fs_folder_each(verifiers.folder, take_name, &verifiers, err) < 0)
        return error_wrap(err, "image %.100s is not let in without its verifiers", name);
    descriptor = descriptor_text(target);
    if (descriptor == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < verifiers.count; i++) {
        if (path_format(path, err, "%s/%s", verifiers.folder, verifiers.names[i]) < 0)
            return -1;
        if (ask_one(job, path, name, target, descriptor, err) == 0)
            continue;
        log_info("images", "%s %s: refused by verifier %s: %s", name, target->digest,
                 verifiers.names[i], err->text);
        return error_wrap(err, "image %.100s (%.19s) is refused by verifier %.80s", name,
                          target->digest, verifiers.names[i]);
    }
    return 0;
}
