/* address - the parts of an address in text form, and what they stand for without a look-up. */
#ifndef CRESS_NET_ADDRESS_H
#define CRESS_NET_ADDRESS_H

#include <cress/net.h>

struct address_parts {
    const char *path; /* of a unix socket, into the text; NULL: tcp */
    char host[256];   /* "": none */
    bool bracketed;   /* it stood in brackets: IPv6 */
    uint16_t port;    /* in network order */
};

/* Take the text apart. 0; -EINVAL. The path points into text. */
int address_split(const char *text, struct address_parts *out);

/* The addresses that the parts mean, in the order in which to try them. passive: to listen on.
 * How many; 0: *error says why, -ENOENT for a name that would have to be looked up. */
size_t address_resolve(const struct address_parts *parts, bool passive, bool only_v6,
                       cress_address out[2], int *error);

#endif
