# packages.cmake - the libraries that Thimble stands on; each module links what it uses
#
# Modules write target_link_libraries(thimble_objects PRIVATE JPEG::JPEG ...). script/bootstrap
# installs all of them.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(DNNL 2.6 REQUIRED) # DNNL::dnnl and DNNL::omp
find_package(JPEG REQUIRED) # JPEG::JPEG
find_package(PNG REQUIRED) # PNG::PNG
find_package(GIF REQUIRED) # GIF::GIF
find_package(PkgConfig REQUIRED)
foreach(name webp:libwebp zip:libzip jansson:jansson nettle:nettle)
    string(REPLACE ":" ";" pair ${name})
    list(GET pair 0 target)
    list(GET pair 1 package)
    pkg_check_modules(${target} REQUIRED IMPORTED_TARGET ${package}) # PkgConfig::webp and so on
endforeach()
pkg_check_modules(hdf5 IMPORTED_TARGET hdf5) # optional: PkgConfig::hdf5, for Keras' files
pkg_check_modules(curl IMPORTED_TARGET libcurl>=7.85) # optional: PkgConfig::curl, for downloads
pkg_check_modules(linalg IMPORTED_TARGET openblas lapacke) # optional: PkgConfig::linalg, for heads
find_path(RANDOM123_INCLUDE_DIR Random123/philox.h REQUIRED)
