/* Candidates: pairs that are looked up, sources that are merged, what the filters left, and columns of features. */
#include "arrays.h"

#define GOLDEN 0x9E3779B97F4A7C15u

static inline uint64_t hash_of(int64_t key, int64_t shift) { return ((uint64_t)key * GOLDEN) >> shift; }

static inline int64_t number_at(const void *numbers, char kind, int64_t place) {
    if (kind == 'i') return ((const int32_t *)numbers)[place];
    if (kind == 'u') return ((const uint32_t *)numbers)[place];
    return ((const int64_t *)numbers)[place];
}

static inline int64_t key_of(int64_t query, int64_t number) { return (int64_t)((uint64_t)query << 32 | (uint64_t)number); }

/* The first place of a key among sorted ones; −1 where it is not there. */
static int64_t place_of(int64_t key, const int64_t *keys, int64_t count, const char *table, int64_t shift) {
    if (!table[hash_of(key, shift)]) return -1;
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (keys[middle] < key) low = middle + 1;
        else high = middle;
    }
    return low < count && keys[low] == key ? low : -1;
}

static int has_table(int64_t length, int64_t shift) { return shift > 0 && shift < 64 && length == (int64_t)1 << (64 - shift); }

/* hashed(keys [K], shift, > table [2^(64 − shift)]) */
PyObject *hashed(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Arguments a;
    (void)self;
    if (!take(&a, given, count, "qn >b")) return NULL;
    if (!has_table(a.length[2], a.number[1])) return refuse(&a, "a table does not fit");
    for (int64_t at = 0; at < a.length[0]; at++) ARRAY(char, a, 2)[hash_of(ARRAY(int64_t, a, 0)[at], a.number[1])] = 1;
    give_back(&a);
    Py_RETURN_NONE;
}

/* find(keys [K], table, shift, query [N], numbers [N], > which [N], > places [N]) → how many */
PyObject *find(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Arguments a;
    (void)self;
    if (!take(&a, given, count, "qbn qk >q>q")) return NULL;
    int64_t all = a.length[3], shift = a.number[2], found = 0;
    if (!has_table(a.length[1], shift) || a.length[4] != all || a.length[5] != all || a.length[6] != all)
        return refuse(&a, "pairs do not fit");
    for (int64_t at = 0; at < all; at++) {
        int64_t key = key_of(ARRAY(int64_t, a, 3)[at], number_at(a.view[4].buf, a.kind[4], at));
        int64_t place = place_of(key, ARRAY(int64_t, a, 0), a.length[0], ARRAY(char, a, 1), shift);
        if (place < 0) continue;
        ARRAY(int64_t, a, 5)[found] = at;
        ARRAY(int64_t, a, 6)[found++] = place;
    }
    give_back(&a);
    return PyLong_FromLongLong(found);
}

/* Merge what sources returned for one query: its places among the ids, `order`, with numbers of sources, `source`.
   `bits` has a bit for each id and is left empty; `ranks` counts the bits before each of its words. */
static int64_t merge_one(const int32_t *order, const uint8_t *source, int64_t count, uint64_t *bits, int32_t *ranks,
                         int64_t *places, uint64_t *words) {
    int64_t first = INT64_MAX, last = -1, found = 0;
    for (int64_t at = 0; at < count; at++) {
        int64_t word = order[at] >> 6;
        bits[word] |= (uint64_t)1 << (order[at] & 63);
        if (word < first) first = word;
        if (word > last) last = word;
    }
    for (int64_t word = first; word <= last; word++) {
        ranks[word] = (int32_t)found;
        for (uint64_t left = bits[word]; left; left &= left - 1) places[found++] = word << 6 | __builtin_ctzll(left);
    }
    memset(words, 0, (size_t)found * sizeof *words);
    for (int64_t at = 0; at < count; at++) {
        uint64_t below = bits[order[at] >> 6] & (((uint64_t)1 << (order[at] & 63)) - 1);
        words[ranks[order[at] >> 6] + __builtin_popcountll(below)] |= (uint64_t)1 << source[at];
    }
    for (int64_t word = first; word <= last; word++) bits[word] = 0;
    return found;
}

/* merge(rows [C], query [C], lengths [S], order [capacity], by_id [ids], > keys [C], > rows [C], > query [C],
   > words [C], > bounds [B + 1]) → how many */
PyObject *merge(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Arguments a;
    (void)self;
    if (!take(&a, given, count, "iqq ii >q>i>q>Q>q")) return NULL;
    int64_t all = a.length[0], sources = a.length[2], capacity = a.length[3], ids = a.length[4];
    int64_t queries = a.length[9] - 1, total = 0;
    for (int place = 5; place < 9; place++)
        if (a.length[place] < all) return refuse(&a, "outputs do not fit");
    const int64_t *query = ARRAY(int64_t, a, 1), *lengths = ARRAY(int64_t, a, 2);
    for (int64_t at = 0; at < sources; at++) total += lengths[at] < 0 ? INT32_MAX : lengths[at];
    if (a.length[1] != all || total != all || sources > 63 || queries < 0) return refuse(&a, "sources do not fit");
    int64_t *starts = calloc((size_t)queries + 2, sizeof *starts);
    int32_t *order = malloc((size_t)(all + 1) * sizeof *order), *ranks = malloc((size_t)(ids / 64 + 1) * sizeof *ranks);
    uint8_t *source = malloc((size_t)all + 1);
    uint64_t *bits = calloc((size_t)ids / 64 + 1, sizeof *bits);
    const char *why = starts && order && ranks && source && bits ? NULL : "";
    for (int64_t at = 0; !why && at < all; at++) {
        if (query[at] < 0 || query[at] >= queries) why = "a source returned something for no query";
        else starts[query[at] + 2]++;
    }
    for (int64_t at = 2; !why && at < queries + 2; at++) starts[at] += starts[at - 1];
    for (int64_t of = 0, at = 0; !why && of < sources; of++)
        for (int64_t stop = at + lengths[of]; !why && at < stop; at++) {
            int64_t row = wrapped(ARRAY(int32_t, a, 0)[at], capacity), to = starts[query[at] + 1]++;
            int64_t place = row < 0 ? -1 : ARRAY(int32_t, a, 3)[row];
            if (place < 0 || place >= ids) why = "a source returned no row of the catalogue";
            else { order[to] = (int32_t)place; source[to] = (uint8_t)of; }
        }
    int64_t *keys = ARRAY(int64_t, a, 5), *of_query = ARRAY(int64_t, a, 7), *bounds = ARRAY(int64_t, a, 9), found = 0;
    int32_t *rows = ARRAY(int32_t, a, 6);
    for (int64_t one = 0; !why && one < queries; one++) {
        bounds[one] = found;
        int64_t stop = found + merge_one(order + starts[one], source + starts[one], starts[one + 1] - starts[one], bits,
                                         ranks, keys + found, ARRAY(uint64_t, a, 8) + found);
        for (; found < stop; found++) {
            rows[found] = ARRAY(int32_t, a, 4)[keys[found]];
            keys[found] = key_of(one, keys[found]);
            of_query[found] = one;
        }
    }
    if (!why) bounds[queries] = found;
    free(starts); free(order); free(ranks); free(source); free(bits);
    if (why) return *why ? refuse(&a, why) : no_memory(&a);
    give_back(&a);
    return PyLong_FromLongLong(found);
}

/* keep(rejected_by [C], passed, keys [C], rows [C], query [C], words [C, W], > keys [C], > rows [C], > query [C],
   > words [C, W], > bounds [B + 1]) → how many */
PyObject *keep(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Arguments a;
    (void)self;
    if (!take(&a, given, count, "hn qiqQ >q>i>q>Q>q")) return NULL;
    int64_t all = a.length[0], width = all ? a.length[5] / all : 0, queries = a.length[10] - 1, found = 0, next = 0;
    for (int place = 2; place < 5; place++)
        if (a.length[place] != all || a.length[place + 4] != all) return refuse(&a, "candidates do not fit");
    if (a.length[5] != all * width || a.length[9] != a.length[5] || queries < 0) return refuse(&a, "sets do not fit");
    const int64_t *query = ARRAY(int64_t, a, 4);
    int64_t *bounds = ARRAY(int64_t, a, 10);
    for (int64_t at = 0; at < all; at++) {
        if (ARRAY(int16_t, a, 0)[at] != a.number[1]) continue;
        while (next <= queries && next <= query[at]) bounds[next++] = found;
        ARRAY(int64_t, a, 6)[found] = ARRAY(int64_t, a, 2)[at];
        ARRAY(int32_t, a, 7)[found] = ARRAY(int32_t, a, 3)[at];
        ARRAY(int64_t, a, 8)[found] = query[at];
        for (int64_t word = 0; word < width; word++)
            ARRAY(uint64_t, a, 9)[found * width + word] = ARRAY(uint64_t, a, 5)[at * width + word];
        found++;
    }
    while (next <= queries) bounds[next++] = found;
    give_back(&a);
    return PyLong_FromLongLong(found);
}

/* columns(rows [N], query [N], trend [N], popularity [N], now_ms [B], at_ms, duration_ms, creator [capacity],
   keys [K], table, shift, watches [K], > values [5, N]): trend, popularity, freshness, affinity, length */
PyObject *columns(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Arguments a;
    (void)self;
    if (!take(&a, given, count, "iq ff q qii qbnf >f")) return NULL;
    int64_t all = a.length[0], capacity = a.length[5], queries = a.length[4];
    if (a.length[1] != all || a.length[2] != all || a.length[3] != all || a.length[6] != capacity ||
        a.length[7] != capacity || a.length[11] != a.length[8] || a.length[12] != 5 * all ||
        !has_table(a.length[9], a.number[10]))
        return refuse(&a, "columns do not fit");
    float *values = ARRAY(float, a, 12);
    for (int64_t at = 0; at < all; at++) {
        int64_t row = wrapped(ARRAY(int32_t, a, 0)[at], capacity), query = ARRAY(int64_t, a, 1)[at];
        if (row < 0 || query < 0 || query >= queries) return refuse(&a, "a candidate is of no row or query");
        values[at] = ARRAY(float, a, 2)[at] / 10.0f;
        values[all + at] = ARRAY(float, a, 3)[at] / 20.0f;
        float age = (float)(ARRAY(int64_t, a, 4)[query] - ARRAY(int64_t, a, 5)[row]);
        age = (age > 0 ? age : 0) / 86400000.0f;
        values[2 * all + at] = 1.0f / (1.0f + age);
        int64_t creator = ARRAY(int32_t, a, 7)[row];
        int64_t place = place_of(key_of(query, creator), ARRAY(int64_t, a, 8), a.length[8], ARRAY(char, a, 9), a.number[10]);
        float watches = place < 0 ? 0 : ARRAY(float, a, 11)[place];
        values[3 * all + at] = place < 0 ? 0 : watches / (watches + 2.0f);
        float duration = (float)ARRAY(int32_t, a, 6)[row];
        if (duration == 0) duration = 20000.0f;
        values[4 * all + at] = duration / (duration + 30000.0f);
    }
    give_back(&a);
    Py_RETURN_NONE;
}

/* logits(values [F, N], weights [F, H], bias [H], N, > logits [H, N]): one feature after another */
PyObject *logits(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Arguments a;
    (void)self;
    if (!take(&a, given, count, "fffn >f")) return NULL;
    int64_t heads = a.length[2], all = a.number[3];
    if (all < 0 || a.length[4] != heads * all || (heads && a.length[1] % heads)) return refuse(&a, "heads do not fit");
    int64_t features = heads ? a.length[1] / heads : 0;
    if (heads && a.length[0] != features * all) return refuse(&a, "features do not fit");
    for (int64_t head = 0; head < heads; head++) {
        float *out = ARRAY(float, a, 4) + head * all, bias = ARRAY(float, a, 2)[head] + 0.0f;
        for (int64_t at = 0; at < all; at++) out[at] = bias;
        for (int64_t feature = 0; feature < features; feature++) {
            float weight = ARRAY(float, a, 1)[feature * heads + head];
            const float *values = ARRAY(float, a, 0) + feature * all;
            for (int64_t at = 0; at < all; at++) out[at] += weight * values[at];
        }
    }
    give_back(&a);
    Py_RETURN_NONE;
}

enum { AHEAD = 4 }; /* rows that are asked of memory before they are copied; a guess */

/* gather(vectors [capacity, D], D, rows [N], > out [N, D]): a row beyond either end is the one at that end */
PyObject *gather(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Arguments a;
    (void)self;
    if (!take(&a, given, count, "fni >f")) return NULL;
    int64_t width = a.number[1], all = a.length[2], capacity = width > 0 ? a.length[0] / width : 0;
    if (capacity < 1 || a.length[0] != capacity * width || a.length[3] != all * width) return refuse(&a, "vectors do not fit");
    const int32_t *rows = ARRAY(int32_t, a, 2);
    for (int64_t at = 0; at < all + AHEAD; at++) {
        if (at < all) {
            const float *ahead = ARRAY(float, a, 0) + clipped(rows[at], capacity) * width;
            for (int64_t part = 0; part < width; part += 16) __builtin_prefetch(ahead + part);
        }
        if (at < AHEAD) continue;
        int64_t row = clipped(rows[at - AHEAD], capacity);
        memcpy(ARRAY(float, a, 3) + (at - AHEAD) * width, ARRAY(float, a, 0) + row * width, (size_t)width * sizeof(float));
    }
    give_back(&a);
    Py_RETURN_NONE;
}
