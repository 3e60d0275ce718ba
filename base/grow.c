// SPDX-License-Identifier: MIT
#include "base/grow.h"

#include <stdlib.h>
#include <string.h>

void *gb_grow(void *list, size_t count, size_t size) {
    if ((count & (count - 1)) == 0)
        list = realloc(list, (count ? 2 * count : 1) * size);
    if (list)
        memset((char *)list + count * size, 0, size);
    return list;
}
