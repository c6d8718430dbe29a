"""The smallest corpus of each reader: its list files, and names of media."""

from pathlib import Path

UCF = "Archery/v_Archery_g{}_c01.avi"
HMDB = "Film_[1]_wave_f_cm_np1_ba_bad_0.avi"
KINETICS = "label,youtube_id,time_start,time_end,split,is_cc\n"
ESC = "filename,fold,target,category,esc10,src_file,take\n"

# Name of a list file -> its text, with LF. The last line of each names a clip.
LISTS: dict[str, dict[str, str]] = {
    "audioset": {
        "class_labels_indices.csv": 'index,mid,display_name\n0,/m/1,"Speech, café"\n1,/m/2,Dog\n',
        "eval_segments.csv": '# YTID, start_seconds\nid_of-test, 0.000, 10.000, "/m/1,/m/2"\n',
    },
    "dcase2013": {},
    "esc50": {"meta/esc50.csv": ESC + "1-100-A-0.wav,1,0,dog,True,100,A\n"},
    "folder": {},
    "hmdb51": {
        f"testTrainMulti_7030_splits/wave_test_split{fold}.txt": f"{HMDB} {fold % 3} \n"
        for fold in (1, 2, 3)
    },
    "kinetics400": {
        "train.csv": KINETICS + '"air drumming",-abc_DEF-12,40,50,train,0\n',
        "annotations/val.csv": KINETICS + "abseiling,-3B32lodo2M,59,69,val,0\n",
    },
    "ucf101": {
        f"ucfTrainTestlist/{split}list0{fold}.txt": UCF.format(group) + suffix
        for fold in (1, 2, 3)
        for split, group, suffix in (("train", "08", " 3\n"), ("test", "01", "\n"))
    },
}
MEDIA: dict[str, list[str]] = {
    "audioset": ["video/id_of-test_0_10000.mp4"],
    "dcase2013": ["scenes_stereo/bus01.wav", "scenes_stereo_testset/bus02.wav"],
    "esc50": ["audio/1-100-A-0.wav"],
    "folder": ["a/x.mp4", "b/y.mp4"],
    "hmdb51": [f"hmdb51_org/wave/{HMDB}"],
    "kinetics400": [
        "train/air drumming/-abc_DEF-12_000040_000050.mp4",
        "val/abseiling/-3B32lodo2M_000059_000069.mp4",
    ],
    "ucf101": ["UCF-101/" + UCF.format(group) for group in ("01", "08")],
}


def write(root: Path, corpus: str) -> Path:
    """Writes the lists, and empty files for the media; returns ``root``."""
    for name, text in LISTS[corpus].items():
        put(root / name, text.encode())
    for name in MEDIA[corpus]:
        put(root / name)
    return root


def put(path: Path, content: bytes = b"") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
