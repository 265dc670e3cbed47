/*
 * registry_server — one thread accepts, one per connection reads a request, looks up the reply and
 * writes it.  All that is shared is under one mutex.
 */
#include "tests/helpers/registry_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/helpers/certificate.h"
#include "tests/helpers/server_wire.h"

struct rule {
    struct rule *next;
    char *path;
    struct server_reply reply; /* its strings are ours */
    bool forgotten;
};

struct seen {
    struct seen *next;
    char *path;
    char *head; /* request line and headers, as they came */
    char *body;
    size_t size;
};

struct connection {
    struct connection *next;
    struct registry_server *server;
    pthread_t thread;
    struct wire wire;
};

struct registry_server {
    int socket;
    char host[32];
    bool silent;
    SSL_CTX *tls;
    struct certificate certificate;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t asked;
    bool stopping;
    bool released; /* gates are open */
    struct rule *rules;
    struct seen *seen; /* oldest first */
    struct connection *connections;
    size_t connection_count;
};

static void must(bool well, const char *what)
{
    if (well)
        return;
    fprintf(stderr, "registry_server: %s\n", what);
    abort();
}

static char *copy(const void *data, size_t size)
{
    char *out = calloc(1, size + 1);

    must(out != NULL, "no memory");
    if (size > 0)
        memcpy(out, data, size);
    return out;
}

static char *copy_text(const char *text)
{
    return text != NULL ? copy(text, strlen(text)) : NULL;
}

/* ---- requests -------------------------------------------------------------------- */

static void remember(struct registry_server *server, const char *path, const char *head, char *body,
                     size_t size)
{
    struct seen **end = &server->seen;
    struct seen *seen = calloc(1, sizeof(*seen));

    must(seen != NULL, "no memory");
    seen->path = copy_text(path);
    seen->head = copy_text(head);
    seen->body = body;
    seen->size = size;
    while (*end != NULL)
        end = &(*end)->next;
    *end = seen;
    pthread_cond_broadcast(&server->asked);
}

static size_t count_locked(const struct registry_server *server, const char *path)
{
    size_t count = 0;

    for (const struct seen *seen = server->seen; seen != NULL; seen = seen->next)
        count += path == NULL || strcmp(seen->path, path) == 0;
    return count;
}

/* The next reply for the path: replies are used up from the front, the last one stays. */
static const struct server_reply *next_reply(struct registry_server *server, const char *path)
{
    struct rule *first = NULL, *rule;

    for (rule = server->rules; rule != NULL; rule = rule->next) {
        if (rule->forgotten || strcmp(rule->path, path) != 0)
            continue;
        if (first != NULL) {
            first->forgotten = true; /* there is a later one: this was its turn */
            break;
        }
        first = rule;
    }
    return first != NULL ? &first->reply : NULL;
}

static const struct server_reply *reply_for(struct registry_server *server, const char *path)
{
    const struct server_reply *reply;

    pthread_mutex_lock(&server->lock);
    reply = next_reply(server, path);
    pthread_mutex_unlock(&server->lock);
    return reply;
}

/* Its body is read as the reply wants it, then it counts as asked. */
static bool take_request(struct connection *connection, const char *path, const char *head,
                         const struct server_reply *reply)
{
    struct registry_server *server = connection->server;
    char *body;
    size_t size;
    bool whole = wire_read_body(&connection->wire, head, reply, &body, &size);

    pthread_mutex_lock(&server->lock);
    remember(server, path, head, body, size);
    pthread_mutex_unlock(&server->lock);
    return whole;
}

static bool is_welcome(const struct server_reply *reply, const char *head)
{
    char *sent = head_value(head, "authorization");
    bool welcome = reply->wants == NULL || (sent != NULL && strcmp(sent, reply->wants) == 0);

    free(sent);
    return welcome;
}

static void wait_at_gate(struct registry_server *server)
{
    pthread_mutex_lock(&server->lock);
    while (!server->released && !server->stopping)
        pthread_cond_wait(&server->asked, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

/* One request and its answer; false when the connection is to be closed. */
static bool serve_one(struct connection *connection)
{
    char *head = wire_read_head(&connection->wire), *path;
    const struct server_reply *reply;
    bool goes_on;

    if (head == NULL)
        return false;
    path = head_path(head);
    reply = reply_for(connection->server, path);
    if (!take_request(connection, path, head, reply)) {
        free(path);
        free(head);
        return false;
    }
    if (reply != NULL && reply->gate)
        wait_at_gate(connection->server);
    if (reply == NULL) {
        goes_on = wire_not_found(&connection->wire, head);
    } else if (!is_welcome(reply, head)) {
        goes_on = wire_challenge(&connection->wire, reply, head);
    } else {
        goes_on = wire_reply(&connection->wire, reply, head);
    }
    free(path);
    free(head);
    return goes_on;
}

/* ---- threads ------------------------------------------------------------------------- */

static void *connection_run(void *arg)
{
    struct connection *connection = arg;
    struct registry_server *server = connection->server;
    int socket = connection->wire.socket;

    if (server->silent)
        wire_wait_for_end(&connection->wire);
    else if (server->tls == NULL || SSL_accept(connection->wire.tls) == 1)
        while (serve_one(connection))
            ;
    pthread_mutex_lock(&server->lock); /* the socket's number must not be another's when it stops */
    connection->wire.socket = -1;
    close(socket);
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

static void connection_add(struct registry_server *server, int socket)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    must(connection != NULL, "no memory");
    connection->server = server;
    connection->wire.socket = socket;
    /* a head and a body are two writes: the second does not wait until the first was confirmed */
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    if (server->tls != NULL) {
        connection->wire.tls = SSL_new(server->tls);
        SSL_set_fd(connection->wire.tls, socket);
    }
    connection->next = server->connections;
    server->connections = connection;
    server->connection_count++;
    must(pthread_create(&connection->thread, NULL, connection_run, connection) == 0, "no thread");
}

static void *accept_run(void *arg)
{
    struct registry_server *server = arg;

    for (;;) {
        int socket = accept4(server->socket, NULL, NULL, SOCK_CLOEXEC);

        pthread_mutex_lock(&server->lock);
        if (server->stopping || socket < 0) {
            pthread_mutex_unlock(&server->lock);
            if (socket >= 0)
                close(socket);
            return NULL;
        }
        connection_add(server, socket);
        pthread_mutex_unlock(&server->lock);
    }
}

static void listen_somewhere(struct registry_server *server)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);

    server->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(server->socket >= 0 && bind(server->socket, (struct sockaddr *)&address, size) == 0 &&
             listen(server->socket, 64) == 0 &&
             getsockname(server->socket, (struct sockaddr *)&address, &size) == 0,
         "cannot listen");
    snprintf(server->host, sizeof(server->host), "127.0.0.1:%d", ntohs(address.sin_port));
}

static void start_tls(struct registry_server *server, enum server_kind kind)
{
    bool named = kind != SERVER_TLS_WRONG_NAME;

    certificate_make(&server->certificate, named ? NULL : "elsewhere.test",
                     kind == SERVER_TLS_EXPIRED);
    server->tls = SSL_CTX_new(TLS_server_method());
    must(server->tls != NULL &&
             SSL_CTX_use_certificate_file(server->tls, server->certificate.cert_file,
                                          SSL_FILETYPE_PEM) == 1 &&
             SSL_CTX_use_PrivateKey_file(server->tls, server->certificate.key_file,
                                         SSL_FILETYPE_PEM) == 1,
         "no certificate");
}

struct registry_server *server_start(enum server_kind kind)
{
    struct registry_server *server = calloc(1, sizeof(*server));

    must(server != NULL, "no memory");
    signal(SIGPIPE, SIG_IGN); /* openssl writes without MSG_NOSIGNAL */
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->asked, NULL);
    server->silent = kind == SERVER_SILENT;
    if (kind != SERVER_HTTP && kind != SERVER_SILENT)
        start_tls(server, kind);
    listen_somewhere(server);
    must(pthread_create(&server->thread, NULL, accept_run, server) == 0, "no thread");
    return server;
}

static void stop_threads(struct registry_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_cond_broadcast(&server->asked);
    shutdown(server->socket, SHUT_RDWR);
    pthread_mutex_unlock(&server->lock);
    pthread_join(server->thread, NULL);

    pthread_mutex_lock(&server->lock);
    for (struct connection *each = server->connections; each != NULL; each = each->next)
        if (each->wire.socket >= 0)
            shutdown(each->wire.socket, SHUT_RDWR);
    pthread_mutex_unlock(&server->lock);
    for (struct connection *each = server->connections; each != NULL; each = each->next)
        pthread_join(each->thread, NULL);
}

static void rule_free(struct rule *rule)
{
    free(rule->path);
    free((char *)rule->reply.headers);
    free((void *)rule->reply.body);
    free((char *)rule->reply.raw);
    free((char *)rule->reply.wants);
    free((char *)rule->reply.challenge);
    free(rule);
}

void server_stop(struct registry_server **pointer)
{
    struct registry_server *server = *pointer;

    *pointer = NULL;
    if (server == NULL)
        return;
    stop_threads(server);
    close(server->socket);
    while (server->connections != NULL) {
        struct connection *next = server->connections->next;

        SSL_free(server->connections->wire.tls);
        free(server->connections);
        server->connections = next;
    }
    while (server->rules != NULL) {
        struct rule *next = server->rules->next;

        rule_free(server->rules);
        server->rules = next;
    }
    while (server->seen != NULL) {
        struct seen *next = server->seen->next;

        free(server->seen->path);
        free(server->seen->head);
        free(server->seen->body);
        free(server->seen);
        server->seen = next;
    }
    SSL_CTX_free(server->tls);
    certificate_drop(&server->certificate);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->asked);
    free(server);
}

/* ---- what tests say and ask -------------------------------------------------------------- */

const char *server_host(const struct registry_server *server)
{
    return server->host;
}

const char *server_ca_file(const struct registry_server *server)
{
    return server->certificate.cert_file;
}

void server_add(struct registry_server *server, const char *path, const struct server_reply *reply)
{
    struct rule **end = &server->rules;
    struct rule *rule = calloc(1, sizeof(*rule));

    must(rule != NULL, "no memory");
    rule->path = copy_text(path);
    rule->reply = *reply;
    rule->reply.headers = copy_text(reply->headers);
    rule->reply.body = copy(reply->body, reply->size);
    if (reply->raw != NULL && reply->raw_size == 0)
        rule->reply.raw_size = strlen(reply->raw);
    rule->reply.raw = reply->raw != NULL ? copy(reply->raw, rule->reply.raw_size) : NULL;
    rule->reply.wants = copy_text(reply->wants);
    rule->reply.challenge = copy_text(reply->challenge);
    pthread_mutex_lock(&server->lock);
    while (*end != NULL)
        end = &(*end)->next;
    *end = rule;
    pthread_mutex_unlock(&server->lock);
}

void server_forget(struct registry_server *server, const char *path)
{
    pthread_mutex_lock(&server->lock);
    for (struct rule *rule = server->rules; rule != NULL; rule = rule->next)
        rule->forgotten = rule->forgotten || strcmp(rule->path, path) == 0;
    pthread_mutex_unlock(&server->lock);
}

size_t server_count(struct registry_server *server, const char *path)
{
    size_t count;

    pthread_mutex_lock(&server->lock);
    count = count_locked(server, path);
    pthread_mutex_unlock(&server->lock);
    return count;
}

size_t server_connections(struct registry_server *server)
{
    size_t count;

    pthread_mutex_lock(&server->lock);
    count = server->connection_count;
    pthread_mutex_unlock(&server->lock);
    return count;
}

size_t server_count_with(struct registry_server *server, const char *header)
{
    size_t count = 0;

    pthread_mutex_lock(&server->lock);
    for (const struct seen *seen = server->seen; seen != NULL; seen = seen->next) {
        char *value = head_value(seen->head, header);

        count += value != NULL;
        free(value);
    }
    pthread_mutex_unlock(&server->lock);
    return count;
}

const char *server_seen(struct registry_server *server, const char *path, size_t k,
                        const char *header)
{
    static _Thread_local char values[8][1024]; /* enough for one assertion's arguments */
    static _Thread_local unsigned turn;
    char *out = values[turn++ % 8], *value = NULL;

    pthread_mutex_lock(&server->lock);
    for (const struct seen *seen = server->seen; seen != NULL && value == NULL; seen = seen->next)
        if ((path == NULL || strcmp(seen->path, path) == 0) && k-- == 0) {
            value = strcmp(header, "body") == 0 ? copy(seen->body, seen->size)
                                                : head_value(seen->head, header);
            break;
        }
    pthread_mutex_unlock(&server->lock);
    snprintf(out, sizeof(values[0]), "%s", value != NULL ? value : "");
    free(value);
    return out;
}

const void *server_body(struct registry_server *server, const char *path, size_t k, size_t *size)
{
    const void *body = NULL;

    pthread_mutex_lock(&server->lock);
    for (const struct seen *seen = server->seen; seen != NULL && body == NULL; seen = seen->next)
        if ((path == NULL || strcmp(seen->path, path) == 0) && k-- == 0) {
            body = seen->body;
            *size = seen->size;
        }
    pthread_mutex_unlock(&server->lock);
    return body;
}

void server_wait(struct registry_server *server, const char *path, size_t count)
{
    pthread_mutex_lock(&server->lock);
    while (count_locked(server, path) < count)
        pthread_cond_wait(&server->asked, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

void server_release(struct registry_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->released = true;
    pthread_cond_broadcast(&server->asked);
    pthread_mutex_unlock(&server->lock);
}
