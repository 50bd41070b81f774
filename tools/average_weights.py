"""Average the weights of networks of one shape: a better network than each, if they are related.

    python tools/average_weights.py runs/a/model runs/b/model -o runs/mean

Wortsman et al., "Model soups" (ICML 2022). The networks must come from one training: each continues
the other, or both continue a third. Statistics of batch norms are averaged as well.
"""

import argparse
from pathlib import Path

from featheredge.models import build
from featheredge.models.purpose import read_purpose


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="+", help="folders of `featheredge train`")
    parser.add_argument("-o", "--output", required=True, type=Path)
    args = parser.parse_args()
    networks = [build.load(Path(folder)) for folder in args.networks]
    states = [network.state_dict() for network in networks]
    mean = {name: sum(state[name].double() for state in states) / len(states) for name in states[0]}
    networks[0].load_state_dict({k: v.to(states[0][k].dtype) for k, v in mean.items()})
    build.save(networks[0], args.output, read_purpose(args.networks[0]))
    print(args.output)


if __name__ == "__main__":
    main()
