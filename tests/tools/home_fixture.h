/*
 * home_fixture — a home of our own, with the files and helpers of credentials that a test puts
 * there, and what is found in them.
 */
#ifndef TESTS_TOOLS_HOME_FIXTURE_H
#define TESTS_TOOLS_HOME_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "platform/platform.h"
#include "platform/scope.h"
#include "tools/gantry/credentials.h"

struct home {
    char path[64];
    char before[PATH_SIZE]; /* PATH */
    struct arena *arena;
};

static struct home home;

static inline int home_make(void **state)
{
    char text[PATH_SIZE];

    (void)state;
    snprintf(home.path, sizeof(home.path), "/tmp/gantry-test-home-XXXXXX");
    assert_non_null(mkdtemp(home.path));
    home.arena = arena_new();
    setenv("HOME", home.path, 1);
    unsetenv("DOCKER_CONFIG");
    unsetenv("REGISTRY_AUTH_FILE");
    unsetenv("XDG_CONFIG_HOME");
    snprintf(text, sizeof(text), "%s/run", home.path);
    setenv("XDG_RUNTIME_DIR", text, 1);
    snprintf(home.before, sizeof(home.before), "%s", getenv("PATH"));
    snprintf(text, sizeof(text), "%s:%.3000s", home.path, home.before);
    setenv("PATH", text, 1);
    return 0;
}

static inline int home_remove(void **state)
{
    struct error err;

    (void)state;
    setenv("PATH", home.before, 1);
    arena_drop(&home.arena);
    return fs_remove_tree(home.path, &err);
}

static inline const char *at_home(const char *name)
{
    return arena_printf(home.arena, "%s/%s", home.path, name);
}

static inline void write_file(const char *name, unsigned mode, const char *text)
{
    const char *path = at_home(name);
    char *folder = arena_str(home.arena, path);
    struct error err;

    *strrchr(folder, '/') = '\0';
    if (fs_folder_make_all(folder, 0755, &err) < 0 ||
        fs_write(path, text, strlen(text), mode, false, &err) < 0)
        fail_msg("%s", err.text);
}

static inline const char *read_file(const char *name)
{
    struct error err;
    size_t size;
    char *text = fs_read(at_home(name), 1 << 20, &size, &err), *kept;

    if (text == NULL)
        fail_msg("%s", err.text);
    kept = arena_str(home.arena, text);
    free(text);
    return kept;
}

/* A helper that keeps what it is told, one file for a server, and writes down what it was asked. */
#define HELPER                                                                                    \
    "#!/bin/sh\n"                                                                                 \
    "cd \"${0%/*}\"\n"                                                                            \
    "input=$(cat)\n"                                                                              \
    "echo \"$# $1 $input\" >>asked\n"                                                             \
    "case $1 in\n"                                                                                \
    "get) [ -e kept ] || { echo 'credentials not found in native keychain'; exit 1; }; cat kept " \
    ";;\n"                                                                                        \
    "store) printf '%s\\n' \"$input\" >kept ;;\n"                                                 \
    "erase) rm kept ;;\n"                                                                         \
    "esac\n"

#define DOCKER ".docker/config.json"

static inline struct credentials found(const char *host, const char *repository)
{
    struct credentials credentials;
    struct error err = { 0 };
    int known = credentials_find(host, repository, home.arena, &credentials, &err);

    if (known < 0)
        fail_msg("%s", err.text);
    if (known == 0)
        assert_null(credentials.source);
    return credentials;
}

static inline void assert_user(const char *host, const char *repository, const char *user,
                               const char *password)
{
    struct credentials credentials = found(host, repository);

    if (user == NULL) {
        assert_null(credentials.username);
        return;
    }
    if (credentials.username == NULL)
        fail_msg("%s/%s: nobody", host, repository);
    assert_string_equal(credentials.username, user);
    assert_string_equal(credentials.password, password);
}

static inline void assert_says(const char *text, const char *what)
{
    if (strstr(text, what) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, what);
}

#define HOME_TEST(test) cmocka_unit_test_setup_teardown(test, home_make, home_remove)

#endif
