# SPDX-License-Identifier: MIT
# Finds oneDNN under CMAKE_PREFIX_PATH or in the system: DNNL_FOUND, DNNL_VERSION and the target
# DNNL::dnnl. oneDNN's own package file is not used: Debian's fails without the headers of OpenCL,
# which CPU programs do not need.
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.h)
find_library(DNNL_LIBRARY dnnl)
mark_as_advanced(DNNL_INCLUDE_DIR DNNL_LIBRARY)

if(DNNL_INCLUDE_DIR)
    file(READ ${DNNL_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h text)
    string(REGEX MATCH "DNNL_VERSION_MAJOR ([0-9]+)" match "${text}")
    set(DNNL_VERSION ${CMAKE_MATCH_1})
    string(REGEX MATCH "DNNL_VERSION_MINOR ([0-9]+)" match "${text}")
    string(APPEND DNNL_VERSION .${CMAKE_MATCH_1})
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(DNNL REQUIRED_VARS DNNL_LIBRARY DNNL_INCLUDE_DIR
                                       VERSION_VAR DNNL_VERSION)
if(DNNL_FOUND AND NOT TARGET DNNL::dnnl)
    add_library(DNNL::dnnl UNKNOWN IMPORTED)
    set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_LOCATION ${DNNL_LIBRARY}
                                                INTERFACE_INCLUDE_DIRECTORIES ${DNNL_INCLUDE_DIR})
endif()
