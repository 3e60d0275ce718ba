// SPDX-License-Identifier: MIT
// What the firmware calls a machine, from made-up files of DMI.
#include <string.h>

#include "tasks/machine.h"
#include "tests/support/fixture.h"

static void check_product(const char *vendor, const char *name, const char *expected) {
    char product[GB_PRODUCT];
    gb_fixture_text("sys_vendor", vendor);
    gb_fixture_text("product_name", name);
    gb_machine_product(gb_fixture_path(""), product);
    assert_string_equal(product, expected);
}

GB_FIXTURE_TEST(a_product_has_its_vendors_name_once) {
    check_product("Amazon EC2\n", "c7i.xlarge\n", "Amazon EC2 c7i.xlarge");
    check_product("Google\n", "Google Compute Engine\n", "Google Compute Engine");
    check_product("Dell Inc. \n", "PowerEdge R750  \n", "Dell Inc. PowerEdge R750");
}

GB_FIXTURE_TEST(placeholders_are_no_product) {
    check_product("To Be Filled By O.E.M.\n", "To Be Filled By O.E.M.\n", "");
    check_product("ASUS\n", "System Product Name\n", "ASUS");
    check_product("Default string\n", "NUC12\n", "NUC12");
    check_product("\n", "\n", "");
    char product[GB_PRODUCT] = "x";
    gb_machine_product(gb_fixture_path("absent"), product);
    assert_string_equal(product, "");
}

GB_FIXTURE_TEST(a_product_is_short_and_utf8) {
    char product[GB_PRODUCT], name[512];
    for (size_t i = 0; i < sizeof name - 1; i++)
        name[i] = (char)(i % 2 ? 0xa9 : 0xc3);
    name[sizeof name - 1] = '\0';
    gb_fixture_text("sys_vendor", name);
    gb_fixture_text("product_name", name + 2);
    gb_machine_product(gb_fixture_path(""), product);
    assert_true(strlen(product) < GB_PRODUCT);
    json_t *text = json_string(product);
    assert_non_null(text); // NULL if it is not UTF-8
    json_decref(text);
}
