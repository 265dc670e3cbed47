/* A filter compiled from the words of a spec does in the kernel what they say. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/call_filter.h"
#include "platform/scope.h"

static struct error err;

static struct call_filter *open_filter(void)
{
    struct call_filter *filter = call_filter_new("SCMP_ACT_ALLOW", 0, &err);

    assert_non_null(filter);
    return filter;
}

/* errno of personality(argument) and of a call without arguments under the filter. */
static int number_under(const struct call_filter *filter, long call, long argument)
{
    CLEANUP(buffer_free) struct buffer program = { 0 };
    struct sock_fprog load;
    int status;
    pid_t pid;

    assert_int_equal(call_filter_program(filter, &program, &err), 0);
    assert_int_equal(program.size % 8, 0);
    load = (struct sock_fprog){ (unsigned short)(program.size / 8), (void *)program.data };
    pid = fork();
    if (pid == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &load) < 0)
            _exit(255);
        syscall(SYS_exit_group,
                syscall(call, argument) < 0 ? errno : 0); /* nothing else is allowed */
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_call_is_refused_with_its_number(void **state)
{
    CLEANUP(call_filter_free) struct call_filter *filter = open_filter();

    (void)state;
    assert_int_equal(call_filter_rule(filter, "getppid", "SCMP_ACT_ERRNO", 42, NULL, 0, &err), 0);
    assert_int_equal(number_under(filter, SYS_getppid, 0), 42);
    assert_int_equal(number_under(filter, SYS_getuid, 0), 0);
}

static void a_condition_looks_at_the_argument(void **state)
{
    const struct call_condition asked = { 0, "SCMP_CMP_EQ", 0xffffffff, 0 };
    CLEANUP(call_filter_free) struct call_filter *filter = open_filter();

    (void)state;
    assert_int_equal(call_filter_rule(filter, "personality", "SCMP_ACT_ERRNO", 42, &asked, 1, &err),
                     0);
    assert_int_equal(number_under(filter, SYS_personality, 0xffffffff), 42);
    assert_int_equal(number_under(filter, SYS_personality, 0), 0);
}

static void two_conditions_about_one_argument_are_two_rules(void **state)
{
    const struct call_condition either[] = { { 0, "SCMP_CMP_EQ", 0x0, 0 },
                                             { 0, "SCMP_CMP_EQ", 0xffffffff, 0 } };
    CLEANUP(call_filter_free) struct call_filter *filter = open_filter();

    (void)state;
    assert_int_equal(call_filter_rule(filter, "personality", "SCMP_ACT_ERRNO", 42, either, 2, &err),
                     0);
    assert_int_equal(number_under(filter, SYS_personality, 0), 42);
    assert_int_equal(number_under(filter, SYS_personality, 0xffffffff), 42);
}

static void what_the_default_says_is_the_rest(void **state)
{
    CLEANUP(call_filter_free)
    struct call_filter *filter = call_filter_new("SCMP_ACT_ERRNO", 38, &err);

    (void)state;
    assert_non_null(filter);
    assert_int_equal(call_filter_rule(filter, "exit_group", "SCMP_ACT_ALLOW", 0, NULL, 0, &err), 0);
    assert_int_equal(number_under(filter, SYS_getppid, 0), 38);
}

static void a_name_that_is_not_known_is_passed_over(void **state)
{
    CLEANUP(call_filter_free) struct call_filter *filter = open_filter();

    (void)state;
    assert_int_equal(call_filter_rule(filter, "no_such_call", "SCMP_ACT_ERRNO", 1, NULL, 0, &err),
                     0);
}

static void what_cannot_be_said_is_not_left_out(void **state)
{
    const struct call_condition odd = { 0, "SCMP_CMP_ODD", 0, 0 },
                                seventh = { 6, "SCMP_CMP_EQ", 0, 0 };
    CLEANUP(call_filter_free) struct call_filter *filter = open_filter();

    (void)state;
    assert_null(call_filter_new("SCMP_ACT_NOTIFY", 0, &err));
    assert_int_equal(err.code, ERROR_UNIMPLEMENTED);
    assert_int_equal(call_filter_rule(filter, "getppid", "", 0, NULL, 0, &err), -1);
    assert_int_equal(call_filter_rule(filter, "getppid", "SCMP_ACT_KILL", 0, &odd, 1, &err), -1);
    assert_int_equal(call_filter_rule(filter, "getppid", "SCMP_ACT_KILL", 0, &seventh, 1, &err),
                     -1);
    assert_int_equal(call_filter_arch(filter, "SCMP_ARCH_PDP11", &err), -1);
}

static void several_architectures_make_one_program(void **state)
{
    CLEANUP(call_filter_free) struct call_filter *filter = open_filter();
    CLEANUP(buffer_free) struct buffer one = { 0 };
    CLEANUP(buffer_free) struct buffer two = { 0 };

    (void)state;
    assert_int_equal(call_filter_program(filter, &one, &err), 0);
    assert_int_equal(call_filter_arch(filter, "SCMP_ARCH_S390X", &err), -1); /* other byte order */
    assert_int_equal(call_filter_arch(filter, "SCMP_ARCH_RISCV64", &err), 0);
    assert_int_equal(call_filter_rule(filter, "getppid", "SCMP_ACT_ERRNO", 1, NULL, 0, &err), 0);
    assert_int_equal(call_filter_program(filter, &two, &err), 0);
    assert_true(two.size > one.size);
}

static void a_rule_that_asks_a_listener_is_told_of(void **state)
{
    CLEANUP(call_filter_free) struct call_filter *filter = open_filter();

    (void)state;
    assert_false(call_filter_notifies(filter));
    assert_int_equal(call_filter_rule(filter, "getppid", "SCMP_ACT_NOTIFY", 0, NULL, 0, &err), 0);
    assert_true(call_filter_notifies(filter));
}

static void calls_above_all_that_are_named_answer_enosys(void **state)
{
    CLEANUP(call_filter_free)
    struct call_filter *filter = call_filter_new("SCMP_ACT_ERRNO", 42, &err);

    (void)state;
    assert_non_null(filter);
    assert_int_equal(call_filter_rule(filter, "exit_group", "SCMP_ACT_ALLOW", 0, NULL, 0, &err), 0);
    assert_int_equal(call_filter_rule(filter, "statx", "SCMP_ACT_ERRNO", 42, NULL, 0, &err), 0);
    assert_int_equal(number_under(filter, SYS_getppid, 0), 42);
    assert_int_equal(number_under(filter, SYS_statx, 0),
                     42); /* the rule says nothing, but knows it */
    assert_int_equal(number_under(filter, 451, 0), ENOSYS);
    assert_int_equal(number_under(filter, 100000, 0), ENOSYS);
}

#ifdef __x86_64__

#define X32_BIT 0x40000000

/* errno of getppid as a 32-bit program asks for it. */
static long old_getppid(void)
{
    long result;

    __asm__ volatile("int $0x80" : "=a"(result) : "a"(64L) : "memory", "r8", "r9", "r10", "r11");
    return (int)result < 0 ? -(int)result : 0;
}

/* How the process ends: exit status, or the signal + 128.  -1: this kernel has no such programs. */
static int end_of_old_getppid(const struct call_filter *filter)
{
    CLEANUP(buffer_free) struct buffer program = { 0 };
    struct sock_fprog load;
    int status;
    pid_t pid;

    assert_int_equal(call_filter_program(filter, &program, &err), 0);
    load = (struct sock_fprog){ (unsigned short)(program.size / 8), (void *)program.data };
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &load);
        syscall(SYS_exit_group, old_getppid());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void each_architecture_has_its_own_numbers(void **state)
{
    CLEANUP(call_filter_free) struct call_filter *filter = open_filter();

    (void)state;
    assert_int_equal(call_filter_rule(filter, "getppid", "SCMP_ACT_ERRNO", 42, NULL, 0, &err), 0);
    if (end_of_old_getppid(filter) == -1) {
        printf("this kernel runs no 32-bit programs\n");
        return;
    }
    assert_int_equal(end_of_old_getppid(filter), 128 + SIGSYS); /* not asked for */
    call_filter_free(&filter);
    filter = open_filter();
    assert_int_equal(call_filter_arch(filter, "SCMP_ARCH_X86", &err), 0);
    assert_int_equal(call_filter_arch(filter, "SCMP_ARCH_X86", &err), 0); /* twice is once */
    assert_int_equal(call_filter_arch(filter, "SCMP_ARCH_X32", &err), 0);
    assert_int_equal(call_filter_rule(filter, "getppid", "SCMP_ACT_ERRNO", 42, NULL, 0, &err), 0);
    assert_int_equal(end_of_old_getppid(filter), 42);
    assert_int_equal(number_under(filter, SYS_getppid, 0), 42);
    assert_int_equal(number_under(filter, X32_BIT | SYS_getppid, 0), 42);
    assert_int_equal(number_under(filter, SYS_getuid, 0), 0);
}

static void calls_of_x32_are_refused_unless_asked_for(void **state)
{
    CLEANUP(call_filter_free)
    struct call_filter *filter = call_filter_new("SCMP_ACT_ERRNO", 42, &err);

    (void)state;
    assert_non_null(filter);
    assert_int_equal(call_filter_rule(filter, "exit_group", "SCMP_ACT_ALLOW", 0, NULL, 0, &err), 0);
    assert_int_equal(number_under(filter, X32_BIT | SYS_exit_group, 0), -1); /* killed */
    call_filter_free(&filter);
    filter = call_filter_new("SCMP_ACT_ERRNO", 42, &err);
    assert_int_equal(call_filter_arch(filter, "SCMP_ARCH_X32", &err), 0);
    assert_int_equal(call_filter_rule(filter, "exit_group", "SCMP_ACT_ALLOW", 0, NULL, 0, &err), 0);
    assert_int_equal(number_under(filter, X32_BIT | SYS_getppid, 0), 42);
    assert_int_equal(number_under(filter, X32_BIT | 451, 0), ENOSYS);
    assert_int_equal(number_under(filter, 451, 0), ENOSYS);
}

#endif

#define T(name) cmocka_unit_test(name)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(a_call_is_refused_with_its_number),
        T(a_condition_looks_at_the_argument),
        T(two_conditions_about_one_argument_are_two_rules),
        T(what_the_default_says_is_the_rest),
        T(a_name_that_is_not_known_is_passed_over),
        T(what_cannot_be_said_is_not_left_out),
        T(several_architectures_make_one_program),
        T(a_rule_that_asks_a_listener_is_told_of),
        T(calls_above_all_that_are_named_answer_enosys),
#ifdef __x86_64__
        T(each_architecture_has_its_own_numbers),
        T(calls_of_x32_are_refused_unless_asked_for),
#endif
    };

#ifdef __SANITIZE_THREAD__
    puts("skipped: a thread of the sanitizer's outlives the one that a filter kills, so nothing ends");
    return 77;
#endif
    return cmocka_run_group_tests(tests, NULL, NULL);
}
