/* Signals by name and number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <signal.h>

#include "protocol/oci/signal.h"

static int parsed(const char *text)
{
    struct error err = { 0 };
    int number = 0;

    return signal_parse(text, &number, &err) < 0 ? -1 : number;
}

static void a_signal_is_known_with_and_without_sig_in_any_case(void **state)
{
    (void)state;
    assert_int_equal(parsed("SIGTERM"), SIGTERM);
    assert_int_equal(parsed("TERM"), SIGTERM);
    assert_int_equal(parsed("term"), SIGTERM);
    assert_int_equal(parsed("sigKill"), SIGKILL);
    assert_int_equal(parsed("15"), 15);
    assert_int_equal(parsed("64"), 64);
    assert_int_equal(parsed("SIGPOLL"), SIGIO);
    assert_int_equal(parsed("IOT"), SIGABRT);
}

static void real_time_signals_count_as_libc_counts(void **state)
{
    (void)state;
    assert_int_equal(parsed("SIGRTMIN"), SIGRTMIN);
    assert_int_equal(parsed("SIGRTMIN+3"), SIGRTMIN + 3); /* systemd's "halt" */
    assert_int_equal(parsed("rtmin+30"), SIGRTMIN + 30);
    assert_int_equal(parsed("RTMAX-1"), SIGRTMAX - 1);
    assert_int_equal(parsed("RTMAX"), SIGRTMAX);
    assert_int_equal(parsed("RTMIN+31"), -1);
    assert_int_equal(parsed("RTMIN-1"), -1);
    assert_int_equal(parsed("RTMAX+1"), -1);
    assert_int_equal(parsed("RTMIN+"), -1);
    assert_int_equal(parsed("RTMIN+999999999999"), -1);
}

static void what_is_no_signal_is_refused_and_named(void **state)
{
    static const char *const bad[] = { "",
                                       "0",
                                       "65",
                                       "-1",
                                       "+9",
                                       "9 ",
                                       " 9",
                                       "SIG",
                                       "NOPE",
                                       "SIGTERMX",
                                       "1e1",
                                       "0x9",
                                       "999999999999999999999",
                                       "SIGSIGTERM" };
    struct error err = { 0 };
    int number;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(parsed(bad[i]), -1);
    assert_int_equal(signal_parse("SIGNOPE", &number, &err), -1);
    assert_int_equal(err.code, ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "SIGNOPE"));
}

static void every_name_leads_back_to_its_number(void **state)
{
    (void)state;
    for (int i = 1; i <= 64; i++)
        if (signal_name(i) != NULL)
            assert_int_equal(parsed(signal_name(i)), i);
    assert_string_equal(signal_name(SIGWINCH), "SIGWINCH");
    assert_string_equal(signal_name(SIGSYS), "SIGSYS");
    assert_null(signal_name(0));
    assert_null(signal_name(32));
    assert_null(signal_name(65));
    assert_null(signal_name(-1));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_is_known_with_and_without_sig_in_any_case),
        cmocka_unit_test(real_time_signals_count_as_libc_counts),
        cmocka_unit_test(what_is_no_signal_is_refused_and_named),
        cmocka_unit_test(every_name_leads_back_to_its_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
