/* Products of vectors, added up number by number with one rounding for each product and sum (fused multiply-add).

   That is what OpenBLAS does with AVX-512; `fused.py` asks for it, and these are used only where both agree. */
#include "arrays.h"
#include "mixing.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define WIDE __attribute__((target("avx512f")))

enum { LANES = 16, AT_ONCE = 8 };

static int is_wide(void) { return __builtin_cpu_supports("avx512f"); }

/* Products of 8 vectors with 16 that lie number by number, [D, 16], times a factor; the next 8 are asked of memory. */
WIDE static void eight(const float *const *vectors, const float *const *next, const float *columns, const float *scale,
                       int64_t width, float *out) {
    __m512 sum[AT_ONCE];
    for (int one = 0; one < AT_ONCE; one++) sum[one] = _mm512_setzero_ps();
    for (int64_t start = 0; start < width; start += LANES) {
        for (int one = 0; one < AT_ONCE; one++) __builtin_prefetch(next[one] + start);
        for (int64_t at = start; at < start + LANES; at++) {
            __m512 column = _mm512_loadu_ps(columns + at * LANES);
            for (int one = 0; one < AT_ONCE; one++)
                sum[one] = _mm512_fmadd_ps(_mm512_set1_ps(vectors[one][at]), column, sum[one]);
        }
    }
    __m512 factor = _mm512_loadu_ps(scale);
    for (int one = 0; one < AT_ONCE; one++) _mm512_storeu_ps(out + one * LANES, _mm512_mul_ps(sum[one], factor));
}

/* Vectors as columns, out[at * stride + one]; as many as are a multiple of four. */
static void turn(const float *const *vectors, int64_t count, int64_t width, float *out, int64_t stride) {
    for (int64_t one = 0; one < count; one += 4)
        for (int64_t at = 0; at < width; at += 4) {
            __m128 a = _mm_loadu_ps(vectors[one] + at), b = _mm_loadu_ps(vectors[one + 1] + at);
            __m128 c = _mm_loadu_ps(vectors[one + 2] + at), d = _mm_loadu_ps(vectors[one + 3] + at);
            _MM_TRANSPOSE4_PS(a, b, c, d);
            _mm_storeu_ps(out + at * stride + one, a);
            _mm_storeu_ps(out + (at + 1) * stride + one, b);
            _mm_storeu_ps(out + (at + 2) * stride + one, c);
            _mm_storeu_ps(out + (at + 3) * stride + one, d);
        }
}

/* Products of the vector in one column with all columns of [D, 96]. */
WIDE static void one_of_pool(const float *columns, int64_t width, int64_t place, float *out) {
    __m512 sum[POOL / LANES];
    for (int part = 0; part < POOL / LANES; part++) sum[part] = _mm512_setzero_ps();
    for (int64_t at = 0; at < width; at++, columns += POOL) {
        __m512 number = _mm512_set1_ps(columns[place]);
        for (int part = 0; part < POOL / LANES; part++)
            sum[part] = _mm512_fmadd_ps(number, _mm512_loadu_ps(columns + part * LANES), sum[part]);
    }
    for (int part = 0; part < POOL / LANES; part++) _mm512_storeu_ps(out + part * LANES, sum[part]);
}
#else
enum { LANES = 16, AT_ONCE = 8 };
static int is_wide(void) { return 0; }
static void eight(const float *const *vectors, const float *const *next, const float *columns, const float *scale,
                  int64_t width, float *out) {
    (void)vectors; (void)next; (void)columns; (void)scale; (void)width; (void)out;
}
static void turn(const float *const *vectors, int64_t count, int64_t width, float *out, int64_t stride) {
    (void)vectors; (void)count; (void)width; (void)out; (void)stride;
}
static void one_of_pool(const float *columns, int64_t width, int64_t place, float *out) {
    (void)columns; (void)width; (void)place; (void)out;
}
#endif

/* is_fused() → whether this processor has what the other two need */
PyObject *is_fused(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    (void)self; (void)given; (void)count;
    return PyBool_FromLong(is_wide());
}

/* Where the vectors of up to `most` rows begin; behind the last it stands again. */
static void begin(const float **vectors, int64_t most, const int32_t *rows, int64_t count, const float *all,
                  int64_t capacity, int64_t width) {
    for (int64_t one = 0; one < most; one++)
        vectors[one] = all + clipped(rows[one < count ? one : count - 1], capacity) * width;
}

/* cosines(vectors [capacity, D], D, rows [N], bounds [B + 1], columns [B, D, 16], scale [B, 16], > cosines [16, N]) */
PyObject *cosines(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Arguments a;
    (void)self;
    if (!take(&a, given, count, "fni q ff >f")) return NULL;
    int64_t width = a.number[1], all = a.length[2], queries = a.length[3] - 1;
    int64_t capacity = width > 0 ? a.length[0] / width : 0;
    if (!is_wide() || width < 1 || width % LANES || capacity < 1 || a.length[0] != capacity * width || queries < 0 ||
        a.length[4] != queries * width * LANES || a.length[5] != queries * LANES || a.length[6] != LANES * all)
        return refuse(&a, "vectors do not fit");
    const int32_t *rows = ARRAY(int32_t, a, 2);
    const int64_t *bounds = ARRAY(int64_t, a, 3);
    float *out = ARRAY(float, a, 6), found[AT_ONCE * LANES];
    const float *vectors[2][AT_ONCE];
    for (int64_t query = 0; query < queries; query++) {
        int64_t start = bounds[query], stop = bounds[query + 1];
        if (start < 0 || stop > all || start > stop) return refuse(&a, "bounds do not fit");
        if (start < stop) begin(vectors[0], AT_ONCE, rows + start, stop - start, ARRAY(float, a, 0), capacity, width);
        for (int turns = 0; start < stop; turns ^= 1, start += AT_ONCE) {
            int64_t left = stop - start, after = left > AT_ONCE ? AT_ONCE : left - 1;
            begin(vectors[!turns], AT_ONCE, rows + start + after, left - after, ARRAY(float, a, 0), capacity, width);
            eight(vectors[turns], vectors[!turns], ARRAY(float, a, 4) + query * width * LANES,
                  ARRAY(float, a, 5) + query * LANES, width, found);
            for (int64_t one = 0; one < AT_ONCE && one < left; one++)
                for (int lane = 0; lane < LANES; lane++) out[lane * all + start + one] = found[one * LANES + lane];
        }
    }
    give_back(&a);
    Py_RETURN_NONE;
}

/* of_pool(vectors [96, D], D, > products [96, 96]): as `mixed` compares them */
PyObject *of_pool(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Arguments a;
    (void)self;
    if (!take(&a, given, count, "fn >f")) return NULL;
    int64_t width = a.number[1];
    if (!is_wide() || width < 1 || width % LANES || a.length[0] != POOL * width || a.length[2] != POOL * POOL)
        return refuse(&a, "vectors do not fit");
    float *columns = malloc((size_t)(width * POOL) * sizeof *columns);
    if (!columns) return no_memory(&a);
    const float *vectors[POOL];
    for (int64_t one = 0; one < POOL; one++) vectors[one] = ARRAY(float, a, 0) + one * width;
    turn(vectors, POOL, width, columns, POOL);
    for (int64_t one = 0; one < POOL; one++) one_of_pool(columns, width, one, ARRAY(float, a, 2) + one * POOL);
    free(columns);
    give_back(&a);
    Py_RETURN_NONE;
}

/* mixed(gain [B, 96], vectors [capacity, D], D, rows [B, 96], relevance, penalty, groups [L, B, 96], most [L], B,
   > chosen [B, size]): as mmr, where only the videos that are chosen are compared with the others */
PyObject *mixed(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Arguments a;
    (void)self;
    if (!take(&a, given, count, "ffni rr iqn >q")) return NULL;
    int64_t width = a.number[2], queries = a.number[8], capacity = width > 0 ? a.length[1] / width : 0;
    if (!is_wide() || width < 1 || width % LANES || capacity < 1 || a.length[1] != capacity * width)
        return refuse(&a, "vectors do not fit");
    if (queries < 1 || a.length[0] != queries * POOL || a.length[3] != a.length[0] || a.length[9] % queries ||
        a.length[6] != a.length[7] * a.length[0])
        return refuse(&a, "pools do not fit");
    Mixing mixing = {(float)a.real[4], (float)a.real[5], ARRAY(int32_t, a, 6), ARRAY(int64_t, a, 7), a.length[7], queries,
                     POOL, a.length[9] / queries, NULL, NULL, width, one_of_pool};
    float *columns = malloc((size_t)(width * POOL) * sizeof *columns);
    const float *vectors[POOL];
    int done = columns != NULL;
    mixing.columns = columns;
    for (int64_t query = 0; done && query < queries; query++) {
        begin(vectors, POOL, ARRAY(int32_t, a, 3) + query * POOL, POOL, ARRAY(float, a, 1), capacity, width);
        turn(vectors, POOL, width, columns, POOL);
        done = mix(&mixing, query, ARRAY(float, a, 0) + query * POOL, ARRAY(int64_t, a, 9) + query * mixing.size);
    }
    free(columns);
    if (!done) return no_memory(&a);
    give_back(&a);
    Py_RETURN_NONE;
}
