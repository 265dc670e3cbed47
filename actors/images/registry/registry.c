/* registry — opening, closing, and the connections that its callers share without waiting. */
#include "actors/images/registry.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/images/registry/registry_private.h"
#include "actors/images/registry_options.h"
#include "platform/platform.h"
#include "platform/scope.h"

#ifndef GANTRY_VERSION
#define GANTRY_VERSION "0"
#endif

/* ---- open and close ------------------------------------------------------------ */

static int copy(const char **text, struct error *err)
{
    size_t size;
    char *out;

    if (*text == NULL)
        return 0;
    size = strlen(*text) + 1;
    out = malloc(size);
    if (out != NULL)
        memcpy(out, *text, size);
    *text = out;
    return out != NULL ? 0 : error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for a registry");
}

static void set_default(unsigned *value, unsigned usual)
{
    if (*value == 0)
        *value = usual;
}

static void set_defaults(struct registry_options *options)
{
    if (options->user_agent == NULL)
        options->user_agent = "gantry/" GANTRY_VERSION;
    if (options->path == NULL)
        options->path = "/v2";
    set_default(&options->tries, 5);
    set_default(&options->backoff_ms, 500);
    set_default(&options->wait_max_ms, 60000);
    set_default(&options->connect_ms, 30000);
    set_default(&options->slow_bytes, 100);
    set_default(&options->slow_s, 30);
}

#define STRINGS(options)                                                                      \
    {                                                                                         \
        &(options)->host, &(options)->repository, &(options)->username, &(options)->password, \
            &(options)->ca_file, &(options)->client_cert, &(options)->client_key,             \
            &(options)->user_agent, &(options)->identity_token, &(options)->registry_token,   \
            &(options)->path, &(options)->named, &(options)->headers, &(options)->proxy,      \
            &(options)->blob_url                                                              \
    }

/* All of them, or NULL in the place of those that did not fit into memory. */
static int copy_strings(struct registry_options *options, struct error *err)
{
    const char **strings[] = STRINGS(options);
    int rc = 0;

    for (size_t i = 0; i < COUNT_OF(strings); i++)
        if (copy(strings[i], err) < 0)
            rc = -1;
    return rc;
}

static void drop_strings(struct registry_options *options)
{
    const char **strings[] = STRINGS(options);

    const char *secrets[] = { options->password, options->identity_token, options->registry_token,
                              options->headers };

    for (size_t i = 0; i < COUNT_OF(secrets); i++)
        if (secrets[i] != NULL)
            memory_wipe((char *)(uintptr_t)secrets[i], strlen(secrets[i]));
    for (size_t i = 0; i < COUNT_OF(strings); i++)
        free((char *)*strings[i]);
}

static int certs_open(struct registry *registry, struct error *err)
{
    const struct registry_options *options = &registry->options;

    if (options->client_cert == NULL)
        return 0;
    return client_certs_open(&registry->certs, options->client_cert,
                             options->client_key != NULL ? options->client_key : "", err);
}

int registry_open(struct registry **registry, const struct registry_options *options,
                  struct error *err)
{
    struct registry *self;

    if (registry_options_check(options, err) < 0)
        return -1;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(err, ERROR_INTERNAL, "libcurl does not start");
    self = calloc(1, sizeof(*self));
    if (self == NULL) {
        curl_global_cleanup();
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for a registry");
    }
    self->options = *options;
    set_defaults(&self->options);
    snprintf(self->host, sizeof(self->host), "%s", registry_host_of(options->host));
    if (copy_strings(&self->options, err) < 0 || auth_open(&self->auth, options, err) < 0 ||
        certs_open(self, err) < 0) {
        registry_close(&self);
        return -1;
    }
    *registry = self;
    return 0;
}

void registry_close(struct registry **registry)
{
    struct registry *self = *registry;

    *registry = NULL;
    if (self == NULL)
        return;
    for (size_t i = 0; i < LINES_KEPT; i++) {
        struct http *http = atomic_exchange(&self->lines[i], NULL);

        http_close(&http);
    }
    auth_close(&self->auth);
    client_certs_close(&self->certs);
    drop_strings(&self->options);
    free(self);
    curl_global_cleanup();
}

const char *registry_host(const struct registry *registry)
{
    return registry->host;
}

int registry_certificates(struct registry *registry, const struct registry_caller *caller,
                          struct registry_document *out, struct error *err)
{
    const struct client_certs *certs = registry->certs;
    size_t count = certs != NULL ? client_certs_count(certs) : 0, room = 1 + count * 304;

    (void)caller;
    *out = (struct registry_document){ .bytes = calloc(1, room) };
    if (out->bytes == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for certificates");
    for (size_t i = 0; i < count; i++)
        out->size += (size_t)snprintf(out->bytes + out->size, room - out->size, "%c%s\n",
                                      client_certs_usable(certs, i) ? '+' : '-',
                                      client_certs_words(certs, i));
    return 0;
}

/* ---- connections ----------------------------------------------------------------- */

int line_take(struct registry *registry, struct line *line, struct error *err)
{
    line->registry = registry;
    for (size_t i = 0; i < LINES_KEPT; i++) {
        line->http = atomic_exchange(&registry->lines[i], NULL);
        if (line->http != NULL)
            return 0;
    }
    return http_open(&line->http, &registry->options, registry->certs, err);
}

void line_drop(struct line *line)
{
    for (size_t i = 0; i < LINES_KEPT && line->http != NULL; i++) {
        struct http *none = NULL;

        if (atomic_compare_exchange_strong(&line->registry->lines[i], &none, line->http))
            line->http = NULL;
    }
    http_close(&line->http);
}
