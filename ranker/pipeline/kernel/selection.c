/* Re-ranking: the pool of the best candidates, maximal marginal relevance, and what exploration may draw. */
#include "arrays.h"
#include "mixing.h"

static void sink(int64_t *heap, int64_t size, int64_t place) {
    int64_t key = heap[place];
    for (int64_t child; (child = 2 * place + 1) < size; place = child) {
        if (child + 1 < size && heap[child + 1] > heap[child]) child++;
        if (heap[child] <= key) break;
        heap[place] = heap[child];
    }
    heap[place] = key;
}

/* The `most` least of some keys, sorted; returns how many there are. */
static int64_t least(int64_t *heap, int64_t most, const int64_t *keys, int64_t count) {
    int64_t size = count < most ? count : most;
    memcpy(heap, keys, (size_t)size * sizeof *heap);
    for (int64_t place = size / 2 - 1; place >= 0; place--) sink(heap, size, place);
    for (int64_t at = size; at < count; at++)
        if (size && keys[at] < heap[0]) { heap[0] = keys[at]; sink(heap, size, 0); }
    for (int64_t left = size - 1; left > 0; left--) {
        int64_t greatest = heap[0];
        heap[0] = heap[left];
        heap[left] = greatest;
        sink(heap, left, 0);
    }
    return size;
}

/* pools(score [N], bounds [B + 1], > pool [B, P], > gain [B, P]) */
PyObject *pools(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Arguments a;
    (void)self;
    if (!take(&a, given, count, "fq >q>f")) return NULL;
    const float *score = ARRAY(float, a, 0);
    const int64_t *bounds = ARRAY(int64_t, a, 1), queries = a.length[1] - 1, all = a.length[0];
    int64_t *pool = ARRAY(int64_t, a, 2);
    float *gain = ARRAY(float, a, 3);
    if (queries < 1 || a.length[2] % queries || a.length[3] != a.length[2]) return refuse(&a, "pools do not fit");
    int64_t most = a.length[2] / queries;
    int64_t *keys = malloc((size_t)(all + 1) * sizeof *keys);
    if (!keys) return no_memory(&a);
    for (int64_t query = 0; query < queries; query++, pool += most, gain += most) {
        int64_t start = bounds[query], stop = bounds[query + 1], finite = 0;
        if (start < 0 || stop > all || start > stop) { free(keys); return refuse(&a, "bounds do not fit"); }
        for (int64_t place = start; place < stop; place++) {
            int32_t bits;
            memcpy(&bits, &score[place], sizeof bits);
            if ((bits & 0x7F800000) == 0x7F800000) continue;
            int64_t descending = bits < 0 ? bits & 0x7FFFFFFF : -(int64_t)bits; /* sorts as −score does */
            keys[finite++] = descending * ((int64_t)1 << 32) + place;
        }
        int64_t size = least(pool, most, keys, finite);
        for (int64_t at = 0; at < size; at++) pool[at] &= 0xFFFFFFFF;
        for (int64_t at = size; at < most; at++) { pool[at] = -1; gain[at] = -INFINITY; }
        if (!size) continue;
        float lowest = score[pool[size - 1]], width = score[pool[0]] - lowest;
        if (!(width > 0)) width = 1;
        for (int64_t at = 0; at < size; at++) gain[at] = (score[pool[at]] - lowest) / width;
    }
    free(keys);
    give_back(&a);
    Py_RETURN_NONE;
}

int mix(const Mixing *mixing, int64_t query, const float *given_gain, int64_t *chosen) {
    const int64_t pool = mixing->pool, limits = mixing->limits;
    const float relevance = mixing->relevance, rest = 1.0f - relevance;
    float *work = malloc((size_t)pool * 5 * sizeof(float) + (size_t)(pool * limits) * sizeof(int32_t) + 1);
    if (!work) return 0;
    float *gain = work, *beyond = gain + pool, *nearest = beyond + pool, *value = nearest + pool, *row = value + pool;
    int32_t *taken = (int32_t *)(row + pool);
    for (int64_t at = 0; at < pool; at++) {
        gain[at] = isfinite(given_gain[at]) ? given_gain[at] * relevance : given_gain[at];
        beyond[at] = gain[at] - mixing->penalty;
        nearest[at] = 0;
        value[at] = gain[at];
    }
    memset(taken, 0, (size_t)(pool * limits) * sizeof *taken);
    for (int64_t rank = 0; rank < mixing->size; rank++) {
        int64_t best = 0;
        for (int64_t at = 1; at < pool; at++) /* of equal ones the first, and they come best first */
            if (value[at] > value[best]) best = at;
        if (rank >= pool || value[best] == -INFINITY) {
            for (; rank < mixing->size; rank++) chosen[rank] = -1;
            break;
        }
        chosen[rank] = best;
        for (int64_t limit = 0; limit < limits; limit++) {
            const int32_t *group = mixing->groups + (limit * mixing->queries + query) * pool;
            int32_t *count_of = taken + limit * pool;
            for (int64_t at = 0; at < pool; at++)
                if (group[at] == group[best] && ++count_of[at] >= mixing->most[limit]) gain[at] = beyond[at];
        }
        const float *alike = row;
        if (mixing->similarity) alike = mixing->similarity + (query * pool + best) * pool;
        else if (rank + 1 < mixing->size) mixing->alike(mixing->columns, mixing->width, best, row);
        else break; /* nobody is compared with the last */
        for (int64_t at = 0; at < pool; at++) {
            float near = rest * alike[at];
            nearest[at] = near > nearest[at] ? near : nearest[at];
        }
        nearest[best] = INFINITY; /* no video is chosen twice */
        for (int64_t at = 0; at < pool; at++) value[at] = gain[at] - nearest[at];
    }
    free(work);
    return 1;
}

/* mmr(gain [B, P], similarity [B, P, P], relevance, penalty, groups [L, B, P], most [L], B, > chosen [B, size]) */
PyObject *mmr(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Arguments a;
    (void)self;
    if (!take(&a, given, count, "ff rr iqn >q")) return NULL;
    int64_t queries = a.number[6], limits = a.length[5];
    if (queries < 1 || a.length[0] % queries || a.length[7] % queries) return refuse(&a, "gains do not fit");
    int64_t pool = a.length[0] / queries;
    if (a.length[1] != queries * pool * pool || a.length[4] != limits * queries * pool)
        return refuse(&a, "similarities or groups do not fit");
    Mixing mixing = {(float)a.real[2], (float)a.real[3], ARRAY(int32_t, a, 4), ARRAY(int64_t, a, 5), limits, queries,
                     pool, a.length[7] / queries, ARRAY(float, a, 1), NULL, 0, NULL};
    for (int64_t query = 0; query < queries; query++)
        if (!mix(&mixing, query, ARRAY(float, a, 0) + query * pool, ARRAY(int64_t, a, 7) + query * mixing.size))
            return no_memory(&a);
    give_back(&a);
    Py_RETURN_NONE;
}

/* explorable(words [N, W], W, word, bit, score [N], query [N], rows [N], creators [capacity], shown [B, S], B,
   > drawable [N]) → how many */
PyObject *explorable(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Arguments a;
    (void)self;
    if (!take(&a, given, count, "Qnnn fqi iqn >q")) return NULL;
    int64_t all = a.length[4], width = a.number[1], word = a.number[2], queries = a.number[9], capacity = a.length[7];
    if (width < 1 || word < 0 || word >= width || a.number[3] < 0 || a.number[3] > 63 || a.length[0] != all * width || a.length[5] != all ||
        a.length[6] != all || a.length[10] != all || queries < 1 || a.length[8] % queries)
        return refuse(&a, "candidates do not fit");
    const uint64_t *words = ARRAY(uint64_t, a, 0), mask = (uint64_t)1 << a.number[3];
    const float *score = ARRAY(float, a, 4);
    const int64_t *query = ARRAY(int64_t, a, 5), *shown = ARRAY(int64_t, a, 8), places = a.length[8] / queries;
    const int32_t *rows = ARRAY(int32_t, a, 6), *creators = ARRAY(int32_t, a, 7);
    int64_t *drawable = ARRAY(int64_t, a, 10), found = 0;
    char *is_shown = calloc((size_t)all + 1, 1);
    int32_t *theirs = malloc((size_t)(a.length[8] + 1) * sizeof *theirs);
    const char *why = is_shown && theirs ? NULL : "";
    for (int64_t at = 0; !why && at < a.length[8]; at++) {
        theirs[at] = -1;
        if (shown[at] < 0) continue;
        int64_t row = shown[at] < all ? wrapped(rows[shown[at]], capacity) : -1;
        if (row < 0) why = "what is shown is no candidate";
        else { is_shown[shown[at]] = 1; theirs[at] = creators[row]; }
    }
    for (int64_t at = 0; !why && at < all; at++) {
        if (!(words[at * width + word] & mask) || is_shown[at] || !isfinite(score[at])) continue;
        int64_t row = wrapped(rows[at], capacity);
        if (row < 0 || query[at] < 0 || query[at] >= queries) { why = "a candidate is of no row or query"; break; }
        int has_place = 0;
        const int32_t *of_query = theirs + query[at] * places;
        if (creators[row] >= 0)
            for (int64_t place = 0; place < places; place++) has_place |= of_query[place] == creators[row];
        if (!has_place) drawable[found++] = at;
    }
    free(is_shown);
    free(theirs);
    if (why) return *why ? refuse(&a, why) : no_memory(&a);
    give_back(&a);
    return PyLong_FromLongLong(found);
}
