# What goes onto the user's machine: headers, both libraries, cress.pc, the CMake package.

include(CMakePackageConfigHelpers)

install(TARGETS cress cress_static EXPORT cress
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h)

# cress.pc finds the tree from its own place, so that the tree can be moved as a whole.
set(pkgconfig_dir ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH pc_to_prefix ${pkgconfig_dir} ${CMAKE_INSTALL_PREFIX})
file(RELATIVE_PATH pc_libdir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_LIBDIR})
file(RELATIVE_PATH pc_includedir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
configure_file(cress.pc.in cress.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cress.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/cress)
install(EXPORT cress NAMESPACE cress:: FILE cress-targets.cmake DESTINATION ${package_dir})
configure_package_config_file(cmake/cress-config.cmake.in cress-config.cmake
    INSTALL_DESTINATION ${package_dir})
# Before 1.0 a new minor version may break a caller.
write_basic_package_version_file(cress-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cress-config.cmake
              ${PROJECT_BINARY_DIR}/cress-config-version.cmake DESTINATION ${package_dir})
