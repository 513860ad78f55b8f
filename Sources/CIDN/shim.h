#ifndef GATEPOST_CIDN_SHIM_H
#define GATEPOST_CIDN_SHIM_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <idn2.h>
#include <uninorm.h>

// UNINORM_NFC is a macro over an incomplete type. Whether Normalization Form C leaves the valid UTF-8 `octets` as
// they are.
static inline bool gatepost_is_composed(const uint8_t *octets, size_t count) {
    size_t length = 0;
    uint8_t *composed = u8_normalize(UNINORM_NFC, octets, count, NULL, &length);
    bool same = composed != NULL && length == count && memcmp(composed, octets, count) == 0;
    free(composed);
    return same;
}

#endif
