# FindDNNL.cmake - oneDNN: header, library, version -> DNNL::dnnl, DNNL::omp, DNNL_VERSION
#
# Our own, because Debian's package file asks for OpenCL headers that nobody needs here. Both the v2
# and the v3 API are accepted; the version is read from dnnl_version.h.
#
# DNNL::omp is the OpenMP runtime that oneDNN itself runs on, to set its number of threads. PITFALL:
# FindOpenMP would give clang's libomp, a second runtime whose settings oneDNN never sees.
find_path(DNNL_INCLUDE_DIR NAMES dnnl.h)
find_library(DNNL_LIBRARY NAMES dnnl)
find_library(DNNL_OMP_LIBRARY NAMES libgomp.so.1)

set(DNNL_VERSION "")
foreach(header oneapi/dnnl/dnnl_version.h dnnl_version.h)
    if(NOT DNNL_VERSION AND DNNL_INCLUDE_DIR AND EXISTS "${DNNL_INCLUDE_DIR}/${header}")
        file(STRINGS "${DNNL_INCLUDE_DIR}/${header}" lines REGEX "define DNNL_VERSION_(MAJOR|MINOR|PATCH) ")
        string(REGEX REPLACE "[^0-9;]+" "" numbers "${lines}")
        string(REPLACE ";" "." DNNL_VERSION "${numbers}")
    endif()
endforeach()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(DNNL
    REQUIRED_VARS DNNL_LIBRARY DNNL_INCLUDE_DIR DNNL_OMP_LIBRARY
    VERSION_VAR DNNL_VERSION)

if(DNNL_FOUND AND NOT TARGET DNNL::dnnl)
    add_library(DNNL::dnnl UNKNOWN IMPORTED)
    set_target_properties(DNNL::dnnl PROPERTIES
        IMPORTED_LOCATION "${DNNL_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${DNNL_INCLUDE_DIR}")
    add_library(DNNL::omp UNKNOWN IMPORTED)
    set_target_properties(DNNL::omp PROPERTIES IMPORTED_LOCATION "${DNNL_OMP_LIBRARY}")
endif()
mark_as_advanced(DNNL_INCLUDE_DIR DNNL_LIBRARY DNNL_OMP_LIBRARY)
