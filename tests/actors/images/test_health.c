/* test_health — which hosts are left out, for how long, and who looks whether they are back. */
#include "actors/images/health.h"
#include "tests/actors/images/pull_fixture.h"

#define HOST "https://mirror.test:5000"

static int set_up_inside(void **state)
{
    set_up(state);
    store.images.inside = true;
    return 0;
}

#define HEALTH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_inside, tear_down)

static void send_enter(struct peer *peer, const char *key, bool needed)
{
    peer_send(peer, &op_images_host_enter,
              &(struct images_host_enter_request){ .key = key, .needed = needed });
}

static const struct images_host_enter_reply *hear_enter(struct peer *peer)
{
    must(peer_finish(peer, &op_images_host_enter, &answer));
    return answer.body;
}

static const struct images_host_enter_reply *enter(bool needed)
{
    send_enter(&store.images, HOST, needed);
    return hear_enter(&store.images);
}

static void leave_as(const char *outcome, bool looked, uint64_t cost_ms, bool unreached)
{
    const struct images_host_leave_request want = { .key = HOST,
                                                    .outcome = outcome,
                                                    .looked = looked,
                                                    .cost_ms = cost_ms,
                                                    SET(unreached, unreached),
                                                    .problem = "it is asleep" };

    must(peer_ask(&store.images, &op_images_host_leave, &want, &answer));
}

static void leave(const char *outcome, bool looked, uint64_t cost_ms)
{
    leave_as(outcome, looked, cost_ms, true);
}

static const struct images_host_health_reply *health(const char *key)
{
    must(peer_ask(&store.images, &op_images_host_health,
                  &(struct images_host_health_request){ .key = key }, &answer));
    return answer.body;
}

static void reg_12_the_while_grows_with_the_cost_and_with_each_failure(void **state)
{
    (void)state;
    assert_int_equal(health_while_ms(1, 0, 0), HEALTH_MIN_MS);
    assert_int_equal(health_while_ms(1, 30000, 0), 300000);
    assert_int_equal(health_while_ms(3, 0, 0), 4 * HEALTH_MIN_MS);
    assert_int_equal(health_while_ms(4000000000u, 30000, 0), HEALTH_MAX_MS);
    assert_int_equal(health_while_ms(1, 0, 60000), 60000);
    assert_int_equal(health_while_ms(1, 0, INT64_MAX), HEALTH_MAX_MS);
}

static void a_host_that_is_well_or_unknown_may_be_asked(void **state)
{
    (void)state;
    assert_string_equal(health(HOST)->state, "unknown");
    assert_true(enter(false)->enter);
    leave("well", false, 5);
    assert_true(enter(false)->enter);
    assert_string_equal(health(HOST)->state, "well");
}

static void reg_12_one_that_failed_is_left_out_and_why_is_told(void **state)
{
    const struct images_host_enter_reply *reply;

    (void)state;
    assert_true(enter(false)->enter);
    leave("failed", false, 3000);
    reply = enter(false);
    assert_false(reply->enter);
    assert_string_equal(reply->problem, "it is asleep");
    assert_in_range(reply->left_ms, 20000, 30000);
    assert_string_equal(health(HOST)->state, "left out");
}

static void reg_12_many_that_were_there_when_it_died_count_once(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_true(enter(false)->enter);
    for (int i = 0; i < 5; i++)
        leave("failed", false, 3000);
    assert_int_equal(health(HOST)->failures, 1);
}

static void who_needs_it_looks_at_once_and_the_others_wait_and_share_what_is_found(void **state)
{
    struct peer others[3];

    (void)state;
    leave("failed", false, 3000);
    assert_true(enter(true)->looks);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        peer_open(&others[i], "images");
        others[i].inside = true;
        send_enter(&others[i], HOST, true);
    }
    assert_false(enter(false)->enter); /* who does not need it goes on without */
    assert_string_equal(health(HOST)->state, "asked");
    assert_true(peer_hears_nothing(&others[0], 1));
    leave("failed", true, 3000);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        assert_false(hear_enter(&others[i])->enter);
        peer_close(&others[i]);
    }
    assert_int_equal(health(HOST)->failures, 2);
}

static void when_it_is_back_all_that_waited_go_on(void **state)
{
    struct peer other;
    const struct images_host_enter_reply *reply;

    (void)state;
    leave("failed", false, 3000);
    assert_true(enter(true)->looks);
    peer_open(&other, "images");
    other.inside = true;
    send_enter(&other, HOST, true);
    leave("well", true, 1);
    reply = hear_enter(&other);
    assert_true(reply->enter && !reply->looks);
    peer_close(&other);
    assert_true(enter(false)->enter);
}

/* A broken image is not to fail the pulls of others. */
static void a_failure_that_may_be_about_one_image_is_not_shared(void **state)
{
    const struct images_host_enter_reply *reply;
    struct peer other;

    (void)state;
    leave("failed", false, 3000);
    assert_true(enter(true)->looks);
    peer_open(&other, "images");
    other.inside = true;
    send_enter(&other, HOST, true);
    assert_string_equal(health(HOST)->state, "asked");
    leave_as("failed", true, 10, false);
    reply = hear_enter(&other);
    assert_true(reply->enter && !reply->looks);
    peer_close(&other);
}

static void when_who_looks_gives_up_the_next_one_looks(void **state)
{
    struct peer other;
    uint64_t id;

    (void)state;
    leave("failed", false, 3000);
    assert_true(enter(true)->looks);
    peer_open(&other, "images");
    other.inside = true;
    id = peer_send(&other, &op_images_host_enter,
                   &(struct images_host_enter_request){ .key = HOST, .needed = true });
    peer_cancel(&other, id); /* one that waits may go */
    assert_int_equal(peer_finish(&other, &op_images_host_enter, &answer), ERROR_CANCELLED);
    send_enter(&other, HOST, true);
    assert_string_equal(health(HOST)->state, "asked"); /* so it waits by now */
    leave("unknown", true, 1);
    assert_true(hear_enter(&other)->looks);
    assert_int_equal(health(HOST)->failures, 1);
    peer_close(&other);
}

/* The names come from clients. */
static void not_more_hosts_are_remembered_than_fit(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * HEALTH_HOSTS; i++) {
        char key[64];
        const struct images_host_leave_request want = { .key = key, .outcome = "well" };

        snprintf(key, sizeof(key), "https://h%d.test", i);
        must(peer_ask(&store.images, &op_images_host_leave, &want, &answer));
    }
    assert_string_equal(health("https://h0.test")->state, "unknown");
    assert_string_equal(health("https://h400.test")->state, "well");
}

static void strangers_say_nothing_about_hosts(void **state)
{
    const struct images_host_leave_request want = { .key = HOST, .outcome = "failed" };

    (void)state;
    store.images.inside = false;
    assert_int_equal(peer_ask(&store.images, &op_images_host_leave, &want, &answer),
                     ERROR_PERMISSION_DENIED);
    send_enter(&store.images, HOST, true);
    assert_int_equal(peer_finish(&store.images, &op_images_host_enter, &answer),
                     ERROR_PERMISSION_DENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reg_12_the_while_grows_with_the_cost_and_with_each_failure),
        HEALTH_TEST(a_host_that_is_well_or_unknown_may_be_asked),
        HEALTH_TEST(reg_12_one_that_failed_is_left_out_and_why_is_told),
        HEALTH_TEST(reg_12_many_that_were_there_when_it_died_count_once),
        HEALTH_TEST(who_needs_it_looks_at_once_and_the_others_wait_and_share_what_is_found),
        HEALTH_TEST(when_it_is_back_all_that_waited_go_on),
        HEALTH_TEST(a_failure_that_may_be_about_one_image_is_not_shared),
        HEALTH_TEST(when_who_looks_gives_up_the_next_one_looks),
        HEALTH_TEST(not_more_hosts_are_remembered_than_fit),
        HEALTH_TEST(strangers_say_nothing_about_hosts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
