/* collector_fixture — a store whose collector runs, and a word for running it now. */
#ifndef TESTS_ACTORS_COLLECTOR_COLLECTOR_FIXTURE_H
#define TESTS_ACTORS_COLLECTOR_COLLECTOR_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "platform/scope.h"
#include "tests/actors/store.h"

static struct store store;
static struct answer answer;

UNUSED static int tear_down(void **state)
{
    (void)state;
    answer_free(&answer);
    store_close(&store);
    return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

UNUSED static void must(enum error_code code)
{
    if (code != ERROR_NONE)
        fail_msg("%s: %s", error_code_name(code), answer.message);
}

UNUSED static struct collector_run_reply collect(void)
{
    const struct nothing nothing = { 0 };

    must(peer_ask(&store.collector, &op_collector_run, &nothing, &answer));
    return *(struct collector_run_reply *)answer.body;
}

UNUSED static int set_up(void **state)
{
    (void)state;
    store_open(&store);
    store_stop(&store);
    store.with = WITH_IMAGES;
    store.collects = true;
    store_start(&store);
    collect(); /* a start makes a run due, which would take what the test makes meanwhile */
    return 0;
}

#endif
