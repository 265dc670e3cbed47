/* test_pull_urls — layers that their registry has not: where else they are, and who is asked for
 * them (REG-21). */
#include "tests/actors/images/pull_fixture.h"

#define SECRET "Basic dXNlcjpzZWNyZXQ=" /* user:secret */

static struct registry_server *other; /* no registry: it has files */

static int set_up_two(void **state)
{
    other = server_start(SERVER_HTTP);
    return set_up(state);
}

static int tear_down_two(void **state)
{
    server_stop(&other);
    return tear_down(state);
}

#define URL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_two, tear_down_two)

static const char *url_of(const char *path)
{
    static char urls[4][200];
    static unsigned turn;
    char *url = urls[turn++ % 4];

    snprintf(url, sizeof(urls[0]), "http://%s%s", server_host(other), path);
    return url;
}

/* At the registry, but for its only layer, which is at these addresses. */
static struct built_image *serve_foreign(const char *first, const char *second)
{
    struct image_plan plan = { .layers = small_layer(),
                               .layer_count = 1,
                               .foreign = true,
                               .urls = { first, second },
                               .defects = IMAGE_NO_LAYER_BLOB };
    struct built_image *image = image_build(&plan);

    image_serve(server, "app", "latest", image);
    return image;
}

static void serve_file(const char *path, const struct built_blob *blob)
{
    server_add(other, path, &(struct server_reply){ .body = blob->data, .size = blob->size });
}

static void reg_21_a_layer_that_the_registry_has_not_comes_from_its_urls(void **state)
{
    CLEANUP(image_drop) struct built_image *image = serve_foreign(url_of("/a%20b?x=1"), NULL);
    const struct built_blob *layer = &image->layers[0].packed;
    const struct images_pull_reply *reply;

    (void)state;
    serve_file("/a%20b", layer);
    must(pull(.username = "user", .password = "secret"));
    reply = answer.body;
    assert_file(layer_path(reply->chain_id, "etc/motd"), "hello\n");
    assert_true(has_blob(layer->digest));
    assert_int_equal(server_count(server, blob_path(layer)), 1); /* it comes first */
    assert_int_equal(server_count(other, NULL), 1);
    assert_string_equal(server_seen(other, NULL, 0, "target"), "/a%20b?x=1");
    assert_nothing_half_done();
}

static void reg_21_the_next_url_is_asked_when_one_has_it_not(void **state)
{
    CLEANUP(image_drop) struct built_image *image = serve_foreign(url_of("/a"), url_of("/b"));

    (void)state;
    serve_file("/b", &image->layers[0].packed);
    must(pull(.no_unpack = true, .has_no_unpack = true));
    assert_true(has_blob(image->layers[0].packed.digest));
    assert_int_equal(server_count(other, "/a"), 1);
    assert_nothing_half_done();
}

static void cve_2020_15157_who_has_a_layer_is_not_told_who_asks(void **state)
{
    char challenge[200];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(image_drop) struct built_image *image = serve_foreign(url_of("/a"), NULL);
        const struct built_blob *layer = &image->layers[0].packed;

        snprintf(challenge, sizeof(challenge), "%s realm=\"http://%s/token\",service=\"x\"",
                 i == 0 ? "Basic" : "Bearer", server_host(other));
        server_forget(other, "/a");
        server_add(other, "/a", &(struct server_reply){ .wants = SECRET, .challenge = challenge });
        serve_blob(layer, &(struct server_reply){
                              .status = 404, .wants = SECRET, .challenge = "Basic realm=\"x\"" });
        assert_int_equal(pull(.username = "user", .password = "secret"), ERROR_NOT_FOUND);
        assert_says("nor at http://127.0.0.1");
        assert_says("denies access");
        assert_string_equal(server_seen(server, blob_path(layer), 1, "authorization"), SECRET);
        assert_int_equal(server_count(other, NULL), i + 1);
        assert_int_equal(server_count_with(other, "authorization"), 0);
        assert_nothing_left(0);
    }
}

static void reg_21_what_is_there_instead_is_refused(void **state)
{
    CLEANUP(image_drop) struct built_image *image = serve_foreign(url_of("/a"), url_of("/b"));
    const struct built_blob *layer = &image->layers[0].packed;
    char *wrong = malloc(layer->size + 1);

    (void)state;
    memcpy(wrong, layer->data, layer->size);
    wrong[layer->size / 2] ^= 1;
    wrong[layer->size] = 'x';
    server_add(other, "/a", &(struct server_reply){ .body = wrong, .size = layer->size });
    server_add(other, "/b", &(struct server_reply){ .body = wrong, .size = layer->size + 1 });
    assert_int_equal(pull(), ERROR_DATA_LOSS);
    assert_says("what came hashes to");
    assert_nothing_left(0);
    server_forget(other, "/b");
    serve_file("/b", layer);
    must_pull();
    assert_nothing_half_done();
    free(wrong);
}

static void reg_21_only_web_addresses_over_tls_are_asked(void **state)
{
    static const struct {
        const char *url, *says;
    } cases[] = {
        { "file:///etc/passwd", "no web address" },
        { "https://", "is no name of a registry" },
        { "https://user:pw@example.org/x", "is no name of a registry" },
        { "https://a b/", "no web address" },
        { "https://example.org/\r\nX: y", "no web address" },
        { "http://192.0.2.1/x", "without TLS" },
        { "http://127.evil.example/x", "without TLS" },
        { "gopher://127.0.0.1:1/", "no web address" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CLEANUP(image_drop) struct built_image *image = serve_foreign(cases[i].url, NULL);

        assert_int_equal(pull(), ERROR_NOT_FOUND);
        assert_says("not found at 127.0.0.1");
        assert_says(cases[i].says);
        assert_nothing_left(0);
    }
}

/* An image from elsewhere must not have services of this machine asked. */
static void reg_21_this_machine_is_asked_for_its_own_images_alone(void **state)
{
    static const char *const plain[] = { "registry.test", NULL };
    CLEANUP(image_drop) struct built_image *image = serve_foreign(url_of("/a"), NULL);
    char path[300];

    (void)state;
    serve_file("/a", &image->layers[0].packed);
    store_stop(&store);
    store.plain_http = plain;
    store_start(&store);
    setenv("http_proxy", server_host(server), 1); /* there registry.test is */
    setenv("no_proxy", "127.0.0.1", 1);
    for (int i = 0; i < 3; i++) {
        const struct built_blob *blobs[] = { &image->index, &image->manifest, &image->config };

        snprintf(path, sizeof(path), "http://registry.test/v2/app/%s/%s",
                 i < 2 ? "manifests" : "blobs", i == 0 ? "latest" : blobs[i]->digest);
        server_add(server, path,
                   &(struct server_reply){ .body = blobs[i]->data, .size = blobs[i]->size });
    }
    assert_int_equal(pull(.reference = "registry.test/app"), ERROR_NOT_FOUND);
    unsetenv("http_proxy");
    unsetenv("no_proxy");
    assert_says("is this machine");
    assert_int_equal(server_connections(other), 0);
    assert_nothing_left(0);
}

static void reg_21_urls_of_other_layers_are_not_asked(void **state)
{
    struct image_plan plan = { .layers = small_layer(),
                               .layer_count = 1,
                               .urls = { url_of("/a") },
                               .defects = IMAGE_NO_LAYER_BLOB };

    (void)state;
    assert_int_equal(pull_plan(&plan), ERROR_NOT_FOUND);
    assert_int_equal(server_connections(other), 0);
    assert_nothing_left(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        URL_TEST(reg_21_a_layer_that_the_registry_has_not_comes_from_its_urls),
        URL_TEST(reg_21_the_next_url_is_asked_when_one_has_it_not),
        URL_TEST(cve_2020_15157_who_has_a_layer_is_not_told_who_asks),
        URL_TEST(reg_21_what_is_there_instead_is_refused),
        URL_TEST(reg_21_only_web_addresses_over_tls_are_asked),
        URL_TEST(reg_21_this_machine_is_asked_for_its_own_images_alone),
        URL_TEST(reg_21_urls_of_other_layers_are_not_asked),
    };

    return cmocka_run_group_tests_name("pull urls", tests, NULL, NULL);
}
