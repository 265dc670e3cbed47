/* real_registry — its log says when and where it listens, so nothing here waits for the clock. */
#include "tests/helpers/real_registry.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/platform.h"

extern char **environ;

struct real_registry {
    char folder[64];
    char host[64];
    struct real_options options;
    struct certificate certificate;
    pid_t pid;
    FILE *log;
    pthread_t drain;
    pthread_mutex_t lock;
    pthread_cond_t news;
    bool spoke_http2; /* a blob went that way */
    bool ended;       /* its log */
};

static void must(bool well, const char *what)
{
    if (well)
        return;
    fprintf(stderr, "real_registry: %s\n", what);
    abort();
}

/* ---- the child ---------------------------------------------------------------------- */

static void write_text(const char *folder, const char *name, const char *text)
{
    char path[PATH_SIZE];
    struct error err;

    must(path_format(path, &err, "%s/%s", folder, name) == 0 &&
             fs_write(path, text, strlen(text), 0600, false, &err) == 0,
         "cannot write its configuration");
}

static void configure(struct real_registry *registry)
{
    char text[2000], tls[600] = "", auth[300] = "";
    const char *cert = registry->certificate.cert_file;

    if (registry->options.tls)
        snprintf(
            tls, sizeof(tls), "  tls:\n    certificate: %s\n    key: %s\n%s%s%s", cert,
            registry->certificate.key_file, registry->options.client_cert ? "    clientcas: [" : "",
            registry->options.client_cert ? cert : "", registry->options.client_cert ? "]\n" : "");
    if (registry->options.password) {
        snprintf(auth, sizeof(auth),
                 "auth:\n  htpasswd:\n    realm: \"a test, of sorts\"\n"
                 "    path: %s/passwords\n",
                 registry->folder);
        /* bcrypt of "secret" */
        write_text(registry->folder, "passwords",
                   "user:$2b$04$i/4Pg8p6okydTTDPme7Ah.tSI3Fv2yfcuU/zNLYVIwBwjGNB248ky\n");
    }
    snprintf(text, sizeof(text),
             "version: 0.1\nlog: {level: info}\n"
             "storage:\n  filesystem: {rootdirectory: %s/data}\n%shttp:\n  addr: 127.0.0.1:0\n%s",
             registry->folder, auth, tls);
    write_text(registry->folder, "config.yml", text);
}

static void spawn(struct real_registry *registry, const char *program)
{
    char path[PATH_SIZE];
    char *argv[] = { (char *)program, "serve", path, NULL };
    posix_spawn_file_actions_t actions;
    int ends[2];

    snprintf(path, sizeof(path), "%s/config.yml", registry->folder);
    must(pipe2(ends, O_CLOEXEC) == 0, "no pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    must(posix_spawn(&registry->pid, program, &actions, NULL, argv, environ) == 0, "no child");
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    registry->log = fdopen(ends[0], "r");
    must(registry->log != NULL, "no log");
}

static void wait_for_port(struct real_registry *registry)
{
    static const char mark[] = "listening on 127.0.0.1:";
    char line[4096], seen[4096] = "";

    while (fgets(line, sizeof(line), registry->log) != NULL) {
        const char *at = strstr(line, mark);

        if (at != NULL) {
            snprintf(registry->host, sizeof(registry->host), "127.0.0.1:%d",
                     atoi(at + strlen(mark)));
            return;
        }
        memcpy(seen, line, sizeof(seen));
    }
    fprintf(stderr, "docker-registry: %s", seen);
    must(false, "it does not listen");
}

/* A log that nobody reads would stop it. */
static void *drain_log(void *arg)
{
    struct real_registry *registry = arg;
    char line[4096];

    bool more = true;

    while (more) {
        more = fgets(line, sizeof(line), registry->log) != NULL;
        pthread_mutex_lock(&registry->lock);
        registry->spoke_http2 |=
            more && strstr(line, "/blobs/sha256:") != NULL && strstr(line, " HTTP/2.0\"") != NULL;
        registry->ended = !more;
        pthread_cond_broadcast(&registry->news);
        pthread_mutex_unlock(&registry->lock);
    }
    return NULL;
}

struct real_registry *real_start(const struct real_options *options)
{
    struct real_registry *registry;
    char program[PATH_SIZE];
    struct error err;

    if (program_look_up("docker-registry", program, &err) < 0)
        return NULL;
    registry = calloc(1, sizeof(*registry));
    must(registry != NULL, "no memory");
    registry->options = *options;
    snprintf(registry->folder, sizeof(registry->folder), "/tmp/gantry-test-registry-XXXXXX");
    must(mkdtemp(registry->folder) != NULL, "no folder");
    if (options->tls)
        certificate_make(&registry->certificate, NULL, false);
    configure(registry);
    spawn(registry, program);
    wait_for_port(registry);
    pthread_mutex_init(&registry->lock, NULL);
    pthread_cond_init(&registry->news, NULL);
    must(pthread_create(&registry->drain, NULL, drain_log, registry) == 0, "no thread");
    return registry;
}

void real_stop(struct real_registry **pointer)
{
    struct real_registry *registry = *pointer;
    struct error err;

    *pointer = NULL;
    if (registry == NULL)
        return;
    kill(registry->pid, SIGKILL);
    waitpid(registry->pid, NULL, 0);
    pthread_join(registry->drain, NULL);
    pthread_cond_destroy(&registry->news);
    pthread_mutex_destroy(&registry->lock);
    fclose(registry->log);
    fs_remove_tree(registry->folder, &err);
    certificate_drop(&registry->certificate);
    free(registry);
}

const char *real_host(const struct real_registry *registry)
{
    return registry->host;
}

const struct certificate *real_certificate(const struct real_registry *registry)
{
    return &registry->certificate;
}

void real_await_http2(struct real_registry *registry)
{
    pthread_mutex_lock(&registry->lock);
    while (!registry->spoke_http2 && !registry->ended)
        pthread_cond_wait(&registry->news, &registry->lock);
    pthread_mutex_unlock(&registry->lock);
}

/* ---- pushing ---------------------------------------------------------------------------- */

struct push {
    const struct real_registry *registry;
    const char *repository;
    CURL *curl;
};

struct upload {
    const char *data;
    size_t left;
};

static size_t on_read(char *out, size_t one, size_t count, void *ctx)
{
    struct upload *upload = ctx;
    size_t size = one * count < upload->left ? one * count : upload->left;

    memcpy(out, upload->data, size);
    upload->data += size;
    upload->left -= size;
    return size;
}

static void set_up(const struct push *push, const char *url)
{
    const struct real_registry *registry = push->registry;

    curl_easy_reset(push->curl);
    curl_easy_setopt(push->curl, CURLOPT_URL, url);
    curl_easy_setopt(push->curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(push->curl, CURLOPT_NOSIGNAL, 1L);
    if (registry->options.password)
        curl_easy_setopt(push->curl, CURLOPT_USERPWD, "user:secret");
    if (registry->options.tls)
        curl_easy_setopt(push->curl, CURLOPT_CAINFO, registry->certificate.cert_file);
    if (registry->options.client_cert) {
        curl_easy_setopt(push->curl, CURLOPT_SSLCERT, registry->certificate.cert_file);
        curl_easy_setopt(push->curl, CURLOPT_SSLKEY, registry->certificate.key_file);
    }
}

static void perform(const struct push *push, long wanted)
{
    long status = 0;
    CURLcode code = curl_easy_perform(push->curl);

    curl_easy_getinfo(push->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && status == wanted)
        return;
    fprintf(stderr, "real_registry: push: %s, status %ld\n", curl_easy_strerror(code), status);
    abort();
}

static void put(const struct push *push, const char *url, const struct image_part *part)
{
    struct upload upload = { part->blob->data, part->blob->size };
    struct curl_slist *headers;
    char type[200];

    snprintf(type, sizeof(type), "Content-Type: %s", part->media_type);
    headers = curl_slist_append(NULL, type);
    headers = curl_slist_append(headers, "Expect:");
    set_up(push, url);
    curl_easy_setopt(push->curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(push->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(push->curl, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(push->curl, CURLOPT_READDATA, &upload);
    curl_easy_setopt(push->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)upload.left);
    perform(push, 201);
    curl_slist_free_all(headers);
}

static void put_blob(const struct push *push, const char *base, const struct image_part *part)
{
    struct curl_header *location;
    char url[4096];

    snprintf(url, sizeof(url), "%s/blobs/uploads/", base);
    set_up(push, url);
    curl_easy_setopt(push->curl, CURLOPT_POST, 1L);
    curl_easy_setopt(push->curl, CURLOPT_POSTFIELDSIZE, 0L);
    perform(push, 202);
    must(curl_easy_header(push->curl, "Location", 0, CURLH_HEADER, -1, &location) == CURLHE_OK,
         "no place to upload to");
    snprintf(url, sizeof(url), "%s%sdigest=%s", location->value,
             strchr(location->value, '?') ? "&" : "?", part->name);
    put(push, url, part);
}

static void push_part(void *ctx, const struct image_part *part)
{
    const struct push *push = ctx;
    char base[400], url[800];

    snprintf(base, sizeof(base), "%s://%s/v2/%s", push->registry->options.tls ? "https" : "http",
             push->registry->host, push->repository);
    if (strcmp(part->kind, "blobs") == 0) {
        put_blob(push, base, part);
        return;
    }
    snprintf(url, sizeof(url), "%s/manifests/%s", base, part->name);
    put(push, url, part);
}

void real_push(const struct real_registry *registry, const char *repository, const char *tag,
               const struct built_image *image)
{
    struct push push = { registry, repository, curl_easy_init() };

    must(push.curl != NULL, "no curl");
    image_each(image, tag, push_part, &push);
    curl_easy_cleanup(push.curl);
}
