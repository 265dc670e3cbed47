/* client_certs — the happy path is: files -> certificate, key, chain -> the first that the host may
 * believe. */
#include "actors/images/registry/client_certs.h"

#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/shown.h"

#define FILE_MAX  (1u << 20)
#define CHAIN_MAX 16
#define NAME_SIZE 96

struct client_cert {
    char *file, *key_file; /* "": none of its own */
    X509 *cert;            /* NULL: not usable */
    EVP_PKEY *key;
    STACK_OF(X509) * chain; /* what stands behind the certificate in its file */
    bool today;             /* it is good now */
    char words[300];
};

struct client_certs {
    size_t count;
    struct client_cert items[CLIENT_CERTS_MAX];
};

static void bio_drop(BIO **bio)
{
    BIO_free(*bio);
}

static void secret_drop(char **text)
{
    if (*text != NULL)
        memory_wipe(*text, strlen(*text));
    free(*text);
}

/* ---- reading ------------------------------------------------------------------------ */

/* Nobody is asked for a passphrase: there is no terminal here. */
static int no_passphrase(char *buffer, int size, int writing, void *ctx)
{
    (void)buffer, (void)size, (void)writing;
    *(bool *)ctx = true;
    return -1;
}

static int read_chain(struct client_cert *one, const char *text, struct error *err)
{
    CLEANUP(bio_drop) BIO *bio = BIO_new_mem_buf(text, -1);
    X509 *next;

    one->cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    one->chain = sk_X509_new_null();
    if (one->cert == NULL || one->chain == NULL)
        return error_set(err, ERROR_FAILED_PRECONDITION, "it holds no certificate (PEM)");
    while (sk_X509_num(one->chain) < CHAIN_MAX &&
           (next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
        sk_X509_push(one->chain, next);
    return 0;
}

static int read_key(struct client_cert *one, const char *text, struct error *err)
{
    CLEANUP(bio_drop) BIO *bio = BIO_new_mem_buf(text, -1);
    bool locked = false;

    one->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &locked);
    if (one->key == NULL)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         locked ? "its key is locked with a passphrase" : "there is no key (PEM)");
    if (X509_check_private_key(one->cert, one->key) != 1)
        return error_set(err, ERROR_FAILED_PRECONDITION, "the key is another certificate's");
    return 0;
}

static int read_files(struct client_cert *one, struct error *err)
{
    CLEANUP(secret_drop) char *text = NULL;
    CLEANUP(secret_drop) char *key = NULL;
    size_t size;

    text = fs_read(one->file, FILE_MAX, &size, err);
    if (text == NULL || read_chain(one, text, err) < 0)
        return -1;
    if (*one->key_file == '\0')
        return read_key(one, text, err);
    key = fs_read(one->key_file, FILE_MAX, &size, err);
    return key == NULL ? -1 : read_key(one, key, err);
}

/* ---- words ---------------------------------------------------------------------------- */

static const char *name_text(const X509_NAME *name, char out[NAME_SIZE])
{
    CLEANUP(bio_drop) BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long size = 0;

    if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) > 0)
        size = BIO_get_mem_data(bio, &text);
    return plain_text(text != NULL ? text : "", size > 0 ? (size_t)size : 0, out, NAME_SIZE);
}

static const char *date_text(const ASN1_TIME *when, char out[16])
{
    struct tm parts;

    if (ASN1_TIME_to_tm(when, &parts) != 1)
        snprintf(out, 16, "some day");
    else
        strftime(out, 16, "%Y-%m-%d", &parts);
    return out;
}

static void describe(struct client_cert *one)
{
    bool early = X509_cmp_current_time(X509_get0_notBefore(one->cert)) > 0;
    bool late = X509_cmp_current_time(X509_get0_notAfter(one->cert)) < 0;
    char subject[NAME_SIZE], issuer[NAME_SIZE], date[16];

    one->today = !early && !late;
    snprintf(
        one->words, sizeof(one->words), "%s, by %s, %s %s",
        name_text(X509_get_subject_name(one->cert), subject),
        name_text(X509_get_issuer_name(one->cert), issuer),
        early  ? "not before"
        : late ? "expired on"
               : "until",
        date_text(early ? X509_get0_notBefore(one->cert) : X509_get0_notAfter(one->cert), date));
}

/* ---- open and close --------------------------------------------------------------------- */

static void drop_parsed(struct client_cert *one)
{
    X509_free(one->cert);
    EVP_PKEY_free(one->key);
    sk_X509_pop_free(one->chain, X509_free);
    one->cert = NULL;
    one->key = NULL;
    one->chain = NULL;
}

static char *line_take(const char **lines)
{
    size_t size = strcspn(*lines, "\n");
    char *out = malloc(size + 1);

    if (out != NULL)
        snprintf(out, size + 1, "%s", *lines);
    *lines += size + ((*lines)[size] == '\n');
    return out;
}

int client_certs_open(struct client_certs **certs, const char *files, const char *keys,
                      struct error *err)
{
    struct client_certs *self = calloc(1, sizeof(*self));

    *certs = self;
    if (self == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for certificates");
    while (*files != '\0' && self->count < CLIENT_CERTS_MAX) {
        struct client_cert *one = &self->items[self->count++];
        struct error why = { 0 };

        one->file = line_take(&files);
        one->key_file = line_take(&keys);
        if (one->file == NULL || one->key_file == NULL) {
            client_certs_close(certs);
            return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for certificates");
        }
        if (read_files(one, &why) == 0) {
            describe(one);
            continue;
        }
        drop_parsed(one);
        snprintf(one->words, sizeof(one->words), "%.299s", why.text);
    }
    ERR_clear_error(); /* of this thread: connections would take it for theirs */
    return 0;
}

void client_certs_close(struct client_certs **certs)
{
    struct client_certs *self = *certs;

    *certs = NULL;
    for (size_t i = 0; self != NULL && i < self->count; i++) {
        drop_parsed(&self->items[i]);
        free(self->items[i].file);
        free(self->items[i].key_file);
    }
    free(self);
}

size_t client_certs_count(const struct client_certs *certs)
{
    return certs->count;
}

const char *client_certs_file(const struct client_certs *certs, size_t index)
{
    return certs->items[index].file;
}

const char *client_certs_key(const struct client_certs *certs, size_t index)
{
    return *certs->items[index].key_file != '\0' ? certs->items[index].key_file : NULL;
}

bool client_certs_usable(const struct client_certs *certs, size_t index)
{
    return certs->items[index].cert != NULL;
}

const char *client_certs_words(const struct client_certs *certs, size_t index)
{
    return certs->items[index].words;
}

/* ---- choosing ----------------------------------------------------------------------------- */

static bool is_among(const X509 *cert, const STACK_OF(X509_NAME) * names)
{
    for (int i = 0; i < sk_X509_NAME_num(names); i++)
        if (X509_NAME_cmp(X509_get_issuer_name(cert), sk_X509_NAME_value(names, i)) == 0)
            return true;
    return false;
}

/* Who names no authority takes any. */
static bool is_wanted(const struct client_cert *one, const STACK_OF(X509_NAME) * names)
{
    bool wanted = names == NULL || sk_X509_NAME_num(names) == 0 || is_among(one->cert, names);

    for (int i = 0; !wanted && i < sk_X509_num(one->chain); i++)
        wanted = is_among(sk_X509_value(one->chain, i), names);
    return wanted;
}

/* The host's list of signatures (TLS 1.2 and later always have one) has one that this key makes. */
static bool can_sign(SSL *ssl, const EVP_PKEY *key)
{
    int type = EVP_PKEY_get_base_id(key),
        count = SSL_get_sigalgs(ssl, -1, NULL, NULL, NULL, NULL, NULL);

    for (int i = 0; i < count; i++) {
        int sign = NID_undef;

        SSL_get_sigalgs(ssl, i, &sign, NULL, NULL, NULL, NULL);
        if (sign == type || (type == EVP_PKEY_RSA && sign == EVP_PKEY_RSA_PSS))
            return true;
    }
    return count <= 0;
}

/* `ssl` NULL: as far as it is known before. */
static int choose(const struct client_certs *certs, SSL *ssl, const STACK_OF(X509_NAME) * names)
{
    int late = -1;

    for (size_t i = 0; i < certs->count; i++) {
        const struct client_cert *one = &certs->items[i];

        if (one->cert == NULL || !is_wanted(one, names) ||
            (ssl != NULL && !can_sign(ssl, one->key)))
            continue;
        if (one->today)
            return (int)i;
        late = late < 0 ? (int)i : late;
    }
    return late;
}

int client_certs_first(const struct client_certs *certs)
{
    return choose(certs, NULL, NULL);
}

static void note_names(struct client_certs_turn *turn, const STACK_OF(X509_NAME) * names)
{
    char name[NAME_SIZE];
    size_t used = 0;

    turn->wants[0] = '\0';
    for (int i = 0; i < sk_X509_NAME_num(names) && used + 4 < sizeof(turn->wants); i++)
        used += (size_t)snprintf(turn->wants + used, sizeof(turn->wants) - used, "%s%s",
                                 i > 0 ? "; " : "", name_text(sk_X509_NAME_value(names, i), name));
}

/* In the middle of a handshake, the host having asked for one.  1: go on, with or without. */
static int on_wanted(SSL *ssl, void *ctx)
{
    struct client_certs_turn *turn = ctx;
    const STACK_OF(X509_NAME) *names = SSL_get0_peer_CA_list(ssl);
    const struct client_cert *one;

    turn->asked = true;
    note_names(turn, names);
    turn->shown = choose(turn->certs, ssl, names);
    if (turn->shown < 0)
        return 1;
    one = &turn->certs->items[turn->shown];
    return SSL_use_cert_and_key(ssl, one->cert, one->key, one->chain, 1) == 1;
}

void client_certs_use(struct client_certs_turn *turn, void *ssl_ctx)
{
    turn->asked = false;
    turn->shown = -1;
    turn->wants[0] = '\0';
    SSL_CTX_set_cert_cb(ssl_ctx, on_wanted, turn);
}

bool client_certs_can_choose(void)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    char ours[32];

    snprintf(ours, sizeof(ours), "OpenSSL/%d.", OPENSSL_VERSION_MAJOR);
    return info->ssl_version != NULL && strncmp(info->ssl_version, ours, strlen(ours)) == 0;
}
