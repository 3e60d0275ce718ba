// SPDX-License-Identifier: MIT
#include "tests/fuzz/fuzz.h"

#include "tasks/data/npz.h"

void gb_fuzz_npz(const uint8_t *bytes, size_t size) {
    struct gb_byte_matrix matrix;
    if (gb_npz_read(gb_fuzz_file("arrays.npz", bytes, size), "data", &matrix) == GB_OK)
        gb_byte_matrix_free(&matrix);
}
