"""How many cut-outs a person keeps, above and below a confidence.

    python benchmarks/score_confidence.py VERDICTS PICTURES [--above 0.9] [--out FILE.json]

VERDICTS has a line for each picture: its name without suffix, and the verdict of a person on its
cut-out: keep, touch or refuse. PICTURES is the folder with the pictures (NAME.jpg).
"""

import argparse
import json
from pathlib import Path

import featheredge as fe

VERDICTS = ("keep", "touch", "refuse")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verdicts", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--above", type=float, default=0.9)
    parser.add_argument("--model", help="default: the default saliency model")
    parser.add_argument("--out", type=Path, help="where to write the numbers as JSON")
    args = parser.parse_args()
    session = fe.Session(args.model, task="saliency")
    judged = []
    for line in args.verdicts.read_text("utf-8").splitlines():
        name, verdict = line.split()
        if verdict not in VERDICTS:
            parser.error(f"{name}: verdict {verdict}; expected one of {', '.join(VERDICTS)}")
        judged.append((name, verdict, fe.confidence(session(args.pictures / f"{name}.jpg"))))
    report = {
        "model": session.name,
        "num_pictures": len(judged),
        "above": args.above,
        "counts": {
            side: count([v for _, v, c in judged if (c > args.above) == (side == "above")])
            for side in ("above", "at or below")
        },
        "area_under_curve": area_under_curve(
            [c for _, v, c in judged if v == "keep"], [c for _, v, c in judged if v != "keep"]
        ),
        "pictures": [{"name": n, "verdict": v, "confidence": round(c, 4)} for n, v, c in judged],
    }
    for side, counts in report["counts"].items():
        total = sum(counts.values())
        shares = ", ".join(f"{verdict} {number}" for verdict, number in counts.items())
        print(f"{side} {args.above:g}: {total} pictures; {shares}")
    print(f"area under the curve, keep or not: {report['area_under_curve']:.3f}")
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def count(verdicts: list[str]) -> dict[str, int]:
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS}


def area_under_curve(kept: list[float], others: list[float]) -> float:
    """Share of pairs, one kept and one not, in which the kept one has the higher confidence."""
    wins = sum((k > o) + (k == o) / 2 for k in kept for o in others)
    return round(wins / (len(kept) * len(others)), 4)


if __name__ == "__main__":
    main()
