/* scope — locals that clean up after themselves: CLEANUP(file_close) struct file file = { 0 }; */
#ifndef PLATFORM_SCOPE_H
#define PLATFORM_SCOPE_H

#define CLEANUP(release)  __attribute__((cleanup(release)))
#define COUNT_OF(array)   (sizeof(array) / sizeof(*(array)))
#define UNUSED            __attribute__((unused))

#endif
