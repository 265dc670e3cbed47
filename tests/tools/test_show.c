/* What is shown: tables, states, progress; and what is generated: manual page, completion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/gantry/command.h"
#include "tools/gantry/format.h"
#include "platform/scope.h"
#include "tools/gantry/progress.h"

#define SECOND 1000000000ll
#define MINUTE (60 * SECOND)

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

/* ---- tables and states -------------------------------------------------- */

static char *printed(const struct table *table)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    table_print(table, out);
    fclose(out);
    return text;
}

static void columns_are_aligned_by_characters(void **state)
{
    struct table *table = table_new(arena, "NAME", "X", NULL);
    char *text;

    (void)state;
    table_row(table, "h\xc3\xa9llo", "1");
    table_row(table, "a", NULL);
    text = printed(table);
    assert_string_equal(text, "NAME    X\nh\xc3\xa9llo   1\na\n");
    free(text);
}

static void a_table_does_not_steer_the_terminal(void **state)
{
    (void)state;
    assert_string_equal(printable("a\033[2Jb\nc\x7f", arena), "a?[2Jb?c?");
    assert_string_equal(printable("\xc2\x9b"
                                  "31m",
                                  arena),
                        "??31m");
    assert_string_equal(printable("\xff\xfe", arena), "??");
    assert_string_equal(printable("gr\xc3\xbc\xc3\x9f", arena), "gr\xc3\xbc\xc3\x9f");
    assert_string_equal(printable(NULL, arena), "");
}

static void states_are_shown_as_docker_shows_them(void **state)
{
    int64_t now = 100 * MINUTE;
    struct container_info container = { .status = "created" };

    (void)state;
    assert_string_equal(status_text(&container, now, arena), "Created");
    container = (struct container_info){ .status = "running", SET(started, now - 3 * SECOND) };
    assert_string_equal(status_text(&container, now, arena), "Up 3 seconds");
    container.status = "paused";
    assert_string_equal(status_text(&container, now, arena), "Up 3 seconds (Paused)");
    container = (struct container_info){ .status = "exited",
                                         SET(exit_status, 0),
                                         SET(exited, now - 2 * MINUTE) };
    assert_string_equal(status_text(&container, now, arena), "Exited (0) 2 minutes ago");
    container.status_reason = "oom";
    container.exit_status = 137;
    assert_string_equal(status_text(&container, now, arena), "Exited (137, oom) 2 minutes ago");
    container = (struct container_info){ .status = "exited", .status_reason = "host restarted" };
    assert_string_equal(status_text(&container, now, arena), "Exited (host restarted)");
}

static void a_command_is_quoted_and_cut_off(void **state)
{
    (void)state;
    assert_string_equal(command_text("sh -c true", 20, arena), "\"sh -c true\"");
    assert_string_equal(command_text("12345678901234567890", 20, arena),
                        "\"12345678901234567890\"");
    assert_string_equal(command_text("123456789012345678901", 20, arena),
                        "\"12345678901234567...\"");
    assert_string_equal(
        command_text("123456789012345\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc", 20, arena),
        "\"123456789012345\xc3\xbc\xc3\xbc...\"");
    assert_string_equal(command_text("123456789012345678901", SIZE_MAX, arena),
                        "\"123456789012345678901\"");
    assert_string_equal(command_text(NULL, 20, arena), "");
}

/* ---- progress ----------------------------------------------------------- */

static char *shown;
static size_t shown_size;
static FILE *stage_out;

static struct progress_view *view_new(enum progress_style style)
{
    stage_out = open_memstream(&shown, &shown_size);
    return progress_new(stage_out, style, false);
}

static void tell(struct progress_view *view, const char *stage, const char *item, uint64_t done,
                 uint64_t total, int64_t now)
{
    struct progress progress = {
        .stage = stage, .item = item, SET(done, done), SET(total, total), .unit = "bytes"
    };

    progress_take(view, &progress, now);
}

static void view_end(struct progress_view **view, int64_t now)
{
    progress_end(view, now);
    fclose(stage_out);
}

#define DIGEST_A "sha256:aaaaaaaaaaaa0000000000000000000000000000000000000000000000000000"
#define DIGEST_B "sha256:bbbbbbbbbbbb0000000000000000000000000000000000000000000000000000"

static void plain_progress_is_a_line_for_every_stage(void **state)
{
    struct progress_view *view = view_new(PROGRESS_LINES);

    (void)state;
    tell(view, "download", DIGEST_A, 0, 1000000, SECOND);
    tell(view, "download", DIGEST_A, 500000, 1000000, 2 * SECOND);
    tell(view, "unpack", DIGEST_A, 0, 0, 3 * SECOND);
    tell(view, "done", DIGEST_A, 1000000, 1000000, 4 * SECOND);
    view_end(&view, 5 * SECOND);
    assert_string_equal(shown, "aaaaaaaaaaaa   Downloading  0 B / 1.00 MB\n"
                               "aaaaaaaaaaaa   Unpacking    0 B\n"
                               "aaaaaaaaaaaa   Done         1.00 MB\n");
    free(shown);
}

static void every_stage_has_a_word_of_its_own(void **state)
{
    static const char *const stages[] = { "resolve", "download", "unpack",  "rebase",
                                          "commit",  "pack",     "upload",  "uploaded",
                                          "mounted", "present",  "wait",    "done" };
    struct progress_view *view = view_new(PROGRESS_LINES);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(stages); i++)
        tell(view, stages[i], "it", 0, 0, 0);
    view_end(&view, 0);
    for (const char *line = shown; line != NULL && *line != '\0';) {
        const char *word = strchr(line, ' ');

        word += strspn(word, " ");
        if (*word < 'A' || *word > 'Z')
            fail_msg("%s", word);
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    free(shown);
}

static void quiet_progress_says_nothing(void **state)
{
    struct progress_view *view = view_new(PROGRESS_NONE);

    (void)state;
    tell(view, "download", DIGEST_A, 0, 1000000, SECOND);
    view_end(&view, 2 * SECOND);
    assert_string_equal(shown, "");
    free(shown);
}

static void bars_show_amount_total_and_speed(void **state)
{
    struct progress_view *view = view_new(PROGRESS_BARS);

    (void)state;
    progress_size(view, 100, 24);
    tell(view, "download", DIGEST_A, 0, 10000000, SECOND);
    tell(view, "download", DIGEST_A, 5000000, 10000000, 2 * SECOND);
    fflush(stage_out);
    assert_non_null(strstr(shown, "[===============>              ] 5.00 MB / 10.0 MB  5.00 MB/s"));
    view_end(&view, 3 * SECOND);
    free(shown);
}

static void bars_are_drawn_in_place_and_fit_the_window(void **state)
{
    struct progress_view *view = view_new(PROGRESS_BARS);
    char *last;

    (void)state;
    progress_size(view, 40, 4); /* two lines of forty */
    tell(view, "download", DIGEST_A, 0, 10000000, SECOND);
    tell(view, "done", DIGEST_A, 10000000, 10000000, 2 * SECOND);
    tell(view, "download", DIGEST_B, 0, 10000000, 3 * SECOND);
    tell(view, "wait", "third", 0, 0, 4 * SECOND);
    view_end(&view, 5 * SECOND);
    last = strstr(shown, "\033[2A");
    assert_non_null(last);
    for (char *at = last; (at = strstr(at + 1, "\033[2A")) != NULL;)
        last = at;
    assert_null(strstr(last, "aaaaaaaaaaaa")); /* what is done goes first */
    assert_non_null(strstr(last, "bbbbbbbbbbbb"));
    for (char *line = strtok(last + 4, "\n"); line != NULL; line = strtok(NULL, "\n"))
        assert_true(strlen(line) <= 40 + 3);
    free(shown);
}

static void a_daemon_that_names_too_many_items_is_ignored(void **state)
{
    struct progress_view *view = view_new(PROGRESS_LINES);
    char name[32];
    size_t lines = 0;

    (void)state;
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "item-%d\033[2J", i);
        tell(view, "download", name, 0, 0, SECOND);
    }
    view_end(&view, SECOND);
    for (const char *at = shown; *at != '\0'; at++)
        lines += *at == '\n';
    assert_int_equal(lines, 512);
    assert_null(strchr(shown, '\033'));
    free(shown);
}

/* ---- what is generated -------------------------------------------------- */

static char *output_of(const char *command)
{
    FILE *pipe = popen(command, "r");
    char *text = calloc(1, 1 << 20);

    assert_non_null(pipe);
    assert_true(fread(text, 1, (1 << 20) - 1, pipe) > 0);
    assert_int_equal(pclose(pipe), 0);
    return text;
}

static void the_manual_page_is_that_of_the_table(void **state)
{
    char *made = output_of(TEST_BIN "/gantry help --man"),
         *kept = output_of("cat " TEST_SOURCE "/docs/man/gantry.1");

    (void)state;
    if (strcmp(made, kept) != 0)
        fail_msg("docs/man/gantry.1 is stale: gantry help --man >docs/man/gantry.1");
    free(made);
    free(kept);
}

static char *completed(const char *words, int count)
{
    char command[1024];

    snprintf(command, sizeof(command),
             "bash -c 'source <(" TEST_BIN
             "/gantry completion bash); COMP_WORDS=(%s); COMP_CWORD=%d; _gantry; "
             "printf \"%%s \" \"${COMPREPLY[@]}\"; echo'",
             words, count);
    return output_of(command);
}

static void completion_knows_commands_options_and_values(void **state)
{
    static const struct {
        const char *words;
        int at;
        const char *expected;
    } cases[] = {
        { "gantry im", 1, "images image import " },
        { "gantry namespace c", 2, "create " },
        { "gantry registry e", 2, "explain " },
        { "gantry manifest in", 2, "inspect " },
        { "gantry tags ls --user", 3, "--username " },
        { "gantry -n x run --memory-s", 4, "--memory-swap " },
        { "gantry run --network h", 3, "host " },
        { "gantry completion b", 2, "bash " },
        { "gantry --form", 1, "--format " },
        { "gantry help ki", 2, "kill " },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *got = completed(cases[i].words, cases[i].at);

        got[strcspn(got, "\n")] = '\0';
        assert_string_equal(got, cases[i].expected);
        free(got);
    }
}

static void assert_holds(const char *where, const char *text, const char *command, const char *word)
{
    if (strstr(text, word) == NULL)
        fail_msg("%s has no %s of gantry %s", where, word, command);
}

/* As troff wants a dash that is one. */
static const char *escaped(const char *name)
{
    static char text[80];
    size_t used = 0;

    used += (size_t)snprintf(text, sizeof(text), "\\-\\-");
    for (; *name != '\0' && used < sizeof(text) - 3; name++) {
        if (*name == '-')
            text[used++] = '\\';
        text[used++] = *name;
    }
    text[used] = '\0';
    return text;
}

/* Every command with every option that is taken: in its help, the manual, and what a shell
 * completes. */
static void nothing_that_can_be_typed_is_missing(void **state)
{
    char *manual = output_of("cat " TEST_SOURCE "/docs/man/gantry.1");
    char *first = completed("gantry \"\"", 1);

    (void)state;
    for (const struct command *at = commands; at->name != NULL; at++) {
        char words[200], line[300], *options, *help;
        int count = strchr(at->name, ' ') != NULL ? 3 : 2;

        if (at->hidden)
            continue;
        snprintf(words, sizeof(words), "gantry %s --", at->name);
        options = completed(words, count);
        snprintf(line, sizeof(line), TEST_BIN "/gantry help %s", at->name);
        help = output_of(line);
        snprintf(words, sizeof(words), "%.*s ", (int)strcspn(at->name, " "), at->name);
        assert_holds("completion", first, at->name, words);
        assert_holds("the manual", manual, at->name, at->name);
        for (const struct option *option = at->options; option != NULL && option->name != NULL;
             option++) {
            if (option->kind == OPTION_REFUSED)
                continue;
            snprintf(words, sizeof(words), "--%s ", option->name);
            assert_holds("completion", options, at->name, words);
            assert_holds("the manual", manual, at->name, escaped(option->name));
            words[strlen(words) - 1] = '\0';
            assert_holds("help", help, at->name, words);
        }
        for (const struct option *option = global_options; option->name != NULL; option++) {
            snprintf(words, sizeof(words), "--%s ", option->name);
            assert_holds("completion", options, at->name, words);
        }
        free(options);
        free(help);
    }
    free(first);
    free(manual);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(columns_are_aligned_by_characters),
        T(a_table_does_not_steer_the_terminal),
        T(states_are_shown_as_docker_shows_them),
        T(a_command_is_quoted_and_cut_off),
        T(plain_progress_is_a_line_for_every_stage),
        T(every_stage_has_a_word_of_its_own),
        T(quiet_progress_says_nothing),
        T(bars_show_amount_total_and_speed),
        T(bars_are_drawn_in_place_and_fit_the_window),
        T(a_daemon_that_names_too_many_items_is_ignored),
        T(the_manual_page_is_that_of_the_table),
        T(completion_knows_commands_options_and_values),
        T(nothing_that_can_be_typed_is_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
