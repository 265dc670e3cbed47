/* upload_fixture — a blob to send, and the registry's side of sending it (REG-13, REG-14, REG-15).
 */
#ifndef TESTS_REGISTRY_UPLOAD_FIXTURE_H
#define TESTS_REGISTRY_UPLOAD_FIXTURE_H

#include "tests/actors/images/registry/registry_fixture.h"

#include <sys/mman.h>
#include <unistd.h>

#define SIZE     3000000
#define UPLOADS  BLOBS "uploads/"
#define SESSION  UPLOADS "one"
#define SECOND   UPLOADS "two"
#define MANIFEST "application/vnd.oci.image.manifest.v1+json"

static char content[SIZE]; /* of the blob, the same in every test */
static char digest[136], path[200];
static int file = -1;

static inline int make_content(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (char)(i * 7 + i / 251);
    digest_text(content, SIZE, digest);
    snprintf(path, sizeof(path), BLOBS "%s", digest);
    file = memfd_create("blob", MFD_CLOEXEC);
    return write(file, content, SIZE) == SIZE ? 0 : -1;
}

struct result {
    enum registry_sent sent;
    struct error err;
};

static inline struct registry_upload upload_of(void)
{
    return (struct registry_upload){ .digest = digest, .size = SIZE, .file = file };
}

static inline int send_with(struct registry *registry, const struct registry_upload *upload,
                            struct result *result)
{
    memset(result, 0, sizeof(*result));
    return registry_upload(registry, NULL, upload, &result->sent, &result->err);
}

static inline void must_send(struct registry *registry, const struct registry_upload *upload,
                             enum registry_sent sent)
{
    struct result result;

    if (send_with(registry, upload, &result) < 0)
        fail_msg("%s", result.err.text);
    assert_int_equal(result.sent, sent);
}

static inline struct error must_fail(struct registry *registry,
                                     const struct registry_upload *upload)
{
    struct result result;

    if (send_with(registry, upload, &result) == 0)
        fail_msg("it was not refused");
    return result.err;
}

static inline void reply(struct registry_server *server, const char *at, int status,
                         const char *headers)
{
    server_add(server, at, &(struct server_reply){ .status = status, .headers = headers });
}

/* Uploads that are begun: the first is SESSION, the next SECOND. */
static inline void begins(struct registry_server *server, int sessions)
{
    reply(server, UPLOADS, 202, "Location: one\r\n");
    if (sessions > 1)
        reply(server, UPLOADS, 202, "Location: two\r\n");
}

/* A refusal in the words of the specification. */
static inline void refuse(struct registry_server *server, const char *at, int status,
                          const char *body)
{
    server_add(server, at,
               &(struct server_reply){ .status = status, .body = body, .size = strlen(body) });
}

static inline void assert_request(struct registry_server *server, const char *at, size_t k,
                                  const char *method, uint64_t from, uint64_t size)
{
    const void *body;
    size_t got = 0;

    assert_string_equal(server_seen(server, at, k, "method"), method);
    body = server_body(server, at, k, &got);
    assert_int_equal(got, size);
    if (size > 0)
        assert_memory_equal(body, content + from, size);
}

#endif
