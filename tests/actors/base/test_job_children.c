/* Children of jobs: so many at once, heeded by their parent, and answered by its client. */
#include "tests/actors/base/job_fixture.h"

OP(each, "asker.each", nothing, content_read_reply)
OP(heed, "asker.heed", nothing, content_read_reply)
OP(question, "asker.question", content_stat_request, content_info)
OP(questions, "asker.questions", nothing, content_read_reply)

static atomic_int running, most_running, ran;

/* ---- jobs ----------------------------------------------------------------------------------- */

struct kid {
    int number;
    bool fails;
};

static int child_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct kid *kid = in;
    int now = atomic_fetch_add(&running, 1) + 1, most = atomic_load(&most_running);
    int result;

    (void)out;
    while (now > most && !atomic_compare_exchange_weak(&most_running, &most, now))
        ;
    atomic_fetch_add(&ran, 1);
    if (kid->fails)
        result = error_set(err, ERROR_DATA_LOSS, "child %d", kid->number);
    else if (kid->number >= 100)
        result = job_wait(job, -1, JOB_INPUT, -1, err); /* until it is cancelled */
    else
        result = job_wait(job, -1, JOB_INPUT, 5, err); /* a little */
    atomic_fetch_sub(&running, 1);
    return result;
}

static int each_job(struct job *job, const void *in, void *out, struct error *err)
{
    struct kid peaceful[10] = { { 0 } };
    struct kid doomed[6] = { { 100, false }, { 101, false }, { 1, true },
                             { 102, false }, { 103, false }, { 104, false } };

    (void)in;
    if (job_each(job, child_job, peaceful, 10, sizeof(*peaceful), 4, err) < 0)
        return -1;
    ((struct content_read_reply *)out)->size = (uint64_t)atomic_exchange(&ran, 0);
    return job_each(job, child_job, doomed, 6, sizeof(*doomed), 3, err);
}

/* Nudges once, and waits if it is to. */
static int nudge_job(struct job *job, const void *in, void *out, struct error *err)
{
    (void)out;
    job_nudge(job);
    return ((const struct kid *)in)->number < 100 ? 0 : job_wait(job, -1, JOB_INPUT, -1, err);
}

static size_t heeded;

struct heeding {
    size_t heard;
    size_t most; /* then it has had enough */
};

static int heed(void *ctx, struct error *err)
{
    struct heeding *heeding = ctx;

    if (++heeding->heard < heeding->most)
        return 0;
    return error_set(err, ERROR_OUT_OF_RANGE, "heeded enough");
}

/* The first have all ended before it goes on; the others end because it fails. */
static int heed_job(struct job *job, const void *in, void *out, struct error *err)
{
    struct kid peaceful[3] = { { 0 } }, patient[2] = { { 100, false }, { 101, false } };
    struct heeding heeding = { .most = 100 };
    struct children children = { .body = nudge_job,
                                 .items = peaceful,
                                 .count = 3,
                                 .item_size = sizeof(*peaceful),
                                 .at_once = 2,
                                 .heed = heed,
                                 .ctx = &heeding };

    (void)in;
    if (job_children(job, &children, err) < 0)
        return -1;
    (void)out;
    heeded = heeding.heard;
    heeding = (struct heeding){ .most = 1 };
    children.items = patient;
    children.count = 2;
    return job_children(job, &children, err);
}

#define PATIENCE_MS 200 /* of the one that asks for "late" */

/* Its digest is what is asked; what is answered comes back in its place. */
static int question_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct content_stat_request *want = in;
    const struct bin bytes = { want->digest, strlen(want->digest) };
    struct content_info *info = out;
    struct chunk *chunk =
        job_ask(job, "who", &bytes, 100, streq(want->digest, "late") ? PATIENCE_MS : 60000, err);

    if (chunk == NULL)
        return -1;
    info->digest =
        arena_printf(job_arena(job), "%.*s", (int)chunk->size, (const char *)chunk->bytes);
    chunk_free(&chunk);
    return 0;
}

struct asking_kid {
    char number[8];
    bool is_parent;
    bool right;
};

/* Right, if the answer is the question and an exclamation mark. */
static int asking_kid_job(struct job *job, const void *in, void *out, struct error *err)
{
    struct asking_kid *kid = (void *)(uintptr_t)in;
    const struct bin bytes = { kid->number, strlen(kid->number) };
    struct asking_kid own[2] = { { "10", false, false }, { "11", false, false } };
    struct chunk *chunk;

    (void)out;
    if (kid->is_parent && job_each(job, asking_kid_job, own, 2, sizeof(*own), 2, err) < 0)
        return -1;
    chunk = job_ask(job, "who", &bytes, 100, 60000, err);
    if (chunk == NULL)
        return -1;
    kid->right =
        chunk->size == bytes.size + 1 && memcmp(chunk->bytes, kid->number, bytes.size) == 0;
    kid->right = kid->right && (!kid->is_parent || (own[0].right && own[1].right));
    chunk_free(&chunk);
    return 0;
}

static int questions_job(struct job *job, const void *in, void *out, struct error *err)
{
    struct asking_kid kids[4] = {
        { "1", false, false }, { "2", true, false }, { "3", false, false }, { "4", false, false }
    };
    struct content_read_reply *reply = out;

    (void)in;
    if (job_each(job, asking_kid_job, kids, 4, sizeof(*kids), 3, err) < 0)
        return -1;
    for (size_t i = 0; i < 4; i++)
        reply->size += kids[i].right;
    return 0;
}

RUNS(each)
RUNS(heed)
RUNS(question)
RUNS(questions)

static const struct route asks[] = {
    { &op_each, on_each },
    { &op_heed, on_heed },
    { &op_question, on_question },
    { &op_questions, on_questions },
    { 0 },
};
static const struct actor asker = { .name = "asker", .routes = asks };

static int set_up(void **state)
{
    (void)state;
    running = most_running = ran = 0;
    asker_start(&asker);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    asker_stop();
    return 0;
}

/* ---- children ------------------------------------------------------------------------------- */

static void the_first_failure_cancels_the_rest(void **state)
{
    (void)state;
    assert_int_equal(peer_ask(&peer, &op_each, &nothing, &answer), ERROR_DATA_LOSS);
    assert_string_equal(answer.message, "child 1");
    assert_int_equal(running, 0);
    assert_int_equal(ran, 3); /* the others never began */
    assert_true(most_running <= 4);
}

static void a_parent_heeds_what_its_children_make_and_can_end_them(void **state)
{
    (void)state;
    assert_int_equal(peer_ask(&peer, &op_heed, &nothing, &answer), ERROR_OUT_OF_RANGE);
    assert_string_equal(answer.message, "heeded enough");
    assert_true(heeded >= 1 && heeded <= 6); /* three nudges and three ends, some at once */
}

/* ---- questions ------------------------------------------------------------------------------ */

/* The next question; false: what came is the final answer. */
static bool hear_question(const struct op *op, char stream[32])
{
    do
        assert_true(peer_receive(&peer, op, &answer));
    while (streq(answer.envelope.kind, "credit"));
    if (!streq(answer.envelope.kind, "data"))
        return false;
    assert_true(answer.envelope.end);
    assert_int_equal(strncmp(answer.envelope.stream, "who-", 4), 0);
    snprintf(stream, 32, "%s", answer.envelope.stream);
    return true;
}

static void a_question_is_answered_over_its_own_stream(void **state)
{
    const struct content_stat_request want = { .digest = "where" };
    char stream[32];
    uint64_t id;

    (void)state;
    id = peer_send(&peer, &op_question, &want);
    assert_true(peer_receive(&peer, &op_question, &answer));
    assert_string_equal(answer.envelope.kind, "credit"); /* first, so that it may be answered */
    assert_int_equal(((const struct credit *)answer.body)->count, 100);
    assert_true(hear_question(&op_question, stream));
    assert_memory_equal(answer.bytes, "where", 5);
    peer_data(&peer, id, "who-0", "of nobody", true);
    peer_data(&peer, id, "stdin", "what is that?", false);
    peer_data(&peer, id, stream, "here", true);
    assert_int_equal(peer_finish(&peer, &op_question, &answer), ERROR_NONE);
    assert_string_equal(((const struct content_info *)answer.body)->digest, "here");
}

struct open_question {
    char stream[32], text[16];
};

static struct open_question hear_one(void)
{
    struct open_question question = { "", "" };

    assert_true(hear_question(&op_questions, question.stream));
    snprintf(question.text, sizeof(question.text), "%.*s!", (int)answer.size,
             (const char *)answer.bytes);
    return question;
}

static void answers_find_the_child_that_asked(void **state)
{
    struct open_question open[4], last;
    uint64_t id;

    (void)state;
    id = peer_send(&peer, &op_questions, &nothing);
    for (size_t i = 0; i < 4; i++) /* two children, and two of a third's */
        open[i] = hear_one();
    for (size_t i = 4; i-- > 0;) /* not in the order of the questions */
        peer_data(&peer, id, open[i].stream, open[i].text, true);
    for (size_t i = 0; i < 2; i++) {
        last = hear_one();
        peer_data(&peer, id, last.stream, last.text, true);
    }
    assert_int_equal(peer_finish(&peer, &op_questions, &answer), ERROR_NONE);
    assert_int_equal(((struct content_read_reply *)answer.body)->size, 4);
}

static void who_does_not_answer_is_not_waited_for_for_ever(void **state)
{
    const struct content_stat_request want = { .digest = "late" };

    (void)state;
    assert_int_equal(peer_ask(&peer, &op_question, &want, &answer), ERROR_DEADLINE_EXCEEDED);
    assert_non_null(strstr(answer.message, "no answer within 200 ms"));
}

static void who_asks_can_be_cancelled(void **state)
{
    char stream[32];
    uint64_t id;

    (void)state;
    id = peer_send(&peer, &op_questions, &nothing);
    assert_true(hear_question(&op_questions, stream));
    peer_cancel(&peer, id);
    peer_data(&peer, id, stream, "too late", true);
    assert_int_equal(peer_finish(&peer, &op_questions, &answer), ERROR_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_first_failure_cancels_the_rest),
        T(a_parent_heeds_what_its_children_make_and_can_end_them),
        T(a_question_is_answered_over_its_own_stream),
        T(answers_find_the_child_that_asked),
        T(who_does_not_answer_is_not_waited_for_for_ever),
        T(who_asks_can_be_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
