# install.cmake - what `cmake --install` puts where; the package can be moved afterwards
include(CMakePackageConfigHelpers)

install(TARGETS thimble EXPORT thimbleTargets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS thimble_static ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/thimble DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET thimble_program)
    install(TARGETS thimble_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
foreach(page IN ITEMS docs/man/thimble.1)
    if(EXISTS ${PROJECT_SOURCE_DIR}/${page})
        install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
    endif()
endforeach()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/thimble)
install(EXPORT thimbleTargets NAMESPACE thimble:: DESTINATION ${package_dir})
configure_package_config_file(cmake/thimbleConfig.cmake.in thimbleConfig.cmake
    INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(thimbleConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/thimbleConfig.cmake ${PROJECT_BINARY_DIR}/thimbleConfigVersion.cmake
    DESTINATION ${package_dir})

# For the archive, pkg-config --static has to name what the shared library brings along.
file(RELATIVE_PATH pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" pc_prefix "${pc_prefix}")
set(pc_requires "libjpeg libpng libwebp libzip jansson nettle")
set(pc_libs "-ldnnl -lgif -l:libgomp.so.1 -lpthread -ldl -lm")
configure_file(cmake/thimble.pc.in thimble.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/thimble.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
