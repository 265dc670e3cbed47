/*
 * Where things lie.  A digest that is usable holds nothing that could leave a folder; a
 * ref may be anything, so its file is named by a hash of it.
 */
#include "actors/content/store.h"
#include "protocol/oci/digest.h"

#define REF_MAX 4096

int blob_path(const struct content *content, const char *digest, char path[PATH_SIZE],
              struct error *err)
{
    if (digest_require(digest, err) < 0)
        return -1;
    return path_format(path, err, "%s/blobs/%.6s/%s", content->root, digest, digest_hex(digest));
}

int ref_check(const char *ref, struct error *err)
{
    size_t length = strlen(ref);

    if (length == 0 || length > REF_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "ref '%.60s': has to have 1 to %d bytes", ref,
                         REF_MAX);
    return 0;
}

int ingest_path(const struct content *content, const char *namespace, const char *ref,
                char path[PATH_SIZE], struct error *err)
{
    struct digester digester;
    char name[DIGEST_TEXT_SIZE];

    if (digester_open(&digester, "sha256", err) < 0)
        return -1;
    digester_add(&digester, namespace, strlen(namespace) + 1); /* the NUL parts the two */
    digester_add(&digester, ref, strlen(ref));
    if (digester_finish(&digester, name, err) < 0)
        return -1;
    return path_format(path, err, "%s/ingests/%s", content->root, digest_hex(name));
}
