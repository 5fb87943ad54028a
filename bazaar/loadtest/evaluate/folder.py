"""An evaluation as a folder: page, plots and numbers, written and read."""

from pathlib import Path

import msgspec

from bazaar.cluster.data_dir import write_whole
from bazaar.cluster.exits import CommandFailed
from bazaar.loadtest.evaluate import text
from bazaar.loadtest.evaluate.plots import list_figures
from bazaar.loadtest.evaluate.results import Evaluation
from bazaar.loadtest.outputs import writing
from bazaar.loadtest.report.drawing import write_png, write_svg

PAGE, NUMBERS = "README.md", "results.json"


def write(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write everything and return the files. Raises CommandFailed: it cannot be written."""
    numbers = msgspec.json.encode(evaluation)
    with writing("--out", folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / NUMBERS, numbers.decode() + "\n")
        written = [folder / PAGE, folder / NUMBERS]
        for name, drawing in list_figures(evaluation):
            for suffix, draw in ((".png", write_png), (".svg", write_svg)):
                path = folder / (name + suffix)
                draw(drawing, path)
                written.append(path)
        write_whole(folder / PAGE, text.render(evaluation))
    return written


def read(folder: Path) -> Evaluation:
    """Return the evaluation whose numbers are in a folder. Raises CommandFailed."""
    path = folder / NUMBERS
    try:
        return msgspec.json.decode(path.read_bytes(), type=Evaluation)
    except (OSError, msgspec.MsgspecError) as error:
        raise CommandFailed(f"{path} cannot be read: {error}.") from error
