/* See features.h.  Each list is the table that the reading works by, so that it cannot promise
   what is not there. */
#include "platform/linux/runtime/features.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/call_filter.h"
#include "platform/linux/runtime/filter_parts.h"
#include "platform/linux/runtime/process_parts.h"
#include "protocol/oci/capabilities.h"
#include "protocol/oci/draft.h"

/* NULL elements are no words. */
static json_t *words_of(const char *const *words, size_t count)
{
    json_t *array = draft_array();

    for (size_t i = 0; i < count; i++)
        if (words[i] != NULL)
            draft_add(array, draft_text(words[i]));
    return array;
}

static json_t *words_until_null(const char *const *words)
{
    size_t count = 0;

    while (words[count] != NULL)
        count++;
    return words_of(words, count);
}

static json_t *enabled(bool value)
{
    json_t *object = draft_object();

    draft_put(object, "enabled", draft_bool(value));
    return object;
}

static json_t *capabilities(void)
{
    json_t *array = draft_array();

    for (int i = 0; i < CAPABILITY_COUNT; i++)
        draft_add(array, draft_text(capability_name((enum capability)i)));
    return array;
}

static json_t *cgroup(void)
{
    static const char *const kinds[] = { "v1", "v2", "systemd", "systemdUser", "rdma" };
    json_t *object = draft_object();

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        draft_put(object, kinds[i], draft_bool(true));
    return object;
}

/* ---- seccomp ---------------------------------------------------------------------- */

/* A filter that is nowhere: the kernel looks at the flags first, then for the filter. */
static bool is_supported(unsigned flag)
{
    if (flag == WAIT_KILLABLE_RECV)
        flag |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flag, NULL) < 0 && errno == EFAULT;
}

static json_t *flags(bool supported)
{
    json_t *array = draft_array();

    for (size_t i = 0; filter_flag_word(i) != NULL; i++)
        if (!supported || is_supported(filter_flag(i)))
            draft_add(array, draft_text(filter_flag_word(i)));
    return array;
}

static json_t *seccomp(void)
{
    json_t *object = enabled(true);

    draft_put(object, "actions", words_until_null(call_filter_actions()));
    draft_put(object, "operators", words_until_null(call_filter_operators()));
    draft_put(object, "archs", words_until_null(call_filter_archs()));
    draft_put(object, "knownFlags", flags(false));
    draft_put(object, "supportedFlags", flags(true));
    return object;
}

/* ---- the document ------------------------------------------------------------------ */

static json_t *memory_policy(void)
{
    json_t *object = draft_object();
    const char *const *words;
    size_t count;

    words = memory_policy_modes(&count);
    draft_put(object, "modes", words_of(words, count));
    words = memory_policy_flags(&count);
    draft_put(object, "flags", words_of(words, count));
    return object;
}

static json_t *intel_rdt(void)
{
    json_t *object = enabled(true);

    draft_put(object, "schemata", draft_bool(true));
    draft_put(object, "monitoring", draft_bool(true));
    return object;
}

static json_t *mount_extensions(void)
{
    json_t *object = draft_object();

    draft_put(object, "idmap", enabled(true));
    return object;
}

static json_t *linux_part(void)
{
    json_t *object = draft_object();

    draft_put(object, "namespaces", draft_words("cgroup ipc mount network pid time user uts"));
    draft_put(object, "capabilities", capabilities());
    draft_put(object, "cgroup", cgroup());
    draft_put(object, "seccomp", seccomp());
    draft_put(object, "apparmor", enabled(true));
    draft_put(object, "selinux", enabled(true));
    draft_put(object, "intelRdt", intel_rdt());
    draft_put(object, "memoryPolicy", memory_policy());
    draft_put(object, "mountExtensions", mount_extensions());
    draft_put(object, "netDevices", enabled(true));
    return object;
}

static json_t *annotations(void)
{
    json_t *object = draft_object();
    char version[32];

    call_filter_version(version);
    draft_put(object, "io.github.seccomp.libseccomp.version", draft_text(version));
    draft_put(object, "gantry.version", draft_text(GANTRY_VERSION));
    draft_put(object, "org.opencontainers.runc.checkpoint.enabled", draft_text("true"));
    return object;
}

json_t *features_new(const struct features_parts *parts)
{
    json_t *document = draft_object();

    draft_put(document, "ociVersionMin", draft_text("1.0.0"));
    draft_put(document, "ociVersionMax", draft_text("1.3.0"));
    draft_put(
        document, "hooks",
        draft_words("prestart createRuntime createContainer startContainer poststart poststop"));
    draft_put(document, "mountOptions", words_of(parts->mount_options, parts->mount_option_count));
    draft_put(document, "linux", linux_part());
    draft_put(document, "annotations", annotations());
    /* a "." in the end: all that begin like this */
    draft_put(document, "potentiallyUnsafeConfigAnnotations",
              draft_words("bundle org.systemd.property. org.criu.config"));
    return document;
}
