"""Time the decode loop against transformers' `generate` on the embedded model.

    OMP_NUM_THREADS=1 python benchmarks/decode.py > benchmarks/decode.md   # five to ten minutes
    OMP_NUM_THREADS=1 python benchmarks/decode.py --quick                  # one or two
    OMP_NUM_THREADS=1 python benchmarks/decode.py --bits 100000            # no timing: equal bits
    python benchmarks/decode.py --device cuda --random 0.5e9 --rows 1 64 256   # a large, random one

Both sides sample at temperature 1 from the whole distribution, give every token's log-probability
and the text, in float32, on one thread. Batches: every row draws the same number of tokens (end of
sequence is switched off), prompts are new to the prefix pool. Problems x samples: rows end by
themselves; `generate` once per problem with `num_return_sequences`, and once per sample (a subset,
compared per token). Runs are interleaved; medians of wall and processor seconds. Leave a processor
free: other load moves ratios of wall seconds, and those of processor seconds much less.

With a number behind `--random` an untrained model of at least so many parameters is saved and
opened as `hf:` in the batched loop, on a GPU in bfloat16; only the batches are timed then.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numba
import torch
import transformers

from evaluators import load_task
from reasoning import load_model
from reasoning.core import Sampling, SeedPath
from reasoning.models.decoding.batched import BatchedStepper
from reasoning.models.decoding.fused import FusedStepper
from reasoning.models.decoding.loop import DecodeLoop, Request
from reasoning.models.decoding.stops import TokenBytes
from reasoning.models.tiny import shape, tokenizer

TINY = Path(tokenizer.__file__).parent / "tiny"
Clocked = tuple[float, float, int]  # wall seconds, processor seconds, tokens


def clocked(work: Callable[[], int]) -> Clocked:
    """Times of one piece of work that returns how many tokens it made."""
    gc.collect()
    wall, processor = time.perf_counter(), time.process_time()
    tokens = work()
    return time.perf_counter() - wall, time.process_time() - processor, tokens


def median(runs: list[Clocked]) -> Clocked:
    wall, processor, tokens = (statistics.median(column) for column in zip(*runs, strict=True))
    return wall, processor, int(tokens)


class Ours:
    """The loop of this project over a stepper."""

    def __init__(self, stepper: Any, pieces: TokenBytes, eos: bool) -> None:
        if not eos:
            stepper.eos_ids = frozenset()
        self.loop = DecodeLoop(stepper, pieces)

    def __call__(self, prompts: list[list[int]], samples: int, new: int) -> int:
        """Samples of every prompt, all submitted at once; returns tokens drawn."""
        self.loop.stepper.reset()  # nothing in progress: only cached prefixes go
        futures = [
            self.loop.submit(Request(ids, Sampling(), new, SeedPath(0, (i, j)).key))
            for i, ids in enumerate(prompts)
            for j in range(samples)
        ]
        return sum(len(future.result().token_ids) for future in futures)


class Generate:
    """`generate` of transformers, left-padded, with the log-probabilities of its tokens."""

    def __init__(self, model: Any, pieces: TokenBytes, pad: int, eos: int | None) -> None:
        self.model, self.pieces, self.pad, self.eos = model, pieces, pad, eos

    def __call__(self, prompts: list[list[int]], samples: int, new: int) -> int:
        """One call: a batch of prompts, so many samples of each; returns tokens up to the end."""
        length = max(map(len, prompts))
        ids = torch.tensor([[self.pad] * (length - len(p)) + p for p in prompts])
        mask = torch.tensor([[0] * (length - len(p)) + [1] * len(p) for p in prompts])
        ids, mask = ids.to(self.model.device), mask.to(self.model.device)
        settings = transformers.GenerationConfig(
            do_sample=True, temperature=1.0, top_k=0, top_p=1.0, num_return_sequences=samples,
            max_new_tokens=new, output_logits=True, return_dict_in_generate=True,
            eos_token_id=self.eos, pad_token_id=self.pad,
        )  # fmt: skip
        with torch.no_grad():
            out = self.model.generate(ids, attention_mask=mask, generation_config=settings)
            drawn = out.sequences[:, length:]
            steps = zip(out.logits, drawn.T, strict=True)
            found = [x.log_softmax(-1).gather(-1, token[:, None]) for x, token in steps]
            logprobs = torch.cat(found, 1).tolist()
        tokens = 0
        for row, values in zip(drawn.tolist(), logprobs, strict=True):
            end = row.index(self.eos) + 1 if self.eos in row else len(row)
            self.pieces.text(row[:end])
            tokens += len(values[:end])
        return tokens


def line(name: str, ours: Clocked, theirs: Clocked) -> str:
    """A row of the table: tokens a second, and how many times faster ours is for the same work."""
    per_wall = ours[0] / ours[2], theirs[0] / theirs[2]
    per_processor = ours[1] / ours[2], theirs[1] / theirs[2]
    return (
        f"| {name} | {1 / per_wall[0]:,.0f} | {1 / per_wall[1]:,.0f} "
        f"| {per_wall[1] / per_wall[0]:.2f} | {1 / per_processor[0]:,.0f} "
        f"| {1 / per_processor[1]:,.0f} | {per_processor[1] / per_processor[0]:.2f} |"
    )


def large(parameters: float, vocabulary: int, device: str) -> tuple[Any, Any]:
    """A random model of at least so many parameters, saved and opened as `hf:` on the device, in
    bfloat16 on a GPU; and the embedded tokenizer (ids beyond it have no text)."""
    layers, made = 24, cast(Any, tokenizer.build())
    width = 64  # a layer has 13 width² parameters
    while vocabulary * width + layers * 13 * width**2 < parameters:
        width += 64
    config = transformers.Qwen3Config(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=3 * width,
        num_hidden_layers=layers, num_attention_heads=width // 64,
        num_key_value_heads=width // 64, head_dim=64, tie_word_embeddings=True,
        eos_token_id=made.eos_token_id, pad_token_id=made.pad_token_id, bos_token_id=None,
    )  # fmt: skip
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    with torch.device(device):
        torch.manual_seed(0)
        model: Any = transformers.Qwen3ForCausalLM(config)
        model.to(dtype)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        made.save_pretrained(folder)
        found: Any = load_model(f"hf:{folder}", device=device, decode="batched")
    return found.torch_model, made


def embedded(random: bool) -> tuple[Any, Any]:
    """The model and its tokenizer, float32; `random` takes an untrained one."""
    if random:
        made: Any = tokenizer.build()
        torch.manual_seed(0)
        eos, pad = made.eos_token_id, made.pad_token_id
        return shape.build("tiny", len(made), eos, pad).eval(), made
    model = transformers.AutoModelForCausalLM.from_pretrained(TINY, dtype=torch.float32)
    return model.eval(), transformers.AutoTokenizer.from_pretrained(TINY)


def setting() -> str:
    """Date, processor, versions, command."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [x.split(":")[1] for x in cpuinfo.read_text().splitlines() if "model name" in x]
        processor = f"{len(names)} x {names[0].strip()}" if names else processor
    versions = ", ".join(f"{m.__name__} {m.__version__}" for m in (torch, transformers, numba))
    command = " ".join(["python benchmarks/decode.py", *sys.argv[1:]])
    today, load = datetime.now(UTC).date(), os.getloadavg()[0]
    return f"{today}, {processor}, load {load:.1f} at the start, {versions}, `{command}`"


def equal_bits(
    model: Any, pieces: TokenBytes, prompts: list[list[int]], least: int, new: int
) -> str:
    """Draw the same requests at 64 rows (cold, then warm), 7 and 1; say whether every token and
    log-probability is the same to the bit."""
    wanted: list[Any] = []
    lines, tokens, samples = [], 0, 0
    loops = {rows: DecodeLoop(FusedStepper(model, max_rows=rows), pieces) for rows in (64, 7, 1)}
    while tokens < least:
        requests = [
            Request(ids, Sampling(), new, SeedPath(1, (i, samples)).key)
            for i, ids in enumerate(prompts)
        ]
        answers = [f.result() for f in [loops[64].submit(r) for r in requests]]
        wanted += zip(requests, answers, strict=True)
        tokens += sum(len(a.token_ids) for a in answers)
        samples += 1
    for rows, name in ((64, "warm"), (7, "cold"), (1, "cold")):
        again = [f.result() for f in [loops[rows].submit(r) for r, _ in wanted]]
        differ = sum(
            a.token_ids != b.token_ids or a.logprobs != b.logprobs
            for a, (_, b) in zip(again, wanted, strict=True)
        )
        lines.append(f"{rows} rows, {name}: {differ} of {len(wanted)} completions differ")
    for loop in loops.values():
        loop.close()
    return f"{tokens:,} tokens drawn at 64 rows, then again:\n" + "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--random", type=float, nargs="?", const=0.0, metavar="PARAMETERS",
        help="an untrained model: of the embedded shape, or one of so many parameters",
    )  # fmt: skip
    parser.add_argument("--device", default="cpu", help="where a large random model runs")
    parser.add_argument("--vocabulary", type=int, default=151_936, help="of a large random model")
    parser.add_argument("--quick", action="store_true", help="3 runs, 40 problems")
    parser.add_argument("--rows", type=int, nargs="*", default=[1, 16, 64, 256])
    parser.add_argument("--new", type=int, default=64, help="tokens a row")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--singles", type=int, default=64, help="samples drawn one call each")
    parser.add_argument("--task", default="expressions")
    parser.add_argument("--bits", type=int, default=0, metavar="TOKENS")
    args = parser.parse_args()
    runs, problems = (3, 40) if args.quick else (5, 200)
    if args.device == "cpu":
        torch.set_num_threads(1)
    elif not args.random:
        parser.error("--device is for a large random model: add --random 0.5e9")
    transformers.logging.set_verbosity_error()
    if args.random:
        model, coder = large(args.random, args.vocabulary, args.device)
    else:
        model, coder = embedded(args.random is not None)
    pieces = TokenBytes(coder)
    task = load_task(args.task, split="test", n=max(problems, *args.rows))
    prompts = [coder(task.render(p, "chain", "compact")).input_ids for p in task.problems]
    eos, pad = coder.eos_token_id, coder.pad_token_id

    def ours_over(eos: bool) -> Ours:
        if args.random:
            rows = max(args.rows)
            return Ours(BatchedStepper(model, eos_ids=frozenset(), max_rows=rows), pieces, eos)
        return Ours(FusedStepper(model), pieces, eos)

    if args.bits:
        print(equal_bits(model, pieces, prompts, args.bits, args.new))
        return
    print(f"# Decode loop against `generate`\n\n{setting()}, medians of {runs} interleaved runs.\n")
    print("| | ours, tokens/s | generate | ratio | per processor-second | generate | ratio |")
    print("|---|---|---|---|---|---|---|")
    ours = ours_over(eos=False)
    theirs = Generate(model, pieces, pad, None)
    ours(prompts[:4], 1, 4)  # compile
    theirs(prompts[:4], 1, 4)
    for rows in args.rows:
        batch, a, b = prompts[:rows], [], []
        for _ in range(runs):
            a.append(clocked(lambda batch=batch: ours(batch, 1, args.new)))
            b.append(clocked(lambda batch=batch: theirs(batch, 1, args.new)))
        print(line(f"{rows} rows x {args.new}", median(a), median(b)), flush=True)
    ours.loop.close()
    if args.random:
        count = sum(p.numel() for p in model.parameters())
        print(f"\nA random model of {count:,} parameters, {model.dtype} on {model.device}.")
        if model.device.type == "cuda":
            print(torch.cuda.get_device_name(model.device))
        return

    ours, theirs = ours_over(eos=True), Generate(model, pieces, pad, eos)
    work = prompts[:problems]
    a, b, c = [], [], []
    for _ in range(runs):
        a.append(clocked(lambda: ours(work, args.samples, args.new)))
        b.append(clocked(lambda: sum(theirs([ids], args.samples, args.new) for ids in work)))
        c.append(clocked(lambda: sum(theirs([ids], 1, args.new) for ids in work[: args.singles])))
    ours.loop.close()
    name = f"{problems} problems x {args.samples}"
    print(line(f"{name}, against a call a problem", median(a), median(b)))
    print(line(f"{name}, against a call a sample", median(a), median(c)))
    print(
        f"\nTokens a second of wall time, then of processor time. Load now {os.getloadavg()[0]:.1f}"
    )
    print(f"A call a sample: measured on {args.singles} samples, compared per token.")
    for what, times in (("ours", a), ("a call a problem", b)):
        wall, processor, tokens = median(times)
        print(f"{name}, {what}: {wall:.1f} s ({processor:.1f} processor-s), {tokens:,} tokens.")


if __name__ == "__main__":
    main()
