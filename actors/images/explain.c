/*
 * Explain: the hosts in force for a reference, as a pull of it would ask them now, and how each is.
 *
 * The same function reads the operator's folders for both, so what is shown is what happens. Values
 * of headers, which may be secret, are not shown.
 */
#include <string.h>

#include "actors/images/outlet.h"
#include "actors/images/variant.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"
#include "protocol/oci/shown.h"

static struct strs capability_words(unsigned capabilities, struct arena *arena)
{
    static const struct {
        unsigned bit;
        const char *word;
    } words[] = { { HOST_PULL, "pull" }, { HOST_RESOLVE, "resolve" }, { HOST_PUSH, "push" } };
    struct strs out = { 0, arena_alloc(arena, COUNT_OF(words) * sizeof(*out.items)) };

    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (capabilities & words[i].bit)
            out.items[out.count++] = words[i].word;
    return out;
}

static struct strs header_names(const struct strs *headers, struct arena *arena)
{
    struct strs out = { 0, arena_alloc(arena, (headers->count + 1) * sizeof(*out.items)) };

    for (size_t i = 0; i < headers->count; i++)
        out.items[out.count++] =
            arena_printf(arena, "%.*s", (int)strcspn(headers->items[i], ":"), headers->items[i]);
    return out;
}

/* Where a name and password may stand in it. */
static const char *proxy_text(const char *proxy, struct arena *arena)
{
    const char *at = proxy != NULL ? strrchr(proxy, '@') : NULL;

    if (at == NULL)
        return proxy;
    return arena_printf(arena, "%.*s%s", (int)(strstr(proxy, "://") + 3 - proxy), proxy, at + 1);
}

/* Whose each certificate is; what cannot be told is no reason to tell nothing. */
static struct strs certificate_words(struct job *job, const struct host *host,
                                     const char *registry)
{
    const struct images *images = job_self(job);
    struct arena *arena = job_arena(job);
    struct registry_caller caller = caller_of(job);
    CLEANUP(registry_close) struct registry *fetch = NULL;
    CLEANUP(registry_document_free) struct registry_document document = { 0 };
    struct strs out = { 0, arena_alloc(arena, (host->client_certs.count + 1) * sizeof(char *)) };
    struct registry_options options;
    struct error why;
    char text[320];

    if (host->client_certs.count == 0)
        return out;
    host_options(host, registry, images->config, arena, &options);
    if (registry_open(&fetch, &options, &why) < 0 ||
        registry_certificates(fetch, &caller, &document, &why) < 0)
        return out;
    for (const char *at = document.bytes; *at != '\0' && out.count < host->client_certs.count;) {
        size_t size = strcspn(at, "\n");

        plain_text(at + 1, size > 0 ? size - 1 : 0, text, sizeof(text));
        out.items[out.count++] =
            arena_printf(arena, "%s%s", *at == '-' ? "not shown: " : "", text);
        at += size + (at[size] == '\n');
    }
    return out;
}

static int describe(struct job *job, const struct host *host, const char *registry, bool receives,
                    struct image_host *out, struct error *err)
{
    struct arena *arena = job_arena(job);
    const struct images_host_health_request want = { .key = host_key(host, arena) };
    struct images_host_health_reply *health = arena_alloc(arena, sizeof(*health));

    if (call(job, &op_images_host_health, &want, health, err) < 0)
        return -1;
    *out = (struct image_host){
        .host = host->name,
        .url = host_url(host, arena),
        .origin = host->origin,
        .capabilities = capability_words(host->capabilities, arena),
        .mirror = host->mirror,
        .receives = receives,
        .has_receives = receives,
        .health = health,
        .ca = host->ca_files,
        .client = host->client_certs,
        .client_words = certificate_words(job, host, registry),
        .headers = header_names(&host->headers, arena),
        .proxy = proxy_text(host->proxy, arena),
        .skip_verify = host->skip_verify,
        .has_skip_verify = host->skip_verify,
        .dial_timeout_ms = host->connect_ms,
        .has_dial_timeout_ms = host->connect_ms != 0,
    };
    return 0;
}

static int explain(struct job *job, const void *in, void *out, struct error *err)
{
    const struct images *images = job_self(job);
    const struct images_hosts_request *want = in;
    struct images_hosts_reply *reply = out;
    struct arena *arena = job_arena(job);
    struct reference reference;
    struct image_host *shown;
    struct host_list hosts;

    if (reference_parse(want->reference, &reference, err) < 0 ||
        hosts_look(images->config, reference.host, arena, &hosts, err) < 0)
        return -1;
    shown = arena_alloc(arena, hosts.count * sizeof(*shown));
    for (size_t i = 0; i < hosts.count; i++)
        if (describe(job, &hosts.items[i], reference.host,
                     &hosts.items[i] == host_for_push(&hosts), &shown[i], err) < 0)
            return -1;
    reply->registry = arena_str(arena, reference.host);
    reply->repository = arena_str(arena, reference.repository);
    reply->hosts = (struct list){ hosts.count, shown };
    reply->warnings = hosts.warnings;
    return 0;
}

int on_images_hosts(void *self, struct request *request, struct error *err)
{
    (void)self;
    return request_run(request, explain, err);
}
