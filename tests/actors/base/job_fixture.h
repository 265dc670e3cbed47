/* job_fixture — an actor whose operations are jobs, and a peer that asks it. */
#ifndef TESTS_ACTORS_BASE_JOB_FIXTURE_H
#define TESTS_ACTORS_BASE_JOB_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "actors/base/job.h"
#include "platform/platform.h"
#include "tests/actors/peer.h"

#define OP(id, name, in, out)                                                \
    static const struct op op_##id = { name,        "",           VERB_READ, \
                                       in##_record, out##_record, nothing_record };

#define RUNS(name)                                                               \
    static int on_##name(void *self, struct request *request, struct error *err) \
    {                                                                            \
        (void)self;                                                              \
        return request_run(request, name##_job, err);                            \
    }

static const struct nothing nothing;
static zactor_t *asker_thread;
static struct peer peer;
static struct answer answer;
static int owner; /* of the services: nobody */

static inline void asker_start(const struct actor *asker)
{
    struct error err = { 0 };

    asker_thread = actor_start(asker, &owner, &err);
    assert_non_null(asker_thread);
    peer_open(&peer, "asker");
}

static inline void asker_stop(void)
{
    actor_stop(&asker_thread);
    answer_free(&answer);
    peer_close(&peer);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
