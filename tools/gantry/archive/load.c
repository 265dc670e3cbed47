/*
 * The command load: images out of an OCI layout or a docker archive, a tar or a folder.
 *
 * The happy path is one pass: every blob goes to the daemon as it comes by, verified against the
 * name it has, and held by a lease; what leads to the images is remembered.  At the end each image
 * is adopted, which checks its documents as a pull does, unpacks it and names it.
 */
#include "tools/gantry/archive/load.h"

#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/document.h"
#include "protocol/oci/manifest.h"
#include "protocol/oci/name.h"
#include "tools/gantry/text.h"

#define LINKS_MAX 32
#define FILES_MAX 100000

/* ---- what comes by -------------------------------------------------------------------------- */

static struct kept *keep(struct load *load, const char *name, struct error *err)
{
    struct kept *kept;

    if (load->count == FILES_MAX) {
        error_set(err, ERROR_RESOURCE_EXHAUSTED, "more than %d files", FILES_MAX);
        return NULL;
    }
    if (load->count == load->room) {
        load->room = load->room ? 2 * load->room : 64;
        load->files = realloc(load->files, load->room * sizeof(*load->files));
        if (load->files == NULL)
            abort();
    }
    kept = &load->files[load->count++];
    *kept = (struct kept){ .name = arena_str(load->cli->arena, name) };
    return kept;
}

/* ".." and "." of a link's target, which stands beside `name`. */
static const char *beside(struct load *load, const char *name, const char *target)
{
    char *path =
        arena_printf(load->cli->arena, "%.*s%s",
                     (int)(strrchr(name, '/') ? strrchr(name, '/') + 1 - name : 0), name, target);
    char *out = path, *at = path;

    while (*at != '\0') {
        size_t size = strcspn(at, "/");

        if (size == 2 && strncmp(at, "..", 2) == 0) {
            while (out > path && *--out != '/')
                ;
        } else if (size > 0 && !(size == 1 && *at == '.')) {
            if (out > path)
                *out++ = '/';
            memmove(out, at, size);
            out += size;
        }
        at += size + (at[size] == '/');
    }
    *out = '\0';
    return path;
}

const struct kept *load_find(const struct load *load, const char *name)
{
    for (int links = 0; links < LINKS_MAX; links++) {
        const struct kept *found = NULL;

        for (size_t i = load->count; i > 0 && found == NULL; i--) /* the last one counts, as for tar */
            if (strcmp(load->files[i - 1].name, name) == 0)
                found = &load->files[i - 1];
        if (found == NULL || found->target == NULL)
            return found;
        name = found->target;
    }
    return NULL;
}

static int take_document(struct load *load, const struct packed *file, struct bin *out,
                         struct error *err)
{
    char *bytes;
    int64_t got = 1;
    size_t size = 0;

    if (out->data != NULL) /* which one counts? and memory is taken for each */
        return error_set(err, ERROR_DATA_LOSS, "%s is there twice", file->name);
    if (file->target != NULL)
        return error_set(err, ERROR_DATA_LOSS, "%s is a link", file->name);
    if (file->size > DOCUMENT_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "%s has %llu bytes, the limit is %u",
                         file->name, (unsigned long long)file->size, DOCUMENT_MAX);
    bytes = arena_alloc(load->cli->arena, (size_t)file->size + 1);
    while (got > 0 && size < file->size) {
        got = packed_read(file, bytes + size, (size_t)file->size - size, err);
        if (got < 0)
            return -1;
        size += (size_t)got;
    }
    *out = (struct bin){ bytes, size };
    return 0;
}

/* blobs/sha256/HEX; NULL: it is called something else. */
static const char *digest_by_name(struct load *load, const char *name)
{
    const char *algorithm = name + strlen("blobs/"), *slash, *digest;

    if (strncmp(name, "blobs/", strlen("blobs/")) != 0 || (slash = strchr(algorithm, '/')) == NULL)
        return NULL;
    digest =
        arena_printf(load->cli->arena, "%.*s:%s", (int)(slash - algorithm), algorithm, slash + 1);
    return digest_is_usable(digest) ? digest : NULL;
}

/* docker's older archives have more files than anybody reads. */
static bool is_of_no_use(const char *name)
{
    const char *last = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;

    return strcmp(last, "VERSION") == 0 || (strcmp(last, "json") == 0 && last != name) ||
           strcmp(name, "repositories") == 0;
}

static int take(void *ctx, const struct packed *file, struct error *err)
{
    struct load *load = ctx;
    struct kept *kept;
    struct sent sent;

    if (strcmp(file->name, "index.json") == 0)
        return take_document(load, file, &load->index, err);
    if (strcmp(file->name, "manifest.json") == 0)
        return take_document(load, file, &load->docker, err);
    if (strcmp(file->name, "oci-layout") == 0)
        return take_document(load, file, &load->layout, err);
    if (is_of_no_use(file->name))
        return 0;
    if (file->target == NULL &&
        remote_blob_send(load->cli, digest_by_name(load, file->name), file, &sent, err) < 0)
        return error_wrap(err, "%s", file->name);
    kept = keep(load, file->name, err);
    if (kept == NULL)
        return -1;
    if (file->target != NULL)
        kept->target = beside(load, file->is_hard ? "" : file->name, file->target);
    else
        kept->sent = sent;
    return 0;
}

/* ---- the images ----------------------------------------------------------------------------- */

int load_adopt(struct load *load, const char *name, const struct descriptor *target,
               struct error *err)
{
    struct images_adopt_request want = { .name = name,
                                         .target = target,
                                         .driver = load->driver,
                                         SET(no_unpack, load->no_unpack) };
    struct image_info image;

    if (cli_call(load->cli, &op_images_adopt, &want, &image, err) < 0)
        return -1;
    load->loaded++;
    if (load->cli->json)
        cli_print_json(image_info_record(), &image);
    else if (load->quiet)
        puts(printable(image.name, load->cli->arena));
    else
        printf("Loaded image: %s\n", printable(reference_short(image.name), load->cli->arena));
    return 0;
}

/* What containerd writes is a full name; what others write may be one, or a tag alone. */
static const char *name_of(struct load *load, const struct descriptor *target)
{
    const char *full = map_get(&target->annotations, "io.containerd.image.name");
    const char *name = map_get(&target->annotations, "org.opencontainers.image.ref.name");
    struct reference reference;
    struct error ignored;

    if (full != NULL && reference_parse(full, &reference, &ignored) == 0)
        return full;
    if (name != NULL && strpbrk(name, "/:") != NULL &&
        reference_parse(name, &reference, &ignored) == 0)
        return name;
    if (load->name != NULL && name != NULL &&
        reference_parse(load->name, &reference, &ignored) == 0)
        return arena_printf(load->cli->arena, "%s:%s", load->name, name);
    if (load->name != NULL)
        return load->name;
    /* nobody knows its name: it has that of its bytes, and `tag` gives it another */
    return arena_printf(load->cli->arena, "localhost/loaded@%s", target->digest);
}

/* Containerd's oldest archives, and folders made by hand, do without it. */
static int check_version(const struct load *load, struct error *err)
{
    json_t *layout;
    const char *version;
    int result = 0;

    if (load->layout.data == NULL)
        return 0;
    layout = document_load("oci-layout", load->layout.data, load->layout.size, DOCUMENT_MAX, err);
    if (layout == NULL)
        return -1;
    version = json_string_value(json_object_get(layout, "imageLayoutVersion"));
    if (version == NULL || strcmp(version, "1.0.0") != 0)
        result = error_set(err, ERROR_UNIMPLEMENTED,
                           "oci-layout: imageLayoutVersion is '%s', 1.0.0 can be read",
                           version != NULL ? printable(version, load->cli->arena) : "");
    json_decref(layout);
    return result;
}

static int load_layout(struct load *load, struct error *err)
{
    struct oci_index index;

    if (check_version(load, err) < 0)
        return -1;
    if (index_parse(load->index.data, load->index.size, MEDIA_OCI_INDEX, load->cli->arena, &index,
                    err) < 0)
        return error_wrap(err, "index.json");
    for (size_t i = 0; i < index.count; i++) {
        struct descriptor target = index.entries[i].blob;
        const char *name = name_of(load, &target);

        target.annotations = (struct map){ 0 };
        if (load_adopt(load, name, &target, err) < 0)
            return -1;
    }
    return 0;
}

static void load_drop(struct load *load)
{
    remote_release(load->cli);
    free(load->files);
}

static int load_all(struct load *load, const char *path, struct error *err)
{
    struct patience patience;

    if (remote_patience(load->cli, &patience, err) < 0 || remote_hold(load->cli, err) < 0 ||
        packed_each(path, &patience, take, load, err) < 0)
        return -1;
    if (load->index.data != NULL)
        return load_layout(load, err);
    if (load->docker.data != NULL)
        return load_docker(load, err);
    error_set(err, ERROR_DATA_LOSS, "has neither index.json nor manifest.json: no images to load");
    return error_hint(err, "a file system is made an image with `import`");
}

int command_load(struct cli *cli, const struct args *args, struct error *err)
{
    const char *path = args_text(args, "input");
    CLEANUP(load_drop)
    struct load load = {
        .cli = cli,
        .from = path != NULL && strcmp(path, "-") != 0 ? path : "standard input",
        .name = args_text(args, "name"),
        .no_unpack = args_flag(args, "no-unpack"),
        .driver = args_text(args, "snapshotter"),
        .quiet = args_flag(args, "quiet"),
    };

    if (load_all(&load, path, err) < 0)
        return error_wrap(err, "load %.200s", load.from);
    if (load.loaded == 0)
        return error_set(err, ERROR_NOT_FOUND, "load %.200s: there is no image in it", load.from);
    return 0;
}
