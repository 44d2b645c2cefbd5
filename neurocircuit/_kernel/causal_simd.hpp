// Vectors of one instruction set. Included by files that are compiled for it alone: nothing here has external linkage.
#pragma once
#include <cstddef>
#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

template <class T>
struct Simd;

inline float next_above(float x) { return __builtin_nextafterf(x, __builtin_inff()); }
inline double next_above(double x) { return __builtin_nextafter(x, __builtin_inf()); }

inline float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double fused(double a, double b, double c) { return __builtin_fma(a, b, c); }

#if defined(__AVX512F__)

constexpr std::size_t kVectorBytes = 64;
#define NEUROCIRCUIT_SIMD(T, V, M, P, AFTER)                                                       \
  template <>                                                                                       \
  struct Simd<T> {                                                                                  \
    using Vector = V;                                                                               \
    using Mask = M;                                                                                 \
    /* the next number above a positive one */                                                      \
    static Vector after(Vector a) { return AFTER; }                                                 \
    static Vector load(const T* p) { return _mm512_loadu_##P(p); }                                  \
    static void store(T* p, Vector a) { _mm512_storeu_##P(p, a); }                                  \
    static Vector all(T x) { return _mm512_set1_##P(x); }                                           \
    static Vector add(Vector a, Vector b) { return _mm512_add_##P(a, b); }                          \
    static Vector sub(Vector a, Vector b) { return _mm512_sub_##P(a, b); }                          \
    static Vector min(Vector a, Vector b) { return _mm512_min_##P(a, b); }                          \
    static Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_##P(a, b, c); }           \
    static Vector max(Vector a, Vector b) { return _mm512_max_##P(a, b); }                          \
    static Vector div(Vector a, Vector b) { return _mm512_div_##P(a, b); }                          \
    static Mask less(Vector a, Vector b) { return _mm512_cmp_##P##_mask(a, b, _CMP_LT_OQ); }        \
    static Mask less_equal(Vector a, Vector b) { return _mm512_cmp_##P##_mask(a, b, _CMP_LE_OQ); }  \
    static Mask both(Mask a, Mask b) { return static_cast<Mask>(a & b); }                           \
    static unsigned bits(Mask m) { return m; }                                                      \
    static Vector select(Mask m, Vector a, Vector b) { return _mm512_mask_mov_##P(b, m, a); }       \
    static Vector fma_where(Mask m, Vector a, Vector b, Vector c) { return _mm512_mask3_fmadd_##P(a, b, c, m); } \
  };
NEUROCIRCUIT_SIMD(float, __m512, __mmask16, ps,
                  _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), _mm512_set1_epi32(1))))
NEUROCIRCUIT_SIMD(double, __m512d, __mmask8, pd,
                  _mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(a), _mm512_set1_epi64(1))))

#elif defined(__AVX2__)

constexpr std::size_t kVectorBytes = 32;
#define NEUROCIRCUIT_SIMD(T, V, P, AFTER)                                                                  \
  template <>                                                                                       \
  struct Simd<T> {                                                                                  \
    using Vector = V;                                                                               \
    using Mask = V;                                                                                 \
    static Vector after(Vector a) { return AFTER; }                                                 \
    static Vector load(const T* p) { return _mm256_loadu_##P(p); }                                  \
    static void store(T* p, Vector a) { _mm256_storeu_##P(p, a); }                                  \
    static Vector all(T x) { return _mm256_set1_##P(x); }                                           \
    static Vector add(Vector a, Vector b) { return _mm256_add_##P(a, b); }                          \
    static Vector sub(Vector a, Vector b) { return _mm256_sub_##P(a, b); }                          \
    static Vector min(Vector a, Vector b) { return _mm256_min_##P(a, b); }                          \
    static Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_##P(a, b, c); }           \
    static Vector max(Vector a, Vector b) { return _mm256_max_##P(a, b); }                          \
    static Vector div(Vector a, Vector b) { return _mm256_div_##P(a, b); }                          \
    static Mask less(Vector a, Vector b) { return _mm256_cmp_##P(a, b, _CMP_LT_OQ); }               \
    static Mask less_equal(Vector a, Vector b) { return _mm256_cmp_##P(a, b, _CMP_LE_OQ); }         \
    static Mask both(Mask a, Mask b) { return _mm256_and_##P(a, b); }                               \
    static unsigned bits(Mask m) { return static_cast<unsigned>(_mm256_movemask_##P(m)); }          \
    static Vector select(Mask m, Vector a, Vector b) { return _mm256_blendv_##P(b, a, m); }         \
    static Vector fma_where(Mask m, Vector a, Vector b, Vector c) { return fma(_mm256_and_##P(m, a), b, c); } \
  };
NEUROCIRCUIT_SIMD(float, __m256, ps,
                  _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), _mm256_set1_epi32(1))))
NEUROCIRCUIT_SIMD(double, __m256d, pd,
                  _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(a), _mm256_set1_epi64x(1))))

#else

constexpr std::size_t kVectorBytes = 16;
template <class T>
struct Simd {
  static constexpr std::size_t n = kVectorBytes / sizeof(T);
  struct Vector {
    T x[n];
  };
  template <class F>
  static Vector each(F f) {
    Vector r;
    for (std::size_t i = 0; i < n; ++i) r.x[i] = f(i);
    return r;
  }
  using Mask = unsigned;
  template <class F>
  static Mask test(F f) {
    Mask bits = 0;
    for (std::size_t i = 0; i < n; ++i) bits |= static_cast<Mask>(f(i)) << i;
    return bits;
  }
  static Vector load(const T* p) { return each([=](std::size_t i) { return p[i]; }); }
  static void store(T* p, Vector a) {
    for (std::size_t i = 0; i < n; ++i) p[i] = a.x[i];
  }
  static Vector after(Vector a) {
    return each([&](std::size_t i) { return next_above(a.x[i]); });
  }
  static Vector all(T x) { return each([=](std::size_t) { return x; }); }
  static Vector add(Vector a, Vector b) { return each([&](std::size_t i) { return a.x[i] + b.x[i]; }); }
  static Vector sub(Vector a, Vector b) { return each([&](std::size_t i) { return a.x[i] - b.x[i]; }); }
  static Vector min(Vector a, Vector b) { return each([&](std::size_t i) { return a.x[i] < b.x[i] ? a.x[i] : b.x[i]; }); }
  static Vector fma(Vector a, Vector b, Vector c) {
    return each([&](std::size_t i) { return fused(a.x[i], b.x[i], c.x[i]); });
  }
  static Vector max(Vector a, Vector b) { return each([&](std::size_t i) { return a.x[i] > b.x[i] ? a.x[i] : b.x[i]; }); }
  static Vector div(Vector a, Vector b) { return each([&](std::size_t i) { return a.x[i] / b.x[i]; }); }
  static Mask less(Vector a, Vector b) { return test([&](std::size_t i) { return a.x[i] < b.x[i]; }); }
  static Mask less_equal(Vector a, Vector b) { return test([&](std::size_t i) { return a.x[i] <= b.x[i]; }); }
  static Mask both(Mask a, Mask b) { return a & b; }
  static unsigned bits(Mask m) { return m; }
  static Vector select(Mask m, Vector a, Vector b) {
    return each([&](std::size_t i) { return m >> i & 1 ? a.x[i] : b.x[i]; });
  }
  static Vector fma_where(Mask m, Vector a, Vector b, Vector c) { return select(m, fma(a, b, c), c); }
};

#endif

template <class T>
constexpr std::size_t kWidth = kVectorBytes / sizeof(T);

}  // namespace
