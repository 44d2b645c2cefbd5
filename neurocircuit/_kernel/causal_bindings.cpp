#include "causal_bindings.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <bit>
#include <optional>
#include <stdexcept>

#include "causal_conv.hpp"
#include "causal_kernels.hpp"

namespace nb = nanobind;

namespace neurocircuit {
namespace {

template <class T, int axes>
using In = nb::ndarray<const T, nb::ndim<axes>, nb::c_contig, nb::device::cpu>;
template <class T, int axes>
using Out = nb::ndarray<T, nb::ndim<axes>, nb::c_contig, nb::device::cpu>;

struct Geometry {
  std::size_t stride, left, right, top, bottom, threads;
};

template <class T>
ConvShape shape_of(const In<T, 4>& z, const In<T, 4>& weight, const Geometry& g) {
  const ConvShape shape{z.shape(0),      z.shape(1), z.shape(2), z.shape(3), weight.shape(0), weight.shape(2),
                        weight.shape(3), g.stride,   g.left,     g.right,    g.top,           g.bottom};
  if (weight.shape(1) != shape.inputs || shape.stride == 0 || shape.kernel_height > shape.height + g.top + g.bottom ||
      shape.kernel_width > shape.width + g.left + g.right)
    throw std::invalid_argument("causal_conv2d: shapes do not fit");
  if (shape.inputs * (shape.height + g.top + g.bottom) * (shape.width + g.left + g.right) > std::size_t{1} << 30)
    throw std::invalid_argument("causal_conv2d: more than 2^30 inputs to a padded image");
  if (shape.taps() * std::bit_ceil(shape.height) * std::bit_ceil(shape.width) > std::size_t{1} << 32)
    throw std::invalid_argument("causal_conv2d: more than 2^32 pairs of a weight and a pixel");
  return shape;
}

template <class A>
void check(const A& array, std::initializer_list<std::size_t> sizes) {
  std::size_t axis = 0;
  for (const std::size_t size : sizes)
    if (array.shape(axis++) != size) throw std::invalid_argument("causal_conv2d: shapes do not fit");
}

template <class A, class S>
void check_output(const A& array, const S& shape) {
  check(array, {shape.images, shape.outputs, shape.out_height(), shape.out_width()});
}

template <class T>
LayerInput<T> input_of(const ConvShape& shape, const In<T, 4>& z, const In<T, 4>& weight,
                       const In<T, 2>& bias, const In<T, 1>& bias_z, double arming_z) {
  check(bias, {bias_z.shape(0), shape.outputs});
  return {z.data(), weight.data(), bias.data(), bias_z.data(), bias_z.shape(0), static_cast<T>(arming_z)};
}

template <class T>
bool forward(In<T, 4> z, In<T, 4> weight, In<T, 2> bias, In<T, 1> bias_z, double arming_z, std::size_t stride,
             std::size_t left, std::size_t right, std::size_t top, std::size_t bottom, std::size_t threads,
             Out<T, 4> z_out, Out<T, 4> slope) {
  const ConvShape shape = shape_of<T>(z, weight, {stride, left, right, top, bottom, threads});
  check_output(z_out, shape);
  check_output(slope, shape);
  const LayerInput<T> in = input_of<T>(shape, z, weight, bias, bias_z, arming_z);
  nb::gil_scoped_release released;
  return causal_forward(shape, in, threads, z_out.data(), slope.data());
}

template <class T>
void backward(In<T, 4> z, In<T, 4> weight, In<T, 2> bias, In<T, 1> bias_z, std::size_t stride, std::size_t left,
              std::size_t right, std::size_t top, std::size_t bottom, std::size_t threads,
              In<T, 4> z_out, In<T, 4> slope, In<T, 4> grad_z_out, std::optional<In<T, 4>> grad_slope,
              std::optional<Out<T, 4>> grad_z, Out<T, 4> grad_weight, Out<T, 2> grad_bias) {
  const ConvShape shape = shape_of<T>(z, weight, {stride, left, right, top, bottom, threads});
  for (const auto* array : {&z_out, &slope, &grad_z_out}) check_output(*array, shape);
  if (grad_slope) check_output(*grad_slope, shape);
  if (grad_z) check(*grad_z, {shape.images, shape.inputs, shape.height, shape.width});
  check(grad_weight, {shape.outputs, shape.inputs, shape.kernel_height, shape.kernel_width});
  check(grad_bias, {bias_z.shape(0), shape.outputs});
  const LayerInput<T> in = input_of<T>(shape, z, weight, bias, bias_z, 0);
  const OutputGradient<T> out{z_out.data(), slope.data(), grad_z_out.data(),
                              grad_slope ? grad_slope->data() : nullptr};
  nb::gil_scoped_release released;
  causal_backward(shape, in, out, threads, grad_z ? grad_z->data() : nullptr, grad_weight.data(),
                  grad_bias.data());
}

}  // namespace

void bind_causal(nb::module_& m) {
  using nb::literals::operator""_a;
  const auto none = [](const char* name) { return nb::arg(name).none(); };
  m.def("causal_forward", &forward<float>, "z"_a, "weight"_a, "bias"_a, "bias_z"_a, "arming_z"_a, "stride"_a,
        "left"_a, "right"_a, "top"_a, "bottom"_a, "threads"_a, "z_out"_a, "slope"_a);
  m.def("causal_forward", &forward<double>, "z"_a, "weight"_a, "bias"_a, "bias_z"_a, "arming_z"_a, "stride"_a,
        "left"_a, "right"_a, "top"_a, "bottom"_a, "threads"_a, "z_out"_a, "slope"_a);
  m.def("causal_backward", &backward<float>, "z"_a, "weight"_a, "bias"_a, "bias_z"_a, "stride"_a, "left"_a,
        "right"_a, "top"_a, "bottom"_a, "threads"_a, "z_out"_a, "slope"_a, "grad_z_out"_a, none("grad_slope"),
        none("grad_z"), "grad_weight"_a, "grad_bias"_a);
  m.def("causal_backward", &backward<double>, "z"_a, "weight"_a, "bias"_a, "bias_z"_a, "stride"_a, "left"_a,
        "right"_a, "top"_a, "bottom"_a, "threads"_a, "z_out"_a, "slope"_a, "grad_z_out"_a, none("grad_slope"),
        none("grad_z"), "grad_weight"_a, "grad_bias"_a);
  m.def("instruction_set", &instruction_set);
  m.def("use_instruction_set", &use_instruction_set);
}

}  // namespace neurocircuit
