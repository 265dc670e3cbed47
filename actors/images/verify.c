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
#include "protocol/oci/name.h"

#define VERIFIERS_MAX 10
#define SAID_MAX      4096 /* bytes of what a verifier says that are kept */

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

/* ---- one of them ---------------------------------------------------------------------------- */

/* One line of it, without what would steer a terminal. */
static const char *line_of(char *said, size_t size)
{
    while (size > 0 && strchr(" \t\r\n", said[size - 1]) != NULL)
        said[--size] = '\0';
    for (char *at = said; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = ' ';
    return said;
}

static int check(void *ctx, struct error *err)
{
    return job_check(ctx, err);
}

/* Whatever it did but end with 0 is a refusal, for which no later try is worth anything. */
static int ask(struct job *job, const char *path, const char *name, const struct descriptor *target,
               const char *descriptor, struct error *err)
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
    char said[SAID_MAX];
    struct child_words words = { .input = descriptor,
                                 .input_size = strlen(descriptor),
                                 .output = said,
                                 .room = sizeof(said),
                                 .all = true,
                                 .wait_ms = (int)images->config->verifier_s * 1000,
                                 .check = check,
                                 .ctx = job };
    int status;

    if (child_ask(argv, NULL, &words, &status, err) < 0) {
        if (job_check(job, err) == 0)
            err->code = ERROR_FAILED_PRECONDITION;
        return -1;
    }
    if (status == 0)
        return 0;
    return error_set(err, ERROR_FAILED_PRECONDITION, "%s", line_of(said, words.output_size));
}

/* ---- all of them ---------------------------------------------------------------------------- */

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
    json_decref(json);
    return text;
}

int image_verify(struct job *job, const char *text, const struct descriptor *target,
                 struct error *err)
{
    const struct images *images = job_self(job);
    struct verifiers verifiers = { .folder = images->config->verifiers, .arena = job_arena(job) };
    CLEANUP(text_free) char *descriptor = NULL;
    char path[PATH_SIZE], name[REFERENCE_TEXT_SIZE];
    struct reference reference;

    if (verifiers.folder == NULL || verifiers.folder[0] == '\0')
        return 0;
    if (reference_parse(text, &reference, err) < 0)
        return -1;
    reference_text(&reference, name);
    if (fs_folder_each(verifiers.folder, take_name, &verifiers, err) < 0)
        return error_wrap(err, "image %.100s is not let in without its verifiers", name);
    descriptor = descriptor_text(target);
    if (descriptor == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < verifiers.count; i++) {
        if (path_format(path, err, "%s/%s", verifiers.folder, verifiers.names[i]) < 0)
            return -1;
        if (ask(job, path, name, target, descriptor, err) == 0)
            continue;
        log_info("images", "%s %s: refused by verifier %s: %s", name, target->digest,
                 verifiers.names[i], err->text);
        return error_wrap(err, "image %.100s (%.19s) is refused by verifier %.80s", name,
                          target->digest, verifiers.names[i]);
    }
    return 0;
}
