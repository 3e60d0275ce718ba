// SPDX-License-Identifier: MIT
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "flows/files/safetensors.h"

void gb_fuzz_safetensors(const uint8_t *bytes, size_t size) {
    struct gb_safetensors file;
    if (gb_safetensors_open(&file, gb_fuzz_file("tensors", bytes, size)) != GB_OK)
        return;
    for (size_t i = 0; i < file.count; i++) {
        const struct gb_stored_tensor *tensor = gb_safetensors_find(&file, file.list[i].name);
        if (!tensor || tensor->elements > size)
            abort();
        float *elements = calloc(tensor->elements + 1, sizeof *elements);
        if (elements)
            gb_stored_floats(tensor, elements);
        free(elements);
    }
    gb_safetensors_close(&file);
}
