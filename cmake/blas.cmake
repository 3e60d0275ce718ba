# SPDX-License-Identifier: MIT
# The library of the blas backend, as the target gb_blas; if the library is missing there is no
# target and no such backend. GB_BLAS_VENDOR is OpenBLAS, BLIS, scipy-openblas or MKL (both from PyPI,
# under CMAKE_PREFIX_PATH; see bench/README.md), or another name that FindBLAS accepts as BLA_VENDOR of
# a library that runs on OpenMP or serially, as those do.
#
# Debian's /usr/lib/*/libblas.so is the library with the highest priority among the alternatives, so
# OpenBLAS and BLIS are found by name in their own directories. OpenBLAS must be its OpenMP flavour:
# the others do not run serially if called inside a parallel region.
include(CheckCSourceRuns)

if(GB_BLAS_VENDOR STREQUAL "OpenBLAS")
    set(gb_blas_names openblaso openblas)
    set(gb_blas_directories openblas-openmp openblas)
    set(gb_blas_definition GB_BLAS_IS_OPENBLAS)
elseif(GB_BLAS_VENDOR STREQUAL "BLIS")
    set(gb_blas_names blis blis-mt)
    set(gb_blas_directories blis-openmp blis)
    set(gb_blas_definition GB_BLAS_IS_BLIS)
elseif(GB_BLAS_VENDOR STREQUAL "scipy-openblas")
    set(gb_blas_names scipy_openblas)
    set(gb_blas_directories scipy_openblas)
    set(gb_blas_definition GB_BLAS_IS_SCIPY_OPENBLAS)
elseif(GB_BLAS_VENDOR STREQUAL "MKL")
    # Wheels have no symbolic links.
    set(gb_blas_names mkl_rt libmkl_rt.so.3 libmkl_rt.so.2)
    set(gb_blas_directories mkl)
    set(gb_blas_definition GB_BLAS_IS_MKL)
else()
    set(gb_blas_names "")
    set(gb_blas_directories "")
    set(gb_blas_definition "GB_BLAS_NAME=\"${GB_BLAS_VENDOR}\"")
endif()

# Cached per vendor.
set(gb_blas_library GB_BLAS_LIBRARY_${GB_BLAS_VENDOR})
set(gb_blas_include GB_BLAS_INCLUDE_${GB_BLAS_VENDOR})
if(gb_blas_names)
    find_library(${gb_blas_library} NAMES ${gb_blas_names} PATH_SUFFIXES ${gb_blas_directories})
else()
    set(BLA_VENDOR ${GB_BLAS_VENDOR})
    find_package(BLAS QUIET)
    set(${gb_blas_library} ${BLAS_LIBRARIES})
endif()
if(GB_BLAS_VENDOR STREQUAL "MKL")
    set(gb_blas_header mkl_cblas.h)
else()
    set(gb_blas_header cblas.h)
endif()
find_path(${gb_blas_include} NAMES ${gb_blas_header} PATH_SUFFIXES ${gb_blas_directories})
mark_as_advanced(${gb_blas_library} ${gb_blas_include})
list(LENGTH ${gb_blas_library} gb_blas_libraries)
if(gb_blas_libraries GREATER 1)
    message(STATUS "Backend blas: not built, ${GB_BLAS_VENDOR} is several libraries; MKL in one is the vendor MKL")
    return()
endif()
if(NOT ${gb_blas_library} OR NOT ${gb_blas_include})
    message(STATUS "Backend blas: not built, ${GB_BLAS_VENDOR} or its C header is missing")
    return()
endif()

if(GB_BLAS_VENDOR STREQUAL "OpenBLAS")
    set(CMAKE_REQUIRED_LIBRARIES ${${gb_blas_library}})
    set(CMAKE_REQUIRED_INCLUDES ${${gb_blas_include}})
    check_c_source_runs("#include <cblas.h>
        int main(void) { return openblas_get_parallel() != OPENBLAS_OPENMP; }" GB_OPENBLAS_OPENMP)
    unset(CMAKE_REQUIRED_LIBRARIES)
    unset(CMAKE_REQUIRED_INCLUDES)
    if(NOT GB_OPENBLAS_OPENMP)
        message(STATUS "Backend blas: not built, ${${gb_blas_library}} does not run on OpenMP")
        return()
    endif()
endif()

message(STATUS "Backend blas: ${GB_BLAS_VENDOR}, ${${gb_blas_library}}")
add_library(gb_blas INTERFACE)
target_include_directories(gb_blas SYSTEM INTERFACE ${${gb_blas_include}})
target_compile_definitions(gb_blas INTERFACE GB_BLAS ${gb_blas_definition}
                                             GB_BLAS_HEADER=<${gb_blas_header}>)
