"""How close HRNet comes to the chip's limit: pictures per second and TFLOP/s in bf16, channels last.

    python benchmarks/hrnet_gpu.py [--batch 32] [--limit-tflops 790] [--compile]

The limit is a large bf16 matrix product on the same card in the same run; the operations are counted from the
convolutions. Variants: as written; batch norms folded; folded and replayed as one CUDA graph; and compiled.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from multiview.nets.folding import fold_batch_norms
from multiview.nets.hrnet import HRNet

WIDTH, HEIGHT = 192, 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="+", default=[32])
    parser.add_argument("--width", type=int, default=32, help="32 or 48")
    parser.add_argument("--limit-tflops", type=float, default=0.0, help="default: measured by a matrix product")
    parser.add_argument("--compile", action="store_true", help="also through torch.compile (minutes)")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA device here")
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    limit = args.limit_tflops or matmul_tflops()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; limit {limit:.0f} TFLOP/s (bf16 matrix product)")
    reference = HRNet(args.width).eval()
    for module in reference.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    flops = convolution_flops(reference)
    print(f"HRNet-W{args.width}, {WIDTH}x{HEIGHT}: {flops / 1e9:.2f} GFLOP a picture")
    reference = reference.cuda().to(memory_format=torch.channels_last)
    plain = copy.deepcopy(reference).to(torch.bfloat16)
    folded = fold_batch_norms(reference).to(torch.bfloat16)
    for batch in args.batch:
        image = torch.randn(batch, 3, HEIGHT, WIDTH, device="cuda").to(memory_format=torch.channels_last)
        x = image.to(torch.bfloat16)
        with torch.inference_mode():
            exact = reference(image[:4])
            variants: dict[str, Callable[[], Tensor]] = {
                "as written": partial(plain, x),
                "batch norms folded": partial(folded, x),
                "folded, CUDA graph": graphed(folded, x),
            }
            if args.compile:
                variants["folded, compiled"] = partial(torch.compile(folded, mode="reduce-overhead"), x)
            for name, run in variants.items():
                start = time.perf_counter()
                error = float((run()[:4].float() - exact).norm() / exact.norm())
                first = time.perf_counter() - start
                ms = median_ms(run)
                tflops = flops * batch / ms / 1e9
                print(
                    f"batch {batch:4d} {name:19s} {ms:7.2f} ms {batch / ms * 1e3:.0f} pictures/s, {tflops:.1f} TFLOP/s "
                    f"= {tflops / limit:6.1%} of the limit (off by {error:.1e} from fp32; first call {first:.1f} s)",
                    flush=True,
                )


def convolution_flops(net: nn.Module) -> float:
    """Multiplications and additions of every convolution for one picture."""
    total = 0.0

    def count(module: nn.Module, _: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d)
        total += 2.0 * module.weight.numel() * out.shape[2] * out.shape[3]

    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, nn.Conv2d)]
    with torch.inference_mode():
        net(torch.zeros(1, 3, HEIGHT, WIDTH))
    for hook in hooks:
        hook.remove()
    return total


def graphed(net: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    """The network's kernels recorded once and launched together."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            net(x)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out: Tensor = net(x)

    def run() -> Tensor:
        graph.replay()
        return out

    return run


def median_ms(run: Callable[[], Tensor], repeats: int = 50) -> float:
    for _ in range(10):
        run()
    times = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return sorted(times)[len(times) // 2]


def matmul_tflops(n: int = 8192) -> float:
    a, b = (torch.randn(n, n, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    return 2.0 * n**3 / median_ms(lambda: a @ b, 20) / 1e9


if __name__ == "__main__":
    main()
