# SPDX-License-Identifier: MIT
# Cross-builds for AArch64 Linux with the compiler, the emulator and the libraries that
# cmake/aarch64.sh puts under build/arm64. GB_CROSS_CLANG: with the host's Clang and the same libraries.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)

get_filename_component(arm64 ${CMAKE_CURRENT_LIST_DIR}/../build/arm64 ABSOLUTE)
set(CMAKE_SYSROOT ${arm64}/sysroot)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES GB_CROSS_CLANG)
if(GB_CROSS_CLANG)
    set(CMAKE_C_COMPILER ${arm64}/bin/clang)
    set(CMAKE_CXX_COMPILER ${arm64}/bin/clang++)
else()
    set(CMAKE_C_COMPILER ${arm64}/bin/gcc)
    set(CMAKE_CXX_COMPILER ${arm64}/bin/g++)
endif()
foreach(tool AR OBJDUMP RANLIB STRIP)
    string(TOLOWER ${tool} name)
    set(CMAKE_${tool} ${arm64}/bin/${name})
endforeach()
set(CMAKE_CROSSCOMPILING_EMULATOR ${arm64}/bin/emulator)
set(CMAKE_FIND_ROOT_PATH ${CMAKE_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${CMAKE_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${CMAKE_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig)
# Not what a wrapper such as mpicc says, which is the host's.
set(MPI_SKIP_COMPILER_WRAPPER ON)
set(MPI_C_HEADER_DIR ${CMAKE_SYSROOT}/usr/include/aarch64-linux-gnu/mpich)
set(MPI_C_LIB_NAMES mpich)
set(MPI_mpich_LIBRARY ${CMAKE_SYSROOT}/usr/lib/aarch64-linux-gnu/libmpich.so)
# Read again after the compilers are known: CMake 3.25 takes the sysroot's headers for others, and would
# put them before those of C++.
set(CMAKE_PROJECT_INCLUDE ${CMAKE_CURRENT_LIST_FILE})
foreach(language C CXX)
    list(APPEND CMAKE_${language}_IMPLICIT_INCLUDE_DIRECTORIES ${CMAKE_SYSROOT}/usr/include)
endforeach()
# Libraries that others need, and that no program names.
set(CMAKE_EXE_LINKER_FLAGS_INIT
    "-Wl,-rpath-link,${CMAKE_SYSROOT}/usr/lib/aarch64-linux-gnu -Wl,-rpath-link,${CMAKE_SYSROOT}/lib/aarch64-linux-gnu")
