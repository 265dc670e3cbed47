/* See said.h. */
#include "protocol/oci/said.h"

#include <string.h>

#include "protocol/oci/changes.h"
#include "protocol/oci/draft.h"

/* An entrypoint takes away the Cmd that was for another one. */
static void command_apply(json_t *config, const struct container_said *said)
{
    bool has_other = said->entrypoint.count > 0;

    if (has_other || (said->has_no_entrypoint && said->no_entrypoint)) {
        json_object_del(config, "Entrypoint");
        json_object_del(config, "Cmd");
    }
    if (has_other)
        draft_put(config, "Entrypoint", draft_texts(&said->entrypoint));
    if (said->args.count > 0)
        draft_put(config, "Cmd", draft_texts(&said->args));
}

static void text_apply(json_t *config, const char *key, const char *value)
{
    if (value != NULL && value[0] != '\0')
        draft_put(config, key, draft_text(value));
}

static void process_apply(json_t *config, const struct container_said *said)
{
    command_apply(config, said);
    for (size_t i = 0; i < said->env.count; i++)
        config_env_put(config, said->env.items[i]);
    text_apply(config, "WorkingDir", said->cwd);
    text_apply(config, "User", said->user);
    text_apply(config, "StopSignal", said->stop_signal);
}

static json_t *member(json_t *config, const char *key)
{
    json_t *value = json_object_get(config, key);

    if (!json_is_object(value))
        draft_put(config, key, draft_object());
    return json_object_get(config, key);
}

/* Labels that steer a daemon are of this container. */
static bool steers(const char *label)
{
    static const char *const owners[] = { "containerd.io/", "gantry." };

    for (size_t i = 0; i < sizeof(owners) / sizeof(*owners); i++)
        if (strncmp(label, owners[i], strlen(owners[i])) == 0)
            return true;
    return false;
}

static void labels_apply(json_t *config, const struct map *labels)
{
    for (size_t i = 0; i < labels->count; i++)
        if (!steers(labels->entries[i].key))
            draft_put(member(config, "Labels"), labels->entries[i].key,
                      draft_text(labels->entries[i].value));
}

/* Who runs the image wants one there, too; a named one is of this machine. */
static void volumes_apply(json_t *config, const struct list *mounts)
{
    const struct container_mount *items = mounts->items;

    for (size_t i = 0; i < mounts->count; i++)
        if (items[i].has_anonymous && items[i].anonymous)
            draft_put(member(config, "Volumes"), items[i].destination, draft_object());
}

/* ---- of a spec ----------------------------------------------------------------------------------
 */

static void copy(json_t *config, const char *key, const json_t *value)
{
    if (value != NULL)
        draft_put(config, key, draft_copy(value));
}

static void user_copy(json_t *config, const json_t *user)
{
    json_int_t uid = json_integer_value(json_object_get(user, "uid"));
    json_int_t gid = json_integer_value(json_object_get(user, "gid"));

    if (uid != 0 || gid != 0)
        draft_put(config, "User",
                  draft_textf("%" JSON_INTEGER_FORMAT ":%" JSON_INTEGER_FORMAT, uid, gid));
}

static int spec_apply(json_t *config, const char *spec, struct error *err)
{
    json_t *document = draft_read(spec, strlen(spec), err), *process;

    if (document == NULL)
        return error_wrap(err, "spec");
    process = json_object_get(document, "process");
    copy(config, "Cmd", json_object_get(process, "args"));
    copy(config, "Env", json_object_get(process, "env"));
    copy(config, "WorkingDir", json_object_get(process, "cwd"));
    user_copy(config, json_object_get(process, "user"));
    json_decref(document);
    return 0;
}

int said_apply(json_t *config, const struct container_info *container, struct error *err)
{
    if (container->image_id == NULL && spec_apply(config, container->spec, err) < 0)
        return -1;
    if (container->said != NULL)
        process_apply(config, container->said);
    labels_apply(config, &container->labels);
    volumes_apply(config, &container->mounts);
    return 0;
}
