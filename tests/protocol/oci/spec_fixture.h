/* spec_fixture — a host, an image and a user to build specs from, and a way to look into them. */
#ifndef TESTS_SPEC_FIXTURE_H
#define TESTS_SPEC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "protocol/oci/capabilities.h"
#include "protocol/oci/draft.h"
#include "protocol/oci/spec.h"

/* A list that lives as long as the block it is written in. */
#define STRS(...)                                                                        \
    (struct strs)                                                                        \
    {                                                                                    \
        sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(const char *), (const char *[]) \
        {                                                                                \
            __VA_ARGS__                                                                  \
        }                                                                                \
    }

struct fixture {
    struct image_config image;
    struct container_options options;
    struct user_ids user;
    uint32_t gids[1];
    struct rlimit limit;
    struct spec_host host;
    struct spec_input input;
    struct error err;
    struct buffer text, command;
    json_t *spec;
};

static inline int fixture_make(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    static const char *shell[] = { "sh" };

    fixture->image.cmd = (struct strs){ 1, shell };
    fixture->user = (struct user_ids){ .gid_count = 1, .gids = fixture->gids, .home = "/root" };
    fixture->limit = (struct rlimit){ "RLIMIT_NOFILE", 1024, 20000 };
    fixture->host = (struct spec_host){ .arch = "amd64",
                                        .cgroups = "v2",
                                        .caps = CAPABILITIES_ALL,
                                        .cpus = 4,
                                        .swap_limit = true,
                                        .limits = &fixture->limit,
                                        .limit_count = 1 };
    fixture->input = (struct spec_input){ .id = "c1",
                                          .cgroup_path = "/default/c1",
                                          .rootfs = "rootfs",
                                          .hostname = "c1",
                                          .image = &fixture->image,
                                          .options = &fixture->options,
                                          .user = &fixture->user,
                                          .host = &fixture->host };
    *state = fixture;
    return 0;
}

static inline int fixture_free(void **state)
{
    struct fixture *fixture = *state;

    json_decref(fixture->spec);
    buffer_free(&fixture->text);
    buffer_free(&fixture->command);
    free(fixture);
    return 0;
}

/* Builds the spec and reads it back. */
static inline json_t *built(struct fixture *fixture)
{
    json_decref(fixture->spec);
    fixture->text.size = fixture->command.size = 0;
    if (spec_build(&fixture->input, &fixture->text, &fixture->command, &fixture->err) < 0)
        fail_msg("spec_build: %s", fixture->err.text);
    fixture->spec = draft_read(fixture->text.data, fixture->text.size, &fixture->err);
    if (fixture->spec == NULL)
        fail_msg("the spec is not JSON: %s", fixture->err.text);
    return fixture->spec;
}

static inline void refused(struct fixture *fixture, enum error_code code, const char *says)
{
    fixture->text.size = fixture->command.size = 0;
    if (spec_build(&fixture->input, &fixture->text, &fixture->command, &fixture->err) == 0)
        fail_msg("was not refused: %.*s", (int)fixture->text.size, fixture->text.data);
    if (strstr(fixture->err.text, says) == NULL)
        fail_msg("'%s' does not say '%s'", fixture->err.text, says);
    assert_int_equal(fixture->err.code, code);
    assert_true(utf8_is_valid(fixture->err.text, strlen(fixture->err.text)));
}

/* "process.user.uid": the member; NULL when there is none. */
static inline json_t *at(json_t *value, const char *path)
{
    char key[100];

    while (value != NULL && *path != '\0') {
        size_t length = strcspn(path, ".");

        snprintf(key, sizeof(key), "%.*s", (int)length, path);
        value = key[0] >= '0' && key[0] <= '9' ? json_array_get(value, (size_t)atoi(key))
                                               : json_object_get(value, key);
        path += length + (path[length] == '.');
    }
    return value;
}

static inline const char *text_at(json_t *value, const char *path)
{
    return json_string_value(at(value, path));
}

/* The members of an array of texts, joined by spaces. */
static inline const char *words_at(json_t *value, const char *path)
{
    static char words[8192];
    json_t *item;
    size_t i;

    words[0] = '\0';
    json_array_foreach (at(value, path), i, item)
        snprintf(words + strlen(words), sizeof(words) - strlen(words), "%s%s", i ? " " : "",
                 json_string_value(item));
    return words;
}

static inline bool has_word(json_t *array, const char *word)
{
    json_t *item;
    size_t i;

    json_array_foreach (array, i, item)
        if (strcmp(json_string_value(item), word) == 0)
            return true;
    return false;
}

/* The mount at that destination; NULL when there is none, failing when there are two. */
static inline json_t *mount_at(json_t *spec, const char *destination)
{
    json_t *item, *found = NULL;
    size_t i;

    json_array_foreach (at(spec, "mounts"), i, item)
        if (strcmp(text_at(item, "destination"), destination) == 0) {
            assert_null(found);
            found = item;
        }
    return found;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_free)

#endif
