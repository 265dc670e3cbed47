/* token_answer — what a token service says, believed only as far as it fits a header and an hour.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "actors/images/registry/token.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/document.h"

#define TOKEN_MAX     (32u << 10)
#define SECOND        INT64_C(1000000000)
#define EXPIRES_S     60   /* when the service does not say (token spec) */
#define EXPIRES_MAX_S 3600 /* asked anew at least every hour */
#define MARGIN_S      5    /* a token that is about to run out is not sent any more */

static void json_drop(json_t **json)
{
    json_decref(*json);
}

static void secret_free(char **secret)
{
    if (*secret != NULL)
        memory_wipe(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

void token_free(struct token *token)
{
    secret_free(&token->text);
    secret_free(&token->identity);
}

static bool fits_header(const char *token)
{
    size_t size = 0;

    for (; token[size] != '\0'; size++)
        if (token[size] <= ' ' || token[size] > '~')
            return false;
    return size > 0 && size < TOKEN_MAX;
}

static const char *token_text(const json_t *answer)
{
    const char *token = json_string_value(json_object_get(answer, "token"));

    if (token == NULL || *token == '\0')
        token = json_string_value(json_object_get(answer, "access_token"));
    return token;
}

static int64_t expiry(const json_t *answer, int64_t now)
{
    json_int_t seconds = json_integer_value(json_object_get(answer, "expires_in"));

    if (seconds <= 0)
        seconds = EXPIRES_S;
    if (seconds > EXPIRES_MAX_S)
        seconds = EXPIRES_MAX_S;
    if (seconds > 2 * MARGIN_S)
        seconds -= MARGIN_S;
    return now + seconds * SECOND;
}

static char *copy(const char *text)
{
    char *out = calloc(1, strlen(text) + 1);

    if (out != NULL)
        memcpy(out, text, strlen(text));
    return out;
}

int token_parse(const char *json, size_t size, int64_t now, struct token *token, struct error *err)
{
    CLEANUP(json_drop) json_t *answer = document_load("answer", json, size, size, err);
    const char *text = token_text(answer);
    const char *identity = json_string_value(json_object_get(answer, "refresh_token"));

    if (answer == NULL)
        return err->code = ERROR_UNAUTHENTICATED, -1;
    if (text == NULL || !fits_header(text))
        return error_set(err, ERROR_UNAUTHENTICATED, "its answer holds no token");
    token->expires = expiry(answer, now);
    token->text = copy(text);
    if (token->text == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for a token");
    if (identity != NULL && fits_header(identity))
        token->identity = copy(identity);
    return 0;
}
