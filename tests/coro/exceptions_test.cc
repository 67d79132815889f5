/* C++ exceptions and switches: what is being handled belongs to the coroutine that handles it. */
#include "support/check.h"

#include <cress.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

static void *yield_value(void *value)
{
    void *result = nullptr;
    CHECK_EQ(cress_coro_switch(cress_coro_parent(cress_coro_current()), value, &result), 0);
    return result;
}

/* Throws, switches inside the catch block, and rethrows what it handles: it must be its own. */
static void *catcher(void *arg, void *value)
{
    std::string mine = "of " + std::to_string(reinterpret_cast<std::intptr_t>(arg));
    for (int round = 0; round < 20; round++) {
        bool rethrown = false;
        try {
            try {
                throw std::runtime_error(mine);
            } catch (const std::runtime_error &e) {
                CHECK(mine == e.what());
                value = yield_value(value);
                CHECK(std::current_exception() != nullptr);
                try {
                    std::rethrow_exception(std::current_exception());
                } catch (const std::exception &again) {
                    CHECK(mine == again.what());
                    value = yield_value(value);
                    CHECK(mine == again.what());
                }
                throw; /* the one of the outer block */
            }
        } catch (const std::exception &e) {
            rethrown = mine == e.what();
        }
        CHECK(rethrown);
    }
    CHECK(std::current_exception() == nullptr);
    return value;
}

static void a_switch_in_a_catch_block_keeps_what_is_handled()
{
    const int n = 10;
    cress_coro *co[n];
    for (std::intptr_t i = 0; i < n; i++)
        CHECK_EQ(cress_coro_new(nullptr, catcher, reinterpret_cast<void *>(i), &co[i]), 0);
    int alive = n;
    for (unsigned step = 0; alive > 0; step++) {
        /* Throw here too, while the others are in the middle of theirs. */
        try {
            throw step;
        } catch (unsigned s) {
            cress_coro *c = co[(s * 7) % n];
            if (cress_coro_get_state(c) != CRESS_CORO_ENDED) {
                CHECK_EQ(cress_coro_switch(c, nullptr, nullptr), 0);
                alive -= cress_coro_get_state(c) == CRESS_CORO_ENDED;
            }
            CHECK_EQ(s, step);
        }
        CHECK(std::current_exception() == nullptr);
        CHECK_EQ(std::uncaught_exceptions(), 0);
    }
    for (cress_coro *c : co)
        CHECK_EQ(cress_coro_free(c), 0);
}

/* Of the leak sanitizer, where there is one. */
extern "C" void __lsan_disable() __attribute__((weak));
extern "C" void __lsan_enable() __attribute__((weak));

/* An exception whose catch block cress_coro_exit() leaves is never freed: no destructor runs. */
static void throw_for_good()
{
    struct hidden {
        hidden()
        {
            __lsan_disable != nullptr ? __lsan_disable() : void();
        }
        ~hidden()
        {
            __lsan_enable != nullptr ? __lsan_enable() : void();
        }
    } here;
    throw 5;
}

static void *looks(void *arg, void *value)
{
    CHECK(std::current_exception() == nullptr); /* a new one begins with none */
    CHECK_EQ(std::uncaught_exceptions(), 0);
    try {
        throw_for_good();
    } catch (int five) {
        CHECK_EQ(five, 5);
        if (arg != nullptr)
            cress_coro_exit(value, 0); /* leaves in the middle of a catch block */
    }
    return value;
}

static void one_that_starts_or_ends_inside_a_catch_block_changes_nothing_here()
{
    for (int i = 0; i < 4; i++) {
        try {
            throw i;
        } catch (int caught) {
            cress_coro *c;
            CHECK_EQ(cress_coro_new(nullptr, looks, i % 2 ? &c : nullptr, &c), 0);
            CHECK_EQ(cress_coro_switch(c, nullptr, nullptr), 0);
            CHECK_EQ(cress_coro_get_state(c), CRESS_CORO_ENDED);
            CHECK_EQ(cress_coro_free(c), 0);
            CHECK_EQ(caught, i);
            CHECK(std::current_exception() != nullptr);
        }
        CHECK(std::current_exception() == nullptr);
    }
}

/* Destructors that run while an exception flies may switch as well. */
struct switches_when_unwound {
    ~switches_when_unwound()
    {
        CHECK_EQ(std::uncaught_exceptions(), 1);
        yield_value(nullptr);
        CHECK_EQ(std::uncaught_exceptions(), 1);
    }
};

static void *unwinds(void *arg, void *value)
{
    try {
        switches_when_unwound guard;
        throw std::string("flies");
    } catch (const std::string &s) {
        CHECK(s == "flies");
        *static_cast<bool *>(arg) = true;
    }
    return value;
}

static void a_switch_while_an_exception_flies_keeps_it_flying()
{
    bool caught[2] = { false, false };
    cress_coro *co[2];
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(cress_coro_new(nullptr, unwinds, &caught[i], &co[i]), 0);
        CHECK_EQ(cress_coro_switch(co[i], nullptr, nullptr), 0);
        CHECK_EQ(std::uncaught_exceptions(), 0);
    }
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(cress_coro_switch(co[i], nullptr, nullptr), 0);
        CHECK(caught[i]);
        CHECK_EQ(cress_coro_free(co[i]), 0);
    }
}

static void *blocks_in_catch(void *arg)
{
    for (int i = 0; i < 50; i++) {
        try {
            throw arg;
        } catch (void *mine) {
            CHECK_EQ(cress_yield(), 0);
            CHECK_EQ(mine, arg);
            try {
                throw;
            } catch (void *again) {
                CHECK_EQ(again, arg);
            }
        }
    }
    return arg;
}

static void greenlets_that_block_in_a_catch_block_find_their_own_again()
{
    cress_greenlet *g[5];
    for (std::intptr_t i = 0; i < 5; i++)
        g[i] = cress_spawn(blocks_in_catch, reinterpret_cast<void *>(i));
    for (std::intptr_t i = 0; i < 5; i++) {
        void *value = nullptr;
        CHECK_EQ(cress_get(g[i], CRESS_FOREVER, &value, nullptr), 0);
        CHECK_EQ(value, reinterpret_cast<void *>(i));
        cress_unref(g[i]);
    }
    CHECK_EQ(cress_hub_destroy(0), 0);
}

int main()
{
    a_switch_in_a_catch_block_keeps_what_is_handled();
    one_that_starts_or_ends_inside_a_catch_block_changes_nothing_here();
    a_switch_while_an_exception_flies_keeps_it_flying();
    greenlets_that_block_in_a_catch_block_find_their_own_again();
    std::puts("4 tests passed");
    return 0;
}
