/* The spec as a whole: the plan, the namespaces, and the parts in their order. */
#include "protocol/oci/spec.h"

#include <string.h>

#include "protocol/oci/seccomp.h"
#include "protocol/oci/spec_parts.h"

/* Files of the kernel that tell about, or steer, the host (inventory of containerd's defaults). */
static const char masked[] = "/proc/acpi /proc/asound /proc/kcore /proc/keys /proc/latency_stats "
                             "/proc/timer_list /proc/timer_stats /proc/sched_debug /proc/scsi "
                             "/sys/firmware /sys/devices/virtual/powercap";
static const char read_only[] = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger";

int path_clean(const char *path, const char *what, char out[PATH_TEXT_MAX], struct error *err)
{
    size_t size = 0;
    struct shown text;

    if (path[0] != '/' || strlen(path) >= PATH_TEXT_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s '%s': say an absolute path", what,
                         shown(path, &text));
    for (const char *at = path + strspn(path, "/"); *at != '\0'; at += strspn(at, "/")) {
        size_t length = strcspn(at, "/");

        if (length == 2 && at[0] == '.' && at[1] == '.')
            return error_set(err, ERROR_INVALID_ARGUMENT, "%s '%s': '..' is not allowed", what,
                             shown(path, &text));
        if (length > 1 || at[0] != '.') {
            out[size++] = '/';
            memcpy(out + size, at, length);
            size += length;
        }
        at += length;
    }
    out[size] = '\0';
    if (size == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "%s '%s': is the root; say something below it", what, shown(path, &text));
    return 0;
}

int spec_network_is_host(const struct container_options *options, bool *is_host, struct error *err)
{
    const char *network = options == NULL ? NULL : options->network;
    struct shown text;

    *is_host = network != NULL && strcmp(network, "host") == 0;
    if (network == NULL || *is_host || strcmp(network, "none") == 0)
        return 0;
    return error_set(err, ERROR_INVALID_ARGUMENT, "network '%s': say none or host",
                     shown(network, &text));
}

static int plan_make(const struct spec_input *input, struct plan *plan, struct error *err)
{
    static const struct container_options nothing_said;
    static const struct image_config no_image;

    plan->input = input;
    plan->host = input->host;
    plan->options = input->options ? input->options : &nothing_said;
    plan->image = input->image ? input->image : &no_image;
    plan->privileged = plan->options->privileged;
    plan->cgroup2 = strcmp(input->host->cgroups, "v2") == 0;
    if (draft_check_texts(container_options_record(), plan->options, err) < 0 ||
        spec_network_is_host(plan->options, &plan->host_network, err) < 0)
        return -1;
    return capabilities_choose(plan->privileged ? CAPABILITIES_ALL : CAPABILITIES_DEFAULT,
                               &plan->options->cap_add, &plan->options->cap_drop, plan->host->caps,
                               &plan->caps, err);
}

static void root_put(const struct plan *plan, json_t *spec)
{
    json_t *root = draft_object();

    draft_put(root, "path", draft_text(plan->input->rootfs));
    draft_put(root, "readonly", draft_bool(plan->options->read_only));
    draft_put(spec, "root", root);
}

static void namespace_add(json_t *namespaces, const char *type)
{
    json_t *namespace = draft_object();

    draft_put(namespace, "type", draft_text(type));
    draft_add(namespaces, namespace);
}

/* A cgroup namespace hides the host's tree; on v1 it does not, and docker makes none either. */
static int namespaces_put(const struct plan *plan, json_t *linux_part, struct error *err)
{
    json_t *namespaces = draft_array();

    namespace_add(namespaces, "pid");
    namespace_add(namespaces, "ipc");
    namespace_add(namespaces, "uts");
    namespace_add(namespaces, "mount");
    if (!plan->host_network)
        namespace_add(namespaces, "network");
    if (plan->cgroup2)
        namespace_add(namespaces, "cgroup");
    draft_put(linux_part, "namespaces", namespaces);
    return plan_users(plan, linux_part, namespaces, err);
}

static void masks_put(const struct plan *plan, json_t *linux_part)
{
    if (plan->privileged)
        return;
    draft_put(linux_part, "maskedPaths", draft_words(masked));
    draft_put(linux_part, "readonlyPaths", draft_words(read_only));
}

static int seccomp_put(const struct plan *plan, json_t *linux_part, struct error *err)
{
    const char *wanted = plan->options->seccomp;
    json_t *profile;

    if (wanted != NULL ? strcmp(wanted, "unconfined") == 0 : plan->privileged)
        return 0;
    if (wanted != NULL) {
        profile = seccomp_profile(wanted, plan->host->arch, plan->caps, err);
        if (profile == NULL)
            return -1;
    } else {
        profile = seccomp_default(plan->host->arch, plan->caps);
        if (profile == NULL)
            return error_set(err, ERROR_UNIMPLEMENTED,
                             "there is no default seccomp profile for machines of kind %.20s; say "
                             "seccomp unconfined to go without",
                             plan->host->arch);
    }
    draft_put(linux_part, "seccomp", profile);
    return 0;
}

static int linux_put(const struct plan *plan, json_t *linux_part, struct error *err)
{
    json_t *resources = draft_object();

    draft_put(linux_part, "cgroupsPath", draft_text(plan->input->cgroup_path));
    draft_put(linux_part, "resources", resources);
    masks_put(plan, linux_part);
    if (namespaces_put(plan, linux_part, err) < 0 ||
        plan_devices(plan, linux_part, resources, err) < 0 ||
        plan_resources(plan, resources, err) < 0 || plan_sysctl(plan, linux_part, err) < 0)
        return -1;
    return seccomp_put(plan, linux_part, err);
}

static int parts_put(const struct plan *plan, json_t *spec, struct error *err)
{
    json_t *linux_part;

    draft_put(spec, "ociVersion", draft_text(SPEC_VERSION));
    if (plan_process(plan, spec, err) < 0)
        return -1;
    root_put(plan, spec);
    draft_put(spec, "hostname", draft_text(plan->input->hostname));
    linux_part = draft_object();
    draft_put(spec, "linux", linux_part);
    if (plan_mounts(plan, spec, linux_part, err) < 0 || plan_annotations(plan, spec, err) < 0)
        return -1;
    return linux_put(plan, linux_part, err);
}

/* Not in the middle of a character. */
static void cut(struct buffer *text, size_t most)
{
    if (text->size <= most)
        return;
    while (most > 0 && ((unsigned char)text->data[most] & 0xc0) == 0x80)
        most--;
    text->size = most;
}

static void command_text(const json_t *spec, struct buffer *text)
{
    const json_t *args = json_object_get(json_object_get(spec, "process"), "args");

    for (size_t i = 0; i < json_array_size(args) && text->size <= SPEC_COMMAND_MAX; i++) {
        const char *word = json_string_value(json_array_get(args, i));

        if (word == NULL)
            continue;
        buffer_add(text, " ", i > 0 ? 1 : 0);
        buffer_add(text, word, strlen(word));
    }
    cut(text, SPEC_COMMAND_MAX);
}

int spec_build(const struct spec_input *input, struct buffer *json, struct buffer *command,
               struct error *err)
{
    struct plan plan = { 0 };
    json_t *spec;
    int failed;

    if (plan_make(input, &plan, err) < 0)
        return -1;
    spec = draft_object();
    failed = parts_put(&plan, spec, err);
    if (!failed)
        failed = draft_write(spec, SPEC_BYTES_MAX, json, err);
    if (!failed && command != NULL)
        command_text(spec, command);
    json_decref(spec);
    return failed;
}

static int check_members(json_t *spec, struct error *err)
{
    json_t *process = json_object_get(spec, "process"), *args = json_object_get(process, "args");
    const char *version = json_string_value(json_object_get(spec, "ociVersion"));
    const char *cwd = json_string_value(json_object_get(process, "cwd"));
    const char *command = json_string_value(json_array_get(args, 0));

    if (version == NULL || strncmp(version, "1.", 2) != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "spec: ociVersion is not 1.x");
    if (json_string_value(json_object_get(json_object_get(spec, "root"), "path")) == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "spec: root.path is missing");
    if (command == NULL || command[0] == '\0')
        return error_set(err, ERROR_INVALID_ARGUMENT, "spec: process.args names no command");
    if (cwd == NULL || cwd[0] != '/')
        return error_set(err, ERROR_INVALID_ARGUMENT, "spec: process.cwd is not an absolute path");
    return 0;
}

int spec_check(const char *bytes, size_t size, struct buffer *command, struct error *err)
{
    json_t *spec;
    int failed;

    if (size > SPEC_BYTES_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "spec: %zu bytes; %u at most", size,
                         SPEC_BYTES_MAX);
    spec = draft_read(bytes, size, err);
    if (spec == NULL)
        return error_wrap(err, "spec");
    failed = check_members(spec, err);
    if (!failed && command != NULL)
        command_text(spec, command);
    json_decref(spec);
    return failed;
}
