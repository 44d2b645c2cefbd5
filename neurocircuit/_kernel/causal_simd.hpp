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

inline float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double fused(double a, double b, double c) { return __builtin_fma(a, b, c); }

#if defined(__AVX512F__)

constexpr std::size_t kVectorBytes = 64;
#define NEUROCIRCUIT_SIMD(T, V, P)                                                                 \
  template <>                                                                                       \
  struct Simd<T> {                                                                                  \
    using Vector = V;                                                                               \
    static Vector load(const T* p) { return _mm512_loadu_##P(p); }                                  \
    static void store(T* p, Vector a) { _mm512_storeu_##P(p, a); }                                  \
    static Vector all(T x) { return _mm512_set1_##P(x); }                                           \
    static Vector add(Vector a, Vector b) { return _mm512_add_##P(a, b); }                          \
    static Vector sub(Vector a, Vector b) { return _mm512_sub_##P(a, b); }                          \
    static Vector min(Vector a, Vector b) { return _mm512_min_##P(a, b); }                          \
    static Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_##P(a, b, c); }           \
    static unsigned not_positive(Vector a) {                                                        \
      return _mm512_cmp_##P##_mask(a, _mm512_setzero_##P(), _CMP_LE_OQ);                            \
    }                                                                                               \
    /* c + a b where x < y, c elsewhere */                                                          \
    static Vector fma_where_less(Vector x, Vector y, Vector a, Vector b, Vector c) {                \
      return _mm512_mask3_fmadd_##P(a, b, c, _mm512_cmp_##P##_mask(x, y, _CMP_LT_OQ));              \
    }                                                                                               \
    static Vector where_less(Vector x, Vector y, Vector a) {                                        \
      return _mm512_maskz_mov_##P(_mm512_cmp_##P##_mask(x, y, _CMP_LT_OQ), a);                      \
    }                                                                                               \
  };
NEUROCIRCUIT_SIMD(float, __m512, ps)
NEUROCIRCUIT_SIMD(double, __m512d, pd)

#elif defined(__AVX2__)

constexpr std::size_t kVectorBytes = 32;
#define NEUROCIRCUIT_SIMD(T, V, P)                                                                  \
  template <>                                                                                       \
  struct Simd<T> {                                                                                  \
    using Vector = V;                                                                               \
    static Vector load(const T* p) { return _mm256_loadu_##P(p); }                                  \
    static void store(T* p, Vector a) { _mm256_storeu_##P(p, a); }                                  \
    static Vector all(T x) { return _mm256_set1_##P(x); }                                           \
    static Vector add(Vector a, Vector b) { return _mm256_add_##P(a, b); }                          \
    static Vector sub(Vector a, Vector b) { return _mm256_sub_##P(a, b); }                          \
    static Vector min(Vector a, Vector b) { return _mm256_min_##P(a, b); }                          \
    static Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_##P(a, b, c); }           \
    static unsigned not_positive(Vector a) {                                                        \
      return static_cast<unsigned>(_mm256_movemask_##P(_mm256_cmp_##P(a, _mm256_setzero_##P(), _CMP_LE_OQ))); \
    }                                                                                               \
    static Vector where_less(Vector x, Vector y, Vector a) {                                        \
      return _mm256_and_##P(_mm256_cmp_##P(x, y, _CMP_LT_OQ), a);                                   \
    }                                                                                               \
    static Vector fma_where_less(Vector x, Vector y, Vector a, Vector b, Vector c) {                \
      return fma(where_less(x, y, a), b, c);                                                        \
    }                                                                                               \
  };
NEUROCIRCUIT_SIMD(float, __m256, ps)
NEUROCIRCUIT_SIMD(double, __m256d, pd)

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
  static Vector load(const T* p) { return each([=](std::size_t i) { return p[i]; }); }
  static void store(T* p, Vector a) {
    for (std::size_t i = 0; i < n; ++i) p[i] = a.x[i];
  }
  static Vector all(T x) { return each([=](std::size_t) { return x; }); }
  static Vector add(Vector a, Vector b) { return each([&](std::size_t i) { return a.x[i] + b.x[i]; }); }
  static Vector sub(Vector a, Vector b) { return each([&](std::size_t i) { return a.x[i] - b.x[i]; }); }
  static Vector min(Vector a, Vector b) { return each([&](std::size_t i) { return a.x[i] < b.x[i] ? a.x[i] : b.x[i]; }); }
  static Vector fma(Vector a, Vector b, Vector c) {
    return each([&](std::size_t i) { return fused(a.x[i], b.x[i], c.x[i]); });
  }
  static unsigned not_positive(Vector a) {
    unsigned bits = 0;
    for (std::size_t i = 0; i < n; ++i) bits |= static_cast<unsigned>(a.x[i] <= 0) << i;
    return bits;
  }
  static Vector where_less(Vector x, Vector y, Vector a) {
    return each([&](std::size_t i) { return x.x[i] < y.x[i] ? a.x[i] : T(0); });
  }
  static Vector fma_where_less(Vector x, Vector y, Vector a, Vector b, Vector c) {
    return each([&](std::size_t i) { return x.x[i] < y.x[i] ? fused(a.x[i], b.x[i], c.x[i]) : c.x[i]; });
  }
};

#endif

template <class T>
constexpr std::size_t kWidth = kVectorBytes / sizeof(T);

}  // namespace
