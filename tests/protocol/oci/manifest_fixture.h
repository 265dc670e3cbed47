/* manifest_fixture — indexes and manifests to write in a line, and what was read of them. */
#ifndef TESTS_MANIFEST_FIXTURE_H
#define TESTS_MANIFEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/oci/manifest.h"

#define D(c) "sha256:" c c c c c c c c c c c c c c c c
#define D1   D("1111")
#define D2   D("2222")
#define D3   D("3333")

#define ENTRY(type, digest, more) \
    "{\"mediaType\":\"" type "\",\"digest\":\"" digest "\",\"size\":7" more "}"
#define PLATFORM(os, arch) ",\"platform\":{\"os\":\"" os "\",\"architecture\":\"" arch "\"}"
#define INDEX(entries) \
    "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[" entries "]}"

struct fixture {
    struct arena *arena;
    struct oci_index index;
    struct oci_manifest manifest;
    struct index_choice choice;
    struct error err;
};

static inline int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->arena = arena_new();
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;

    arena_free(fixture->arena);
    free(fixture);
    return 0;
}

static inline int parse_index(struct fixture *f, const char *text, const char *asked)
{
    f->err = (struct error){ 0 };
    return index_parse(text, strlen(text), asked, f->arena, &f->index, &f->err);
}

static inline int choose(struct fixture *f, const char *platform)
{
    struct platform wanted;

    assert_int_equal(platform_parse(platform, &wanted, &f->err), 0);
    return index_choose(&f->index, &wanted, f->arena, &f->choice, &f->err);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
