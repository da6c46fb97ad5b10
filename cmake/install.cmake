# What an installation holds: program, libraries, headers, pkg-config files, the CMake package, models.
include(CMakePackageConfigHelpers)

set(MCVD_PACKAGE_FOLDER ${CMAKE_INSTALL_LIBDIR}/cmake/mcvd)

install(TARGETS mcvd RUNTIME)
install(TARGETS mcvd_shared EXPORT mcvd-targets LIBRARY)
install(TARGETS mcvd_static EXPORT mcvd-static-targets ARCHIVE)
install(DIRECTORY include/mcvd DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_BINARY_DIR}/include/mcvd/version.h
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/mcvd)
install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/mcvd
    FILES_MATCHING PATTERN "*.json" PATTERN "*.safetensors")
install(FILES LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# Relative to itself, so that `cmake --install --prefix` anywhere gives a working file.
file(RELATIVE_PATH MCVD_PC_UP /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
foreach(name mcvd mcvd-static)
    configure_file(cmake/${name}.pc.in ${name}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${name}.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

install(EXPORT mcvd-targets NAMESPACE mcvd:: DESTINATION ${MCVD_PACKAGE_FOLDER})
install(EXPORT mcvd-static-targets NAMESPACE mcvd:: DESTINATION ${MCVD_PACKAGE_FOLDER})
configure_package_config_file(cmake/mcvd-config.cmake.in mcvd-config.cmake
    INSTALL_DESTINATION ${MCVD_PACKAGE_FOLDER})
write_basic_package_version_file(mcvd-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/mcvd-config.cmake ${PROJECT_BINARY_DIR}/mcvd-config-version.cmake
    DESTINATION ${MCVD_PACKAGE_FOLDER})
