/* hosts — the happy path is: a folder -> hosts.toml, or certificates -> what nobody said filled in.
 */
#include "actors/images/hosts.h"

#include <string.h>

#include "actors/base/log.h"
#include "actors/images/hosts_file.h"
#include "actors/images/registry_options.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"

#define FILES_MAX 64 /* certificates in one folder */

bool host_is_plain(const struct images_config *config, const char *host)
{
    if (host_is_loopback(host))
        return true;
    for (const char *const *plain = config->plain_http; plain != NULL && *plain != NULL; plain++)
        if (strcmp(*plain, host) == 0)
            return true;
    return false;
}

/* ---- the folder ----------------------------------------------------------------------- */

/* Becomes a name in a folder: one that leads out of it is none. */
static int check_name(const char *registry, struct error *err)
{
    if (*registry == '\0' || *registry == '.' || *registry == '_' || strchr(registry, '/') != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "\"%.100s\" is no name of a registry",
                         registry);
    return 0;
}

/* true: `path` is a folder in `folder` that speaks of the registry. */
static bool find_in(const char *folder, size_t size, const char *registry, char path[PATH_SIZE])
{
    const char *port = strrchr(registry, ':');
    struct error ignored;

    if (port != NULL && strchr(port, ']') == NULL &&
        path_format(path, &ignored, "%.*s/%.*s_%s_", (int)size, folder, (int)(port - registry),
                    registry, port + 1) == 0 &&
        fs_exists(path))
        return true;
    if (path_format(path, &ignored, "%.*s/%s", (int)size, folder, registry) == 0 && fs_exists(path))
        return true;
    return path_format(path, &ignored, "%.*s/_default", (int)size, folder) == 0 && fs_exists(path);
}

/* An entry of the setting may be several, as containerd has it: a:b. */
static bool find_folder(const struct images_config *config, const char *registry,
                        char path[PATH_SIZE])
{
    for (const char *const *entry = config->hosts; entry != NULL && *entry != NULL; entry++)
        for (const char *at = *entry; *at != '\0'; at += strspn(at, ":")) {
            size_t size = strcspn(at, ":");

            if (find_in(at, size, registry, path))
                return true;
            at += size;
        }
    return false;
}

/* ---- docker's certificates -------------------------------------------------------------- */

struct certificates {
    const char *folder;
    struct arena *arena;
    struct host *host;
};

static bool ends_with(const char *name, const char *end)
{
    size_t size = strlen(name), tail = strlen(end);

    return size > tail && strcmp(name + size - tail, end) == 0;
}

static int strs_add(struct strs *list, const char *text, struct arena *arena, struct error *err)
{
    if (list->items == NULL)
        list->items = arena_alloc(arena, FILES_MAX * sizeof(*list->items));
    if (list->count >= FILES_MAX)
        return error_set(err, ERROR_FAILED_PRECONDITION, "%s: there are more than %d such files",
                         text, FILES_MAX);
    list->items[list->count++] = text;
    return 0;
}

static int take_client(struct certificates *all, const char *cert, struct error *err)
{
    const char *key = arena_printf(all->arena, "%.*s.key", (int)(strlen(cert) - 5), cert);

    if (!fs_exists(key)) {
        error_set(err, ERROR_FAILED_PRECONDITION, "%s: there is no key %s beside it", cert, key);
        return error_hint(err, "a certificate of an authority is called *.crt");
    }
    if (strs_add(&all->host->client_certs, cert, all->arena, err) < 0)
        return -1;
    return strs_add(&all->host->client_keys, key, all->arena, err);
}

static int take_file(void *ctx, const char *name, struct error *err)
{
    struct certificates *all = ctx;
    const char *path = arena_printf(all->arena, "%s/%s", all->folder, name);

    if (ends_with(name, ".crt"))
        return strs_add(&all->host->ca_files, path, all->arena, err);
    return ends_with(name, ".cert") ? take_client(all, path, err) : 0;
}

/* By name: the first that fits is shown, and a folder has no order. */
static void sort_clients(struct host *host)
{
    const char **certs = host->client_certs.items, **keys = host->client_keys.items;

    for (size_t i = 1; i < host->client_certs.count; i++)
        for (size_t k = i; k > 0 && strcmp(certs[k - 1], certs[k]) > 0; k--) {
            const char *cert = certs[k], *key = keys[k];

            certs[k] = certs[k - 1], keys[k] = keys[k - 1];
            certs[k - 1] = cert, keys[k - 1] = key;
        }
}

static int read_certificates(const char *folder, struct arena *arena, struct host_list *out,
                             struct error *err)
{
    struct host *host = arena_alloc(arena, sizeof(*host));
    struct certificates all = { folder, arena, host };

    *host = (struct host){ .path = "/v2", .capabilities = HOST_ALL };
    host->origin = arena_str(arena, folder);
    *out = (struct host_list){ .items = host, .count = 1 };
    if (fs_folder_each(folder, take_file, &all, err) < 0)
        return -1;
    sort_clients(host);
    return 0;
}

/* ---- hosts.toml --------------------------------------------------------------------------- */

static int read_folder(const char *folder, struct arena *arena, struct host_list *out,
                       struct error *err)
{
    char path[PATH_SIZE];
    size_t size;
    char *text;
    int result;

    if (path_format(path, err, "%s/hosts.toml", folder) < 0)
        return -1;
    if (!fs_exists(path))
        return read_certificates(folder, arena, out, err);
    text = fs_read(path, HOSTS_FILE_MAX, &size, err);
    if (text == NULL)
        return -1;
    result = hosts_file_parse(path, text, size, arena, out, err);
    free(text);
    return result;
}

/* ---- together ------------------------------------------------------------------------------- */

/* Without the port that is meant anyhow. */
static size_t bare_size(const char *name)
{
    size_t size = strlen(name);

    return size > 4 && strcmp(name + size - 4, ":443") == 0 ? size - 4 : size;
}

bool host_is_registry(const struct host *host, const char *registry)
{
    const char *a = registry_host_of(host->name), *b = registry_host_of(registry);
    size_t size = bare_size(a);

    return size == bare_size(b) && strncmp(a, b, size) == 0;
}

/* Who speaks of certificates means TLS, also on this machine. */
static void fill_in(const struct images_config *config, const char *registry, struct arena *arena,
                    struct host *host)
{
    bool tls = host->skip_verify || host->ca_files.count > 0 || host->client_certs.count > 0;

    if (host->name == NULL) {
        host->name = arena_str(arena, registry);
        host->plain_http = !tls && host_is_plain(config, registry);
    }
    host->mirror = !host_is_registry(host, registry);
}

int hosts_find(const struct images_config *config, const char *registry, struct arena *arena,
               struct host_list *out, struct error *err)
{
    if (hosts_look(config, registry, arena, out, err) < 0)
        return -1;
    for (size_t i = 0; i < out->warnings.count; i++)
        log_warn("images", "%s", out->warnings.items[i]);
    return 0;
}

int hosts_look(const struct images_config *config, const char *registry, struct arena *arena,
               struct host_list *out, struct error *err)
{
    char folder[PATH_SIZE];

    *out = (struct host_list){ 0 };
    if (check_name(registry, err) < 0)
        return -1;
    if (find_folder(config, registry, folder)) {
        if (read_folder(folder, arena, out, err) < 0)
            return -1;
    } else {
        out->items = arena_alloc(arena, sizeof(*out->items));
        out->count = 1;
        *out->items = (struct host){ .path = "/v2", .origin = "default", .capabilities = HOST_ALL };
    }
    for (size_t i = 0; i < out->count; i++)
        fill_in(config, registry, arena, &out->items[i]);
    return 0;
}

const char *host_url(const struct host *host, struct arena *arena)
{
    return arena_printf(arena, "%s://%s%s", host->plain_http ? "http" : "https",
                        registry_host_of(host->name), host->path);
}

const char *host_key(const struct host *host, struct arena *arena)
{
    return arena_printf(arena, "%s://%s", host->plain_http ? "http" : "https",
                        registry_host_of(host->name));
}

/* One a line: what goes through a registry_options is text. */
static const char *lines(const struct strs *list, struct arena *arena)
{
    const char *all = NULL;

    for (size_t i = 0; i < list->count; i++)
        all = all == NULL ? list->items[i] : arena_printf(arena, "%s\n%s", all, list->items[i]);
    return all;
}

void host_options(const struct host *host, const char *registry, const struct images_config *config,
                  struct arena *arena, struct registry_options *out)
{
    *out = (struct registry_options){
        .host = host->name,
        .path = host->path,
        .named = host->mirror ? registry : NULL,
        .plain_http = host->plain_http,
        .ca_file = lines(&host->ca_files, arena),
        .client_cert = lines(&host->client_certs, arena),
        .client_key = lines(&host->client_keys, arena),
        .headers = lines(&host->headers, arena),
        .proxy = host->proxy,
        .skip_verify = host->skip_verify,
        .connect_ms = host->connect_ms,
        .backoff_ms = config->backoff_ms,
        .slow_s = config->slow_s,
    };
}
