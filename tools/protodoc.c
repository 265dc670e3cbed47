/*
 * protodoc — prints docs/protocol.md, the reference of every operation and message.
 *
 * It has no parser and no list of its own: what it prints are the tables that the
 * daemon works from, made from protocol/schema/ by the compiler.  A test prints it
 * again and compares, so the committed page cannot be older than the code.
 */
#include <stdio.h>
#include <string.h>

#include "protocol/error.h"
#include "protocol/schema.h"

/* ---- what stands before the tables ---------------------------------------------- */

static const char opening[] =
    "<!-- Printed by tools/protodoc.c from protocol/schema/; change those, then: "
    "cmake --build build/dev --target protocol-reference -->\n"
    "# Protocol reference\n"
    "\n"
    "Every operation, every message, every error code, protocol version %d. How messages travel, "
    "with bytes and a whole\n"
    "client, is told in [wire.md](wire.md); a running daemon tells the same as this page by "
    "`daemon.describe`.\n"
    "\n"
    "## In short\n"
    "\n"
    "- A message is two ZeroMQ frames: the [envelope](#envelope) and a body. Both are msgpack maps "
    "with string keys; the\n"
    "  body of `data` is raw bytes.\n"
    "- A `request` names an operation by `op` and gets exactly one final answer with its `id`: "
    "`reply`, whose body is the\n"
    "  operation's reply, or `error`, whose body is a [failure](#failure). Before it may come "
    "[progress](#progress), `item`\n"
    "  (a record each) and `data`; the receiver of these last two allows them by "
    "[credit](#credit).\n"
    "- A field that is not required may be absent, which means \"not said\"; zero and false are "
    "values. `nil` is the same as\n"
    "  absent. New fields are never required; names are never given another meaning.\n"
    "- In a request a key that is not in its table is refused and named, unless it begins with "
    "`x-`; in all that the daemon\n"
    "  sends ignore what you do not know. A key given twice is refused.\n"
    "- A message nests at most %d deep and has at most %u MiB; an array or map that announces more "
    "than its message holds is\n"
    "  refused before memory is taken.\n"
    "- Each operation takes a right: %s.\n";

/* Kind, msgpack, JSON. */
static const struct {
    enum kind kind;
    const char *wire, *shown;
} kinds[] = {
    { KIND_STR, "str: UTF-8 without NUL", "string" },
    { KIND_PATH, "str, or bin where it is not UTF-8; no NUL", "string, other bytes as U+FFFD" },
    { KIND_BIN, "bin", "base64" },
    { KIND_I64, "integer", "number" },
    { KIND_U64, "integer, not negative", "number, beyond 2^63-1 rounded" },
    { KIND_F64, "float, or an integer", "number" },
    { KIND_BOOL, "bool", "true or false" },
    { KIND_TIME, "integer: nanoseconds since 1970 UTC", "\"2026-01-02T03:04:05.000000006Z\"" },
    { KIND_MAP, "map of str to str", "object" },
    { KIND_STRS, "array of str", "array of strings" },
    { KIND_PATHS, "array of path", "array of strings" },
    { KIND_REC, "map: the record that is named", "object" },
    { KIND_LIST, "array of maps: the record that is named; empty when absent",
      "array, always there" },
};

/* ---- words in tables ---------------------------------------------------------------- */

/* A bar would end the table's cell. */
static void print_cell(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            putchar('\\');
        putchar(*text);
    }
}

static void print_record_link(const struct record *record)
{
    if (strcmp(record->name, "nothing") == 0)
        printf("-");
    else
        printf("[%s](#%s)", record->name, record->name);
}

static void print_opening(void)
{
    static const enum verb verbs[] = { VERB_READ, VERB_WRITE, VERB_RUN, VERB_ADMIN };
    char words[64] = "";

    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
        snprintf(words + strlen(words), sizeof(words) - strlen(words), "%s%s", i ? ", " : "",
                 verb_name(verbs[i]));
    printf(opening, PROTOCOL_VERSION, RECORD_DEPTH_MAX, RECORD_BYTES_MAX >> 20, words);
}

static void print_kinds(void)
{
    printf("\n## Kinds of fields\n\n| kind | on the wire | as JSON |\n| --- | --- | --- |\n");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        printf("| %s | %s | %s |\n", kind_name(kinds[i].kind), kinds[i].wire, kinds[i].shown);
}

static void print_codes(void)
{
    printf("\n## Error codes\n\n| code | meaning |\n| --- | --- |\n");
#define X(id, word, doc) printf("| `%s` | %s |\n", word, doc);
    ERROR_CODES(X)
#undef X
}

/* ---- operations ------------------------------------------------------------------------ */

static bool same_service(const struct op *a, const struct op *b)
{
    size_t length = strcspn(a->name, ".");

    return strcspn(b->name, ".") == length && memcmp(a->name, b->name, length) == 0;
}

static void print_op(const struct op *op)
{
    printf("| `%s` | %s | ", op->name, verb_name(op->verb));
    print_record_link(op->request());
    printf(" | ");
    print_record_link(op->reply());
    printf(" | ");
    print_record_link(op->item());
    printf(" | ");
    print_cell(op->doc);
    printf(" |\n");
}

static void print_ops(void)
{
    printf("\n## Operations\n");
    for (size_t i = 0; i < schema_op_count; i++) {
        if (i == 0 || !same_service(schema_ops[i - 1], schema_ops[i]))
            printf("\n### Service %.*s\n\n| operation | right | request | reply | items | |\n"
                   "| --- | --- | --- | --- | --- | --- |\n",
                   (int)strcspn(schema_ops[i]->name, "."), schema_ops[i]->name);
        print_op(schema_ops[i]);
    }
}

/* ---- records ------------------------------------------------------------------------------ */

static void print_type(const struct field *field)
{
    if (field->kind == KIND_LIST)
        printf("list of ");
    if (field->item != NULL)
        print_record_link(field->item());
    else
        printf("%s", kind_name(field->kind));
}

static void print_record(const struct record *record)
{
    printf("\n### %s\n\n%s\n\n| key | kind | | meaning |\n| --- | --- | --- | --- |\n",
           record->name, record->doc);
    for (size_t i = 0; i < record->field_count; i++) {
        const struct field *field = &record->fields[i];

        printf("| `%s` | ", field->name);
        print_type(field);
        printf(" | %s | ", field->required ? "required" : "");
        print_cell(field->doc);
        printf(" |\n");
    }
}

int main(void)
{
    print_opening();
    print_kinds();
    print_codes();
    print_ops();
    printf("\n## Records\n\nThe `shim_` records are what the daemon and `gantry-shim` say to each "
           "other, the `fetch_` records what it and `gantry-fetch` do; no operation carries them.\n");
    for (size_t i = 0; i < schema_record_count; i++)
        print_record(schema_records[i]());
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
