/* auth_helper — one program, one question, ten seconds. */
#include "tools/gantry/auth_helper.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/document.h"
#include "protocol/oci/shown.h"

#define PREFIX     "docker-credential-"
#define WAIT_MS    10000
#define ANSWER_MAX (128u << 10)
#define NOT_FOUND  "credentials not found" /* the beginning of what all helpers say then */
#define TOKEN_USER "<token>"

struct question {
    const char *name; /* of the helper, without PREFIX */
    const char *file;
    const char *what; /* get, store, erase */
    const char *server;
    char answer[ANSWER_MAX];
    size_t size;
};

static void json_drop(json_t **json)
{
    json_decref(*json);
}

static void question_drop(struct question **question)
{
    if (*question != NULL)
        memory_wipe(*question, sizeof(**question));
    free(*question);
}

static struct question *question_new(const char *name, const char *file, const char *what,
                                     const char *server)
{
    struct question *question = calloc(1, sizeof(*question));

    if (question == NULL)
        abort(); /* as arenas do */
    question->name = name;
    question->file = file;
    question->what = what;
    question->server = server;
    return question;
}

/* The name becomes part of a program's: no folders, nothing a shell would be needed for. */
static bool is_name(const char *name)
{
    return *name != '\0' && strlen(name) < 100 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
               strlen(name);
}

/* "credential helper docker-credential-x, get registry.lan: ..." and what to do about it. */
static int failed(const struct question *question, struct error *err)
{
    error_wrap(err, "credential helper " PREFIX "%.40s, %s %.60s", question->name, question->what,
               question->server);
    return error_hint(err, "repair it, or take it out of %.80s", question->file);
}

static int find_program(const struct question *question, char path[PATH_SIZE], struct error *err)
{
    char program[sizeof(PREFIX) + 100];

    if (!is_name(question->name))
        return error_set(err, ERROR_INVALID_ARGUMENT, "that is no name of a helper");
    snprintf(program, sizeof(program), PREFIX "%s", question->name);
    return program_look_up(program, path, err);
}

/* Of a helper that failed; what it says then is no secret. */
static int refused(const struct question *question, int status, struct error *err)
{
    char fate[80], words[120];

    plain_text(question->answer, question->size, words, sizeof(words));
    return error_set(err, ERROR_UNKNOWN, "it %s%s%s", child_fate(status, fate),
                     *words != '\0' ? ": " : "", words);
}

/* 1: answered; 0: it knows nothing of the server. */
static int ask(struct question *question, const char *input, struct error *err)
{
    struct child_words words = { .input = input,
                                 .input_size = strlen(input),
                                 .output = question->answer,
                                 .room = sizeof(question->answer),
                                 .wait_ms = WAIT_MS };
    char path[PATH_SIZE];
    const char *argv[] = { path, question->what, NULL };
    int status;

    if (find_program(question, path, err) < 0 || child_ask(argv, NULL, &words, &status, err) < 0)
        return failed(question, err);
    question->size = words.output_size;
    if (status == 0)
        return 1;
    if (strstr(question->answer, NOT_FOUND) != NULL)
        return 0;
    refused(question, status, err);
    return failed(question, err);
}

static const char *member(const json_t *answer, const char *key, struct arena *arena)
{
    return arena_str(arena, json_string_value(json_object_get(answer, key)));
}

static int read_answer(const struct question *question, struct arena *arena,
                       struct credentials *out, struct error *err)
{
    struct error why;
    CLEANUP(json_drop)
    json_t *answer = document_load("answer", question->answer, question->size, ANSWER_MAX, &why);
    const char *username = member(answer, "Username", arena);
    const char *secret = member(answer, "Secret", arena);

    *out = (struct credentials){ .source = arena_printf(arena, PREFIX "%s", question->name) };
    if (username == NULL || secret == NULL) {
        error_set(err, ERROR_DATA_LOSS, "it answers something else than {Username, Secret}");
        return failed(question, err);
    }
    if (*username == '\0' && *secret == '\0')
        return 0;
    if (strcmp(username, TOKEN_USER) == 0)
        out->identity_token = secret;
    else
        out->username = username, out->password = secret;
    return 1;
}

int auth_helper_get(const char *name, const char *file, const char *server, struct arena *arena,
                    struct credentials *out, struct error *err)
{
    CLEANUP(question_drop) struct question *question = question_new(name, file, "get", server);
    int known = ask(question, server, err);

    return known <= 0 ? known : read_answer(question, arena, out, err);
}

static char *store_text(const char *server, const struct credentials *credentials)
{
    bool by_token = credentials->identity_token != NULL;
    json_t *json = json_pack("{s:s, s:s, s:s}", "ServerURL", server, "Username",
                             by_token ? TOKEN_USER : credentials->username, "Secret",
                             by_token ? credentials->identity_token : credentials->password);
    char *text = json_dumps(json, JSON_COMPACT);

    json_decref(json);
    return text;
}

int auth_helper_store(const char *name, const char *file, const char *server,
                      const struct credentials *credentials, struct error *err)
{
    CLEANUP(question_drop) struct question *question = question_new(name, file, "store", server);
    char *text = store_text(server, credentials);
    int known;

    if (text == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "user name or password are not UTF-8: no helper takes them");
    known = ask(question, text, err);
    memory_wipe(text, strlen(text));
    free(text);
    if (known == 0) {
        error_set(err, ERROR_UNKNOWN, "it says it has no such credentials");
        return failed(question, err);
    }
    return known < 0 ? -1 : 0;
}

int auth_helper_erase(const char *name, const char *file, const char *server, struct error *err)
{
    CLEANUP(question_drop) struct question *question = question_new(name, file, "erase", server);

    return ask(question, server, err);
}
