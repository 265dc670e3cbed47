/*
 * pattern — regular expressions that cannot hang.
 *
 * A pattern comes from a client and runs over every record of a list.  Matching
 * walks all alternatives at once (a Thompson automaton), so the time is the
 * length of the text times the size of the pattern, both bounded here; there
 * are no back references and no backtracking.  Being the project's own it
 * behaves alike on every system.
 *
 * Known: . [a-z] [^a-z] \d \D \w \W \s \S, ( ) (?: ) | * + ? {m} {m,} {m,n},
 * ^ $ for the ends of the text, \ before punctuation, (?i) at the very beginning
 * for letters of either case.  A dot and a negated set take a whole character of
 * UTF-8; sets name ASCII characters only.
 */
#ifndef PROTOCOL_PATTERN_H
#define PROTOCOL_PATTERN_H

#include "protocol/record.h"

#define PATTERN_LENGTH_MAX 256  /* bytes of a pattern */
#define PATTERN_STEPS_MAX  512  /* of its automaton; a{1,3} takes as many as aa?a? */
#define PATTERN_TEXT_MAX   4096 /* what is behind is not looked at */

struct pattern;

/* In the arena.  INVALID_ARGUMENT says at which byte and what. */
int pattern_compile(const char *text, struct pattern **out, struct arena *arena, struct error *err);

/* Somewhere in the text; ^ and $ tie it to the ends. */
bool pattern_match(const struct pattern *pattern, const char *text);

#endif
