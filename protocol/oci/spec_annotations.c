/*
 * The annotations of a spec: what the image says about itself, its labels, and
 * the user's.
 *
 * Runtimes obey some annotations: crun runs hooks and other handlers, systemd
 * properties are set on the host.  An image must never reach those (a label of
 * an image became a command run as root in CVE-2026-53488), so its labels are
 * passed on unless their name begins like one that some program acts upon.
 * The user's annotations are the user's word and go as they are.
 */
#include <string.h>

#include "protocol/oci/spec_parts.h"

#define LABEL_MAX 4096 /* bytes of name and value; longer labels stay in the image */
#define PREFIX    "org.opencontainers.image."

static const char *const reserved[] = {
    "io.gantry.",       "run.oci.",         "io.katacontainers.", "org.systemd.property.",
    "com.docker.",      "org.criu.",        "io.kubernetes.",     "io.containerd.",
    "containerd.io/",   "nerdctl/",         "module.wasm.",       "dev.gvisor.",
    "io.podman.",       "io.libpod.",       "io.cri-containerd",  "io.container.manager",
    "cdi.k8s.io/",      "nri.",             "org.crun.",          "org.runc.",
    "com.nvidia.",      "io.github.seccomp", "seccomp-agent",     "oci-seccomp-bpf-hook",
    "io.crun.",         "run.youki.",       "io.microsoft.",      "com.github.containers.",
};

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool begins_with(const char *text, const char *prefix)
{
    for (; *prefix != '\0'; text++, prefix++)
        if (lower(*text) != *prefix)
            return false;
    return true;
}

static bool is_reserved(const char *key)
{
    for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
        if (begins_with(key, reserved[i]))
            return true;
    return false;
}

static void labels_put(const struct map *labels, json_t *annotations)
{
    for (size_t i = 0; i < labels->count; i++) {
        const char *key = labels->entries[i].key, *value = labels->entries[i].value;

        if (key[0] == '\0' || strlen(key) + strlen(value) > LABEL_MAX || is_reserved(key) ||
            !utf8_is_valid(key, strlen(key)))
            continue;
        draft_put(annotations, key, draft_text(value));
    }
}

static void implicit_put(json_t *annotations, const char *key, const char *value)
{
    if (value != NULL && value[0] != '\0' && strlen(value) <= LABEL_MAX)
        draft_put(annotations, key, draft_text(value));
}

static void implicit_list(json_t *annotations, const char *key, const struct strs *values)
{
    struct buffer joined = { 0 };

    for (size_t i = 0; i < values->count; i++) {
        if (i > 0)
            buffer_add(&joined, ",", 1);
        buffer_add(&joined, values->items[i], strlen(values->items[i]));
    }
    buffer_add(&joined, "", 1);
    implicit_put(annotations, key, joined.data);
    buffer_free(&joined);
}

/* What image-spec's conversion.md derives from the fields of an image's config. */
static void implicit_annotations(const struct image_config *image, json_t *annotations)
{
    implicit_put(annotations, PREFIX "os", image->os);
    implicit_put(annotations, PREFIX "architecture", image->architecture);
    implicit_put(annotations, PREFIX "variant", image->variant);
    implicit_put(annotations, PREFIX "os.version", image->os_version);
    implicit_list(annotations, PREFIX "os.features", &image->os_features);
    implicit_put(annotations, PREFIX "author", image->author);
    implicit_put(annotations, PREFIX "created", image->created);
    implicit_put(annotations, PREFIX "stopSignal", image->stop_signal);
    implicit_list(annotations, PREFIX "exposedPorts", &image->exposed_ports);
}

int plan_annotations(const struct plan *plan, json_t *spec, struct error *err)
{
    const struct map *wanted = &plan->options->annotations;
    json_t *annotations = draft_object();

    draft_put(spec, "annotations", annotations);
    implicit_annotations(plan->image, annotations);
    labels_put(&plan->image->labels, annotations);
    for (size_t i = 0; i < wanted->count; i++) {
        if (wanted->entries[i].key[0] == '\0')
            return error_set(err, ERROR_INVALID_ARGUMENT, "annotation: the name is empty");
        draft_put(annotations, wanted->entries[i].key, draft_text(wanted->entries[i].value));
    }
    return 0;
}
