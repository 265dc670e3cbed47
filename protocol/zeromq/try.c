/* try — whether the static libraries can be linked: asked by CMake, part of no program. */
#include <czmq.h>

int main(void)
{
    zsock_t *socket = zsock_new_router("inproc://try");
    zactor_t *actor = zactor_new(zauth, NULL);

    zactor_destroy(&actor);
    zsock_destroy(&socket);
    return 0;
}
