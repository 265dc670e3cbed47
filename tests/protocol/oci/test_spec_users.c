/* User namespaces in the runtime spec. */
#include "tests/protocol/oci/spec_fixture.h"

static json_int_t number_at(json_t *spec, const char *path)
{
    json_t *value = at(spec, path);

    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static bool has_user_namespace(json_t *spec)
{
    json_t *item;
    size_t i;

    json_array_foreach (at(spec, "linux.namespaces"), i, item)
        if (strcmp(text_at(item, "type"), "user") == 0)
            return true;
    return false;
}

static void there_is_none_when_nobody_asks(void **state)
{
    struct fixture *fixture = *state;

    assert_false(has_user_namespace(built(fixture)));
    assert_null(at(fixture->spec, "linux.uidMappings"));
    assert_non_null(json_object_get(at(fixture->spec, "linux.sysctl"), "net.ipv4.ping_group_range"));
}

static void who_maps_one_kind_of_ids_means_both(void **state)
{
    struct fixture *fixture = *state;

    fixture->options.uidmap = STRS("0:100000:1000", "1000:5:1");
    assert_true(has_user_namespace(built(fixture)));
    assert_int_equal(number_at(fixture->spec, "linux.uidMappings.0.hostID"), 100000);
    assert_int_equal(number_at(fixture->spec, "linux.gidMappings.1.containerID"), 1000);
    assert_int_equal(number_at(fixture->spec, "linux.gidMappings.1.size"), 1);
    assert_null(json_object_get(at(fixture->spec, "linux.sysctl"), "net.ipv4.ping_group_range"));
    fixture->options.gidmap = STRS("0:7:1");
    built(fixture);
    assert_int_equal(number_at(fixture->spec, "linux.gidMappings.0.hostID"), 7);
    fixture->options.uidmap = (struct strs){ 0 };
    built(fixture);
    assert_int_equal(number_at(fixture->spec, "linux.uidMappings.0.hostID"), 7);
}

static void maps_that_cannot_be_are_refused(void **state)
{
    struct fixture *fixture = *state;

    fixture->options.uidmap = STRS("nonsense");
    refused(fixture, ERROR_INVALID_ARGUMENT, "uidmap 'nonsense': say CONTAINER:HOST:SIZE");
    fixture->options.uidmap = STRS("1:1:1");
    refused(fixture, ERROR_INVALID_ARGUMENT, "id 0 of the container is not mapped");
    fixture->options.uidmap = STRS("0:100000:10");
    fixture->user.uid = 10;
    refused(fixture, ERROR_INVALID_ARGUMENT, "user 10 of the container is not mapped");
    fixture->user.uid = 9;
    fixture->user.gid = 10;
    refused(fixture, ERROR_INVALID_ARGUMENT, "group 10 of the container is not mapped");
    fixture->user.gid = 0;
    fixture->options.network = "host";
    refused(fixture, ERROR_INVALID_ARGUMENT, "the host's network");
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(there_is_none_when_nobody_asks),
        T(who_maps_one_kind_of_ids_means_both),
        T(maps_that_cannot_be_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
