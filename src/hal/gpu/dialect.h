/* The dialect in which the kernels are written once: a common subset of OpenCL C, CUDA and HIP behind these macros.
 *
 *   NCE_KERNEL void f(...)    a kernel; NCE_DEV: a function of the device, always inlined (PoCL must not see a call that
 *                             takes memory of the work group: see "PoCL and group memory" in docs/gpu-kernels.md)
 *   NCE_G, NCE_L, NCE_P       address space of a pointer: device memory, memory of the work group, of the work item
 *   NCE_SHARED(T, name, n)    an array of the work group, at the top of a kernel
 *   NCE_TABLE(T, name, n)     a constant array of the module; NCE_BOOK: address space of a pointer to it
 *   nce_tid nce_group_x nce_group_y nce_group_z nce_size   work item, group numbers, items of a group (x only)
 *   nce_sync()                all items of a group meet; every item must come by
 *   nce_fma nce_rint nce_sqrt nce_div   correctly rounded; nothing else is fused, whatever the compiler
 *   nce_bits nce_float        bits of a float and back;  nce_h2f: half (its bits) to float
 *   nce_dot4(a, b, c)         c + the products of four signed bytes
 *   NCE_UNROLL                in front of a loop whose array must become registers
 *   NCE_MMA_EMULATED          set where tensor cores are emulated (kernels/tensor.h): OpenCL text that a driver compiles
 *
 * Rules: C89 declarations allowed anywhere, no C++, no function pointers, no recursion, no double; an address space on every
 * pointer; the same control flow for all items of a group round nce_sync, and no return or continue in front of one, nor one
 * behind an if on an argument (PoCL compiles these wrongly even where all items take them). */
#ifndef NCE_SRC_GPU_DIALECT_H
#define NCE_SRC_GPU_DIALECT_H

#if defined(__OPENCL_C_VERSION__) || defined(__OPENCL_VERSION__)

#pragma OPENCL FP_CONTRACT OFF
#define NCE_KERNEL __kernel
#define NCE_DEV static inline __attribute__((always_inline))
#define NCE_G __global
#define NCE_L __local
#define NCE_P __private
#define NCE_BOOK __constant
#define NCE_SHARED(T, name, n) __local T name[n]
#define NCE_TABLE(T, name, n) __constant T name[n]
typedef uchar nce_u8;
typedef char nce_i8;
typedef ushort nce_u16;
typedef uint nce_u32;
typedef ulong nce_u64;
#define nce_tid ((int)get_local_id(0))
#define nce_group_x ((int)get_group_id(0))
#define nce_group_y ((int)get_group_id(1))
#define nce_group_z ((int)get_group_id(2))
#define nce_size ((int)get_local_size(0))
#define nce_sync() barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#define nce_fma(a, b, c) fma(a, b, c)
#define nce_rint(x) rint(x)
#define nce_sqrt(x) sqrt(x)
#define nce_div(a, b) ((a) / (b))
#define nce_bits(x) as_uint(x)
#define nce_float(x) as_float(x)
#define NCE_SOFT_HALF 1
#define NCE_UNROLL
#ifndef __SPIR__
#define NCE_MMA_EMULATED 1
#endif
NCE_DEV int nce_dot4(int a, int b, int c)
{
    const char4 x = as_char4(a), y = as_char4(b);
    return c + x.x * y.x + x.y * y.y + x.z * y.z + x.w * y.w;
}

#elif defined(__CUDACC__) && !defined(__HIP__)

#define NCE_KERNEL extern "C" __global__ __launch_bounds__(256)
#define NCE_DEV static __device__ __forceinline__
#define NCE_G
#define NCE_L
#define NCE_P
#define NCE_BOOK
#define NCE_SHARED(T, name, n) __shared__ T name[n]
#define NCE_TABLE(T, name, n) static __device__ const T name[n]
typedef unsigned char nce_u8;
typedef signed char nce_i8;
typedef unsigned short nce_u16;
typedef unsigned int nce_u32;
typedef unsigned long long nce_u64;
#define nce_tid ((int)threadIdx.x)
#define nce_group_x ((int)blockIdx.x)
#define nce_group_y ((int)blockIdx.y)
#define nce_group_z ((int)blockIdx.z)
#define nce_size ((int)blockDim.x)
#define nce_sync() __syncthreads()
#define nce_fma(a, b, c) __fmaf_rn(a, b, c)
#define nce_rint(x) rintf(x)
#define nce_sqrt(x) __fsqrt_rn(x)
#define nce_div(a, b) __fdiv_rn(a, b)
#define nce_bits(x) __float_as_uint(x)
#define nce_float(x) __uint_as_float(x)
#define nce_dot4(a, b, c) __dp4a((int)(a), (int)(b), (int)(c))
#define NCE_UNROLL _Pragma("unroll")
NCE_DEV float nce_h2f(nce_u16 h) /* the header for halves would double the time to compile */
{
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h));
    return x;
}

#elif defined(__HIP__)

#define NCE_KERNEL extern "C" __attribute__((global, amdgpu_flat_work_group_size(1, 256)))
#define NCE_DEV static __attribute__((device)) inline __attribute__((always_inline))
#define NCE_G
#define NCE_L
#define NCE_P
#define NCE_BOOK
#define NCE_SHARED(T, name, n) __attribute__((shared)) T name[n]
#define NCE_TABLE(T, name, n) static __attribute__((device)) const T name[n]
typedef unsigned char nce_u8;
typedef signed char nce_i8;
typedef unsigned short nce_u16;
typedef unsigned int nce_u32;
typedef unsigned long long nce_u64;
#define nce_tid ((int)__builtin_amdgcn_workitem_id_x())
#define nce_group_x ((int)__builtin_amdgcn_workgroup_id_x())
#define nce_group_y ((int)__builtin_amdgcn_workgroup_id_y())
#define nce_group_z ((int)__builtin_amdgcn_workgroup_id_z())
#define nce_size ((int)__builtin_amdgcn_workgroup_size_x())
#define nce_fma(a, b, c) __builtin_fmaf(a, b, c)
#define nce_rint(x) __builtin_rintf(x)
#define nce_sqrt(x) __builtin_sqrtf(x)
#define nce_div(a, b) ((a) / (b))
#define nce_bits(x) __builtin_bit_cast(nce_u32, (float)(x))
#define nce_float(x) __builtin_bit_cast(float, (nce_u32)(x))
#define nce_h2f(h) ((float)__builtin_bit_cast(_Float16, (nce_u16)(h)))
#define NCE_UNROLL _Pragma("unroll")
#define nce_sync()                                                                                                     \
    do {                                                                                                               \
        __builtin_amdgcn_fence(__ATOMIC_RELEASE, "workgroup");                                                         \
        __builtin_amdgcn_s_barrier();                                                                                  \
        __builtin_amdgcn_fence(__ATOMIC_ACQUIRE, "workgroup");                                                         \
    } while (0)
#if defined(__GFX11__) || defined(__GFX12__)
#define nce_dot4(a, b, c) __builtin_amdgcn_sudot4(1, a, 1, b, c, 0)
#else
#define nce_dot4(a, b, c) __builtin_amdgcn_sdot4(a, b, c, 0)
#endif

#else
#error "compile this as OpenCL C, CUDA or HIP"
#endif

#ifdef NCE_SOFT_HALF
NCE_DEV float nce_h2f(nce_u16 h)
{
    const nce_u32 sign = (nce_u32)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
    if (exponent == 31) return nce_float(sign | 0x7f800000u | (fraction != 0 ? 0x400000u : 0u) | fraction << 13);
    if (exponent != 0) return nce_float(sign | (exponent + 112) << 23 | fraction << 13);
    return nce_float(sign | nce_bits((float)fraction * 5.9604644775390625e-8f)); /* 2^-24: exact */
}
#endif

#endif
