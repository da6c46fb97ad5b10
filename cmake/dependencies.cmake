# Everything outside is found here and nowhere else.
find_package(PkgConfig REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS C)
find_package(Threads REQUIRED)

pkg_check_modules(FFMPEG REQUIRED IMPORTED_TARGET libavformat libavcodec libavutil libswscale)
pkg_check_modules(OPENBLAS REQUIRED IMPORTED_TARGET openblas)
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(ZIP REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(NETTLE REQUIRED IMPORTED_TARGET nettle)

find_path(RANDOM123_INCLUDE_DIR Random123/philox.h REQUIRED)

if(MCVD_ONEDNN)
    # Debian's oneDNN has no .pc file; newer ones ship a CMake package of different names.
    find_path(DNNL_INCLUDE_DIR dnnl.h REQUIRED)
    find_library(DNNL_LIBRARY dnnl REQUIRED)
endif()

# The authors' shards: libhdf5, and LZF, by which their frames are compressed.
if(MCVD_HDF5)
    if(MCVD_HDF5 STREQUAL AUTO)
        pkg_check_modules(HDF5 QUIET IMPORTED_TARGET hdf5)
        pkg_check_modules(LZF QUIET IMPORTED_TARGET liblzf)
    else()
        pkg_check_modules(HDF5 REQUIRED IMPORTED_TARGET hdf5)
        pkg_check_modules(LZF REQUIRED IMPORTED_TARGET liblzf)
    endif()
endif()
set(MCVD_HAVE_HDF5 0)
if(MCVD_HDF5 AND HDF5_FOUND AND LZF_FOUND)
    set(MCVD_HAVE_HDF5 1)
endif()

# What libmcvd links; the same in the words of pkg-config.
set(MCVD_DEPENDENCIES
    PkgConfig::FFMPEG PkgConfig::OPENBLAS PkgConfig::CJSON PkgConfig::YAML
    PkgConfig::ZIP PkgConfig::NETTLE OpenMP::OpenMP_C Threads::Threads m)
set(MCVD_PC_REQUIRES "libavformat libavcodec libavutil libswscale openblas libcjson yaml-0.1 libzip nettle")
set(MCVD_PC_LIBS "${OpenMP_C_FLAGS} -pthread -lm")
if(MCVD_HAVE_HDF5)
    list(APPEND MCVD_DEPENDENCIES PkgConfig::HDF5 PkgConfig::LZF)
    string(APPEND MCVD_PC_REQUIRES " hdf5 liblzf")
endif()
if(MCVD_ONEDNN)
    list(APPEND MCVD_DEPENDENCIES ${DNNL_LIBRARY})
    set(MCVD_PC_LIBS "-ldnnl ${MCVD_PC_LIBS}")
endif()
