# SPDX-License-Identifier: MIT
# `cmake --install`: the program, the static libraries kernels and flows with their headers, and what
# other projects find them with: glowbench-config.cmake (glowbench::kernels, glowbench::flows),
# glowbench-kernels.pc and glowbench-flows.pc. Headers go to include/glowbench, which is the include
# directory, so that users write #include "kernels/backend.h" as this project does.
include(CMakePackageConfigHelpers)

# What users of the libraries include; the headers that these include are installed too.
set(gb_public_headers kernels/arena.h kernels/backend.h flows/files/checkpoint.h flows/models/model.h)

# The headers of this project that those given include, directly or not, and they themselves.
function(gb_headers_reached_from output)
    set(headers ${ARGN})
    set(next ${ARGN})
    while(next)
        list(POP_FRONT next header)
        file(STRINGS ${CMAKE_SOURCE_DIR}/${header} lines REGEX "^#include \"")
        foreach(line IN LISTS lines)
            string(REGEX REPLACE "^#include \"([^\"]*)\".*" "\\1" included "${line}")
            if(NOT included IN_LIST headers)
                list(APPEND headers ${included})
                list(APPEND next ${included})
            endif()
        endforeach()
    endwhile()
    set(${output} ${headers} PARENT_SCOPE)
endfunction()

function(gb_install_package)
    set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/glowbench)
    set(include_dir ${CMAKE_INSTALL_INCLUDEDIR}/glowbench)
    foreach(library base kernels flows)
        set_target_properties(gb_${library} PROPERTIES OUTPUT_NAME glowbench_${library}
                                                       EXPORT_NAME ${library})
    endforeach()

    # gb_options brings these to a build; users of an installed copy link them, but do not compile
    # with OpenMP's flags. Vendor libraries are loaded at run time.
    set(threads $<LINK_ONLY:Threads::Threads>)
    set(pc_libs -pthread)
    if(NOT GB_PTHREADS)
        list(APPEND threads $<LINK_ONLY:OpenMP::OpenMP_C>)
        list(PREPEND pc_libs ${OpenMP_C_FLAGS})
    endif()
    target_link_libraries(gb_base INTERFACE "$<INSTALL_INTERFACE:${threads}>")
    foreach(library IN LISTS CMAKE_DL_LIBS)
        list(APPEND pc_libs -l${library})
    endforeach()
    list(JOIN pc_libs " " pc_libs)

    # Where it looks for vendor libraries that this build makes (cmake/libxsmm.cmake), and others.
    set_target_properties(glowbench PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
    install(TARGETS glowbench RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    install(TARGETS gb_base gb_kernels gb_flows EXPORT glowbench
            ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
            INCLUDES DESTINATION ${include_dir})
    gb_headers_reached_from(headers ${gb_public_headers})
    foreach(header IN LISTS headers)
        get_filename_component(directory ${header} DIRECTORY)
        install(FILES ${header} DESTINATION ${include_dir}/${directory})
    endforeach()
    install(FILES README.md CHANGELOG.md CITATION.cff LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

    install(EXPORT glowbench NAMESPACE glowbench:: FILE glowbench-targets.cmake
            DESTINATION ${package_dir})
    configure_package_config_file(cmake/glowbench-config.cmake.in glowbench-config.cmake
                                  INSTALL_DESTINATION ${package_dir}
                                  NO_SET_AND_CHECK_MACRO)
    write_basic_package_version_file(glowbench-config-version.cmake COMPATIBILITY SameMinorVersion)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/glowbench-config.cmake
                  ${CMAKE_CURRENT_BINARY_DIR}/glowbench-config-version.cmake
            DESTINATION ${package_dir})

    # The prefix is given relative to the file, so that `cmake --install --prefix` may choose it.
    file(RELATIVE_PATH pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
    foreach(library kernels flows)
        configure_file(cmake/glowbench-${library}.pc.in glowbench-${library}.pc @ONLY)
        install(FILES ${CMAKE_CURRENT_BINARY_DIR}/glowbench-${library}.pc
                DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
    endforeach()
endfunction()
