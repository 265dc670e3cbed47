/* who — the happy path is: the question as a record -> the client's answer -> what it says. */
#include "actors/images/who.h"

#include <string.h>

#include "actors/images/hosts.h"
#include "actors/images/images.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/shown.h"

#define ANSWER_MAX (72u << 10) /* four texts of 16 KiB, and what holds them together */
#define ANSWER_S   120         /* somebody may have to type, or to touch a key */

/* Its own words, as any other's: they go back to it. */
static int refused(const struct failure *failure, const char *host, struct error *err)
{
    char message[sizeof(err->text)], hint[sizeof(err->hint)];

    error_set(err, error_code_of_name(failure->code), "credentials for %.100s: %s", host,
              plain_text(failure->message, strlen(failure->message), message, sizeof(message)));
    if (failure->hint != NULL)
        error_hint(err, "%s", plain_text(failure->hint, strlen(failure->hint), hint, sizeof(hint)));
    return -1;
}

static int read_answer(const struct chunk *chunk, const char *host, struct arena *arena,
                       struct registry_known *out, struct error *err)
{
    struct credentials_answer answer;

    if (chunk->size > ANSWER_MAX ||
        record_unpack(credentials_answer_record(), RECORD_STRICT, chunk->bytes, chunk->size,
                      &answer, arena, err) < 0) {
        err->code = ERROR_INVALID_ARGUMENT;
        return error_wrap(err, "what the client answers about credentials for %.100s", host);
    }
    if (answer.failure != NULL)
        return refused(answer.failure, host, err);
    *out = (struct registry_known){ .username = answer.username,
                                   .password = answer.password,
                                   .identity_token = answer.identity_token,
                                   .registry_token = answer.registry_token };
    return answer.username != NULL || answer.identity_token != NULL ||
           answer.registry_token != NULL;
}

static int64_t patience_ms(struct job *job)
{
    const struct images *images = job_self(job);

    return (images->config->answer_s != 0 ? images->config->answer_s : ANSWER_S) * INT64_C(1000);
}

int who_is_asking(struct job *job, const struct registry_question *question, struct arena *arena,
                  struct registry_known *out, struct error *err)
{
    const struct host host = { .name = question->host };
    const struct credentials_question ask = {
        .host = question->host,
        .mirror = !host_is_registry(&host, question->registry),
        .registry = question->registry,
        .repository = *question->repository != '\0' ? question->repository : NULL,
        .again = question->again,
        .has_again = question->again,
    };
    CLEANUP(buffer_free) struct buffer buffer = { 0 };
    CLEANUP(chunk_free) struct chunk *answer = NULL;
    int64_t ms = patience_ms(job);
    int result;

    record_pack(credentials_question_record(), &ask, &buffer);
    answer =
        job_ask(job, "credentials", &(struct bin){ buffer.data, buffer.size }, ANSWER_MAX, ms, err);
    if (answer == NULL && err->code == ERROR_DEADLINE_EXCEEDED && job_check(job, err) == 0)
        return error_set(err, ERROR_DEADLINE_EXCEEDED,
                         "%.100s wants credentials, and the client did not say within %lld s "
                         "which: it is askable, and must answer (docs/wire.md)",
                         question->host, (long long)ms / 1000);
    if (answer == NULL)
        return -1;
    result = read_answer(answer, question->host, arena, out, err);
    memory_wipe((void *)(uintptr_t)answer->bytes, answer->size);
    return result;
}
