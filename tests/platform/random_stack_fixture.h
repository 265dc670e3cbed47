/*
 * random_stack_fixture — stacks of two to four random layers, each tried in some way, and compared with an overlay of
 * what the reference has made of them.
 */
#ifndef TESTS_RANDOM_STACK_FIXTURE_H
#define TESTS_RANDOM_STACK_FIXTURE_H

#include "tests/platform/compare_fixture.h"
#include "tests/platform/random_layer_fixture.h"

struct random_stack {
    struct bytes tars[4];
    bool whiteouts_last[4];
    int count;
};

struct tally {
    unsigned layers, again, left_out; /* `layers` without the lowest */
};

/* An overlay of the layers 0 to `number`. */
static void final_mount(struct place *place, const char *prefix, int number, const char *at)
{
    char option[4096];

    mkdir(in(place, "%s", at), 0755);
    strcpy(option, lowers_word());
    option_lowers(place, prefix, number, option);
    if (mount("overlay", in(place, "%s", at), "overlay", MS_RDONLY, option) < 0)
        fail_msg("overlay %s: %s", option, strerror(errno));
}

typedef void stack_test(struct place *place, const struct random_stack *stack, struct tally *tally);

struct stack_round {
    stack_test *test;
    struct tally tally;
};

static void one_stack(struct place *place, void *ctx)
{
    struct stack_round *round = ctx;
    struct random_stack stack = { .count = 2 + (int)any(3) };

    for (int i = 0; i < stack.count; i++)
        random_layer(place, i, &stack.tars[i], &stack.whiteouts_last[i]);
    round->test(place, &stack, &round->tally);
    for (int i = 0; i < stack.count; i++)
        bytes_free(&stack.tars[i]);
}

static void random_stacks(struct place *place, stack_test *test)
{
    struct stack_round round = { .test = test };

    random_rounds(place, 60, one_stack, &round);
    print_message("%u layers, %u unpacked again, %u stacks left out\n", round.tally.layers, round.tally.again,
                  round.tally.left_out);
}

#endif
