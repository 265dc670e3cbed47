/* thread_order — the one variable that orders threads for ThreadSanitizer; see the header. */
#include "actors/base/thread_order.h"

#if defined(__SANITIZE_THREAD__)
char thread_order_tag;
#else
typedef int nothing_to_order;
#endif
