/*
 * curl_library — libcurl, loaded when the first plugin is spoken to and not before.
 *
 * libcurl and what it brings along cost a daemon 8 MiB that stay resident; most daemons
 * have no plugin.  So nothing links it: its functions stand in a table that is filled by
 * dlopen(3) once (docs/adr/0018).
 */
#ifndef PLATFORM_LINUX_PLUGIN_CURL_LIBRARY_H
#define PLATFORM_LINUX_PLUGIN_CURL_LIBRARY_H

#include <curl/curl.h>

#include "protocol/error.h"

struct curl_library {
    CURL *(*easy_init)(void);
    void (*easy_cleanup)(CURL *easy);
    CURLcode (*easy_setopt)(CURL *easy, CURLoption option, ...);
    CURLcode (*easy_getinfo)(CURL *easy, CURLINFO info, ...);
    const char *(*easy_strerror)(CURLcode code);
    CURLM *(*multi_init)(void);
    CURLMcode (*multi_cleanup)(CURLM *multi);
    CURLMcode (*multi_add_handle)(CURLM *multi, CURL *easy);
    CURLMcode (*multi_remove_handle)(CURLM *multi, CURL *easy);
    CURLMcode (*multi_perform)(CURLM *multi, int *running);
    CURLMcode (*multi_poll)(CURLM *multi, struct curl_waitfd *more, unsigned count, int ms,
                            int *got);
    CURLMsg *(*multi_info_read)(CURLM *multi, int *left);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
    void (*slist_free_all)(struct curl_slist *list);
    CURLcode (*global_init)(long flags);
    curl_version_info_data *(*version_info)(CURLversion version);
};

/* The same table for everybody; NULL and FAILED_PRECONDITION where there is no such library, or one
   without HTTP/2.  May wait for the disk. */
const struct curl_library *curl_library(struct error *err);

#endif
