/* See mount_options.h.  The words are those of mount(8) and of runtime-spec, "Linux mount
   options"; the bits are mount_setattr(2)'s. */
#include "platform/linux/runtime/mount_options.h"

#include <string.h>
#include <sys/mount.h>

#include "platform/scope.h"

/* ---- the table -------------------------------------------------------------------- */

enum meaning {
    NOTHING, /* the default, or what kernels no longer have (iversion, acl, loud) */
    OWN,     /* attributes */
    ALL,     /* attributes, recursive */
    SPREAD,  /* propagation; `clear` is not 0: recursive */
    SUPER,   /* a flag of the file system, which it is told by name */
    FIELD,   /* a bool of struct mount_options, at offset `set`; 'bind_all' implies 'bind' */
};

#define ATIME     MOUNT_ATTR__ATIME
#define AT(field) offsetof(struct mount_options, field)

/* Access times are one field of three values, not bits: who sets one clears the field.
   clang-format off */
static const struct option {
    const char *word;
    enum meaning meaning;
    uint64_t set, clear;
} known[] = {
    { "acl", NOTHING, 0, 0 },
    { "async", SUPER, 0, 0 },
    { "atime", OWN, MOUNT_ATTR_RELATIME, ATIME },
    { "bind", FIELD, AT(bind), 0 },
    { "defaults", NOTHING, 0, 0 },
    { "dev", OWN, 0, MOUNT_ATTR_NODEV },
    { "diratime", OWN, 0, MOUNT_ATTR_NODIRATIME },
    { "dirsync", SUPER, 0, 0 },
    { "exec", OWN, 0, MOUNT_ATTR_NOEXEC },
    { "idmap", FIELD, AT(idmap), 0 },
    { "iversion", NOTHING, 0, 0 },
    { "lazytime", SUPER, 0, 0 },
    { "loud", NOTHING, 0, 0 },
    { "mand", SUPER, 0, 0 },
    { "noacl", NOTHING, 0, 0 },
    { "noatime", OWN, MOUNT_ATTR_NOATIME, ATIME },
    { "nodev", OWN, MOUNT_ATTR_NODEV, 0 },
    { "nodiratime", OWN, MOUNT_ATTR_NODIRATIME, 0 },
    { "noexec", OWN, MOUNT_ATTR_NOEXEC, 0 },
    { "noiversion", NOTHING, 0, 0 },
    { "nolazytime", SUPER, 0, 0 },
    { "nomand", SUPER, 0, 0 },
    { "norelatime", NOTHING, 0, 0 },
    { "nostrictatime", NOTHING, 0, 0 },
    { "nosuid", OWN, MOUNT_ATTR_NOSUID, 0 },
    { "nosymfollow", OWN, MOUNT_ATTR_NOSYMFOLLOW, 0 },
    { "private", SPREAD, MS_PRIVATE, 0 },
    { "ratime", ALL, MOUNT_ATTR_RELATIME, ATIME },
    { "rbind", FIELD, AT(bind_all), 0 },
    { "rdev", ALL, 0, MOUNT_ATTR_NODEV },
    { "rdiratime", ALL, 0, MOUNT_ATTR_NODIRATIME },
    { "relatime", OWN, MOUNT_ATTR_RELATIME, ATIME },
    { "remount", FIELD, AT(remount), 0 },
    { "rexec", ALL, 0, MOUNT_ATTR_NOEXEC },
    { "ridmap", FIELD, AT(idmap_all), 0 },
    { "rnoatime", ALL, MOUNT_ATTR_NOATIME, ATIME },
    { "rnodev", ALL, MOUNT_ATTR_NODEV, 0 },
    { "rnodiratime", ALL, MOUNT_ATTR_NODIRATIME, 0 },
    { "rnoexec", ALL, MOUNT_ATTR_NOEXEC, 0 },
    { "rnorelatime", ALL, MOUNT_ATTR_STRICTATIME, ATIME },
    { "rnostrictatime", ALL, MOUNT_ATTR_RELATIME, ATIME },
    { "rnosuid", ALL, MOUNT_ATTR_NOSUID, 0 },
    { "rnosymfollow", ALL, MOUNT_ATTR_NOSYMFOLLOW, 0 },
    { "ro", OWN, MOUNT_ATTR_RDONLY, 0 },
    { "rprivate", SPREAD, MS_PRIVATE, 1 },
    { "rrelatime", ALL, MOUNT_ATTR_RELATIME, ATIME },
    { "rro", ALL, MOUNT_ATTR_RDONLY, 0 },
    { "rrw", ALL, 0, MOUNT_ATTR_RDONLY },
    { "rshared", SPREAD, MS_SHARED, 1 },
    { "rslave", SPREAD, MS_SLAVE, 1 },
    { "rstrictatime", ALL, MOUNT_ATTR_STRICTATIME, ATIME },
    { "rsuid", ALL, 0, MOUNT_ATTR_NOSUID },
    { "rsymfollow", ALL, 0, MOUNT_ATTR_NOSYMFOLLOW },
    { "runbindable", SPREAD, MS_UNBINDABLE, 1 },
    { "rw", OWN, 0, MOUNT_ATTR_RDONLY },
    { "shared", SPREAD, MS_SHARED, 0 },
    { "silent", NOTHING, 0, 0 },
    { "slave", SPREAD, MS_SLAVE, 0 },
    { "strictatime", OWN, MOUNT_ATTR_STRICTATIME, ATIME },
    { "suid", OWN, 0, MOUNT_ATTR_NOSUID },
    { "symfollow", OWN, 0, MOUNT_ATTR_NOSYMFOLLOW },
    { "sync", SUPER, 0, 0 },
    { "tmpcopyup", FIELD, AT(copy_up), 0 },
    { "unbindable", SPREAD, MS_UNBINDABLE, 0 },
};
/* clang-format on */

static const struct option *option_find(const char *word)
{
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (strcmp(known[i].word, word) == 0)
            return &known[i];
    return NULL;
}

size_t mount_option_names(const char *const **names)
{
    static const char *words[COUNT_OF(known)];

    for (size_t i = 0; i < COUNT_OF(known); i++)
        words[i] = known[i].word;
    *names = words;
    return COUNT_OF(known);
}

struct mount_propagation mount_propagation_of(const char *word)
{
    const struct option *option = option_find(word);

    if (option == NULL || option->meaning != SPREAD)
        return (struct mount_propagation){ 0 };
    return (struct mount_propagation){ option->set, option->clear != 0 };
}

/* ---- reading ---------------------------------------------------------------------- */

/* A later word wins over an earlier one of the same attribute. */
static void change_add(struct mount_change *change, const struct option *option)
{
    change->set = (change->set & ~option->clear) | option->set;
    change->clear = (change->clear & ~option->set) | option->clear;
}

static int propagation_add(struct mount_options *out, const struct option *option,
                           struct error *err)
{
    if (out->propagation_count == MOUNT_PROPAGATIONS_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "options: more than %d propagation words",
                         MOUNT_PROPAGATIONS_MAX);
    out->propagation[out->propagation_count++] =
        (struct mount_propagation){ option->set, option->clear != 0 };
    return 0;
}

static void data_add(struct mount_options *out, const char *key, const char *value)
{
    out->data[out->data_count++] = (struct mount_word){ key, value };
}

static int option_apply(struct mount_options *out, const struct option *option, struct error *err)
{
    switch (option->meaning) {
    case NOTHING:
        return 0;
    case OWN:
        change_add(&out->own, option);
        return 0;
    case ALL:
        change_add(&out->all, option);
        return 0;
    case SPREAD:
        return propagation_add(out, option, err);
    case SUPER:
        data_add(out, option->word, NULL);
        return 0;
    case FIELD:
        *(bool *)((char *)out + option->set) = true;
        return 0;
    }
    return 0;
}

/* The end of a word: at a comma that is neither quoted nor escaped, as the kernel's own parsers
   have it (overlay's "\,", SELinux's context="a,b"). */
static size_t word_length(const char *text)
{
    bool quoted = false;
    size_t at = 0;

    for (; text[at] != '\0' && (quoted || text[at] != ','); at++) {
        if (text[at] == '"')
            quoted = !quoted;
        if (text[at] == '\\' && text[at + 1] != '\0')
            at++;
    }
    return at;
}

static char *unquoted(char *value)
{
    size_t length = strlen(value);

    if (length < 2 || value[0] != '"' || value[length - 1] != '"')
        return value;
    value[length - 1] = '\0';
    return value + 1;
}

static int word_add(struct mount_options *out, char *word, struct error *err)
{
    const struct option *option = option_find(word);
    char *value;

    if (option != NULL)
        return option_apply(out, option, err);
    value = strchr(word, '=');
    if (value != NULL)
        *value++ = '\0';
    if (strcmp(word, "idmap") == 0 || strcmp(word, "ridmap") == 0) { /* crun's way */
        out->mapping = value;
        return option_apply(out, option_find(word), err);
    }
    data_add(out, word, value != NULL ? unquoted(value) : NULL);
    return 0;
}

/* One element may hold several words: runc joins them with commas anyway. */
static size_t words_count(const struct strs *words)
{
    size_t count = words->count;

    for (size_t i = 0; i < words->count; i++)
        for (const char *at = words->items[i]; *at != '\0'; at++)
            count += *at == ',';
    return count;
}

int mount_options_read(const struct strs *words, struct mount_options *out, struct arena *arena,
                       struct error *err)
{
    *out = (struct mount_options){ 0 };
    if (words->count == 0)
        return 0;
    out->data = arena_alloc(arena, words_count(words) * sizeof(*out->data));
    for (size_t i = 0; i < words->count; i++) {
        for (const char *at = words->items[i]; *at != '\0';) {
            size_t length = word_length(at);
            char *word = arena_printf(arena, "%.*s", (int)length, at);

            if (length > 0 && word_add(out, word, err) < 0)
                return -1;
            at += length + (at[length] == ',');
        }
    }
    out->bind |= out->bind_all;
    out->idmap |= out->idmap_all;
    return 0;
}

const char *mount_data(const struct mount_options *options, const char *key)
{
    for (size_t i = options->data_count; i > 0; i--)
        if (strcmp(options->data[i - 1].key, key) == 0)
            return options->data[i - 1].value;
    return NULL;
}
