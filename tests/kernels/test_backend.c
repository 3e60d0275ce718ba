// SPDX-License-Identifier: MIT
// Which backend a name stands for (kernels/backend.h).
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/backend.h"
#include "tests/support/test.h"

static const struct gb_backend *found(const char *name) {
    const struct gb_backend *backend = NULL;
    assert_ok(gb_backend_find(name, &backend));
    return backend;
}

static int forget_environment(void **state) {
    (void)state;
    unsetenv("GB_BACKEND");
    unsetenv("GB_ISA");
    return 0;
}

GB_TEST_GROUP(forget_environment, NULL)

// In a process of its own, since the list of backends is made once.
static bool holds_with_isa(const char *isa, bool (*holds)(const char *isa)) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv("GB_ISA", isa, 1);
        _exit(holds(isa) ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool is_the_default(const char *isa) {
    const struct gb_backend *backend;
    if (gb_backend_find(NULL, &backend) != GB_OK || strcmp(backend->name, isa) != 0)
        return false;
    for (const struct gb_backend *const *b = gb_backends(); *b; b++)
        if ((*b)->fallback && (*b)->fallback != backend)
            return false;
    return true;
}

static bool is_refused(const char *isa) {
    const struct gb_backend *backend;
    return gb_backend_find(NULL, &backend) == GB_UNSUPPORTED &&
           strstr(gb_error_message(), "GB_ISA takes one of: ") && strstr(gb_error_message(), isa);
}

// First, before this process lists its backends.
GB_TEST(the_isa_limits_the_default) {
    assert_true(holds_with_isa("scalar", is_the_default));
    assert_true(holds_with_isa("nothing", is_refused));
}

GB_TEST(a_name_finds_its_backend) {
    for (const struct gb_backend *const *b = gb_backends(); *b; b++)
        if (gb_backend_supported(*b))
            assert_ptr_equal(found((*b)->name), *b);
    assert_null(found(NULL)->fallback);
}

// Each library over each native table; its name alone is over the default.
GB_TEST(a_library_lies_over_the_named_fallback) {
    for (const struct gb_backend *const *b = gb_backends(); *b; b++) {
        if (!(*b)->fallback)
            continue;
        assert_ptr_equal((*b)->fallback, found(NULL));
        for (const struct gb_backend *const *n = gb_backends(); *n && !(*n)->fallback; n++) {
            char name[64];
            snprintf(name, sizeof name, "%s+%s", (*b)->name, (*n)->name);
            if (!gb_backend_supported(*n)) {
                const struct gb_backend *none;
                assert_error(gb_backend_find(name, &none), GB_UNSUPPORTED, (*n)->isa);
                continue;
            }
            const struct gb_backend *pair = found(name);
            assert_string_equal(pair->name, name);
            assert_string_equal(pair->library, (*b)->library);
            assert_ptr_equal(pair->fallback, *n);
            assert_false(pair->same_bits);
            assert_true(gb_backend_falls_back(pair, "adam") && pair->adam == (*n)->adam);
            assert_false(gb_backend_falls_back(pair, "conv_forward"));
        }
    }
}

// Every backend multiplies floats; a library that has no bf16 of its own says so.
GB_TEST(precisions_are_those_of_own_kernels) {
    for (const struct gb_backend *const *b = gb_backends(); *b; b++) {
        const unsigned both = 1u << GB_F32 | 1u << GB_BF16;
        if (!(*b)->fallback)
            assert_int_equal((*b)->precisions, both);
        else if (strncmp((*b)->name, "blas", 4) == 0)
            assert_int_equal((*b)->precisions, 1u << GB_F32);
        else
            assert_true((*b)->precisions & 1u << GB_F32);
    }
}

GB_TEST(a_library_states_the_version_that_it_was_built_with) {
    for (const struct gb_backend *const *b = gb_backends(); *b; b++) {
        assert_int_equal((*b)->built_with != NULL, (*b)->load != NULL);
        if ((*b)->built_with && !strpbrk((*b)->built_with, "0123456789"))
            assert_non_null(strstr((*b)->built_with, ", version unknown"));
    }
}

GB_TEST(an_unknown_name_is_an_error) {
    const char *names[] = {"nothing", "avx", "avx2+scalar", "onednn+", "onednn+nothing", "+avx2"};
    const struct gb_backend *backend;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_error(gb_backend_find(names[i], &backend), GB_UNSUPPORTED, "unknown backend: ");
        assert_non_null(strstr(gb_error_message(), names[i]));
    }
}
