"""What is odd about a data folder is told by `inspect` and at submit, with the files' names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("PIL", reason="Pillow is not installed (extra 'worker')")

from PIL import Image  # noqa: E402

from jobs.data import image_folder  # noqa: E402
from jobs.errors import BadFolder, BadImages  # noqa: E402
from jobs.spec import model  # noqa: E402
from jobs.spec.model import DataSettings  # noqa: E402
from models.data.prepare_data_set import prepare_folder  # noqa: E402
from orchestrator import cli  # noqa: E402
from orchestrator.analysis import image_similarity  # noqa: E402
from orchestrator.datasets import at_submit, findings, notes  # noqa: E402
from orchestrator.datasets.look import look  # noqa: E402

SHAPES = [(60, 80), (90, 70), (64, 64)]


def photograph(seed: int) -> Image.Image:
    """Soft blobs of colour, unlike those of any other seed."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return small.resize(SHAPES[seed % 3], Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of ten different photographs."""
    for place, label in enumerate(("fern", "moss")):
        (tmp_path / "plants" / label).mkdir(parents=True)
        for number in range(10):
            photograph(place * 100 + number).save(tmp_path / "plants" / label / f"{number}.png")
    return tmp_path / "plants"


def found_in(folder: Path, quick: bool = False, **settings: object) -> findings.Findings:
    """The findings of a folder."""
    source = image_folder.read_folder(folder)
    return findings.find(source, DataSettings(**settings), quick=quick)


def test_nothing_is_told_of_an_ordinary_folder(folder: Path) -> None:
    """No false alarms."""
    assert notes.lines(found_in(folder)) == []


@pytest.mark.parametrize("quick", [False, True])
def test_single_colours_are_named(folder: Path, quick: bool) -> None:
    """Also white on transparent, which becomes white on white; a lone dot is no single colour."""
    Image.new("RGB", (500, 500), (9, 99, 199)).save(folder / "moss" / "flat.jpg", quality=95)
    icon = np.zeros((40, 40, 4), np.uint8)
    icon[10:30, 10:30] = 255
    Image.fromarray(icon).save(folder / "moss" / "icon.png")
    dot = Image.new("RGB", (500, 500), "white")
    dot.putpixel((251, 251), (0, 0, 0))
    dot.save(folder / "moss" / "dot.jpg", quality=100, subsampling=0)

    assert sorted(found_in(folder, quick).one_colour) == ["moss/flat.jpg", "moss/icon.png"]


def test_several_frames_are_named_and_a_preview_is_not(folder: Path) -> None:
    """An animation, and a TIFF whose first page is a thumbnail; a camera's MPO is a photograph."""
    frames = [photograph(seed).resize((40, 40)) for seed in (901, 902, 903)]
    frames[0].save(folder / "moss" / "moving.gif", save_all=True, append_images=frames[1:])
    small = frames[0].resize((8, 8))
    small.save(folder / "moss" / "pages.tif", save_all=True, append_images=frames[1:])
    frames[1].save(folder / "moss" / "camera.jpg", "MPO", save_all=True, append_images=[frames[2]])

    assert found_in(folder).frames == {
        "moss/moving.gif": "3 frames",
        "moss/pages.tif": "3 frames of different sizes",
    }


def test_equal_images_of_two_classes_are_named(folder: Path) -> None:
    """Equal files, and equal pixels in files of two formats."""
    (folder / "moss" / "copy.png").write_bytes((folder / "fern" / "0.png").read_bytes())
    Image.open(folder / "fern" / "1.png").save(folder / "moss" / "other.bmp")

    assert sorted(map(sorted, found_in(folder).contradictions)) == [
        ["fern/0.png", "moss/copy.png"],
        ["fern/1.png", "moss/other.bmp"],
    ]


@pytest.mark.parametrize("change", ["recompressed", "half the size", "a little brighter"])
def test_near_duplicates_are_found_and_their_splits_told(folder: Path, change: str) -> None:
    """Every copy with its original, none with another; across splits as the split is drawn."""
    for number in range(10):
        image = Image.open(folder / "fern" / f"{number}.png")
        if change == "half the size":
            image = image.resize((image.width // 2, image.height // 2))
        elif change == "a little brighter":
            image = image.point(lambda value: value * 0.97 + 6)
        image.save(folder / "fern" / f"{number}-copy.jpg", quality=80)
    source = image_folder.read_folder(folder)
    found = findings.find(source, DataSettings(image_size=32))
    target = folder.parent / "prepared"
    prepare_folder(source, DataSettings(image_size=32), target, processes=1)
    from jobs.store import tables

    rows = tables.read_table(target / "manifest.parquet", tables.MANIFEST).to_pylist()
    splits = {row["path"]: row["split"] for row in rows}

    assert sorted(map(sorted, found.near_duplicates)) == [
        [f"fern/{number}-copy.jpg", f"fern/{number}.png"] for number in range(10)
    ]
    assert found.across_splits == [
        group for group in found.near_duplicates if len({splits[path] for path in group}) > 1
    ]
    assert (
        f"20 images in 10 groups look nearly the same; {len(found.across_splits)} of the groups"
        in (notes.lines(found)[-1])
    )


def test_a_thousand_images_of_the_same_look_are_one_group(tmp_path: Path) -> None:
    """In a moment, and without a list of all pairs."""
    photograph(1).save(tmp_path / "a.png")
    photograph(2).save(tmp_path / "b.png")
    one, other = look(tmp_path / "a.png"), look(tmp_path / "b.png")

    assert image_similarity.groups([one] * 1000 + [other]) == [list(range(1000))]


def test_classes_without_a_test_image_are_named(folder: Path) -> None:
    """Two images of a class are too few for three splits."""
    for number in range(2, 10):
        (folder / "moss" / f"{number}.png").unlink()

    assert found_in(folder).no_test_image == ["moss"]
    assert any("without a test image: moss" in line for line in notes.lines(found_in(folder)))


def test_names_are_told(folder: Path) -> None:
    """What lies beside the classes, and classes that look the same."""
    (folder / "labels.csv").write_text("x")
    (folder / "Fern ").mkdir()
    photograph(500).save(folder / "Fern " / "1.png")
    told = " | ".join(notes.lines(found_in(folder)))

    assert "'Fern ' = 'fern'" in told
    assert "1 file belonging to no class, not used: labels.csv" in told


def test_little_contrast_is_told_in_the_range_of_the_set(folder: Path) -> None:
    """A dark exposure among bright ones, and a faint image of 8 bits."""
    ramp = np.tile(np.linspace(0, 1, 40), (40, 1))
    for number, top in enumerate((4000, 3000, 200)):
        Image.fromarray((ramp * top).astype(np.uint16)).save(folder / "moss" / f"deep{number}.png")
    Image.fromarray((100 + ramp * 9).astype(np.uint8)).save(folder / "moss" / "faint.png")
    found = found_in(folder)

    assert found.low_contrast == ["moss/deep2.png", "moss/faint.png"]
    assert found.value_range is not None
    assert (found.value_range["low"], found.value_range["high"]) == (0, 4000)


def test_it_is_told_at_submit_as_by_inspect(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same lines; broken files first, since preparing would fail on them."""
    Image.new("RGB", (40, 40), "white").save(folder / "moss" / "white.png")
    (folder / "moss" / "doc.jpg").write_bytes(b"%PDF-1.4")
    asked = model.build({"backbones": "scratch", "weights": "none", "data": str(folder)})
    source = image_folder.read_folder(folder)
    with pytest.raises(BadFolder, match=r"moss/doc.jpg .*Give --skip-broken"):
        at_submit.lines(source, asked)
    told = at_submit.lines(source, asked.model_copy(update={"skip_broken": True}))
    code = cli.run(["data", "inspect", str(folder), "--json"])
    seen = json.loads(capsys.readouterr().out)

    assert code == 1
    assert "1 broken file left out: moss/doc.jpg" in told[0]
    assert told[1:] == seen["notes"] == ["1 image of a single colour: moss/white.png"]


def test_a_large_folder_is_not_looked_at_when_it_is_submitted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names and checksums are; and it is said."""
    (folder / "moss" / "copy.png").write_bytes((folder / "fern" / "0.png").read_bytes())
    monkeypatch.setattr(at_submit, "MAX_LOOKED_AT", 5)
    asked = model.build({"backbones": "scratch", "weights": "none", "data": str(folder)})
    told = at_submit.lines(image_folder.read_folder(folder), asked)

    assert "fern/0.png = moss/copy.png" in told[0]
    assert "more than 5: orch data inspect" in told[-1]


def test_classes_that_look_the_same_are_told_apart(folder: Path) -> None:
    """Names that print alike are shown with escapes, others as they are."""
    for name in ("Fern", "caf\u00e9", "cafe\u0301"):
        (folder / name).mkdir()
        photograph(7).save(folder / name / "1.png")

    (told,) = [line for line in notes.lines(found_in(folder)) if "almost equal names" in line]

    assert r"'cafe\u0301' = 'caf\xe9'" in told
    assert "'Fern' = 'fern'" in told


def test_a_folder_without_a_common_range_is_not_sound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would be refused at submit, so `inspect` ends with 1."""
    for label, kind in (("fern", np.float32), ("moss", np.uint16)):
        (tmp_path / label).mkdir()
        for number in range(3):
            Image.fromarray(np.full((8, 8), number, kind)).save(tmp_path / label / f"{number}.tif")

    code = cli.run(["data", "inspect", str(tmp_path)])

    assert code == 1
    assert "no common range of values" in capsys.readouterr().out


def test_groups_that_leave_a_split_empty_are_told_before_preparing_fails(folder: Path) -> None:
    """Two groups a class cannot be three splits."""
    entries = image_folder.read_folder(folder).entries
    halves = [replace(one, group=f"{one.label}{place % 2}") for place, one in enumerate(entries)]
    source = replace(image_folder.read_folder(folder), entries=tuple(halves))
    told = notes.lines(findings.find(source, DataSettings(image_size=32)))

    with pytest.raises(BadImages, match="0 for validation"):
        prepare_folder(source, DataSettings(image_size=32), folder.parent / "p", processes=1)
    assert any("0 for validation" in line and "will fail" in line for line in told)
