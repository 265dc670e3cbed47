/* test_registry — documents: verified and bounded; connections kept; proxies. */
#include "tests/actors/images/registry/registry_fixture.h"

static void reg_2_a_document_by_tag_comes_with_type_and_digest(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    CLEANUP(registry_document_free) struct registry_document document;
    struct error err;
    char digest[136];

    (void)state;
    server_add(server, MANIFESTS "latest",
               &(struct server_reply){ .headers = "Content-Type: Application/vnd.oci.image.index.v1"
                                                  "+json ; charset=utf-8\r\n",
                                       .body = DOCUMENT,
                                       .size = strlen(DOCUMENT) });
    assert_int_equal(get_document(registry, "latest", &document, &err), 0);
    assert_string_equal(document.bytes, DOCUMENT);
    assert_int_equal(document.size, strlen(DOCUMENT));
    assert_string_equal(document.media_type, OCI_INDEX);
    assert_string_equal(document.digest, digest_text(DOCUMENT, strlen(DOCUMENT), digest));
    assert_says(server_seen(server, NULL, 0, "accept"), "manifest.list.v2+json");
    assert_says(server_seen(server, NULL, 0, "accept"), OCI_INDEX);
    assert_says(server_seen(server, NULL, 0, "user-agent"), "gantry/");
    assert_string_equal(server_seen(server, NULL, 0, "authorization"), "");
}

static void img_1_documents_of_all_types_are_asked_for(void **state)
{
    static const char *const types[] = {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.container.image.v1+json",
        "*/*",
    };
    TEST_CLIENT(SERVER_HTTP);

    (void)state;
    server_add(server, MANIFESTS "latest", &(struct server_reply){ DOCUMENT_REPLY });
    must_get(registry, "latest");
    for (size_t i = 0; i < COUNT_OF(types); i++)
        assert_says(server_seen(server, NULL, 0, "accept"), types[i]);
}

static void a_document_of_unknown_length_is_taken(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    CLEANUP(registry_document_free) struct registry_document document;
    static char body[100000];
    struct error err;

    (void)state;
    memset(body, ' ', sizeof(body));
    server_add(server, MANIFESTS "latest",
               &(struct server_reply){ .body = body, .size = sizeof(body), .chunked = true });
    assert_int_equal(get_document(registry, "latest", &document, &err), 0);
    assert_int_equal(document.size, sizeof(body));
    assert_memory_equal(document.bytes, body, sizeof(body));
    assert_string_equal(document.media_type, "");
}

static void reg_2_a_document_asked_by_digest_must_have_it(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    CLEANUP(registry_document_free) struct registry_document document;
    char digest[136], path[200];
    struct error err;

    (void)state;
    digest_text(DOCUMENT, strlen(DOCUMENT), digest);
    snprintf(path, sizeof(path), MANIFESTS "%s", digest);
    server_add(server, path, &(struct server_reply){ DOCUMENT_REPLY });
    assert_int_equal(get_document(registry, digest, &document, &err), 0);
    assert_string_equal(document.digest, digest);

    server_forget(server, path);
    server_add(server, path, &(struct server_reply){ .body = "{}", .size = 2 });
    err = refused_document(registry, digest);
    assert_code(&err, ERROR_DATA_LOSS);
    assert_says(err.text, digest);
    assert_says(err.text, "another digest");
}

static void reg_2_a_document_must_have_the_digest_that_the_registry_names(void **state)
{
    static const char *const headers[] = {
        "Docker-Content-Digest: sha256:"
        "0000000000000000000000000000000000000000000000000000000000000000\r\n",
        "Docker-Content-Digest: md5:00000000000000000000000000000000\r\n",
        "Docker-Content-Digest: ../../etc/passwd\r\n",
    };
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        TEST_CLIENT(SERVER_HTTP);

        server_add(server, MANIFESTS "latest",
                   &(struct server_reply){ .headers = headers[i], .body = "{}", .size = 2 });
        err = refused_document(registry, "latest");
        assert_code(&err, ERROR_DATA_LOSS);
    }
}

static void img_6_a_sha512_digest_is_verified_too(void **state)
{
    /* of "{}" */
    static const char digest[] =
        "sha512:27c74670adb75075fad058d5ceaf7b20c4e7786c83bae8a32f626f9782af34c9"
        "a33c2046ef60fd2a7878d378e29fec851806bbd9a67878f3a9f1cda4830763fd";
    TEST_CLIENT(SERVER_HTTP);
    CLEANUP(registry_document_free) struct registry_document document;
    struct error err;
    char path[256];

    (void)state;
    snprintf(path, sizeof(path), MANIFESTS "%s", digest);
    server_add(server, path, &(struct server_reply){ .body = "{}", .size = 2 });
    assert_int_equal(get_document(registry, digest, &document, &err), 0);
    assert_string_equal(document.digest, digest);
    server_forget(server, path);
    server_add(server, path, &(struct server_reply){ .body = "[]", .size = 2 });
    err = refused_document(registry, digest);
    assert_code(&err, ERROR_DATA_LOSS);
}

static void cve_2023_25153_a_document_over_4_mib_is_refused(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    size_t size = (4 << 20) + 1;
    char *body = calloc(1, size);
    struct error err;

    (void)state;
    server_add(server, MANIFESTS "announced", &(struct server_reply){ .body = body, .size = size });
    server_add(server, MANIFESTS "chunked",
               &(struct server_reply){ .body = body, .size = size, .chunked = true });
    free(body);
    err = refused_document(registry, "announced");
    assert_code(&err, ERROR_RESOURCE_EXHAUSTED);
    assert_says(err.text, "larger than 4 MiB");
    err = refused_document(registry, "chunked");
    assert_code(&err, ERROR_RESOURCE_EXHAUSTED);
    assert_int_equal(server_count(server, NULL), 2); /* and not tried again */
}

static void cve_2023_25153_a_document_that_announces_a_huge_size_costs_no_memory(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct error err;

    (void)state;
    server_add(server, MANIFESTS "latest",
               &(struct server_reply){ .raw = "HTTP/1.1 200 OK\r\nContent-Length: "
                                              "9000000000000000000\r\n\r\n{" });
    err = refused_document(registry, "latest");
    assert_code(&err, ERROR_RESOURCE_EXHAUSTED);
}

static void img_7_a_document_must_have_the_size_of_its_descriptor(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_document document;
    struct error err;

    (void)state;
    server_add(server, MANIFESTS "announced", &(struct server_reply){ DOCUMENT_REPLY });
    server_add(server, MANIFESTS "chunked",
               &(struct server_reply){ DOCUMENT_REPLY, .chunked = true });
    for (size_t i = 0; i < 4; i++) {
        uint64_t size = i % 2 ? strlen(DOCUMENT) - 1 : strlen(DOCUMENT) + 1;

        assert_int_equal(registry_manifest(registry, NULL, i < 2 ? "announced" : "chunked", size,
                                           &document, &err),
                         -1);
        assert_code(&err, ERROR_DATA_LOSS);
    }
    assert_int_equal(
        registry_manifest(registry, NULL, "chunked", strlen(DOCUMENT), &document, &err), 0);
    registry_document_free(&document);
}

static void an_empty_document_is_refused(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct error err;

    (void)state;
    server_add(server, MANIFESTS "latest", &(struct server_reply){ .size = 0 });
    server_add(server, MANIFESTS "nothing", &(struct server_reply){ .status = 204 });
    err = refused_document(registry, "latest");
    assert_code(&err, ERROR_DATA_LOSS);
    err = refused_document(registry, "nothing");
    assert_code(&err, ERROR_UNKNOWN);
    assert_says(err.text, "204");
}

static void reg_1_names_that_are_none_never_reach_the_network(void **state)
{
    static const char *const hosts[] = {
        "", "a/b", "a b", "user@host", "a\r\nb", "a?b", "a#b", NULL
    };
    static const char *const repositories[] = { "",     "/a",     "a/",  "A",   "a//b",
                                                "../a", "a/../b", "a b", "a?b", "a%2f" };
    static const char *const tags[] = {
        "",    ".a",         "-a",
        "a/b", "a b",        "../x",
        "a?b", "sha256:abc", "md5:00000000000000000000000000000000"
    };
    TEST_CLIENT(SERVER_HTTP);
    struct registry_options options = fast_options(server);
    struct registry *none = NULL;
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        options.host = hosts[i];
        assert_int_equal(registry_open(&none, &options, &err), -1);
        assert_code(&err, ERROR_INVALID_ARGUMENT);
    }
    options.host = "localhost";
    for (size_t i = 0; i < COUNT_OF(repositories); i++) {
        options.repository = repositories[i];
        assert_int_equal(registry_open(&none, &options, &err), -1);
        assert_code(&err, ERROR_INVALID_ARGUMENT);
    }
    for (size_t i = 0; i < COUNT_OF(tags); i++) {
        err = refused_document(registry, tags[i]);
        assert_code(&err, ERROR_INVALID_ARGUMENT);
    }
    assert_int_equal(server_count(server, NULL), 0);
}

static void reg_1_docker_io_is_reached_under_its_other_name(void **state)
{
    struct registry_options options = { .host = "docker.io", .repository = "library/busybox" };
    CLEANUP(registry_close) struct registry *registry = open_with(&options);

    (void)state;
    assert_string_equal(registry_host(registry), "registry-1.docker.io");
}

static void a_connection_is_kept_for_the_next_call(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_document document;
    struct error err;

    (void)state;
    server_add(server, MANIFESTS "latest", &(struct server_reply){ DOCUMENT_REPLY });
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(get_document(registry, "latest", &document, &err), 0);
        registry_document_free(&document);
        err = refused_document(registry, "missing");
        assert_code(&err, ERROR_NOT_FOUND);
    }
    assert_int_equal(server_connections(server), 1);
}

static void reg_9_a_proxy_of_the_environment_is_asked(void **state)
{
    CLEANUP(server_stop) struct registry_server *proxy = server_start(SERVER_HTTP);
    struct registry_options options = fast_options(proxy);
    CLEANUP(registry_close) struct registry *registry = NULL;
    CLEANUP(registry_document_free) struct registry_document document = { 0 };
    struct error err;

    (void)state;
    options.host = "registry.test:5000";
    server_add(proxy, "http://registry.test:5000" MANIFESTS "latest",
               &(struct server_reply){ DOCUMENT_REPLY });
    setenv("http_proxy", server_host(proxy), 1);
    setenv("no_proxy", "", 1);
    registry = open_with(&options);
    if (get_document(registry, "latest", &document, &err) < 0)
        fail_msg("%s", err.text);
    unsetenv("http_proxy");
    unsetenv("no_proxy");
    assert_string_equal(document.bytes, DOCUMENT);
}

/* A mirror may stand for several registries. */
static void reg_20_only_a_mirror_is_told_whose_images_are_asked_for(void **state)
{
    CLEANUP(server_stop) struct registry_server *server = server_start(SERVER_HTTP);
    struct registry_options options = fast_options(server);

    (void)state;
    server_add(server, MANIFESTS "latest", &(struct server_reply){ DOCUMENT_REPLY });
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(registry_close) struct registry *registry = NULL;

        options.named = i == 0 ? NULL : "[::1]:5000";
        registry = open_with(&options);
        must_get(registry, "latest");
    }
    assert_string_equal(server_seen(server, NULL, 0, "target"), MANIFESTS "latest");
    assert_string_equal(server_seen(server, NULL, 1, "target"),
                        MANIFESTS "latest?ns=%5B%3A%3A1%5D%3A5000");
}

static void reg_9_https_goes_through_a_tunnel_of_its_proxy(void **state)
{
    CLEANUP(server_stop) struct registry_server *proxy = server_start(SERVER_HTTP);
    struct registry_options options = fast_options(proxy);
    CLEANUP(registry_close) struct registry *registry = NULL;
    struct error err;
    char address[100];

    (void)state;
    options.host = "registry.test:5000";
    options.plain_http = false;
    options.username = "user";
    options.password = "secret";
    snprintf(address, sizeof(address), "http://%s", server_host(proxy));
    setenv("HTTPS_PROXY", address, 1);
    setenv("no_proxy", "", 1);
    registry = open_with(&options);
    err = refused_document(registry, "latest"); /* this one lets nobody through */
    unsetenv("HTTPS_PROXY");
    unsetenv("no_proxy");
    assert_code(&err, ERROR_UNAVAILABLE);
    assert_says(err.text, "registry.test:5000");
    assert_string_equal(server_seen(proxy, NULL, 0, "method"), "CONNECT");
    assert_string_equal(server_seen(proxy, NULL, 0, "target"), "registry.test:5000");
    assert_int_equal(server_count_with(proxy, "authorization"), 0);
    assert_int_equal(server_count_with(proxy, "proxy-authorization"), 0);
}

static void reg_9_what_no_proxy_names_is_asked_itself(void **state)
{
    static const char *const names[] = { "NO_PROXY", "no_proxy" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        CLEANUP(server_stop) struct registry_server *server = server_start(SERVER_HTTP);
        CLEANUP(server_stop) struct registry_server *proxy = server_start(SERVER_HTTP);
        CLEANUP(registry_close) struct registry *registry = NULL;
        struct registry_options options = fast_options(server);

        server_add(server, MANIFESTS "latest", &(struct server_reply){ DOCUMENT_REPLY });
        unsetenv("no_proxy");
        unsetenv("NO_PROXY");
        setenv("http_proxy", server_host(proxy), 1);
        setenv(names[i], "example.org,127.0.0.1", 1);
        registry = open_with(&options);
        must_get(registry, "latest");
        unsetenv("http_proxy");
        unsetenv(names[i]);
        assert_int_equal(server_connections(proxy), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reg_2_a_document_by_tag_comes_with_type_and_digest),
        cmocka_unit_test(img_1_documents_of_all_types_are_asked_for),
        cmocka_unit_test(a_document_of_unknown_length_is_taken),
        cmocka_unit_test(reg_2_a_document_asked_by_digest_must_have_it),
        cmocka_unit_test(reg_2_a_document_must_have_the_digest_that_the_registry_names),
        cmocka_unit_test(img_6_a_sha512_digest_is_verified_too),
        cmocka_unit_test(cve_2023_25153_a_document_over_4_mib_is_refused),
        cmocka_unit_test(cve_2023_25153_a_document_that_announces_a_huge_size_costs_no_memory),
        cmocka_unit_test(img_7_a_document_must_have_the_size_of_its_descriptor),
        cmocka_unit_test(an_empty_document_is_refused),
        cmocka_unit_test(reg_1_names_that_are_none_never_reach_the_network),
        cmocka_unit_test(reg_1_docker_io_is_reached_under_its_other_name),
        cmocka_unit_test(a_connection_is_kept_for_the_next_call),
        cmocka_unit_test(reg_9_a_proxy_of_the_environment_is_asked),
        cmocka_unit_test(reg_9_https_goes_through_a_tunnel_of_its_proxy),
        cmocka_unit_test(reg_9_what_no_proxy_names_is_asked_itself),
        cmocka_unit_test(reg_20_only_a_mirror_is_told_whose_images_are_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
