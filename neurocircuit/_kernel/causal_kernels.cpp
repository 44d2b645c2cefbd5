// Compiled once per instruction set, as NEUROCIRCUIT_ISA. Templates of the standard library stay out: the linker
// keeps one copy of them, which might be one that this processor cannot run.
#include "causal_kernels.hpp"

#include "causal_simd.hpp"

namespace {

using neurocircuit::AtArming;
using neurocircuit::EventLists;
using neurocircuit::kAhead;
using neurocircuit::kUnroll;
using neurocircuit::PatchPixels;
using neurocircuit::PatchRows;
using neurocircuit::Window;

template <class T>
constexpr T kInfinity = static_cast<T>(__builtin_inff());

// No branch, and no counter in memory, on which the next spike would have to wait.
template <class T>
std::size_t see(const T* z, const std::uint32_t* source, std::size_t count, Window window, T* z_seen,
                std::uint32_t* source_seen) {
  const std::uint32_t middle = (std::uint32_t{1} << window.middle_bits) - 1;
  const std::uint32_t low = (std::uint32_t{1} << window.low_bits) - 1;
  std::size_t seen = 0, i = 0;
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    const auto low_bits = _mm512_set1_epi32(window.low_bits);
    const auto middle_bits = _mm512_set1_epi32(window.middle_bits);
    const auto low_mask = _mm512_set1_epi32(static_cast<int>(low));
    const auto middle_mask = _mm512_set1_epi32(static_cast<int>(middle));
    const auto first = _mm512_set1_epi32(static_cast<int>(window.first));
    const auto size = _mm512_set1_epi32(static_cast<int>(window.size));
    const auto step = _mm512_set1_epi32(static_cast<int>(window.step));
    const auto keep = [&](__m512i from, __m512 times, __mmask16 left) {
      const auto upper = window.low_bits == 0 ? from : _mm512_srlv_epi32(from, low_bits);
      const auto at = _mm512_sub_epi32(_mm512_and_si512(upper, middle_mask), first);
      const auto inside = _mm512_mask_cmplt_epu32_mask(left, at, size);
      const auto shift = window.step == 1 ? at : _mm512_mullo_epi32(at, step);
      auto to = _mm512_add_epi32(_mm512_srlv_epi32(upper, middle_bits), shift);
      if (window.low_bits != 0) to = _mm512_or_si512(_mm512_sllv_epi32(to, low_bits), _mm512_and_si512(from, low_mask));
      _mm512_storeu_ps(z_seen + seen, _mm512_maskz_compress_ps(inside, times));
      _mm512_storeu_si512(source_seen + seen, _mm512_maskz_compress_epi32(inside, to));
      seen += static_cast<std::size_t>(__builtin_popcount(inside));
    };
    for (; i + 16 <= count; i += 16) keep(_mm512_loadu_si512(source + i), _mm512_loadu_ps(z + i), 0xffff);
    const auto left = static_cast<__mmask16>((1U << (count - i)) - 1);
    if (left != 0) keep(_mm512_maskz_loadu_epi32(left, source + i), _mm512_maskz_loadu_ps(left, z + i), left);
    return seen;
  }
#endif
  for (; i < count; ++i) {
    const std::uint32_t upper = source[i] >> window.low_bits, at = (upper & middle) - window.first;
    z_seen[seen] = z[i];
    source_seen[seen] = ((upper >> window.middle_bits) + at * window.step) << window.low_bits | (source[i] & low);
    seen += at < window.size;
  }
  return seen;
}

template <class T>
void differences(const T* __restrict z, std::size_t count, T* __restrict dz) {
  for (std::size_t k = 0; k < count; ++k) dz[k] = z[k + 1] - z[k];
}

template <class T>
struct Stream {  // one patch under the scan
  const T* z;
  const std::uint32_t* row;
  const T* dz;
  std::size_t count;
};

// State in which a channel was seen to cross: between z and z_next, C and R as at z. Before that: silent.
template <class T>
struct Crossing {
  using V = typename Simd<T>::Vector;
  V C = Simd<T>::all(-1), R = Simd<T>::all(kInfinity<T>), z = Simd<T>::all(0), z_next = Simd<T>::all(kInfinity<T>);

  void take(typename Simd<T>::Mask where, V C_now, V R_now, T z_now, T z_after) {
    C = Simd<T>::select(where, C_now, C);
    R = Simd<T>::select(where, R_now, R);
    z = Simd<T>::select(where, Simd<T>::all(z_now), z);
    z_next = Simd<T>::select(where, Simd<T>::all(z_after), z_next);
  }

  // Rounding must not carry a spike out of (z, z_next], because backward takes {i: z_i < z_out} for the causal set.
  void resolve(T* z_out, T* slope) const {
    using S = Simd<T>;
    const V infinity = S::all(kInfinity<T>);
    const V at = S::min(S::max(S::sub(z, S::div(R, C)), S::after(z)), z_next);
    S::store(z_out, at);
    S::store(slope, S::select(S::less(at, infinity), S::sub(S::all(0), C), S::all(0)));
  }
};

// Channels of one vector that cross within the kUnroll events from k on, from the state C, R before; returns R behind
// them, inf where fired.
template <class T>
typename Simd<T>::Vector find_crossings(const Stream<T>& s, std::size_t k, const T* weights, std::size_t lanes,
                                        typename Simd<T>::Vector C, typename Simd<T>::Vector R, Crossing<T>& crossing) {
  using S = Simd<T>;
  for (std::size_t u = k; u < k + kUnroll; ++u) {
    C = S::sub(C, S::load(weights + s.row[u] * lanes));
    const auto R_next = S::fma(C, S::all(s.dz[u]), R);
    const auto fires = S::less_equal(R_next, S::all(0));
    crossing.take(fires, C, R, s.z[u], s.z[u + 1]);
    R = S::select(fires, S::all(kInfinity<T>), R_next);
  }
  return R;
}

// Wide rows of weights outgrow the nearest cache, and their order is too irregular for the processor to guess.
template <std::size_t kLanes, class T>
inline void fetch(const T* weights) {
  for (std::size_t lane = 0; lane < kLanes; lane += 64 / sizeof(T)) __builtin_prefetch(weights + lane);
}

constexpr std::size_t kSummedTogether = 32;  // events; short sums first, so that long ones round less

// Sums over the events before z, in order of time: C = 1 - Σ w, R = z - Σ w (z - z_i).
template <class T, std::size_t kVectors>
void charge_vectors(const EventLists<T>& lists, const T* weights, T z, T* C, T* R) {
  using S = Simd<T>;
  using V = typename S::Vector;
  constexpr std::size_t kLanes = kVectors * kWidth<T>;
  for (std::size_t p = 0; p < lists.patches; ++p) {
    const T* times = lists.z + p * lists.capacity;
    const std::uint32_t* row = lists.row + p * lists.capacity;
    V total[kVectors], charged[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) total[v] = charged[v] = S::all(0);
    for (std::size_t begin = 0; begin < lists.count[p]; begin += kSummedTogether) {
      const std::size_t left = lists.count[p] - begin, end = begin + (left < kSummedTogether ? left : kSummedTogether);
      V sum[kVectors], part[kVectors];
      for (std::size_t v = 0; v < kVectors; ++v) sum[v] = part[v] = S::all(0);
      for (std::size_t k = begin; k < end; ++k) {
        const T* w = weights + row[k] * kLanes;
        const V since = S::all(z - times[k]);
        if constexpr (kVectors > 2) fetch<kLanes>(weights + row[k + kAhead] * kLanes);
#pragma GCC unroll 4
        for (std::size_t v = 0; v < kVectors; ++v) {
          const V w_v = S::load(w + v * kWidth<T>);
          sum[v] = S::add(sum[v], w_v);
          part[v] = S::fma(w_v, since, part[v]);
        }
      }
      for (std::size_t v = 0; v < kVectors; ++v) {
        total[v] = S::add(total[v], sum[v]);
        charged[v] = S::add(charged[v], part[v]);
      }
    }
    for (std::size_t v = 0; v < kVectors; ++v) {
      S::store(C + p * kLanes + v * kWidth<T>, S::sub(S::all(1), total[v]));
      S::store(R + p * kLanes + v * kWidth<T>, S::sub(S::all(z), charged[v]));
    }
  }
}

template <class T>
void charge(const EventLists<T>& lists, const T* weights, std::size_t vectors, T z, T* C, T* R) {
  auto* all = vectors == 1 ? charge_vectors<T, 1> : vectors == 2 ? charge_vectors<T, 2> : charge_vectors<T, 4>;
  all(lists, weights, z, C, R);
}

// kPatches patches of kVectors vectors of channels side by side, enough of them to hide the latency of the sums.
template <class T, std::size_t kPatches, std::size_t kVectors>
void scan_together(const EventLists<T>& lists, const AtArming<T>& arming, std::size_t first, const T* weights,
                   std::size_t lanes, T* z_out, T* slope) {
  using S = Simd<T>;
  using V = typename S::Vector;
  constexpr std::size_t kLanes = kVectors * kWidth<T>;
  V C[kPatches][kVectors], R[kPatches][kVectors];
  Crossing<T> crossings[kPatches][kVectors];
  Stream<T> streams[kPatches];
  std::size_t steps = 0, silent = kPatches * lanes;
  for (std::size_t p = 0; p < kPatches; ++p) {
    const std::size_t begin = (first + p) * lists.capacity;
    streams[p] = {lists.z + begin, lists.row + begin, lists.dz + begin, lists.count[first + p]};
    if (streams[p].count > steps) steps = streams[p].count;
    for (std::size_t v = 0; v < kVectors; ++v) {
      C[p][v] = S::all(1);
      R[p][v] = S::all(streams[p].count > 0 ? streams[p].z[0] : kInfinity<T>);
      if (arming.C == nullptr) continue;
      const std::size_t channel = (first + p) * kLanes + v * kWidth<T>;
      C[p][v] = S::load(arming.C + channel);
      R[p][v] = S::load(arming.R + channel);
      const auto fires = S::less_equal(R[p][v], S::all(0));  // at the arming
      silent -= static_cast<std::size_t>(__builtin_popcount(S::bits(fires)));
      R[p][v] = S::select(fires, S::all(kInfinity<T>), R[p][v]);
    }
  }
  for (std::size_t k = 0; k < steps && silent > 0; k += kUnroll) {
    V C0[kPatches][kVectors], R0[kPatches][kVectors];
    unsigned fired[kPatches][kVectors], any = 0;
#pragma GCC unroll 4
    for (std::size_t p = 0; p < kPatches; ++p) {
      V lowest[kVectors];
#pragma GCC unroll 4
      for (std::size_t v = 0; v < kVectors; ++v) C0[p][v] = C[p][v], R0[p][v] = R[p][v];
#pragma GCC unroll 4
      for (std::size_t u = 0; u < kUnroll; ++u) {
        const T* w = weights + streams[p].row[k + u] * kLanes;
        const V dz = S::all(streams[p].dz[k + u]);
        if constexpr (kVectors > 2) fetch<kLanes>(weights + streams[p].row[k + u + kAhead] * kLanes);
#pragma GCC unroll 4
        for (std::size_t v = 0; v < kVectors; ++v) {
          C[p][v] = S::sub(C[p][v], S::load(w + v * kWidth<T>));
          R[p][v] = S::fma(C[p][v], dz, R[p][v]);
          lowest[v] = u == 0 ? R[p][v] : S::min(R[p][v], lowest[v]);
        }
      }
#pragma GCC unroll 4
      for (std::size_t v = 0; v < kVectors; ++v) any |= fired[p][v] = S::bits(S::less_equal(lowest[v], S::all(0)));
    }
    if (__builtin_expect(any == 0, 1)) continue;
    for (std::size_t p = 0; p < kPatches; ++p)
      for (std::size_t v = 0; v < kVectors; ++v) {
        if (fired[p][v] == 0) continue;
        R[p][v] = find_crossings(streams[p], k, weights + v * kWidth<T>, kLanes, C0[p][v], R0[p][v], crossings[p][v]);
        silent -= static_cast<std::size_t>(__builtin_popcount(fired[p][v]));
      }
  }
  for (std::size_t p = 0; p < kPatches; ++p)
    for (std::size_t v = 0; v < kVectors; ++v) {
      if (streams[p].count > 0) {  // some cross behind the last input
        const auto rising = S::both(S::less(C[p][v], S::all(0)), S::less(R[p][v], S::all(kInfinity<T>)));
        crossings[p][v].take(rising, C[p][v], R[p][v], streams[p].z[streams[p].count - 1], kInfinity<T>);
      }
      const std::size_t channel = (first + p) * kLanes + v * kWidth<T>;
      crossings[p][v].resolve(z_out + channel, slope + channel);
      if (arming.C == nullptr) continue;
      const auto fires = S::less_equal(S::load(arming.R + channel), S::all(0));
      S::store(z_out + channel, S::select(fires, S::all(arming.z), S::load(z_out + channel)));
    }
}

template <class T, std::size_t kPatches, std::size_t kVectors>
void scan_all(const EventLists<T>& lists, const AtArming<T>& arming, const T* weights, std::size_t lanes, T* z_out,
              T* slope, std::size_t p) {
  for (; p + kPatches <= lists.patches; p += kPatches)
    scan_together<T, kPatches, kVectors>(lists, arming, p, weights, lanes, z_out, slope);
  if constexpr (kPatches > 1) scan_all<T, kPatches - 1, kVectors>(lists, arming, weights, lanes, z_out, slope, p);
}

template <class T>
void scan(const EventLists<T>& lists, const AtArming<T>& arming, const T* weights, std::size_t vectors,
          std::size_t lanes, T* z_out, T* slope) {
  auto* all = vectors == 1 ? scan_all<T, 4, 1> : vectors == 2 ? scan_all<T, 2, 2> : scan_all<T, 1, 4>;
  all(lists, arming, weights, lanes, z_out, slope, 0);
}

// min(z_i, z_j) - z_j is z_i - z_j within the causal set and 0 outside. The second term is summed as that of a silent
// input, over the same rows in the same order, so that an input that never counts gets exactly 0.
template <class T, std::size_t kTaps, std::size_t kVectors, bool kSlope>
void weight_gradient_tile(const PatchRows<T>& rows, std::size_t grad_stride, T* grad) {
  using S = Simd<T>;
  using V = typename S::Vector;
  V sum[kTaps][kVectors], silent[kVectors];
  for (auto& tap : sum)
    for (V& v : tap) v = S::all(0);
  for (V& v : silent) v = S::all(0);
  for (std::size_t image = 0; image < rows.images; ++image)
    for (std::size_t y = 0; y < rows.height; ++y) {
      const T* z = rows.z + image * rows.z_image + y * rows.z_row;
      std::size_t at = (image * rows.image_patches + y * rows.row_patches) * rows.channels;
      for (std::size_t x = 0; x < rows.width; ++x, z += rows.z_column, at += rows.channels) {
        V z_out[kVectors], per_slope[kVectors], grad_slope[kVectors];
#pragma GCC unroll 2
        for (std::size_t v = 0; v < kVectors; ++v) {
          z_out[v] = S::load(rows.z_out + at + v * kWidth<T>);
          per_slope[v] = S::load(rows.per_slope + at + v * kWidth<T>);
          if constexpr (kSlope)
            grad_slope[v] = S::load(rows.grad_slope + at + v * kWidth<T>);
          else
            silent[v] = S::fma(z_out[v], per_slope[v], silent[v]);
        }
#pragma GCC unroll 8
        for (std::size_t i = 0; i < kTaps; ++i) {
          const V z_i = S::all(z[i]);
#pragma GCC unroll 2
          for (std::size_t v = 0; v < kVectors; ++v) {
            if constexpr (kSlope) {
              const V term = S::fma(S::sub(z_i, z_out[v]), per_slope[v], grad_slope[v]);
              sum[i][v] = S::add(sum[i][v], S::select(S::less(z_i, z_out[v]), term, S::all(0)));
            } else {
              sum[i][v] = S::fma(S::min(z_i, z_out[v]), per_slope[v], sum[i][v]);
            }
          }
        }
      }
    }
  for (std::size_t i = 0; i < kTaps; ++i)
    for (std::size_t v = 0; v < kVectors; ++v) {
      T* target = grad + i * grad_stride + v * kWidth<T>;
      S::store(target, S::add(S::load(target), S::sub(sum[i][v], silent[v])));
    }
}

template <class T, std::size_t kVectors, bool kSlope>
void weight_gradient_taps(PatchRows<T> rows, std::size_t taps, std::size_t stride, T* grad) {
  for (; taps >= 8; taps -= 8, rows.z += 8, grad += 8 * stride)
    weight_gradient_tile<T, 8, kVectors, kSlope>(rows, stride, grad);
  for (; taps >= 5; taps -= 5, rows.z += 5, grad += 5 * stride)  // a row of a 5x5 kernel
    weight_gradient_tile<T, 5, kVectors, kSlope>(rows, stride, grad);
  for (; taps >= 4; taps -= 4, rows.z += 4, grad += 4 * stride)
    weight_gradient_tile<T, 4, kVectors, kSlope>(rows, stride, grad);
  for (; taps > 0; --taps, ++rows.z, grad += stride) weight_gradient_tile<T, 1, kVectors, kSlope>(rows, stride, grad);
}

template <class T>
void weight_gradient(const PatchRows<T>& rows, std::size_t taps, std::size_t vectors, std::size_t grad_stride,
                     T* grad) {
  const bool slope = rows.grad_slope != nullptr;
  auto* one = slope ? weight_gradient_taps<T, 1, true> : weight_gradient_taps<T, 1, false>;
  auto* two = slope ? weight_gradient_taps<T, 2, true> : weight_gradient_taps<T, 2, false>;
  PatchRows<T> part = rows;
  for (std::size_t v = 0, step; v < vectors; v += step) {
    step = v + 2 <= vectors ? 2 : 1;
    (step == 2 ? two : one)(part, taps, grad_stride, grad + v * kWidth<T>);
    part.z_out += step * kWidth<T>;
    part.per_slope += step * kWidth<T>;
    if (slope) part.grad_slope += step * kWidth<T>;
  }
}

constexpr std::size_t kInputVectors = kVectorBytes == 64 ? 2 : 1;  // as many as the registers hold

template <class T, std::size_t kPatches>
void input_gradient_tile(const std::uint32_t* patch, const std::uint32_t* pixel, const T* z, std::size_t z_stride,
                         const T* z_out, const T* per_slope, std::size_t channels, std::size_t outputs,
                         const T* weights, std::size_t grad_stride, T* grad) {
  using S = Simd<T>;
  using V = typename S::Vector;
  V z_i[kPatches][kInputVectors], sum[kPatches][kInputVectors];
  const T *z_j[kPatches], *g_j[kPatches];
  for (std::size_t p = 0; p < kPatches; ++p) {
    z_j[p] = z_out + patch[p] * channels;
    g_j[p] = per_slope + patch[p] * channels;
    for (std::size_t v = 0; v < kInputVectors; ++v) {
      z_i[p][v] = S::load(z + pixel[p] * z_stride + v * kWidth<T>);
      sum[p][v] = S::all(0);
    }
  }
  for (std::size_t j = 0; j < outputs; ++j) {
    V w[kInputVectors];
#pragma GCC unroll 2
    for (std::size_t v = 0; v < kInputVectors; ++v) w[v] = S::load(weights + (j * kInputVectors + v) * kWidth<T>);
#pragma GCC unroll 4
    for (std::size_t p = 0; p < kPatches; ++p) {
      const V time = S::all(z_j[p][j]), factor = S::all(g_j[p][j]);
#pragma GCC unroll 2
      for (std::size_t v = 0; v < kInputVectors; ++v)
        sum[p][v] = S::fma_where(S::less(z_i[p][v], time), w[v], factor, sum[p][v]);
    }
  }
  for (std::size_t p = 0; p < kPatches; ++p)
    for (std::size_t v = 0; v < kInputVectors; ++v) {
      T* target = grad + pixel[p] * grad_stride + v * kWidth<T>;
      S::store(target, S::add(S::load(target), sum[p][v]));
    }
}

template <class T>
void input_gradient(const PatchPixels& pixels, const T* z, std::size_t z_stride, const T* z_out, const T* per_slope,
                    std::size_t channels, std::size_t outputs, const T* weights, std::size_t grad_stride, T* grad) {
  std::size_t p = 0;
  for (; p + 4 <= pixels.count; p += 4)
    input_gradient_tile<T, 4>(pixels.patch + p, pixels.pixel + p, z, z_stride, z_out, per_slope, channels, outputs,
                              weights, grad_stride, grad);
  for (; p < pixels.count; ++p)
    input_gradient_tile<T, 1>(pixels.patch + p, pixels.pixel + p, z, z_stride, z_out, per_slope, channels, outputs,
                              weights, grad_stride, grad);
}

template <class T>
constexpr neurocircuit::Kernels<T> kKernels{kWidth<T>, kInputVectors, see<T>, differences<T>, charge<T>, scan<T>, weight_gradient<T>, input_gradient<T>};

}  // namespace

namespace neurocircuit::NEUROCIRCUIT_ISA {

extern const Kernels<float> float_kernels;
extern const Kernels<double> double_kernels;
const Kernels<float> float_kernels = kKernels<float>;
const Kernels<double> double_kernels = kKernels<double>;

}  // namespace neurocircuit::NEUROCIRCUIT_ISA
