/*
 * Login: whether a registry takes these credentials, asked on the client's behalf.
 *
 * The daemon keeps none of them: whoever asks keeps what is to be kept, and sends it along with
 * each pull.  This only is done here because the daemon has the way to registries.
 */
#include "actors/images/images.h"
#include "actors/images/layers.h"
#include "actors/images/registry.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"

bool host_is_plain(const struct images_config *config, const char *host)
{
    if (host_is_loopback(host))
        return true;
    for (const char *const *plain = config->plain_http; plain != NULL && *plain != NULL; plain++)
        if (strcmp(*plain, host) == 0)
            return true;
    return false;
}

static int login(struct job *job, const void *in, void *out, struct error *err)
{
    const struct images *images = job_self(job);
    const struct images_login_request *want = in;
    struct images_login_reply *reply = out;
    struct registry_caller caller = caller_of(job);
    CLEANUP(registry_close) struct registry *registry = NULL;
    CLEANUP(registry_login_free) struct registry_login login = { 0 };
    const struct registry_options options = {
        .host = want->registry,
        .plain_http = host_is_plain(images->config, want->registry),
        .username = want->username,
        .password = want->password,
        .identity_token = want->identity_token,
        .registry_token = want->registry_token,
        .backoff_ms = images->config->backoff_ms,
        .slow_s = images->config->slow_s,
    };

    if (registry_open(&registry, &options, err) < 0 ||
        registry_login(registry, &caller, &login, err) < 0)
        return -1;
    reply->asked = login.asked;
    reply->identity_token = arena_str(job_arena(job), login.identity_token);
    return 0;
}

int on_images_login(void *self, struct request *request, struct error *err)
{
    (void)self;
    return request_run(request, login, err);
}
