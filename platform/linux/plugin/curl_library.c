/* curl_library — see curl_library.h. */
#include "platform/linux/plugin/curl_library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "platform/platform.h"
#include "platform/scope.h"

static const char *const names[] = { "libcurl.so.4", "libcurl-gnutls.so.4" };

#define MEMBER(name)                                       \
    {                                                      \
        "curl_" #name, offsetof(struct curl_library, name) \
    }
static const struct {
    const char *name;
    size_t offset;
} members[] = {
    MEMBER(easy_init),     MEMBER(easy_cleanup),     MEMBER(easy_setopt),
    MEMBER(easy_getinfo),  MEMBER(easy_strerror),    MEMBER(multi_init),
    MEMBER(multi_cleanup), MEMBER(multi_add_handle), MEMBER(multi_remove_handle),
    MEMBER(multi_perform), MEMBER(multi_poll),       MEMBER(multi_info_read),
    MEMBER(slist_append),  MEMBER(slist_free_all),   MEMBER(global_init),
    MEMBER(version_info),
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct curl_library table;
static bool is_loaded;

static int table_fill(void *library, struct error *err)
{
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        void *found = dlsym(library, members[i].name);

        if (found == NULL)
            return error_set(err, ERROR_FAILED_PRECONDITION, "libcurl has no %s: it is too old",
                             members[i].name);
        memcpy((char *)&table + members[i].offset, &found, sizeof(found));
    }
    return 0;
}

static int load(struct error *err)
{
    void *library = NULL;

    if (hook_platform_call("load libcurl", err))
        return -1;
    for (size_t i = 0; library == NULL && i < COUNT_OF(names); i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        error_set(err, ERROR_FAILED_PRECONDITION, "plugins are spoken to by libcurl: %.200s",
                  dlerror());
        return error_hint(err, "install it (Debian: libcurl4)");
    }
    if (table_fill(library, err) < 0)
        return -1;
    /* no TLS: what is asked lies behind a socket of this machine */
    if (table.global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
        return error_set(err, ERROR_INTERNAL, "libcurl cannot be set up");
    if ((table.version_info(CURLVERSION_NOW)->features & CURL_VERSION_HTTP2) == 0)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "plugins are spoken to by libcurl, and this one has no HTTP/2");
    return 0;
}

/* It stays: threads may be in it until the process ends. */
const struct curl_library *curl_library(struct error *err)
{
    int result = 0;

    pthread_mutex_lock(&lock);
    if (!is_loaded)
        result = load(err);
    is_loaded = is_loaded || result == 0;
    pthread_mutex_unlock(&lock);
    return result == 0 ? &table : NULL;
}
