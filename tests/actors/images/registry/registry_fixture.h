/* registry_fixture — what the tests of the registry client share: a client, a scripted server. */
#ifndef TESTS_ACTORS_IMAGES_REGISTRY_FIXTURE_H
#define TESTS_ACTORS_IMAGES_REGISTRY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/images/registry.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "tests/helpers/registry_server.h"

#define MANIFESTS "/v2/app/manifests/"
#define BLOBS     "/v2/app/blobs/"
#define OCI_INDEX "application/vnd.oci.image.index.v1+json"

/* A client of repository "app" that is quick to try again. */
static inline struct registry_options fast_options(const struct registry_server *server)
{
    static const char *const proxies[] = { "http_proxy", "https_proxy", "HTTPS_PROXY",
                                           "all_proxy", "ALL_PROXY" };

    for (size_t i = 0; i < COUNT_OF(proxies); i++)
        unsetenv(proxies[i]);
    return (struct registry_options){ .host = server_host(server), .repository = "app",
                                      .plain_http = true, .backoff_ms = 1, .slow_s = 1 };
}

/* gantry-fetch of this build comes first. */
static inline void find_helpers(void)
{
    const char *path = getenv("PATH");
    char text[PATH_SIZE];

    if (path != NULL && strstr(path, TEST_BIN) != NULL)
        return;
    snprintf(text, sizeof(text), "%s:%s", TEST_BIN, path != NULL ? path : "");
    setenv("PATH", text, 1);
}

static inline struct registry *open_with(const struct registry_options *options)
{
    struct registry *registry = NULL;
    struct error err;

    find_helpers();
    if (registry_open(&registry, options, &err) < 0)
        fail_msg("registry_open: %s", err.text);
    return registry;
}

static inline struct registry *open_fast(const struct registry_server *server)
{
    struct registry_options options = fast_options(server);

    return open_with(&options);
}

static inline const char *digest_text(const void *data, size_t size, char out[136])
{
    unsigned char hash[32];
    int used = snprintf(out, 136, "sha256:");

    EVP_Digest(data, size, hash, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < sizeof(hash); i++)
        used += snprintf(out + used, 3, "%02x", hash[i]);
    return out;
}

/* A manifest under its tag: any JSON will do here. */
#define DOCUMENT "{\"schemaVersion\":2,\"mediaType\":\"" OCI_INDEX "\",\"manifests\":[]}"
#define DOCUMENT_REPLY                                            \
    .headers = "Content-Type: " OCI_INDEX "\r\n", .body = DOCUMENT, \
    .size = sizeof(DOCUMENT) - 1

static inline int get_document(struct registry *registry, const char *name,
                               struct registry_document *out, struct error *err)
{
    memset(err, 0, sizeof(*err));
    return registry_manifest(registry, NULL, name, 0, out, err);
}

static inline void must_get(struct registry *registry, const char *name)
{
    CLEANUP(registry_document_free) struct registry_document document = { 0 };
    struct error err;

    if (get_document(registry, name, &document, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(document.bytes, DOCUMENT);
}

/* For the refusals: the document must not come. */
static inline struct error refused_document(struct registry *registry, const char *name)
{
    struct registry_document document;
    struct error err;

    if (get_document(registry, name, &document, &err) == 0)
        fail_msg("%s was not refused", name);
    assert_null(document.bytes);
    return err;
}

static inline void assert_code(const struct error *err, enum error_code code)
{
    if (err->code != code)
        fail_msg("%s instead of %s: %s", error_code_name(err->code), error_code_name(code),
                 err->text);
}

static inline void assert_says(const char *text, const char *what)
{
    if (strstr(text, what) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, what);
}

static inline void assert_does_not_say(const char *text, const char *what)
{
    if (strstr(text, what) != NULL)
        fail_msg("\"%s\" says \"%s\"", text, what);
}

#define TEST_CLIENT(kind)                                                    \
    CLEANUP(server_stop) struct registry_server *server = server_start(kind); \
    CLEANUP(registry_close) struct registry *registry = open_fast(server)

#endif
