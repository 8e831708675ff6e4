"""Annotates the tasks of a packet as Label Studio keeps them, and exports them by its own converter; run by its own Python."""

import copy
import importlib.metadata
import json
import sys
from pathlib import Path

from label_studio_sdk.converter import Converter

FACTS = {
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
    "lead_time": 9.5,
    "completed_by": 1,
}
KINDS = {
    "json": "convert_to_json",
    "json-min": "convert_to_json_min",
    "csv": "convert_to_csv",
    "coco": "convert_to_coco",
}


def main(folder: Path, moved_px: float, words: dict[str, str], edited: str) -> dict[str, object]:
    """Submit the prediction of every task, with a vertex of the lumen moved in one and the others ticked; export in all kinds."""
    tasks = json.loads((folder / "label-studio.json").read_text())
    seen = {}
    for number, task in enumerate(tasks, start=1):
        result = copy.deepcopy(task["predictions"][0]["result"])
        name = task["data"]["frame"]
        seen[name] = [one["value"]["polygonlabels"][0] for one in result]
        if name == edited:
            lumen = next(one for one in result if one["value"]["polygonlabels"] == ["lumen"])
            lumen["value"]["points"][0][0] += 100.0 * moved_px / lumen["original_width"]
        if name in words:
            choices = {"choices": [words[name]]}
            result.append({"type": "choices", "from_name": "state", "to_name": "image", "value": choices})
        task |= {"id": number, "annotations": [{"id": number, "result": result, "was_cancelled": False, **FACTS}]}
    source = folder / "project.json"
    source.write_text(json.dumps(tasks))
    converter = Converter((folder / "label-studio.xml").read_text(), str(folder), download_resources=False)
    for kind, convert in KINDS.items():
        more = {"sep": ","} if kind == "csv" else {}
        getattr(converter, convert)(str(source), str(folder / kind), is_dir=False, **more)
    return {"version": importlib.metadata.version("label-studio-sdk"), "seen": seen}


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    print(json.dumps(main(Path(job["folder"]), job["moved_px"], job["words"], job["edited"])))
