/* The parser of addresses: whatever it reads it writes, and reads what it wrote as the same.
 *
 * The first byte says what the rest is: text to be parsed, or a socket address as a kernel might
 * give it, to be written.
 */
#include <cress.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

/* Written and read again it is the same. */
static void round_trip(const cress_address *address)
{
    char text[CRESS_ADDRESS_TEXT], again[CRESS_ADDRESS_TEXT];
    cress_address back;
    require(cress_address_format(address, text, sizeof text) == 0);
    require(cress_address_parse(text, &back) == 0);
    require(back.length == address->length);
    require(memcmp(&back.storage, &address->storage, address->length) == 0);
    require(cress_address_format(&back, again, sizeof again) == 0);
    require(strcmp(text, again) == 0);
}

static void from_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1); /* exact: a read beyond the end is seen */
    require(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    cress_address address;
    memset(&address, 0xa5, sizeof address);
    int error = cress_address_parse(text, &address);
    if (error == 0)
        round_trip(&address);
    else
        require(error == -22 || error == -2 || error == -36); /* EINVAL, ENOENT, ENAMETOOLONG */
    free(text);
}

static void from_storage(const uint8_t *data, size_t size)
{
    cress_address address = { .length = 0 };
    size_t n = size < sizeof address.storage ? size : sizeof address.storage;
    if (n > 0)
        memcpy(&address.storage, data, n);
    address.length = (socklen_t)n;
    char text[CRESS_ADDRESS_TEXT], small[8];
    cress_address back;
    memset(text, 'x', sizeof text);
    int error = cress_address_format(&address, text, sizeof text);
    require(memchr(text, '\0', sizeof text) != NULL);
    if (error == 0 && cress_address_parse(text, &back) == 0) {
        require(back.storage.ss_family == address.storage.ss_family);
        round_trip(&back);
    }
    memset(small, 'x', sizeof small);
    cress_address_format(&address, small, sizeof small - 1);
    require(memchr(small, '\0', sizeof small - 1) != NULL && small[7] == 'x');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] == 'T')
        from_text(data + 1, size - 1);
    else
        from_storage(data + 1, size - 1);
    return 0;
}
