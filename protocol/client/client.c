/* The client itself: a connection and what is said with every request. */
#include "protocol/client/client.h"

int gantry_open(const char *endpoint, struct gantry **client, struct error *err)
{
    struct gantry *new = zmalloc(sizeof(*new));

    new->endpoint = strdup(endpoint);
    new->interrupt = -1;
    if (connection_open(new, err) < 0) {
        gantry_close(&new);
        *client = NULL;
        return -1;
    }
    *client = new;
    return 0;
}

void gantry_close(struct gantry **client)
{
    struct gantry *old = *client;

    if (old == NULL)
        return;
    while (old->open != NULL) {
        struct gantry_stream *stream = old->open;

        gantry_stream_close(&stream);
    }
    connection_close(old);
    free(old->endpoint);
    free(old);
    *client = NULL;
}

const char *gantry_endpoint(const struct gantry *client)
{
    return client->endpoint;
}

const char *gantry_origin(const struct gantry *client)
{
    return client->origin;
}

void gantry_namespace(struct gantry *client, const char *name)
{
    snprintf(client->namespace, sizeof(client->namespace), "%s", name ? name : "");
}

void gantry_lease(struct gantry *client, const char *id)
{
    snprintf(client->lease, sizeof(client->lease), "%s", id ? id : "");
}

void gantry_ttl(struct gantry *client, uint64_t ms)
{
    client->ttl_ms = ms;
}

void gantry_on_question(struct gantry *client, gantry_who *who, void *ctx)
{
    client->who = who;
    client->who_ctx = ctx;
}

void gantry_on_progress(struct gantry *client, gantry_progress *progress, void *ctx)
{
    client->progress = progress;
    client->progress_ctx = ctx;
}

void gantry_on_interrupt(struct gantry *client, int fd, gantry_told *told, void *ctx)
{
    client->interrupt = fd;
    client->told = told;
    client->told_ctx = ctx;
}
