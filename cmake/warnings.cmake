# warnings.cmake - the flags that our own C is compiled with: target thimble_flags
#
# -ffp-contract=off: a fused multiply-add would give other bits on another machine or compiler.
add_library(thimble_flags INTERFACE)
target_compile_definitions(thimble_flags INTERFACE _XOPEN_SOURCE=700)
target_compile_options(thimble_flags INTERFACE
    -ffp-contract=off -fno-strict-overflow
    -Wall -Wextra -Wconversion -Wshadow -Wvla -Wundef -Wpointer-arith
    -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wwrite-strings)
if(THIMBLE_WERROR)
    target_compile_options(thimble_flags INTERFACE -Werror)
endif()

# Assertions are our own promises, checked wherever speed is not the point.
if(THIMBLE_ASSERTIONS)
    target_compile_definitions(thimble_flags INTERFACE TMB_ASSERTIONS=1)
endif()

if(THIMBLE_SANITIZE)
    target_compile_options(thimble_flags INTERFACE
        -fsanitize=${THIMBLE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(thimble_flags INTERFACE -fsanitize=${THIMBLE_SANITIZE})
else()
    # _FORTIFY_SOURCE hides errors from the address sanitizer and needs optimisation.
    target_compile_options(thimble_flags INTERFACE
        -fstack-protector-strong $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>
        $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
    target_link_options(thimble_flags INTERFACE -Wl,-z,relro -Wl,-z,now)
endif()

if(THIMBLE_FUZZ)
    target_compile_options(thimble_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(NOT THIMBLE_COVERAGE) # messages and binaries name files as the tree does
    target_compile_options(thimble_flags INTERFACE -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
else()
    target_compile_options(thimble_flags INTERFACE --coverage)
    target_link_options(thimble_flags INTERFACE --coverage)
endif()
