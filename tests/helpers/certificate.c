/* certificate — made anew for every test, so none can run out in the repository. */
#include "tests/helpers/certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void must(bool well, const char *what)
{
    if (well)
        return;
    fprintf(stderr, "certificate: %s\n", what);
    abort();
}

static void add_names(X509 *cert, const char *name)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    char names[200];

    if (name != NULL)
        snprintf(names, sizeof(names), "DNS:%s", name);
    else
        snprintf(names, sizeof(names), "DNS:localhost,IP:127.0.0.1,IP:::1");
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, names);
    must(extension != NULL && X509_add_ext(cert, extension, -1) == 1, "no names");
    X509_EXTENSION_free(extension);
}

static void write_files(const struct certificate *certificate, X509 *cert, EVP_PKEY *key)
{
    FILE *file = fopen(certificate->cert_file, "we");

    must(file != NULL && PEM_write_X509(file, cert) == 1 && fclose(file) == 0, "no file");
    file = fopen(certificate->key_file, "we");
    must(file != NULL && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 &&
             fclose(file) == 0,
         "no file");
}

void certificate_make(struct certificate *certificate, const char *name, bool expired)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *subject;

    must(key != NULL && cert != NULL, "no key");
    snprintf(certificate->folder, sizeof(certificate->folder), "/tmp/gantry-test-cert-XXXXXX");
    must(mkdtemp(certificate->folder) != NULL, "no folder");
    snprintf(certificate->cert_file, sizeof(certificate->cert_file), "%s/cert.pem",
             certificate->folder);
    snprintf(certificate->key_file, sizeof(certificate->key_file), "%s/key.pem",
             certificate->folder);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -2 * 86400);
    X509_gmtime_adj(X509_getm_notAfter(cert), expired ? -86400 : 86400);
    X509_set_pubkey(cert, key);
    subject = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               (const unsigned char *)(name != NULL ? name : "localhost"), -1, -1,
                               0);
    X509_set_issuer_name(cert, subject);
    add_names(cert, name);
    must(X509_sign(cert, key, EVP_sha256()) > 0, "cannot sign");
    write_files(certificate, cert, key);
    X509_free(cert);
    EVP_PKEY_free(key);
}

void certificate_drop(struct certificate *certificate)
{
    if (certificate->folder[0] == '\0')
        return;
    unlink(certificate->cert_file);
    unlink(certificate->key_file);
    rmdir(certificate->folder);
    certificate->folder[0] = '\0';
}
