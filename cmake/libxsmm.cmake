# SPDX-License-Identifier: MIT
# The library of the libxsmm backend: GB_LIBXSMM_FOUND, GB_LIBXSMM_INCLUDE, and GB_LIBXSMM_SHARED, the
# target of a shared library made here where there is only an archive, as in Debian (libxsmm-dev).
# Version 2 moved the layers into a project of its own and does not serve.
find_path(GB_LIBXSMM_INCLUDE libxsmm_dnn_convolution.h)
find_library(GB_LIBXSMM_LIBRARY xsmm)
find_library(GB_LIBXSMM_NOBLAS xsmmnoblas)
mark_as_advanced(GB_LIBXSMM_INCLUDE GB_LIBXSMM_LIBRARY GB_LIBXSMM_NOBLAS)

set(GB_LIBXSMM_FOUND OFF CACHE INTERNAL "")
if(NOT GB_LIBXSMM_INCLUDE OR NOT GB_LIBXSMM_LIBRARY)
    message(STATUS "Backend libxsmm: not built, libxsmm 1.x (libxsmm-dev) is missing")
    return()
endif()
if(GB_LIBXSMM_LIBRARY MATCHES "\\.a$" AND NOT GB_LIBXSMM_NOBLAS)
    message(STATUS "Backend libxsmm: not built, libxsmmnoblas is missing")
    return()
endif()
file(STRINGS ${GB_LIBXSMM_INCLUDE}/libxsmm_version.h text REGEX "define LIBXSMM_CONFIG_VERSION ")
string(REGEX REPLACE ".*\"(.*)\".*" "\\1" text "${text}")
message(STATUS "Backend libxsmm: libxsmm ${text}, ${GB_LIBXSMM_LIBRARY}")
set(GB_LIBXSMM_FOUND ON CACHE INTERNAL "")
if(GB_LIBXSMM_LIBRARY MATCHES "\\.a$")
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/libxsmm_empty.c "")
    add_library(gb_libxsmm SHARED ${CMAKE_CURRENT_BINARY_DIR}/libxsmm_empty.c)
    set_target_properties(gb_libxsmm PROPERTIES OUTPUT_NAME glowbench_xsmm)
    target_link_options(gb_libxsmm PRIVATE LINKER:--whole-archive ${GB_LIBXSMM_LIBRARY} ${GB_LIBXSMM_NOBLAS}
                                           LINKER:--no-whole-archive)
    target_link_libraries(gb_libxsmm PRIVATE Threads::Threads ${CMAKE_DL_LIBS} rt m)
    install(TARGETS gb_libxsmm LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
