/*
 * Login: whether a registry takes these credentials, asked on the client's behalf.
 *
 * The daemon keeps none of them: whoever asks keeps what is to be kept, and sends it along with
 * each pull.  This only is done here because the daemon has the way to registries.
 */
#include "actors/images/hosts.h"
#include "actors/images/images.h"
#include "actors/images/layers.h"
#include "actors/images/registry.h"
#include "platform/scope.h"

/* As the operator describes this very host, mirrors aside. */
static int find_options(const struct images_config *config, const char *registry,
                        struct arena *arena, struct registry_options *out, struct error *err)
{
    struct host_list hosts;

    if (hosts_find(config, registry, arena, &hosts, err) < 0)
        return -1;
    for (size_t i = 0; i < hosts.count; i++)
        if (!hosts.items[i].mirror) {
            host_options(&hosts.items[i], registry, config, arena, out);
            return 0;
        }
    *out = (struct registry_options){ .host = registry,
                                      .plain_http = host_is_plain(config, registry),
                                      .backoff_ms = config->backoff_ms,
                                      .slow_s = config->slow_s };
    return 0;
}

static int login(struct job *job, const void *in, void *out, struct error *err)
{
    const struct images *images = job_self(job);
    const struct images_login_request *want = in;
    struct images_login_reply *reply = out;
    struct registry_caller caller = caller_of(job);
    CLEANUP(registry_close) struct registry *registry = NULL;
    CLEANUP(registry_login_free) struct registry_login login = { 0 };
    struct registry_options options;

    if (find_options(images->config, want->registry, job_arena(job), &options, err) < 0)
        return -1;
    options.username = want->username;
    options.password = want->password;
    options.identity_token = want->identity_token;
    options.registry_token = want->registry_token;
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
