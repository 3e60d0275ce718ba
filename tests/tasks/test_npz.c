// SPDX-License-Identifier: MIT

#include "tasks/data/npz.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/tasks/npz_archive.h"

enum { ROWS = 3, COLUMNS = 12, VALUES = ROWS * COLUMNS };
static const char header[] = "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 12), }";

static unsigned char values[VALUES]; // that count up from 0

static int count_up(void **state) {
    (void)state;
    for (int i = 0; i < VALUES; i++)
        values[i] = (unsigned char)i;
    return 0;
}

GB_TEST_GROUP(count_up, NULL)

GB_FIXTURE_TEST(reads_stored_and_deflated_arrays) {
    for (int version = 1; version <= 3; version++)
        for (int deflate = 0; deflate < 2; deflate++) {
            write_array("a.npz", header, version, values, VALUES,
                        deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE);
            struct gb_byte_matrix matrix;
            assert_ok(gb_npz_read(gb_fixture_path("a.npz"), "data", &matrix));
            assert_int_equal(matrix.rows, ROWS);
            assert_int_equal(matrix.columns, COLUMNS);
            assert_memory_equal(matrix.values, values, VALUES);
            gb_byte_matrix_free(&matrix);
        }
}

// As Python 2 wrote it.
GB_FIXTURE_TEST(reads_long_integers) {
    struct gb_byte_matrix matrix;
    write_array("a.npz", "{'descr': '|u1', 'fortran_order': False, 'shape': (3L, 12L), }", 1,
                values, VALUES, ZIP_CM_STORE);
    assert_ok(gb_npz_read(gb_fixture_path("a.npz"), "data", &matrix));
    assert_true(matrix.rows == ROWS && matrix.columns == COLUMNS);
    gb_byte_matrix_free(&matrix);
}

static void assert_refused(const char *name, const char *reason) {
    struct gb_byte_matrix matrix;
    assert_int_equal(gb_npz_read(gb_fixture_path(name), "data", &matrix), GB_BAD_INPUT);
    assert_null(matrix.values);
    assert_message(name, reason);
}

GB_FIXTURE_TEST(refuses_other_files) {
    assert_refused("nowhere.npz", "No such file");
    gb_fixture_directory("folder.npz");
    assert_refused("folder.npz", "");
    gb_fixture_text("text.npz", "not an archive");
    assert_refused("text.npz", "Not a zip archive");
    write_archive("x.npz", "x.npy", header, sizeof header, ZIP_CM_STORE);
    assert_refused("x.npz", "holds no data.npy");
    write_archive("text_in.npz", "data.npy", header, sizeof header, ZIP_CM_STORE);
    assert_refused("text_in.npz", "not a NumPy array");
    write_archive("short.npz", "data.npy", "\x93NUMPY\x01", 7, ZIP_CM_STORE);
    assert_refused("short.npz", "truncated");
}

GB_FIXTURE_TEST(refuses_other_arrays) {
    const struct {
        const char *dictionary, *reason;
    } arrays[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3), }", "'<f4'"},
        {"{'descr': '\033[2J\n', 'fortran_order': False, 'shape': (3, 12), }", "'?[2J?'"},
        {"{'descr': '|u1', 'fortran_order': True, 'shape': (3, 12), }", "not in C order"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (36,), }", "(36,)"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (3, 4, 3), }", "(3, 4, 3)"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (3M, 12), }", "(3M, 12)"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (0, 12), }", "is empty"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 12), }", "36 bytes for 4 x 12"},
        {"{'descr': '|u1', 'fortran_order': False, }", "damaged header"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (999999999999999999, "
         "999999999999999999), }",
         "36 bytes for"},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        write_array("a.npz", arrays[i].dictionary, 1, values, VALUES, ZIP_CM_STORE);
        assert_refused("a.npz", arrays[i].reason);
    }
}

// Wherever it is cut, an archive has lost its directory.
GB_FIXTURE_TEST(refuses_cut_archives) {
    write_array("a.npz", header, 1, values, VALUES, ZIP_CM_DEFLATE);
    const size_t size = gb_fixture_size("a.npz");
    for (size_t cut = 0; cut < size; cut += 7) {
        write_array("a.npz", header, 1, values, VALUES, ZIP_CM_DEFLATE);
        gb_fixture_truncate("a.npz", cut);
        assert_refused("a.npz", "");
    }
}

GB_FIXTURE_TEST(refuses_changed_values) {
    write_array("a.npz", header, 1, values, VALUES, ZIP_CM_STORE);
    size_t size;
    char *bytes = gb_fixture_bytes("a.npz", &size);
    for (size_t i = 0; i + VALUES <= size; i++)
        if (memcmp(bytes + i, values, VALUES) == 0)
            bytes[i + VALUES / 2] ^= 1;
    gb_fixture_file("a.npz", bytes, size);
    free(bytes);
    assert_refused("a.npz", "CRC");
}

// A size that the archive cannot hold is refused before memory is taken for it.
GB_FIXTURE_TEST(refuses_absurd_sizes) {
    write_array("a.npz", header, 1, values, VALUES, ZIP_CM_DEFLATE);
    size_t size;
    char *bytes = gb_fixture_bytes("a.npz", &size);
    for (size_t i = 0; i + 28 <= size; i++) // the directory's entries
        if (memcmp(bytes + i, "PK\1\2", 4) == 0)
            memcpy(bytes + i + 24, "\0\0\0\xf0", 4);
    gb_fixture_file("a.npz", bytes, size);
    free(bytes);
    assert_refused("a.npz", "cannot have 4026531840 bytes");
}
