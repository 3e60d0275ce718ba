// SPDX-License-Identifier: MIT
#include "kernels/onednn/onednn_library.h"

#include <stdbool.h>
#include <stdio.h>

#include "kernels/vendor.h"

struct gb_dnnl gb_dnnl;
char gb_onednn_name[64];

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
const char gb_onednn_header[] =
    "oneDNN " TEXT(DNNL_VERSION_MAJOR) "." TEXT(DNNL_VERSION_MINOR) "." TEXT(DNNL_VERSION_PATCH);

static enum gb_status load(void) {
#define ENTRY(name) {"dnnl_" #name, (void **)&gb_dnnl.name},
    static const struct gb_vendor_function functions[] = {GB_DNNL_FUNCTIONS(ENTRY)};
#undef ENTRY
    static const struct gb_vendor_library library = {
        "oneDNN", GB_ONEDNN_FILE, GB_ONEDNN_PATH, functions, sizeof functions / sizeof *functions,
        false};
    GB_TRY(gb_vendor_load(&library));
    const dnnl_version_t *version = gb_dnnl.version();
    if (version->major != DNNL_VERSION_MAJOR)
        return gb_fail(GB_UNSUPPORTED, "cannot load library", "oneDNN",
                       "%s is version %d, but this build is for version %d", GB_ONEDNN_FILE,
                       version->major, DNNL_VERSION_MAJOR);
    const bool openmp = DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP;
    snprintf(gb_onednn_name, sizeof gb_onednn_name, "oneDNN %d.%d.%d%s", version->major,
             version->minor, version->patch, openmp ? "" : ", its own number of threads");
    return GB_OK;
}

enum gb_status gb_onednn_load(void) {
    static struct gb_vendor_once once = GB_VENDOR_ONCE;
    return gb_vendor_load_once(&once, load);
}
