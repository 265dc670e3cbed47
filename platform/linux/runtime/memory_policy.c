/*
 * memory_policy — from which nodes a process gets its memory (linux.memoryPolicy), and the
 * execution domain (linux.personality): both are inherited over exec, so they are set once.
 */
#include <errno.h>
#include <linux/mempolicy.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/linux/runtime/process_parts.h"
#include "platform/scope.h"

#ifndef MPOL_PREFERRED_MANY
#define MPOL_PREFERRED_MANY 5
#endif
#define WEIGHTED_INTERLEAVE 6 /* Linux 6.9 */
#ifndef MPOL_F_NUMA_BALANCING
#define MPOL_F_NUMA_BALANCING (1 << 13)
#endif

/* The index is the kernel's number. */
static const char *const modes[] = {
    [MPOL_DEFAULT] = "MPOL_DEFAULT",
    [MPOL_PREFERRED] = "MPOL_PREFERRED",
    [MPOL_BIND] = "MPOL_BIND",
    [MPOL_INTERLEAVE] = "MPOL_INTERLEAVE",
    [MPOL_LOCAL] = "MPOL_LOCAL",
    [MPOL_PREFERRED_MANY] = "MPOL_PREFERRED_MANY",
    [WEIGHTED_INTERLEAVE] = "MPOL_WEIGHTED_INTERLEAVE",
};

static const char *const flags[] = {
    "MPOL_F_NUMA_BALANCING",
    "MPOL_F_RELATIVE_NODES",
    "MPOL_F_STATIC_NODES",
};

static const unsigned flag_bits[] = { MPOL_F_NUMA_BALANCING, MPOL_F_RELATIVE_NODES,
                                      MPOL_F_STATIC_NODES };

const char *const *memory_policy_modes(size_t *count)
{
    *count = COUNT_OF(modes);
    return modes;
}

const char *const *memory_policy_flags(size_t *count)
{
    *count = COUNT_OF(flags);
    return flags;
}

static int read_flags(struct process_spec *spec, const struct place *place, struct error *err)
{
    uint64_t found;

    if (words_find(place, "flags", flags, COUNT_OF(flags), &found, spec->arena, err) < 0)
        return -1;
    for (size_t i = 0; i < COUNT_OF(flags); i++)
        if (found & UINT64_C(1) << i)
            spec->memory->mode |= flag_bits[i];
    return 0;
}

static int read_nodes(struct process_spec *spec, const struct place *place, struct error *err)
{
    struct place nodes = place_member(place, "nodes");
    const char *text;

    if (place_text(place, "nodes", &text, err) < 0)
        return -1;
    if (text == NULL || text[0] == '\0')
        return 0;
    spec->memory->nodes = arena_alloc(spec->arena, sizeof(*spec->memory->nodes));
    if (numbers_parse(text, spec->memory->nodes) < 0)
        return place_failure(&nodes, err, "\"%.60s\" is no list such as 0-3,7", text);
    return 0;
}

int memory_policy_read(struct process_spec *spec, const struct place *linux_, struct error *err)
{
    struct place place = place_member(linux_, "memoryPolicy"), mode = place_member(&place, "mode");
    const char *word;
    int number;

    if (place.json == NULL)
        return 0;
    if (place_needs(&place, "mode", err) < 0 || place_text(&place, "mode", &word, err) < 0)
        return -1;
    number = word_find(modes, COUNT_OF(modes), word);
    if (number < 0)
        return place_failure(&mode, err, "\"%.60s\" is not known", word);
    spec->memory = arena_alloc(spec->arena, sizeof(*spec->memory));
    spec->memory->mode = (unsigned)number;
    if (read_nodes(spec, &place, err) < 0)
        return -1;
    return read_flags(spec, &place, err);
}

int memory_policy_apply(const struct process_spec *spec, struct error *err)
{
    const struct memory_policy *policy = spec->memory;
    /* one more than there are bits, as the kernel takes one off */
    unsigned long size = NUMBERS_MAX + 1;

    if (policy == NULL ||
        syscall(SYS_set_mempolicy, policy->mode, policy->nodes ? policy->nodes->words : NULL,
                policy->nodes ? size : 0) == 0)
        return 0;
    return error_sys(err, errno, "linux.memoryPolicy: set_mempolicy");
}

/* ---- the execution domain -------------------------------------------------------- */

int personality_read(struct process_spec *spec, const struct place *linux_, struct error *err)
{
    static const char *const domains[] = { "LINUX", "LINUX32" };
    struct place place = place_member(linux_, "personality"), domain, array;
    const char *word;
    size_t count;
    int number;

    if (place.json == NULL)
        return 0;
    if (place_needs(&place, "domain", err) < 0 || place_text(&place, "domain", &word, err) < 0)
        return -1;
    domain = place_member(&place, "domain");
    array = place_member(&place, "flags");
    number = word_find(domains, COUNT_OF(domains), word);
    if (number < 0)
        return place_failure(&domain, err, "\"%.60s\" must be LINUX or LINUX32", word);
    if (place_count(&array, &count, err) < 0)
        return -1;
    if (count > 0)
        return place_failure(&array, err, "no flags are known");
    spec->has_personality = true;
    spec->personality = number == 0 ? PER_LINUX : PER_LINUX32;
    return 0;
}

int personality_apply(const struct process_spec *spec, struct error *err)
{
    if (spec->has_personality && personality(spec->personality) < 0)
        return error_sys(err, errno, "linux.personality");
    return 0;
}
