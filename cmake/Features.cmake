# What is on, what is off, and why: collected while configuring, printed at its end.

# cress_feature(NAME value [reason...])
function(cress_feature name value)
    string(JOIN " " reason ${ARGN})
    if(reason)
        set(reason " (${reason})")
    endif()
    string(LENGTH "${name}" length)
    math(EXPR pad "10 - ${length}")
    string(REPEAT " " ${pad} pad)
    set_property(GLOBAL APPEND PROPERTY CRESS_FEATURES "  ${name}${pad}${value}${reason}")
endfunction()

function(cress_print_features)
    get_property(lines GLOBAL PROPERTY CRESS_FEATURES)
    message(STATUS "cress ${PROJECT_VERSION}, ${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION}, "
                   "${CMAKE_BUILD_TYPE}")
    foreach(line IN LISTS lines)
        message(STATUS "${line}")
    endforeach()
endfunction()
