// SPDX-License-Identifier: MIT
#include "kernels/libxsmm/libxsmm_library.h"

#include <stdio.h>

#include "kernels/vendor.h"

struct gb_xsmm gb_xsmm;
__typeof__(libxsmm_bsmmdispatch_reducebatch_addr) *gb_libxsmm_product;
int gb_libxsmm_conv_block;
char gb_libxsmm_name[64];
const char gb_libxsmm_header[] = "libxsmm " LIBXSMM_CONFIG_VERSION;

static struct {
    __typeof__(libxsmm_init) *init;
    __typeof__(libxsmm_get_target_archid) *get_target_archid;
    __typeof__(libxsmm_get_target_arch) *get_target_arch;
    __typeof__(libxsmm_smmdispatch) *smmdispatch;
    __typeof__(libxsmm_bsmmdispatch_reducebatch_addr) *bsmmdispatch_reducebatch_addr;
} library;

static enum gb_status load(void) {
    static const char what[] = "cannot load library", title[] = "libxsmm";
#define ENTRY(name) {"libxsmm_dnn_" #name, (void **)&gb_xsmm.name},
#define COMMON(name) {"libxsmm_" #name, (void **)&library.name},
    static const struct gb_vendor_function functions[] = {
        GB_XSMM_FUNCTIONS(ENTRY) COMMON(init) COMMON(get_target_archid) COMMON(get_target_arch)
            COMMON(smmdispatch) COMMON(bsmmdispatch_reducebatch_addr)};
#undef COMMON
#undef ENTRY
    static const struct gb_vendor_library file = {
        title, GB_LIBXSMM_FILE, GB_LIBXSMM_PATH, functions, sizeof functions / sizeof *functions,
        true};
    GB_TRY(gb_vendor_load(&file));
    library.init();
    if (library.get_target_archid() < LIBXSMM_X86_AVX2)
        return gb_fail(GB_UNSUPPORTED, what, title, "this CPU lacks AVX2");
    // Its layers call what this returns without asking.
    if (!library.smmdispatch(16, 16, 16, NULL, NULL, NULL, NULL, NULL, NULL, NULL))
        return gb_fail(GB_UNSUPPORTED, what, title, "the system refuses memory for generated code");
    const bool avx512 = library.get_target_archid() >= LIBXSMM_X86_AVX512_CORE;
    gb_libxsmm_conv_block = avx512 ? 64 : 32;
    gb_libxsmm_product = avx512 ? library.bsmmdispatch_reducebatch_addr : NULL;
    snprintf(gb_libxsmm_name, sizeof gb_libxsmm_name, "%s (%s)", gb_libxsmm_header,
             library.get_target_arch());
    return GB_OK;
}

enum gb_status gb_libxsmm_load(void) {
    static struct gb_vendor_once once = GB_VENDOR_ONCE;
    return gb_vendor_load_once(&once, load);
}
