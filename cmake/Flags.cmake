# Compiler flags that everything in the tree shares: library, tests, examples, benches.

set(CRESS_SANITIZE "" CACHE STRING "Sanitizers for everything, e.g. address,undefined or thread")
option(CRESS_COVERAGE "Count executed lines for gcov" OFF)

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# CMake's own Release is -O3, which makes the library larger and no faster.
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g")

add_compile_options(
    $<$<COMPILE_LANGUAGE:C,CXX>:-Wall> $<$<COMPILE_LANGUAGE:C,CXX>:-Wextra>
    $<$<COMPILE_LANGUAGE:C,CXX>:-Wconversion> $<$<COMPILE_LANGUAGE:C,CXX>:-Wshadow>
    $<$<COMPILE_LANGUAGE:C,CXX>:-fno-omit-frame-pointer>)

if(CRESS_SANITIZE)
    add_compile_options(-fsanitize=${CRESS_SANITIZE} -fno-sanitize-recover=all -g)
    add_link_options(-fsanitize=${CRESS_SANITIZE})
endif()
if(CRESS_COVERAGE)
    add_compile_options(--coverage)
    add_link_options(--coverage)
endif()
