/* The parts of a process that have a file each; see process.h.  What is absent is left alone. */
#ifndef RUNTIME_PROCESS_PARTS_H
#define RUNTIME_PROCESS_PARTS_H

#include "platform/linux/runtime/process.h"

/* Index of a word in a table; -1 when it is not there. */
int word_find(const char *const *words, size_t count, const char *word);
/* Each of a list of texts must be in the table, of at most 64 words; its index is a bit of *found.
 */
int words_find(const struct place *up, const char *key, const char *const *words, size_t count,
               uint64_t *found, struct arena *arena, struct error *err);
/* Remembers a sentence for the log. */
void process_warn(struct process_spec *spec, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* libc's words for an errno the way Go writes them, which is what callers of runc look for. */
const char *error_words(int os, char text[64]);

int rlimits_read(struct process_spec *spec, const struct place *process, struct error *err);
int rlimits_raise(const struct process_spec *spec, pid_t pid, struct error *err);
int rlimits_apply(const struct process_spec *spec, struct error *err);

int capabilities_read(struct process_spec *spec, const struct place *process, struct error *err);
int capabilities_bound(const struct process_spec *spec, struct error *err);
int capabilities_apply(const struct process_spec *spec, struct error *err);
/* What is permitted becomes effective: between setuid and capabilities_apply(). */
int capabilities_raise(struct error *err);

int schedule_read(struct process_spec *spec, const struct place *process, struct error *err);
int schedule_apply(const struct process_spec *spec, struct error *err);

int affinity_read(struct process_spec *spec, const struct place *process, struct error *err);
int memory_policy_read(struct process_spec *spec, const struct place *linux_, struct error *err);
int memory_policy_apply(const struct process_spec *spec, struct error *err);
/* The words that `features` prints; elements may be NULL. */
const char *const *memory_policy_modes(size_t *count);
const char *const *memory_policy_flags(size_t *count);
int personality_read(struct process_spec *spec, const struct place *linux_, struct error *err);
int personality_apply(const struct process_spec *spec, struct error *err);

int labels_read(struct process_spec *spec, const struct place *process, struct error *err);
int labels_apply(const struct process_spec *spec, struct error *err);
bool apparmor_is_enabled(void);
bool selinux_is_enabled(void);

int keyring_join(const char *id, struct error *err);

/* "0-3,7"; -1 when it is no such list. */
int numbers_parse(const char *text, struct numbers *numbers);

int user_read(struct process_spec *spec, const struct place *process, struct error *err);
int user_become(const struct process_spec *spec, struct error *err);

int env_read(struct process_spec *spec, const struct place *process, struct error *err);
/* The value, or NULL. */
const char *env_get(const struct process_spec *spec, const char *name);
void env_put(struct process_spec *spec, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* HOME, from the container's passwd, when nobody says it. */
void env_put_home(struct process_spec *spec);

/* Fills spec->path. */
int program_locate(struct process_spec *spec, struct error *err);

#endif
