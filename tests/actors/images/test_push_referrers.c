/*
 * test_push_referrers — artifacts about other images: who keeps the list of them (REG-16), who
 * reads it (REG-17), and what of an image is no registry's to have (REG-21).
 */
#include "tests/actors/images/pull_fixture.h"

#include "protocol/oci/media.h"

#define EMPTY   "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
#define HEX     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SUBJECT "sha256:" HEX
#define LIST    "/v2/to/manifests/sha256-" HEX
#define TAG     "/v2/to/manifests/1"
#define TYPED   "Content-Type: " MEDIA_OCI_INDEX "\r\n"

static void answer_with(const char *path, int status, const char *headers, const char *body)
{
    server_add(server, path,
               &(struct server_reply){ .status = status,
                                       .headers = headers,
                                       .body = body,
                                       .size = body != NULL ? strlen(body) : 0 });
}

/* An artifact about `subject`, here under its name; `digest` gets its own. */
static void have_artifact(const char *subject, char digest[72])
{
    char text[1000], headers[100];

    snprintf(text, sizeof(text),
             "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"artifactType\":\"application/x-seal\","
             "\"config\":{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":2},\"layers\":[],"
             "\"subject\":{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":7},"
             "\"annotations\":{\"by\":\"us\"}}",
             MEDIA_OCI_MANIFEST, MEDIA_OCI_EMPTY, EMPTY, MEDIA_OCI_MANIFEST, subject);
    snprintf(headers, sizeof(headers), "Content-Type: %s\r\n", MEDIA_OCI_MANIFEST);
    blob_digest(text, strlen(text), digest);
    server_forget(server, manifest_path("latest"));
    answer_with(manifest_path("latest"), 200, headers, text);
    answer_with("/v2/app/blobs/" EMPTY, 200, NULL, "{}");
    must_pull();
    answer_with("/v2/to/blobs/" EMPTY, 200, NULL, NULL); /* nothing to be sent */
}

static enum error_code push_with(struct strs tags)
{
    char to[100];
    const struct images_push_request want = { .name = reference(), .reference = to, .tags = tags };

    snprintf(to, sizeof(to), "%s/to:1", server_host(server));
    return peer_ask(&store.images, &op_images_push, &want, &answer);
}

static enum error_code push(void)
{
    return push_with((struct strs){ 0 });
}

/* What the k-th request there sent. */
static const char *sent(const char *path, size_t k)
{
    static char text[4000];
    size_t size = 0;
    const void *body = server_body(server, path, k, &size);

    assert_true(body != NULL && size < sizeof(text));
    memcpy(text, body, size);
    text[size] = '\0';
    return text;
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" has no \"%s\"", text, part);
}

/* ---- who keeps the list ------------------------------------------------------------------------
 */

static void reg_16_a_registry_that_keeps_the_list_is_left_to_it(void **state)
{
    char digest[72];

    (void)state;
    have_artifact(SUBJECT, digest);
    answer_with(TAG, 201, "OCI-Subject: " SUBJECT "\r\n", NULL);
    must(push());
    assert_int_equal(server_count(server, LIST), 0);
}

static void reg_16_else_a_list_is_begun_under_a_tag(void **state)
{
    char digest[72];

    (void)state;
    have_artifact(SUBJECT, digest);
    answer_with(TAG, 201, NULL, NULL);
    answer_with(LIST, 404, NULL, NULL);
    answer_with(LIST, 201, NULL, NULL);
    must(push());
    assert_string_equal(server_seen(server, LIST, 0, "method"), "GET");
    assert_string_equal(server_seen(server, LIST, 1, "method"), "PUT");
    assert_string_equal(server_seen(server, LIST, 1, "content-type"), MEDIA_OCI_INDEX);
    assert_has(sent(LIST, 1), digest);
    assert_has(sent(LIST, 1), "\"artifactType\":\"application/x-seal\"");
    assert_has(sent(LIST, 1), "\"annotations\":{\"by\":\"us\"}");
    assert_has(sent(LIST, 1), "\"schemaVersion\":2");
}

static void reg_16_several_tags_of_a_document_are_one_entry_of_the_list(void **state)
{
    const char *names[] = { "2", "3" };
    char digest[72], at[200];

    (void)state;
    have_artifact(SUBJECT, digest);
    snprintf(at, sizeof(at), "/v2/to/manifests/%s", digest);
    answer_with(at, 201, NULL, NULL);
    answer_with(TAG, 201, NULL, NULL);
    answer_with("/v2/to/manifests/2", 201, NULL, NULL);
    answer_with("/v2/to/manifests/3", 201, NULL, NULL);
    answer_with(LIST, 404, NULL, NULL);
    answer_with(LIST, 201, NULL, NULL);
    must(push_with((struct strs){ COUNT_OF(names), names }));
    assert_int_equal(server_count(server, LIST), 2);
    assert_int_equal(server_count(server, TAG), 1);
    assert_int_equal(server_count(server, "/v2/to/manifests/3"), 1);
}

static void reg_16_what_is_in_the_list_stays_and_nothing_is_there_twice(void **state)
{
    char digest[72], there[1000];

    (void)state;
    have_artifact(SUBJECT, digest);
    answer_with(TAG, 201, NULL, NULL);
    answer_with(LIST, 200, TYPED,
                "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
                "\",\"manifests\":[{\"mediaType\":\"x/y\",\"digest\":\"" EMPTY
                "\",\"size\":2,\"odd\":[1]}],\"more\":{\"a\":null}}");
    answer_with(LIST, 201, NULL, NULL);
    must(push());
    assert_has(sent(LIST, 1),
               "{\"mediaType\":\"x/y\",\"digest\":\"" EMPTY "\",\"size\":2,\"odd\":[1]},");
    assert_has(sent(LIST, 1), "\"more\":{\"a\":null}");
    assert_has(sent(LIST, 1), digest);

    snprintf(there, sizeof(there), "%s", sent(LIST, 1));
    server_forget(server, LIST);
    answer_with(LIST, 200, TYPED, there);
    must(push());
    assert_int_equal(server_count(server, LIST), 3); /* it was looked into, and that is all */
    assert_string_equal(server_seen(server, LIST, 2, "method"), "GET");
}

static void reg_16_what_is_no_list_is_not_written_over(void **state)
{
    static const char *const bodies[] = { "<html>", "[]", "{\"manifests\":7}", "{}" };
    char digest[72];

    (void)state;
    have_artifact(SUBJECT, digest);
    answer_with(TAG, 201, NULL, NULL);
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        server_forget(server, LIST);
        answer_with(LIST, 200, TYPED, bodies[i]);
        assert_int_equal(push(), ERROR_DATA_LOSS);
        assert_says("referrers of sha256:");
        assert_int_equal(server_count(server, LIST), i + 1);
    }
}

/* Algorithms have + in their names, and encodings = and _: tags do not. */
static void reg_16_the_tag_of_any_digest_is_a_tag(void **state)
{
#define H32 "0123456789abcdef0123456789abcdef"
    static const struct {
        const char *subject, *tag;
    } cases[] = {
        { "sha512:" H32 H32 H32 H32, "sha512-" H32 H32 },
        { "sha256+b64u:LCa0a2j_xo-5m0U8HTBBNBNCLXBkg7=",
          "sha256-b64u-LCa0a2j_xo-5m0U8HTBBNBNCLXBkg7-" },
        { "a.very_long+algorithm-of.many_words:x", "a.very_long-algorithm-of.many_wo-x" },
    };
    char digest[72], path[200];

    (void)state;
    answer_with(TAG, 201, NULL, NULL);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        have_artifact(cases[i].subject, digest);
        snprintf(path, sizeof(path), "/v2/to/manifests/%s", cases[i].tag);
        answer_with(path, 404, NULL, NULL);
        answer_with(path, 201, NULL, NULL);
        must(push());
        assert_int_equal(server_count(server, path), 2);
        assert_has(sent(path, 1), digest);
    }
}

/* ---- who reads it ------------------------------------------------------------------------------
 */

static const struct images_referrers_reply *ask_referrers(const char *type)
{
    const struct images_ask_request want = { .reference = reference(), .artifact_type = type };

    must(peer_ask(&store.images, &op_images_referrers, &want, &answer));
    return answer.body;
}

/* The subject: any document under the tag `latest`; its list is at `path`. */
static void have_subject(char path[200])
{
    static const char text[] = "{\"schemaVersion\":2,\"manifests\":[]}";
    char digest[72];

    answer_with(manifest_path("latest"), 200, TYPED, text);
    blob_digest(text, strlen(text), digest);
    snprintf(path, 200, "/v2/app/referrers/%s", digest);
}

#define ENTRY(type, digit)                                                          \
    "{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"size\":1,\"artifactType\":\"" type \
    "\",\"digest\":\"sha256:" digit digit digit digit digit digit digit digit "\"}"
#define TWO                                                 \
    "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX \
    "\",\"manifests\":[" ENTRY("one/x", "11111111") "," ENTRY("two/x", "22222222") "]}"

static void reg_17_what_the_registry_has_not_filtered_is_filtered_here(void **state)
{
    const struct images_referrers_reply *reply;
    const struct image_referrer *first;
    char path[200];

    (void)state;
    have_subject(path);
    answer_with(path, 200, TYPED, TWO); /* without OCI-Filters-Applied */
    reply = ask_referrers("two/x");
    first = reply->referrers.items;
    assert_int_equal(reply->referrers.count, 1);
    assert_string_equal(first->artifact_type, "two/x");
    assert_has(server_seen(server, path, 0, "target"), "?artifactType=two/x");
    reply = ask_referrers(NULL);
    assert_int_equal(reply->referrers.count, 2);
    assert_false(reply->by_tag);
}

static void reg_17_without_the_list_of_the_registry_the_tag_is_read_and_without_both_there_are_none(
    void **state)
{
    const struct images_referrers_reply *reply;
    char path[200], tag[200];

    (void)state;
    have_subject(path);
    snprintf(tag, sizeof(tag), "/v2/app/manifests/sha256-%s", strrchr(path, ':') + 1);
    reply = ask_referrers(NULL);
    assert_int_equal(reply->referrers.count, 0);
    assert_int_equal(server_count(server, path), 1);
    assert_int_equal(server_count(server, tag), 1);
    answer_with(tag, 200, TYPED, TWO);
    reply = ask_referrers("one/x");
    assert_int_equal(reply->referrers.count, 1);
    assert_true(reply->by_tag);
}

/* ---- layers that are not a registry's
 * ------------------------------------------------------------ */

static void reg_21_layers_that_are_not_distributable_are_not_pushed(void **state)
{
    struct image_plan plan = {
        .layers = small_layer(), .layer_count = 1, .no_index = true, .foreign = true
    };
    CLEANUP(image_drop) struct built_image *image = image_build(&plan);
    char path[200];

    (void)state;
    image_serve(server, "app", "latest", image);
    must_pull();
    snprintf(path, sizeof(path), "/v2/to/blobs/%s", image->config.digest);
    answer_with(path, 200, NULL, NULL);
    answer_with(TAG, 201, NULL, NULL);
    must(push());
    snprintf(path, sizeof(path), "/v2/to/blobs/%s", image->layers[0].packed.digest);
    assert_int_equal(server_count(server, path), 0);
    assert_int_equal(server_count(server, "/v2/to/blobs/uploads/"), 0);
    assert_has(sent(TAG, 0), image->layers[0].packed.digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PULL_TEST(reg_16_a_registry_that_keeps_the_list_is_left_to_it),
        PULL_TEST(reg_16_else_a_list_is_begun_under_a_tag),
        PULL_TEST(reg_16_several_tags_of_a_document_are_one_entry_of_the_list),
        PULL_TEST(reg_16_what_is_in_the_list_stays_and_nothing_is_there_twice),
        PULL_TEST(reg_16_what_is_no_list_is_not_written_over),
        PULL_TEST(reg_16_the_tag_of_any_digest_is_a_tag),
        PULL_TEST(reg_17_what_the_registry_has_not_filtered_is_filtered_here),
        PULL_TEST(
            reg_17_without_the_list_of_the_registry_the_tag_is_read_and_without_both_there_are_none),
        PULL_TEST(reg_21_layers_that_are_not_distributable_are_not_pushed),
    };

    return cmocka_run_group_tests_name("push referrers", tests, NULL, NULL);
}
