// Numbers from rows to columns.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace neurocircuit {

template <class T>
struct FourOf;
template <>
struct FourOf<float> {
  typedef float Numbers __attribute__((vector_size(16)));
  typedef std::int32_t Places __attribute__((vector_size(16)));
};
template <>
struct FourOf<double> {
  typedef double Numbers __attribute__((vector_size(32)));
  typedef std::int64_t Places __attribute__((vector_size(32)));
};

// to[column * to_stride + row] = from[row * from_stride + column], in blocks of 4 by 4 that stay in registers.
template <class T>
void transpose(const T* from, std::size_t from_stride, std::size_t rows, std::size_t columns, T* to,
               std::size_t to_stride) {
  using Four = typename FourOf<T>::Numbers;
  using Places = typename FourOf<T>::Places;
  constexpr Places kLow{0, 4, 1, 5}, kHigh{2, 6, 3, 7}, kFirst{0, 1, 4, 5}, kSecond{2, 3, 6, 7};
  const std::size_t whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
  for (std::size_t r = 0; r < whole_rows; r += 4)
    for (std::size_t c = 0; c < whole_columns; c += 4) {
      Four in[4];
      for (std::size_t i = 0; i < 4; ++i) std::memcpy(&in[i], from + (r + i) * from_stride + c, sizeof(Four));
      const Four low_01 = __builtin_shuffle(in[0], in[1], kLow), high_01 = __builtin_shuffle(in[0], in[1], kHigh);
      const Four low_23 = __builtin_shuffle(in[2], in[3], kLow), high_23 = __builtin_shuffle(in[2], in[3], kHigh);
      const Four out[4] = {__builtin_shuffle(low_01, low_23, kFirst), __builtin_shuffle(low_01, low_23, kSecond),
                           __builtin_shuffle(high_01, high_23, kFirst), __builtin_shuffle(high_01, high_23, kSecond)};
      for (std::size_t i = 0; i < 4; ++i) std::memcpy(to + (c + i) * to_stride + r, &out[i], sizeof(Four));
    }
  for (std::size_t c = 0; c < columns; ++c)
    for (std::size_t r = c < whole_columns ? whole_rows : 0; r < rows; ++r)
      to[c * to_stride + r] = from[r * from_stride + c];
}

}  // namespace neurocircuit
