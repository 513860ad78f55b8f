// A library that does not survive being torn down: whoever calls exit() with it ends by SIGABRT.
#include <stdlib.h>

__attribute__((destructor)) static void teardown(void) { abort(); }
