/* See moment.h. */
#include "platform/linux/runtime/moment.h"

#include <stdio.h>
#include <time.h>

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int month_days(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return days[month] + (month == 1 && is_leap(year));
}

const char *moment_now(char text[MOMENT_TEXT], bool precise)
{
    struct timespec now;
    long days, seconds;
    int year = 1970, month = 0, size;

    clock_gettime(CLOCK_REALTIME, &now);
    days = now.tv_sec / 86400;
    seconds = now.tv_sec % 86400;
    while (days >= 365 + is_leap(year))
        days -= 365 + is_leap(year++);
    while (days >= month_days(year, month))
        days -= month_days(year, month++);
    size = snprintf(text, MOMENT_TEXT, "%04d-%02d-%02dT%02ld:%02ld:%02ld", year, month + 1,
                    (int)days + 1, seconds / 3600, seconds / 60 % 60, seconds % 60);
    if (precise)
        size += snprintf(text + size, (size_t)(MOMENT_TEXT - size), ".%09ld", now.tv_nsec);
    snprintf(text + size, (size_t)(MOMENT_TEXT - size), "Z");
    return text;
}
