/*
 * A compiler in one pass and a matcher without backtracking.
 *
 * Code is emitted while the pattern is read.  Jumps are relative, so a piece of
 * code can be moved (to put a fork before it) and copied (for a{3}) as it is.
 */
#include "protocol/pattern.h"

#include <string.h>

#define DEPTH_MAX  32  /* of parentheses */
#define REPEAT_MAX 255 /* of {m,n} */

enum step_kind { STEP_SET, STEP_FORK, STEP_JUMP, STEP_BEGIN, STEP_END, STEP_MATCH };

struct step {
    enum step_kind kind;
    int jump;              /* FORK: the second way (the first is the next step); JUMP */
    unsigned char set[32]; /* SET: the bytes that may come, as bits */
};

struct pattern {
    int count;
    struct step steps[PATTERN_STEPS_MAX];
};

/* ---- sets of bytes ------------------------------------------------------------ */

static void set_add(unsigned char *set, int first, int last)
{
    for (int c = first; c <= last; c++)
        set[c / 8] |= (unsigned char)(1u << c % 8);
}

static bool set_has(const unsigned char *set, unsigned char c)
{
    return set[c / 8] >> c % 8 & 1;
}

static void set_turn(unsigned char *set)
{
    for (int i = 0; i < 32; i++)
        set[i] = (unsigned char)~set[i];
}

static void set_fold(unsigned char *set)
{
    for (int c = 'a'; c <= 'z'; c++) {
        int upper = c - 'a' + 'A';

        if (set_has(set, (unsigned char)c) || set_has(set, (unsigned char)upper)) {
            set_add(set, c, c);
            set_add(set, upper, upper);
        }
    }
}

/* \d \w \s and their opposites; false for other letters */
static bool set_class(unsigned char *set, char letter)
{
    unsigned char own[32] = { 0 };
    char lower = (char)(letter | 0x20);

    if (lower != 'd' && lower != 'w' && lower != 's')
        return false;
    if (lower == 's') {
        set_add(own, '\t', '\r');
        set_add(own, ' ', ' ');
    } else {
        set_add(own, '0', '9');
    }
    if (lower == 'w') {
        set_add(own, 'a', 'z');
        set_add(own, 'A', 'Z');
        set_add(own, '_', '_');
    }
    if (letter != lower) {
        set_turn(own);
        memset(own + 16, 0, 16); /* what is not ASCII: see emit_other() */
    }
    for (int i = 0; i < 32; i++)
        set[i] |= own[i];
    return true;
}

/* ---- compiling ------------------------------------------------------------------ */

struct reader {
    const char *text, *at;
    struct pattern *out;
    struct error *err;
    int depth;
    bool fold; /* (?i) */
};

static int fail(const struct reader *r, const char *why)
{
    return error_set(r->err, ERROR_INVALID_ARGUMENT, "pattern, byte %d: %s",
                     (int)(r->at - r->text) + 1, why);
}

/* Room for `count` steps at `at`; what is there moves up. */
static struct step *insert(struct reader *r, int at, int count)
{
    struct step *steps = r->out->steps;

    if (count > PATTERN_STEPS_MAX - r->out->count) {
        fail(r, "the pattern is too large");
        return NULL;
    }
    memmove(steps + at + count, steps + at, (size_t)(r->out->count - at) * sizeof(*steps));
    memset(steps + at, 0, (size_t)count * sizeof(*steps));
    r->out->count += count;
    return steps + at;
}

static int emit(struct reader *r, struct step step)
{
    struct step *at = insert(r, r->out->count, 1);

    if (at == NULL)
        return -1;
    *at = step;
    if (r->fold)
        set_fold(at->set);
    return 0;
}

static int emit_byte(struct reader *r, char c)
{
    struct step step = { .kind = STEP_SET };

    set_add(step.set, (unsigned char)c, (unsigned char)c);
    return emit(r, step);
}

/* One of the ASCII characters in `set`, or any character of several bytes: lead (cont)* */
static int emit_other(struct reader *r, const unsigned char *set)
{
    struct step first = { .kind = STEP_SET }, more = { .kind = STEP_SET };

    memcpy(first.set, set, 16);
    set_add(first.set, 0xc0, 0xff);
    set_add(more.set, 0x80, 0xbf);
    if (emit(r, first) < 0 || emit(r, (struct step){ .kind = STEP_FORK, .jump = 3 }) < 0 ||
        emit(r, more) < 0)
        return -1;
    return emit(r, (struct step){ .kind = STEP_JUMP, .jump = -2 });
}

/* A character of several bytes is repeated as one. */
static int emit_character(struct reader *r, char c)
{
    if (emit_byte(r, c) < 0)
        return -1;
    while ((unsigned char)c >= 0xc0 && ((unsigned char)*r->at & 0xc0) == 0x80)
        if (emit_byte(r, *r->at++) < 0)
            return -1;
    return 0;
}

static bool is_punctuation(char c)
{
    return c != '\0' && strchr("\\.[](){}|*+?^$-/\"'!#%&,:;<=>@_`~ ", c) != NULL;
}

static int read_escape(struct reader *r)
{
    struct step step = { .kind = STEP_SET };
    char c = *r->at;

    if (!is_punctuation(c) && !set_class(step.set, c))
        return fail(r, "behind \\ comes punctuation or one of d D w W s S");
    r->at++;
    if (is_punctuation(c))
        return emit_byte(r, c);
    return c >= 'A' && c <= 'Z' ? emit_other(r, step.set) : emit(r, step);
}

/* One character of a set; -1 after an error, -2 for a class, which is in `set` already. */
static int read_set_item(struct reader *r, unsigned char *set)
{
    unsigned char c = (unsigned char)*r->at;

    if (c == '\0')
        return fail(r, "the set is not closed: ] is missing");
    if (c >= 0x80)
        return fail(r, "a set names ASCII characters only");
    r->at++;
    if (c != '\\')
        return c;
    c = (unsigned char)*r->at;
    if (is_punctuation((char)c)) {
        r->at++;
        return c;
    }
    if (c >= 'A' && c <= 'Z')
        return fail(r, "a set takes no opposite of a class");
    if (!set_class(set, (char)c))
        return fail(r, "behind \\ comes punctuation or one of d w s");
    r->at++;
    return -2;
}

/* What stands between [ and ] */
static int read_set(struct reader *r, struct step *step)
{
    bool first = true;

    for (; *r->at != ']' || first; first = false) {
        int low = read_set_item(r, step->set), high = low;

        if (low == -1)
            return -1;
        if (low >= 0 && r->at[0] == '-' && r->at[1] != ']' && r->at[1] != '\0') {
            r->at++;
            high = read_set_item(r, step->set);
            if (high == -1)
                return -1;
            if (high < low)
                return fail(r, "the range in the set is the wrong way round");
        }
        if (low >= 0)
            set_add(step->set, low, high);
    }
    r->at++;
    return 0;
}

static int read_brackets(struct reader *r)
{
    struct step step = { .kind = STEP_SET };
    bool turned = *r->at == '^';

    if (turned)
        r->at++;
    if (read_set(r, &step) < 0)
        return -1;
    if (!turned)
        return emit(r, step);
    if (r->fold)
        set_fold(step.set);
    set_turn(step.set);
    return emit_other(r, step.set);
}

static int read_alternatives(struct reader *r);

static int read_group(struct reader *r)
{
    if (r->at[0] == '?' && r->at[1] == ':')
        r->at += 2;
    if (++r->depth > DEPTH_MAX)
        return fail(r, "parentheses are nested too deep");
    if (read_alternatives(r) < 0)
        return -1;
    r->depth--;
    if (*r->at != ')')
        return fail(r, ") is missing");
    r->at++;
    return 0;
}

static int read_atom(struct reader *r)
{
    unsigned char every[32];
    char c = *r->at;

    if (c == '*' || c == '+' || c == '?' || c == '{')
        return fail(r, "there is nothing to repeat");
    r->at++;
    switch (c) {
    case '(':
        return read_group(r);
    case '[':
        return read_brackets(r);
    case '\\':
        return read_escape(r);
    case '.':
        memset(every, 0xff, sizeof(every));
        return emit_other(r, every);
    case '^':
        return emit(r, (struct step){ .kind = STEP_BEGIN });
    case '$':
        return emit(r, (struct step){ .kind = STEP_END });
    default:
        return emit_character(r, c);
    }
}

/* ---- repeating --------------------------------------------------------------------- */

static int make_optional(struct reader *r, int from)
{
    int length = r->out->count - from;
    struct step *fork = insert(r, from, 1);

    if (fork == NULL)
        return -1;
    *fork = (struct step){ .kind = STEP_FORK, .jump = length + 1 };
    return 0;
}

static int make_star(struct reader *r, int from)
{
    int length = r->out->count - from;

    if (make_optional(r, from) < 0)
        return -1;
    r->out->steps[from].jump = length + 2;
    return emit(r, (struct step){ .kind = STEP_JUMP, .jump = -(length + 1) });
}

static int append_copy(struct reader *r, int from, int length)
{
    struct step *at = insert(r, r->out->count, length);

    if (at == NULL)
        return -1;
    memcpy(at, r->out->steps + from, (size_t)length * sizeof(*at));
    return 0;
}

/* The steps from `from` on, `least` to `most` times; most -1: without end.  aaa(a(a)?)?, aaaa* */
static int repeat(struct reader *r, int from, int least, int most)
{
    int length = r->out->count - from, last = from;
    int copies = most < 0 ? least + 1 : most;

    if (copies == 0) {
        r->out->count = from;
        return 0;
    }
    for (int i = 1; i < copies; i++) {
        last = r->out->count;
        if (append_copy(r, from, length) < 0)
            return -1;
    }
    if (most < 0)
        return make_star(r, last);
    for (int i = copies; i > least; i--)
        if (make_optional(r, from + (i - 1) * length) < 0)
            return -1;
    return 0;
}

static int read_number(struct reader *r, int *out)
{
    int value = 0, digits = 0;

    for (; *r->at >= '0' && *r->at <= '9' && digits < 4; r->at++, digits++)
        value = value * 10 + (*r->at - '0');
    if (digits == 0 || value > REPEAT_MAX)
        return fail(r, "a repetition is {m}, {m,} or {m,n} with numbers up to 255");
    *out = value;
    return 0;
}

/* Behind the brace. */
static int read_counts(struct reader *r, int *least, int *most)
{
    if (read_number(r, least) < 0)
        return -1;
    *most = *least;
    if (*r->at == ',') {
        r->at++;
        *most = -1;
        if (*r->at != '}' && read_number(r, most) < 0)
            return -1;
    }
    if (*r->at != '}' || (*most >= 0 && *most < *least))
        return fail(r, "a repetition is {m}, {m,} or {m,n} with m not over n");
    r->at++;
    return 0;
}

static int read_repeated(struct reader *r)
{
    int from = r->out->count, least = 0, most = -1;
    char c;

    if (read_atom(r) < 0)
        return -1;
    c = *r->at;
    if (c == '\0' || strchr("*+?{", c) == NULL)
        return 0;
    r->at++;
    if (c == '{' && read_counts(r, &least, &most) < 0)
        return -1;
    if (c == '+')
        least = 1;
    if (c == '?')
        most = 1;
    if (*r->at == '?') /* lazy or not: the answer is the same */
        r->at++;
    return repeat(r, from, least, most);
}

static int read_sequence(struct reader *r)
{
    while (*r->at != '\0' && *r->at != '|' && *r->at != ')')
        if (read_repeated(r) < 0)
            return -1;
    return 0;
}

/* a|b: a fork before a, a jump behind it over b */
static int read_alternatives(struct reader *r)
{
    int from = r->out->count, length, behind;

    if (read_sequence(r) < 0)
        return -1;
    if (*r->at != '|')
        return 0;
    r->at++;
    length = r->out->count - from;
    if (make_optional(r, from) < 0 || emit(r, (struct step){ .kind = STEP_JUMP }) < 0)
        return -1;
    r->out->steps[from].jump = length + 2;
    behind = r->out->count;
    if (read_alternatives(r) < 0)
        return -1;
    r->out->steps[behind - 1].jump = r->out->count - behind + 1;
    return 0;
}

int pattern_compile(const char *text, struct pattern **out, struct arena *arena, struct error *err)
{
    struct reader reader = { .text = text, .at = text, .err = err };

    if (strlen(text) > PATTERN_LENGTH_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "pattern: longer than %d bytes",
                         PATTERN_LENGTH_MAX);
    reader.out = *out = arena_alloc(arena, sizeof(**out));
    reader.fold = strncmp(text, "(?i)", 4) == 0;
    if (reader.fold)
        reader.at += 4;
    if (read_alternatives(&reader) < 0)
        return -1;
    if (*reader.at != '\0')
        return fail(&reader, "there is a ) too many");
    return emit(&reader, (struct step){ .kind = STEP_MATCH });
}

/* ---- matching ------------------------------------------------------------------------ */

/* The places in the automaton that are reached, each once. */
struct places {
    int count;
    short at[PATTERN_STEPS_MAX];
};

struct matching {
    const struct pattern *pattern;
    unsigned seen[PATTERN_STEPS_MAX]; /* generation that reached it last */
    unsigned generation;
    bool at_begin, at_end;
};

/* All places that can be reached from `from` without taking a byte; true when the end is among
   them. */
static bool reach(struct matching *m, int from, struct places *out)
{
    short stack[PATTERN_STEPS_MAX + 1];
    int depth = 0;

    stack[depth++] = (short)from;
    while (depth > 0) {
        int at = stack[--depth];
        const struct step *step = &m->pattern->steps[at];

        if (m->seen[at] == m->generation)
            continue;
        m->seen[at] = m->generation;
        if (step->kind == STEP_MATCH)
            return true;
        if (step->kind == STEP_SET)
            out->at[out->count++] = (short)at;
        if (step->kind == STEP_FORK || step->kind == STEP_JUMP)
            stack[depth++] = (short)(at + step->jump);
        if (step->kind == STEP_FORK || (step->kind == STEP_BEGIN && m->at_begin) ||
            (step->kind == STEP_END && m->at_end))
            stack[depth++] = (short)(at + 1);
    }
    return false;
}

static bool advance(struct matching *m, const struct places *from, unsigned char c,
                    struct places *to)
{
    for (int i = 0; i < from->count; i++) {
        int at = from->at[i];

        if (set_has(m->pattern->steps[at].set, c) && reach(m, at + 1, to))
            return true;
    }
    return false;
}

bool pattern_match(const struct pattern *pattern, const char *text)
{
    struct matching m = { .pattern = pattern, .generation = 1 };
    struct places places[2];
    size_t size = strnlen(text, PATTERN_TEXT_MAX);
    int now = 0;

    places[now].count = 0;
    for (size_t i = 0;; i++) {
        struct places *next = &places[1 - now];

        m.at_begin = i == 0;
        m.at_end = i == size;
        if (reach(&m, 0, &places[now])) /* a match may begin anywhere */
            return true;
        if (i == size)
            return false;
        m.generation++;
        m.at_begin = false;
        m.at_end = i + 1 == size;
        next->count = 0;
        if (advance(&m, &places[now], (unsigned char)text[i], next))
            return true;
        now = 1 - now;
    }
}
