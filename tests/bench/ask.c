/*
 * bench-ask — what only a program asks fast enough to be measured; prints one JSON object.
 *
 *      bench-ask ENDPOINT roundtrip COUNT            daemon.version, one caller
 *      bench-ask ENDPOINT echo COUNT                 two ZeroMQ sockets of its own and a thread behind
 *                                                    one of them: what no daemon can be quicker than
 *      bench-ask ENDPOINT create IMAGE COUNT WRITERS containers.create, one caller, with so many
 *                                                    other clients writing beside it
 *
 *      bench-ask ENDPOINT garbage COUNT              half blobs, half snapshots that hang on a lease, which is
 *                                                    then removed; meanwhile containers.list is asked.  0: the
 *                                                    lease `garbage` is there
 *
 * Times are taken around gantry_call(), so they are what a client program sees.  Containers
 * that it makes stay: the caller removes the root.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "platform/scope.h"
#include "protocol/client/gantry.h"
#include "protocol/oci/digest.h"

static atomic_bool over;
static atomic_ulong written;

static void fail(const char *what, const struct error *err)
{
    fprintf(stderr, "bench-ask: %s: %s\n", what, err->text);
    exit(1);
}

static struct gantry *connected(const char *endpoint)
{
    struct error err = { 0 };
    struct gantry *client;

    if (gantry_open(endpoint, &client, &err) < 0)
        fail(endpoint, &err);
    return client;
}

static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void tell(double *took, size_t count, double all_us)
{
    qsort(took, count, sizeof(*took), by_size);
    printf("{\"count\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, "
           "\"per_second\": %.0f, \"others_per_second\": %.0f}\n",
           count, took[count / 2], took[count * 99 / 100], took[count - 1],
           (double)count / all_us * 1e6, (double)atomic_load(&written) / all_us * 1e6);
}

/* ---- the two questions ------------------------------------------------------------ */

static void ask_version(struct gantry *client, size_t i, const void *arg)
{
    const struct nothing nothing = { 0 };
    struct arena *arena CLEANUP(arena_drop) = arena_new();
    struct daemon_version_reply reply;
    struct error err = { 0 };

    (void)i, (void)arg;
    if (gantry_call(client, &op_daemon_version, &nothing, &reply, arena, &err) < 0)
        fail("daemon.version", &err);
}

static void ask_create(struct gantry *client, size_t i, const void *arg)
{
    const char *args[] = { "sleep", "1000" };
    struct container_options options = { .args = { 2, args } };
    struct containers_create_request request = { .image = arg, .options = &options };
    struct arena *arena CLEANUP(arena_drop) = arena_new();
    struct container_info reply;
    struct error err = { 0 };

    (void)i;
    if (gantry_call(client, &op_containers_create, &request, &reply, arena, &err) < 0)
        fail("containers.create", &err);
}

static void measure(struct gantry *client, size_t count,
                    void (*ask)(struct gantry *client, size_t i, const void *arg), const void *arg)
{
    double *took = calloc(count, sizeof(*took)), start = now_us();

    for (size_t i = 0; i < count; i++) {
        double before = now_us();

        ask(client, i, arg);
        took[i] = now_us() - before;
    }
    atomic_store(&over, true);
    tell(took, count, now_us() - start);
    free(took);
}

/* ---- others that write, each to another service ------------------------------------- */

struct writer {
    const char *endpoint;
    const char *image;
    unsigned number;
    pthread_t thread;
};

static int write_once(struct gantry *client, const struct writer *writer, unsigned long i,
                      struct arena *arena, struct error *err)
{
    char name[64];
    struct namespace_info namespace = { .name = name };
    struct leases_create_request lease = { .id = name };
    struct images_tag_request tag = { .source = writer->image, .name = name };
    struct namespace_info namespace_reply;
    struct lease_info lease_reply;
    struct image_info image_reply;

    switch (writer->number % 4) {
    case 0:
        snprintf(name, sizeof(name), "n%d-%u-%lu", getpid(), writer->number, i);
        return gantry_call(client, &op_namespaces_create, &namespace, &namespace_reply, arena, err);
    case 1:
        snprintf(name, sizeof(name), "l%d-%u-%lu", getpid(), writer->number, i);
        return gantry_call(client, &op_leases_create, &lease, &lease_reply, arena, err);
    case 2:
        snprintf(name, sizeof(name), "bench/t%d-%u:%lu", getpid(), writer->number, i);
        return gantry_call(client, &op_images_tag, &tag, &image_reply, arena, err);
    default:
        ask_create(client, i, writer->image);
        return 0;
    }
}

static void *write_on(void *arg)
{
    struct writer *writer = arg;
    struct gantry *client = connected(writer->endpoint);

    for (unsigned long i = 0; !atomic_load(&over); i++) {
        struct arena *arena = arena_new();
        struct error err = { 0 };

        if (write_once(client, writer, i, arena, &err) < 0)
            fail("write beside", &err);
        atomic_fetch_add(&written, 1);
        arena_free(arena);
    }
    gantry_close(&client);
    return NULL;
}

static void measure_create(const char *endpoint, const char *image, size_t count, unsigned writers)
{
    struct writer *others = calloc(writers + 1, sizeof(*others));
    struct gantry *client = connected(endpoint);

    for (unsigned i = 0; i < writers; i++) {
        others[i] = (struct writer){ .endpoint = endpoint, .image = image, .number = i };
        pthread_create(&others[i].thread, NULL, write_on, &others[i]);
    }
    measure(client, count, ask_create, image);
    for (unsigned i = 0; i < writers; i++)
        pthread_join(others[i].thread, NULL);
    gantry_close(&client);
    free(others);
}

/* ---- the collector --------------------------------------------------------------------- */

struct lister {
    const char *endpoint;
    double *took;
    size_t count, room;
};

static void ask_list(struct gantry *client)
{
    const struct containers_list_request request = { 0 };
    struct arena *arena CLEANUP(arena_drop) = arena_new();
    struct containers_list_reply reply;
    struct error err = { 0 };

    if (gantry_call(client, &op_containers_list, &request, &reply, arena, &err) < 0)
        fail("containers.list", &err);
}

static void *list_on(void *arg)
{
    struct lister *lister = arg;
    struct gantry *client = connected(lister->endpoint);

    while (!atomic_load(&over) && lister->count < lister->room) {
        double before = now_us();

        ask_list(client);
        lister->took[lister->count++] = now_us() - before;
        usleep(1000); /* as somebody who looks, not as a load */
    }
    gantry_close(&client);
    qsort(lister->took, lister->count, sizeof(*lister->took), by_size);
    return NULL;
}

static double percentile(const struct lister *lister, size_t percent)
{
    return lister->count > 0 ? lister->took[lister->count * percent / 100] : 0;
}

static void make_blob(struct gantry *client, size_t i, struct arena *arena)
{
    char ref[32], text[40];
    struct content_ingest_request ingest = { .ref = ref };
    struct content_commit_request commit = { .ref = ref };
    struct content_ingest_reply place;
    struct content_info info;
    char digest[DIGEST_TEXT_SIZE];
    struct digester digester;
    struct error err = { 0 };
    FILE *file;

    snprintf(ref, sizeof(ref), "garbage-%zu", i);
    snprintf(text, sizeof(text), "garbage number %zu", i);
    if (gantry_call(client, &op_content_ingest, &ingest, &place, arena, &err) < 0)
        fail("content.ingest", &err);
    file = fopen(place.path, "ae");
    if (file == NULL || fputs(text, file) == EOF || fclose(file) == EOF)
        fail(place.path, &err);
    if (digester_open(&digester, "sha256", &err) < 0)
        fail("sha256", &err);
    digester_add(&digester, text, strlen(text));
    if (digester_finish(&digester, digest, &err) < 0)
        fail("sha256", &err);
    digester_drop(&digester);
    commit.digest = digest;
    if (gantry_call(client, &op_content_commit, &commit, &info, arena, &err) < 0)
        fail("content.commit", &err);
}

static void make_snapshot(struct gantry *client, size_t i, struct arena *arena)
{
    char key[32];
    const struct snapshots_prepare_request request = { .key = key };
    struct snapshots_mounts_reply reply;
    struct error err = { 0 };

    snprintf(key, sizeof(key), "garbage-%zu", i);
    if (gantry_call(client, &op_snapshots_prepare, &request, &reply, arena, &err) < 0)
        fail("snapshots.prepare", &err);
}

static double make_garbage(struct gantry *client, size_t count)
{
    const struct leases_create_request lease = { .id = "garbage" };
    struct lease_info info;
    struct error err = { 0 };
    double start = now_us();

    for (size_t i = 0; i < count; i++) {
        struct arena *arena CLEANUP(arena_drop) = arena_new();

        if (i == 0 && gantry_call(client, &op_leases_create, &lease, &info, arena, &err) < 0)
            fail("leases.create", &err);
        gantry_lease(client, lease.id);
        if (i % 2 == 0)
            make_blob(client, i, arena);
        else
            make_snapshot(client, i, arena);
    }
    gantry_lease(client, NULL);
    return now_us() - start;
}

static void measure_garbage(const char *endpoint, size_t count)
{
    const struct leases_remove_request remove = { .id = "garbage", SET(sync, true) };
    struct arena *arena CLEANUP(arena_drop) = arena_new();
    struct lister idle = { .endpoint = endpoint, .took = calloc(2000, sizeof(double)), .room = 300 };
    struct lister busy = { .endpoint = endpoint, .took = calloc(1000000, sizeof(double)), .room = 1000000 };
    struct gantry *client = connected(endpoint);
    double made = make_garbage(client, count), start, took;
    struct error err = { 0 };
    pthread_t thread;

    list_on(&idle);
    pthread_create(&thread, NULL, list_on, &busy);
    start = now_us();
    if (gantry_call(client, &op_leases_remove, &remove, NULL, arena, &err) < 0)
        fail("leases.remove", &err);
    took = now_us() - start;
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    printf("{\"count\": %zu, \"made_ms\": %.1f, \"gc_ms\": %.1f, \"list_idle_p50_us\": %.1f, "
           "\"list_idle_p99_us\": %.1f, \"list_busy_p50_us\": %.1f, \"list_busy_p99_us\": %.1f, "
           "\"listed\": %zu}\n",
           count, made / 1000, took / 1000, percentile(&idle, 50), percentile(&idle, 99),
           percentile(&busy, 50), percentile(&busy, 99), busy.count);
    gantry_close(&client);
    free(idle.took);
    free(busy.took);
}

/* ---- ZeroMQ alone -------------------------------------------------------------------- */

#define ECHO_SIZE 256

static void *echo_on(void *socket)
{
    char peer[ECHO_SIZE], text[ECHO_SIZE];

    for (;;) {
        int peer_size = zmq_recv(socket, peer, sizeof(peer), 0);
        int size = zmq_recv(socket, text, sizeof(text), 0);

        if (peer_size < 0 || size < 0)
            return NULL;
        zmq_send(socket, peer, (size_t)peer_size, ZMQ_SNDMORE);
        zmq_send(socket, text, (size_t)size, 0);
    }
}

/* In a context of its own on either side, as daemon and client have. */
static void measure_echo(const char *endpoint, size_t count)
{
    double *took = calloc(count, sizeof(*took)), start;
    void *server = zmq_socket(zmq_ctx_new(), ZMQ_ROUTER), *client = zmq_socket(zmq_ctx_new(), ZMQ_DEALER);
    char text[ECHO_SIZE] = { 0 };
    pthread_t thread;

    if (zmq_bind(server, endpoint) < 0 || zmq_connect(client, endpoint) < 0) {
        fprintf(stderr, "bench-ask: %s: %s\n", endpoint, zmq_strerror(zmq_errno()));
        exit(1);
    }
    pthread_create(&thread, NULL, echo_on, server);
    zmq_send(client, text, 64, 0);
    zmq_recv(client, text, sizeof(text), 0); /* connected */
    start = now_us();
    for (size_t i = 0; i < count; i++) {
        double before = now_us();

        zmq_send(client, text, 64, 0);
        zmq_recv(client, text, sizeof(text), 0);
        took[i] = now_us() - before;
    }
    tell(took, count, now_us() - start);
    free(took);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[2], "echo") == 0) {
        measure_echo(argv[1], strtoul(argv[3], NULL, 10));
        fflush(stdout);
        _exit(0); /* the thread waits for ever */
    }
    if (argc == 4 && strcmp(argv[2], "roundtrip") == 0) {
        struct gantry *client = connected(argv[1]);

        measure(client, strtoul(argv[3], NULL, 10), ask_version, NULL);
        gantry_close(&client);
        return 0;
    }
    if (argc == 6 && strcmp(argv[2], "create") == 0) {
        measure_create(argv[1], argv[3], strtoul(argv[4], NULL, 10),
                       (unsigned)strtoul(argv[5], NULL, 10));
        return 0;
    }
    if (argc == 4 && strcmp(argv[2], "garbage") == 0) {
        measure_garbage(argv[1], strtoul(argv[3], NULL, 10));
        return 0;
    }
    fprintf(stderr, "usage: bench-ask ENDPOINT roundtrip COUNT | echo COUNT | create IMAGE COUNT WRITERS | "
                    "garbage COUNT\n");
    return 2;
}
