/** @file cress/key.h
 * Greenlet-local values: one name, another value in each greenlet.
 *
 * A key is made once for the process; in each greenlet (main and raw coroutines, too) its value is
 * NULL until it is set there. When a greenlet ends, after its deferred functions, the destructors
 * of its values are called.
 */
#ifndef CRESS_KEY_H
#define CRESS_KEY_H

#include <cress/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** So many keys can be there at once. */
#define CRESS_KEYS_MAX 128

/** A key. All-zero is none. */
typedef struct cress_key {
    uint32_t index;  /**< private */
    uint32_t serial; /**< private */
} cress_key;

/** What a key's values need. Start with CRESS_KEY_OPTIONS_INIT. */
typedef struct cress_key_options {
    size_t size; /**< set by CRESS_KEY_OPTIONS_INIT */
    /** called at the end of a greenlet with its value, if that is not NULL; it must not block */
    void (*destroy)(void *value);
    bool inherit; /**< a greenlet spawned with the option `inherit` begins with its spawner's */
    /** makes the value for such a greenlet; NULL: it is the same pointer */
    void *(*copy)(void *value);
} cress_key_options;

/** The start of every cress_key_options. */
#define CRESS_KEY_OPTIONS_INIT CRESS__SIZED(cress_key_options)

/** Make a key. options may be NULL.
 *
 * Never switches. Any thread.
 *
 * @return 0; -EINVAL, key is NULL or size is not set, or a destructor would be called for what is
 *         inherited without a copy; -EAGAIN, CRESS_KEYS_MAX are there
 */
CRESS_API int cress_key_create(const cress_key_options *options, cress_key *key);

/** Give a key up: its values are forgotten where they are, without calling destructors.
 *
 * Never switches. Any thread, when no other one uses it. @return 0; -EINVAL, it is no key
 */
CRESS_API int cress_key_delete(cress_key key);

/** The value of whoever runs; NULL when it was not set, in callbacks, and for what is no key. Never
 * switches, makes no hub. Any thread. */
CRESS_API void *cress_key_get(cress_key key);

/** Set the value of whoever runs; what it was before is the caller's.
 *
 * Never switches. Any thread.
 *
 * @return 0; -EINVAL, it is no key; -EPERM, in a callback; -EMFILE, -ENOMEM, no hub; -ENOMEM
 */
CRESS_API int cress_key_set(cress_key key, void *value);

#ifdef __cplusplus
}
#endif

#endif
