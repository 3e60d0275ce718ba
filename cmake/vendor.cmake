# SPDX-License-Identifier: MIT
# Vendor libraries are not linked but loaded when their backend is first asked for (kernels/vendor.h).
target_link_libraries(gb_kernels PUBLIC ${CMAKE_DL_LIBS})

# gb_vendor_library(PREFIX LIBRARY): defines PREFIX_FILE, the name that the dynamic linker knows the shared
# library by, and PREFIX_PATH, that file next to LIBRARY. Programs of the build tree search there.
function(gb_vendor_library prefix library)
    get_filename_component(real ${library} REALPATH)
    get_filename_component(file ${real} NAME)
    get_filename_component(directory ${library} DIRECTORY)
    execute_process(COMMAND ${CMAKE_OBJDUMP} -p ${real} OUTPUT_VARIABLE headers ERROR_QUIET)
    if(headers MATCHES "SONAME +([^\n ]+)")
        set(file ${CMAKE_MATCH_1})
    endif()
    target_compile_definitions(gb_kernels PRIVATE ${prefix}_FILE="${file}" ${prefix}_PATH="${directory}/${file}")
    if(NOT directory IN_LIST CMAKE_C_IMPLICIT_LINK_DIRECTORIES)
        target_link_options(gb_kernels INTERFACE $<BUILD_INTERFACE:LINKER:-rpath,${directory}>)
    endif()
endfunction()

# The same for a shared library that this build makes.
function(gb_vendor_target prefix target)
    target_compile_definitions(gb_kernels PRIVATE ${prefix}_FILE="$<TARGET_FILE_NAME:${target}>"
                                                  ${prefix}_PATH="$<TARGET_FILE:${target}>")
    add_dependencies(gb_kernels ${target})
endfunction()
