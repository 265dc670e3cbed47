/*
 * config_values — which settings there are, and what may be said of each.
 *
 * The list is config.def.  What a value must be is said there by its kind and its ends; what some must be beyond
 * that stands here by key.
 */
#ifndef ACTORS_SUPERVISOR_CONFIG_VALUES_HPP
#define ACTORS_SUPERVISOR_CONFIG_VALUES_HPP

#include <cstdint>
#include <string>
#include <vector>

enum kind { TEXT, WORD, LIST, NUMBER, SIZE, SHARE, TIME };

struct setting {
    kind what;
    const char *key;
    const char *fallback;
    const char *least; /* numbers: the smallest; words: the words */
    const char *most;
};

extern const std::vector<setting> settings;

const setting *setting_find(const std::string &key); /* nullptr: there is none */

/* Items are as many as the setting takes: one, or a LIST's.  Sizes become plain numbers. */
bool setting_accept(const setting &entry, std::vector<std::string> &items);
/* "log.level is 'loud', expected one of ..." */
std::string setting_refusal(const setting &entry, const std::vector<std::string> &items);

/* Words between blanks and commas. */
std::vector<std::string> split(const std::string &text);
/* 100ms, 1.5s, 2m, 1h: milliseconds; false when it is none of these. */
bool time_of(const std::string &text, uint64_t &ms);

#endif
