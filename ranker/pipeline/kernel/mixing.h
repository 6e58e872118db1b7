/* Maximal marginal relevance of one pool, with similarities that are given, or made of what is chosen. */
#ifndef FRESHET_MIXING_H
#define FRESHET_MIXING_H

#include <stdint.h>

enum { POOL = 96 }; /* POOL_SIZE of reranking.py: what `alike` compares */

typedef struct {
    float relevance, penalty;
    const int32_t *groups; /* [limits, queries, pool] */
    const int64_t *most;   /* [limits] */
    int64_t limits, queries, pool, size;
    const float *similarity; /* [queries, pool, pool]; NULL: `alike` makes a row of it out of `columns` */
    const float *columns;    /* [width, pool] */
    int64_t width;
    void (*alike)(const float *columns, int64_t width, int64_t place, float *row);
} Mixing;

/* Choose places of the pool of one query; false where there is no memory. */
int mix(const Mixing *mixing, int64_t query, const float *given_gain, int64_t *chosen);

#endif
