/*
 * random_fixture — random rounds, each in an empty place.
 *
 * A failure is seen again with the seed that was printed last: GANTRY_TEST_SEED; GANTRY_TEST_ROUNDS says
 * how many rounds.
 */
#ifndef TESTS_RANDOM_FIXTURE_H
#define TESTS_RANDOM_FIXTURE_H

#include "tests/platform/unpack_layer.h"

static uint64_t seed;

static unsigned any(unsigned below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % below;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static void empty_place(struct place *place)
{
    struct error err;

    assert_int_equal(fs_remove_tree(place->root, &err), 0);
    mkdir(place->root, 0700);
    place->kept_count = 0;
}

typedef void random_round(struct place *place, void *ctx);

static void random_rounds(struct place *place, unsigned usual, random_round *round, void *ctx)
{
    const char *given = getenv("GANTRY_TEST_SEED"), *count = getenv("GANTRY_TEST_ROUNDS");
    uint64_t first;

    random_bytes(&first, sizeof(first));
    if (given != NULL)
        first = strtoull(given, NULL, 10);
    for (unsigned i = 0; i < (count ? (unsigned)atoi(count) : usual); i++) {
        seed = first + i;
        print_message("GANTRY_TEST_SEED=%" PRIu64 "\r", first + i);
        any(2);
        round(place, ctx);
        empty_place(place);
    }
    print_message("first seed %" PRIu64 ": ", first);
}

#endif
