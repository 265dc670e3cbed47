/*
 * Login: whether a registry takes these credentials, asked on the client's behalf.
 *
 * The daemon keeps none of them: whoever asks keeps what is to be kept, and sends it along with
 * each pull.  This only is done here because the daemon has the way to registries.
 */
#include "actors/images/outlet.h"
#include "platform/scope.h"

/* As the operator describes this very host, mirrors aside. */
static int find_host(const struct images_config *config, const char *registry, struct arena *arena,
                     struct host *out, struct error *err)
{
    struct host_list hosts;

    if (hosts_find(config, registry, arena, &hosts, err) < 0)
        return -1;
    *out = (struct host){ .name = registry,
                          .path = "/v2",
                          .plain_http = host_is_plain(config, registry) };
    for (size_t i = 0; i < hosts.count; i++)
        if (!hosts.items[i].mirror) {
            *out = hosts.items[i];
            return 0;
        }
    return 0;
}

static int login(struct job *job, const void *in, void *out, struct error *err)
{
    const struct images *images = job_self(job);
    const struct images_login_request *want = in;
    const struct registry_user user = {
        want->username, want->password, want->identity_token, want->registry_token, { 0 }, false
    };
    struct images_login_reply *reply = out;
    struct host host;
    CLEANUP(outlet_close) struct outlet outlet = { 0 };
    CLEANUP(registry_login_free) struct registry_login login = { 0 };

    if (find_host(images->config, want->registry, job_arena(job), &host, err) < 0)
        return -1;
    outlet_init(&outlet, &host, images->config, want->registry, NULL, &user, job_arena(job));
    if (outlet_login(&outlet, job, &login, err) < 0)
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
