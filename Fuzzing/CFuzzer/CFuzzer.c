#include "CFuzzer.h"

/// Never called: the main that comes with libFuzzer asks for it, and ours takes that one's place.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return 0; }
