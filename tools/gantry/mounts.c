/* Mounts as docker users write them; see mounts.h. */
#include "tools/gantry/mounts.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/oci/name.h"
#include "tools/gantry/text.h"

#define OPTIONS_MAX 16

static const char *const propagations[] = { "rprivate", "private", "rslave", "slave",
                                            "rshared",  "shared",  NULL };

static bool is_one_of(const char *word, const char *const *list)
{
    for (; *list != NULL; list++)
        if (strcmp(word, *list) == 0)
            return true;
    return false;
}

static int add_option(struct mount *mount, const char *option, const char *what, struct error *err)
{
    if (mount->options.count == OPTIONS_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.80s: too many options", what);
    mount->options.items[mount->options.count++] = option;
    return 0;
}

static void mount_begin(struct mount *mount, const char *type, struct arena *arena)
{
    *mount = (struct mount){ .type = type };
    mount->options.items = arena_alloc(arena, OPTIONS_MAX * sizeof(char *));
}

/* A target is absolute, and a place: not the root. */
static int check_target(const char *target, const char *what, struct error *err)
{
    if (target == NULL || target[0] != '/')
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "%.120s: the target must be an absolute path in the container", what);
    if (target[strspn(target, "/")] == '\0')
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: the target cannot be /", what);
    return 0;
}

static int check_relative(const char *source, const char *what, struct error *err)
{
    if (source[0] != '.' && source[0] != '~')
        return 0;
    error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: the source is a relative path", what);
    return error_hint(err, "write the whole path, e.g. \"$PWD/data:/data\"");
}

static int check_source(const char *source, const char *what, struct error *err)
{
    if (source != NULL && source[0] == '/')
        return 0;
    if (source == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: a bind needs a source", what);
    if (check_relative(source, what, err) < 0)
        return -1;
    error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: the source of a bind must be an absolute path",
              what);
    return error_hint(err, "volumes are of type=volume");
}

/* What a volume is called; NULL: an anonymous one. */
static int check_volume(const char *name, const char *what, struct error *err)
{
    if (name == NULL)
        return 0;
    return check_relative(name, what, err) < 0 ? -1 : volume_name_check(name, err);
}

/* Texts between separators; the last keeps what is left when there are more than `most`. */
static size_t split(char *text, char separator, char *parts[], size_t most)
{
    size_t count = 0;

    while (count < most) {
        parts[count++] = text;
        text = count < most ? strchr(text, separator) : NULL;
        if (text == NULL)
            break;
        *text++ = '\0';
    }
    return count;
}

static int bind_option(struct mount *mount, const char *option, bool *propagated,
                       const char *what, struct error *err)
{
    static const char *const plain[] = { "ro", "z",      "Z",         "cached",
                                         "delegated", "consistent", NULL };

    if (is_one_of(option, plain))
        return add_option(mount, option, what, err);
    if (is_one_of(option, propagations)) {
        *propagated = true;
        return add_option(mount, option, what, err);
    }
    if (strcmp(option, "nocopy") == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: nocopy is for volumes", what);
    return error_set(err, ERROR_INVALID_ARGUMENT,
                     "%.120s: unknown option '%.40s' (there are ro, rw, z, Z, rprivate, private, "
                     "rslave, slave, rshared, shared)",
                     what, option);
}

static int bind_options(struct mount *mount, char *const *options, size_t count, const char *what,
                        struct error *err)
{
    bool propagated = false;

    add_option(mount, "rbind", what, err);
    for (size_t i = 0; i < count; i++)
        if (options[i][0] != '\0' && strcmp(options[i], "rw") != 0 &&
            bind_option(mount, options[i], &propagated, what, err) < 0)
            return -1;
    return propagated ? 0 : add_option(mount, "rprivate", what, err);
}

static int volume_options(struct mount *mount, char *const *options, size_t count,
                          const char *what, struct error *err)
{
    static const char *const plain[] = { "ro", "z", "Z", "nocopy", NULL };

    for (size_t i = 0; i < count; i++) {
        if (options[i][0] == '\0' || strcmp(options[i], "rw") == 0)
            continue;
        if (is_one_of(options[i], propagations))
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "%.120s: %.40s is for binds, not for volumes", what, options[i]);
        if (!is_one_of(options[i], plain))
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "%.120s: unknown option '%.40s' (a volume has ro, rw, z, Z, nocopy)",
                             what, options[i]);
        if (add_option(mount, options[i], what, err) < 0)
            return -1;
    }
    return 0;
}

int mount_of_volume(const char *text, struct mount *mount, struct arena *arena, struct error *err)
{
    char *parts[4], *options[OPTIONS_MAX];
    size_t count = split(arena_str(arena, text), ':', parts, 4), option_count;
    bool is_bind = count > 1 && parts[0][0] == '/';

    mount_begin(mount, is_bind ? "bind" : "volume", arena);
    if (count == 4)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: more than source:target:options",
                         text);
    mount->source = count > 1 ? parts[0] : NULL;
    mount->target = count > 1 ? parts[1] : parts[0];
    if ((!is_bind && check_volume(mount->source, text, err) < 0) ||
        check_target(mount->target, text, err) < 0)
        return -1;
    option_count = count == 3 ? split(parts[2], ',', options, OPTIONS_MAX) : 0;
    return is_bind ? bind_options(mount, options, option_count, text, err)
                   : volume_options(mount, options, option_count, text, err);
}

/* ---- --mount ------------------------------------------------------------ */

struct fields {
    const char *type, *source, *target, *propagation, *size, *mode, *driver;
    bool read_only, flat, nocopy;
};

static bool field_is(const char *name, const char *a, const char *b, const char *c)
{
    return strcmp(name, a) == 0 || (b && strcmp(name, b) == 0) || (c && strcmp(name, c) == 0);
}

static int boolean(const char *value, bool *out)
{
    if (value == NULL || strcmp(value, "true") == 0 || strcmp(value, "1") == 0)
        *out = true;
    else if (strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
        *out = false;
    else
        return -1;
    return 0;
}

static int take_field(char *word, struct fields *fields, const char *what, struct error *err)
{
    char *value = strchr(word, '=');
    bool recursive;

    if (value != NULL)
        *value++ = '\0';
    if (field_is(word, "readonly", "ro", NULL) && boolean(value, &fields->read_only) == 0)
        return 0;
    if (field_is(word, "volume-nocopy", NULL, NULL) && boolean(value, &fields->nocopy) == 0)
        return 0;
    if (field_is(word, "bind-nonrecursive", NULL, NULL) && boolean(value, &fields->flat) == 0)
        return 0;
    if (field_is(word, "bind-recursive", NULL, NULL) && boolean(value, &recursive) == 0) {
        fields->flat = !recursive;
        return 0;
    }
    if (value == NULL || *value == '\0')
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: '%.40s' needs a value", what, word);
    if (field_is(word, "type", NULL, NULL))
        fields->type = value;
    else if (field_is(word, "source", "src", NULL))
        fields->source = value;
    else if (field_is(word, "target", "dst", "destination"))
        fields->target = value;
    else if (field_is(word, "bind-propagation", NULL, NULL))
        fields->propagation = value;
    else if (field_is(word, "tmpfs-size", NULL, NULL))
        fields->size = value;
    else if (field_is(word, "tmpfs-mode", NULL, NULL))
        fields->mode = value;
    else if (field_is(word, "volume-driver", NULL, NULL))
        fields->driver = value;
    else
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: unknown field '%.40s=%.40s'", what,
                         word, value);
    return 0;
}

/* What belongs to another type would mean nothing: it is refused. */
static int fields_of_others(const struct fields *fields, const char *type, const char *what,
                            struct error *err)
{
    bool is_bind = strcmp(type, "bind") == 0, is_volume = strcmp(type, "volume") == 0;

    if (!is_bind && (fields->propagation != NULL || fields->flat))
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: bind- fields are of type=bind", what);
    if (!is_volume && (fields->nocopy || fields->driver != NULL))
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: volume- fields are of type=volume",
                         what);
    if ((is_bind || is_volume) && (fields->size != NULL || fields->mode != NULL))
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: tmpfs- fields are of type=tmpfs",
                         what);
    return 0;
}

static int volume_of(const struct fields *fields, const char *what, struct mount *mount,
                     struct error *err)
{
    if (fields_of_others(fields, "volume", what, err) < 0 ||
        check_volume(fields->source, what, err) < 0 || check_target(fields->target, what, err) < 0)
        return -1;
    if (fields->driver != NULL && strcmp(fields->driver, "local") != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "%.120s: there is no volume driver but local", what);
    mount->source = fields->source;
    mount->target = fields->target;
    if (fields->read_only)
        add_option(mount, "ro", what, err);
    return fields->nocopy ? add_option(mount, "nocopy", what, err) : 0;
}

static int bind_of(const struct fields *fields, const char *what, struct mount *mount,
                   struct error *err)
{
    const char *propagation = fields->propagation ? fields->propagation : "rprivate";

    if (fields_of_others(fields, "bind", what, err) < 0)
        return -1;
    if (check_source(fields->source, what, err) < 0 || check_target(fields->target, what, err) < 0)
        return -1;
    if (!is_one_of(propagation, propagations))
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: no propagation is called '%.40s'",
                         what, propagation);
    mount->source = fields->source;
    mount->target = fields->target;
    add_option(mount, fields->flat ? "bind" : "rbind", what, err);
    if (fields->read_only)
        add_option(mount, "ro", what, err);
    return add_option(mount, propagation, what, err);
}

static int tmpfs_size(const char *size, struct mount *mount, const char *what, struct arena *arena,
                      struct error *err)
{
    uint64_t bytes;

    if (size_parse(size, &bytes) < 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: '%.40s' is not a size", what, size);
    return add_option(mount, arena_printf(arena, "size=%llu", (unsigned long long)bytes), what,
                      err);
}

static int tmpfs_mode(const char *mode, struct mount *mount, const char *what, struct arena *arena,
                      struct error *err)
{
    char *end;
    unsigned long bits = strtoul(mode, &end, 8);

    if (*mode < '0' || *mode > '7' || *end != '\0' || bits > 07777)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: '%.40s' is not an octal mode", what,
                         mode);
    return add_option(mount, arena_printf(arena, "mode=%lo", bits), what, err);
}

static int tmpfs_begin(const char *target, struct mount *mount, const char *what, struct error *err)
{
    if (check_target(target, what, err) < 0)
        return -1;
    mount->source = "tmpfs";
    mount->target = target;
    add_option(mount, "noexec", what, err);
    add_option(mount, "nosuid", what, err);
    return add_option(mount, "nodev", what, err);
}

static int tmpfs_of(const struct fields *fields, const char *what, struct mount *mount,
                    struct arena *arena, struct error *err)
{
    if (fields->source != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: a tmpfs has no source", what);
    if (fields_of_others(fields, "tmpfs", what, err) < 0)
        return -1;
    if (tmpfs_begin(fields->target, mount, what, err) < 0)
        return -1;
    if (fields->read_only)
        add_option(mount, "ro", what, err);
    if (fields->size != NULL && tmpfs_size(fields->size, mount, what, arena, err) < 0)
        return -1;
    return fields->mode != NULL ? tmpfs_mode(fields->mode, mount, what, arena, err) : 0;
}

int mount_of_fields(const char *text, struct mount *mount, struct arena *arena, struct error *err)
{
    struct fields fields = { 0 };
    char *words[OPTIONS_MAX];
    size_t count = split(arena_str(arena, text), ',', words, OPTIONS_MAX);

    for (size_t i = 0; i < count; i++)
        if (take_field(words[i], &fields, text, err) < 0)
            return -1;
    if (fields.type == NULL)
        fields.type = "volume";
    mount_begin(mount, fields.type, arena);
    if (strcmp(fields.type, "volume") == 0)
        return volume_of(&fields, text, mount, err);
    if (strcmp(fields.type, "bind") == 0)
        return bind_of(&fields, text, mount, err);
    if (strcmp(fields.type, "tmpfs") == 0)
        return tmpfs_of(&fields, text, mount, arena, err);
    return error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: the type is bind, tmpfs or volume",
                     text);
}

/* ---- --tmpfs ------------------------------------------------------------ */

/* "exec" takes back the noexec that is there without asking. */
static bool takes_back(struct mount *mount, const char *option)
{
    for (size_t i = 0; i < mount->options.count; i++) {
        const char *have = mount->options.items[i];

        if (strcmp(have, option) == 0)
            return true;
        if (strncmp(have, "no", 2) == 0 && strcmp(have + 2, option) == 0) {
            mount->options.count--;
            mount->options.items[i] = mount->options.items[mount->options.count];
            return true;
        }
    }
    return false;
}

static int tmpfs_option(struct mount *mount, const char *option, const char *what,
                        struct arena *arena, struct error *err)
{
    static const char *const plain[] = {
        "ro", "uid=", "gid=", "nr_inodes=", "noatime", "sync", NULL
    };

    if (option[0] == '\0' || strcmp(option, "rw") == 0 || takes_back(mount, option))
        return 0;
    if (strncmp(option, "size=", 5) == 0)
        return tmpfs_size(option + 5, mount, what, arena, err);
    if (strncmp(option, "mode=", 5) == 0)
        return tmpfs_mode(option + 5, mount, what, arena, err);
    for (size_t i = 0; plain[i] != NULL; i++)
        if (strncmp(option, plain[i], strlen(plain[i])) == 0)
            return add_option(mount, option, what, err);
    return error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: unknown option '%.40s'", what, option);
}

int mount_of_tmpfs(const char *text, struct mount *mount, struct arena *arena, struct error *err)
{
    char *parts[2], *options[OPTIONS_MAX];
    size_t count = split(arena_str(arena, text), ':', parts, 2), option_count;

    mount_begin(mount, "tmpfs", arena);
    if (tmpfs_begin(parts[0], mount, text, err) < 0)
        return -1;
    option_count = count == 2 ? split(parts[1], ',', options, OPTIONS_MAX) : 0;
    for (size_t i = 0; i < option_count; i++)
        if (tmpfs_option(mount, options[i], text, arena, err) < 0)
            return -1;
    return 0;
}
