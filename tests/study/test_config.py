import pytest

from attnspace.errors import AttnspaceError, StudyError
from attnspace.objective.goals import Goal
from attnspace.study.config import load_config
from attnspace.study.loading import prepare


def put(study: dict, path: str, value):
    *parents, last = path.split(".")
    here = study
    for name in parents:
        here = here.setdefault(name, {})
    here[last] = value
    return study


def test_defaults_are_written_out(tiny, write):
    del tiny["search"]["rungs"]
    config, _ = load_config(write(tiny))
    plain = config.plain()
    assert plain["objective"]["maximize"] == "val_accuracy"
    assert plain["objective"]["minimize"] is None
    assert set(plain["objective"]["subject_to"].values()) == {None}
    assert plain["search"]["rungs"] == {"first": None, "factor": 3, "seeds": 4}
    assert plain["train"]["momentum"] == 0.9
    assert load_config(write(plain, "again.yaml"))[0].plain() == plain


def test_a_prepared_study_has_the_five_baselines(tiny, write):
    study = prepare(write(tiny))
    assert [b.name for b in study.baselines] == ["none", "se", "cbam", "eca", "ca"]
    assert len(study.slots) == 18
    assert study.space.size() == 3 * 3 * 7


def test_baselines_that_do_not_fit_are_left_out_and_said(tiny, write):
    put(tiny, "backbone.width", 8)
    put(tiny, "space.block", {"$published": "eca"})
    study = prepare(write(tiny))
    assert [b.name for b in study.baselines] == ["none", "eca"]
    assert len(study.remarks) == 3
    assert study.remarks[0].startswith(
        "baseline se is left out, since it does not fit: block.excite.0.reduction: reduction 16 leaves no hidden unit for 8 channels"
    )


def test_a_further_baseline_that_does_not_fit_is_refused(tiny, write):
    put(tiny, "backbone.width", 8)
    put(tiny, "space.block", {"$published": "eca"})
    with pytest.raises(
        AttnspaceError, match=r"baselines\.extra\.0\.block\..*; choose other stages in baselines\.placement"
    ):
        prepare(write(put(tiny, "baselines.extra", ["cbam-official"])))


def test_a_block_that_needs_several_values_is_refused_where_maps_have_one(tiny, write):
    put(tiny, "backbone", {"kind": "import", "import": "single.py:make", "slots": {"end": "2", "residual": "0"}})
    write(
        "from torch import nn\n"
        "def make(in_channels, num_classes):\n"
        "    head = (nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 16, 1), nn.Flatten(), nn.Linear(16, num_classes))\n"
        "    return nn.Sequential(nn.Conv2d(in_channels, 16, 1), *head)\n",
        "single.py",
    )
    put(tiny, "space.placement", {"position": "end"})
    for name, fits in {"simam": False, "srm": False, "eca": True}.items():
        study = write(put(tiny, "space.block", {"$published": name}))
        if fits:
            assert prepare(study).space.size() == 1
        else:
            with pytest.raises(AttnspaceError, match=r"cannot stand where maps are 1x1: .*more than one value"):
                prepare(study)


def test_further_baselines_may_be_published_or_files(tiny, write):
    write('{"kind": "gate", "squeeze": {"kind": "none"}}', "mine.json")
    study = prepare(write(put(tiny, "baselines.extra", ["ese", "mine.json"])))
    assert [b.name for b in study.baselines][5:] == ["ese", "mine"]


def test_the_protocol_tells_trainings_apart(tiny, write):
    one = prepare(write(tiny)).protocol
    assert prepare(write(put(tiny, "search.trials", 9))).protocol == one
    assert prepare(write(put(tiny, "search.rungs", None))).protocol == one
    assert prepare(write(put(tiny, "train.epochs", 9))).protocol != one  # the learning rate goes down over all of them
    assert prepare(write(put(tiny, "train.lr", 0.3))).protocol != one


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("serch", {"trials": 3}, r"serch: unknown key 'serch'; .*did you mean 'search'"),
        ("train.epoch", 3, r"train\.epoch: unknown key 'epoch'; .*did you mean 'epochs'"),
        ("search.trials", "many", r'search\.trials: should be a whole number; got "many"; write it in digits'),
        ("search.trials", "6", r'search\.trials: should be a whole number; got "6"; write 6, without quotes'),
        (
            "train",
            {"import": "gone.py:f"},
            r"train\.import: there is no file .*gone\.py; check the path, which is seen",
        ),
        (
            "space.block.squeeze.stats",
            {"$subset": []},
            r"\$subset: should be a list of items; got \[\]; allowed: one or more",
        ),
        ("search.trials", 0, r"search\.trials: should be at least 1; got 0"),
        ("search.trials", True, r"search\.trials: should be a whole number; got true"),
        ("search.sampler", "tp", r"search\.sampler: should be forest, tpe, evolution, nsga2, random or exhaustive"),
        ("name", "a/b", r"name: .*got \"a/b\""),
        (
            "data.kind",
            "mnist",
            r"data\.kind: unknown kind 'mnist'; allowed: digits, external, image_folder, import, parquet",
        ),
        ("backbone.depth", 9, r"backbone\.depth: is not 6n\+2; got 9; allowed: 8, 14"),
        ("space.block", "se", r"space\.block: a block is a mapping; got \"se\"; write \{\$published: se\}"),
        ("space.block", {"per_stage": {1: {"$published": "se"}, "01": {"$published": "se"}}}, r"'01' is no stage"),
        ("space.block", {"$any": ["gate"]}, r"space\.block\.\$any: should be the name of a family"),
        ("space.block.squeeze.stats", "avg", r'stats: should be a list; got "avg"; write \["avg"\]'),
        ("baselines.extra", ["se"], r"baselines\.extra\.0: has the design of baseline se"),
        ("data.train_images", 790, r"data\.train_images: should be at most 780"),
        (
            "objective",
            {"maximize": "val_loss"},
            r"objective\.maximize: val_loss is to be minimized; .*write minimize: val_loss",
        ),
        ("objective", {"maximize": ["val_accuracy", "params"]}, r"objective\.maximize: params is to be minimized"),
        ("objective", {"minimize": "val_accuracy"}, r"objective\.minimize: val_accuracy is to be maximized"),
        (
            "objective",
            {"minimize": "params"},
            r"objective: names no metric that training finds out; allowed: maximize: val_accuracy.*; add maximize",
        ),
        (
            "objective",
            {"maximize": "val_f1"},
            r"objective\.maximize: no metric or cost is named 'val_f1'; .*; one of your own is known once the module",
        ),
        (
            "objective",
            {"minimize": ["val_los"]},
            r"objective\.minimize: no metric .*'val_los'.*did you mean 'val_loss'",
        ),
        ("objective", {"minimize": ["val_loss", "val_loss"]}, r"objective: names a metric twice"),
        ("objective.subject_to", {"parms": 3}, r"subject_to\.parms: unknown key 'parms'; .*did you mean 'params'"),
        ("objective.subject_to", {"params_overhead": -1}, r"params_overhead: should be at least 0"),
        ("space.fixed", {"block.x": 3}, r"space\.fixed\.block\.x: no hole has this name; allowed: block\.excite"),
        (
            "space.fixed",
            {"block.excite.0.reduction": 3},
            r"fixed\.block\.excite\.0\.reduction: is no option of this hole; got 3; allowed: 2, 4, 8",
        ),
        ("search.rungs", {"first": 2}, r"search\.rungs\.first: comes after the end; .*or rungs: null"),
        ("search.rungs", {"factor": 1}, r"search\.rungs\.factor: should be at least 2"),
        ("train", {"kind": "replay", "table": "gone.parquet"}, r"train\.table: cannot be read: .*gone\.parquet"),
        ("train", {"kind": "replai"}, r"train\.kind: unknown kind 'replai'; allowed: import, replay, sgd"),
        ("space.placement.stages", [5], r"space\.placement\.stages\.0: stage 5 does not exist; allowed: 1, 2, 3"),
        ("space.placement.stages", [1, 1], r"space\.placement\.stages: a stage is listed twice"),
        (
            "space.placement.position",
            "midle",
            r"space\.placement\.position: position 'midle' does not exist; allowed: conv1, conv2, identity, post_add, pre",
        ),
        ("space.placement.where", 1, r"space\.placement\.where: unknown key"),
        ("space.block", 3, r"space\.block: a block is a mapping"),
        ("space.block.excite", [{"kind": "fc", "reduction": 40}], r"space\.block\.excite\.0\.reduction: .*16 channels"),
        (
            "space.block.excite",
            [{"kind": "fc", "reduction": {"$choice": [4, 80]}}],
            r"with block\.excite\.0\.reduction = 80, no design is valid",
        ),
        ("space.block.excite", [{"kind": {"$choice": ["fc", "conv2d"]}}], r"with block\.excite\.0\.kind = conv2d"),
        ("space.block.squeeze", {"$chioce": [1]}, r"space\.block\.squeeze: unknown hole"),
        ("space.block", {"per_stage": {1: {"$published": "se"}}}, r"per_stage: .*no block is given for stage 2"),
        ("space.block", {"per_stage": {"one": {"$published": "se"}}}, r"per_stage\.one: 'one' is no stage"),
        ("baselines.extra", ["sse2"], r"baselines\.extra\.0: no published block is named 'sse2'"),
        ("baselines.extra", ["gone.json"], r"gone\.json: .*no such file|no such file"),
    ],
)
def test_faults_are_found_before_anything_runs(tiny, write, path, value, message):
    with pytest.raises(AttnspaceError, match=message) as caught:
        prepare(write(put(tiny, path, value)))
    assert ".yaml" in str(caught.value) or "gone.json" in str(caught.value)


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text\n", "3\n"])
def test_a_study_that_is_no_mapping_is_refused(write, text):
    with pytest.raises(StudyError, match=r"study\.yaml: a study is a mapping; got"):
        load_config(write(text))


@pytest.mark.parametrize("data", [{"kind": "gate", "squeeze": "$any"}, {"block": "se", "placement": {}}])
def test_a_block_is_told_from_a_study(write, data):
    with pytest.raises(StudyError, match=r"study\.yaml: is a block, not a study; .*attnspace check checks a block"):
        load_config(write(data))


@pytest.mark.parametrize("objective", [{}, {"subject_to": {"params_overhead": 0.5}}])
def test_an_objective_that_names_no_metric_is_about_accuracy(tiny, write, objective):
    study = prepare(write(put(tiny, "objective", objective)))
    assert study.config.objective.goals == (Goal("val_accuracy", "maximize"),)
    assert study.config.plain()["objective"]["maximize"] == "val_accuracy"


def test_every_fault_is_told_with_its_line(write):
    with pytest.raises(StudyError) as caught:
        load_config(
            write("name: a\nspace: {block: {kind: identity}}\ntrain:\n  lr: -1\n  epochs: x\nsearch: {trails: 3}\n")
        )
    assert sorted(line.split("study.yaml")[1].split("; ")[0] for line in str(caught.value).splitlines()) == [
        ":4: train.lr: should be more than 0.0",
        ":5: train.epochs: should be a whole number",
        ":6: search.trails: unknown key 'trails'",
    ]
    assert str(caught.value).splitlines()[2].endswith("did you mean 'trials'?")


def test_a_fault_names_its_line(write):
    with pytest.raises(StudyError, match=r"study\.yaml:4: train\.lr: should be more than 0\.0; got -1"):
        load_config(write("name: a\nspace: {block: {kind: identity}}\ntrain:\n  lr: -1\n"))


def test_options_valid_only_in_some_combinations_are_accepted(tiny, write):
    put(tiny, "space.block.squeeze", {"kind": {"$choice": ["global", "channel"]}, "stats": ["avg"]})
    put(tiny, "space.block.excite", [{"kind": {"$choice": ["conv1d", "conv2d"]}}])
    assert prepare(write(tiny)).space.size() == 4 * 7


def test_one_block_for_each_stage(tiny, write):
    stages = {stage: {"$choice": [{"kind": "identity"}, {"$published": "eca"}]} for stage in (1, 2, 3)}
    study = prepare(write(put(tiny, "space.block", {"per_stage": stages})))
    assert study.space.size() == 8 * 7
    design = study.design(next(f for f in study.space.enumerate() if len(f.data["placement"]["stages"]) == 3))
    kinds = [filling_block["kind"] for filling_block in design.document.block["per_stage"].values()]
    assert len(design.plan) == kinds.count("gate")
    two = next(f for f in study.space.enumerate() if f.data["placement"]["stages"] == [1, 3])
    assert set(study.design(two).document.block["per_stage"]) == {"1", "3"}


def test_a_space_without_end_cannot_be_gone_through(tiny, write):
    put(tiny, "space.block", {"kind": "simam", "regularization": {"$float": [1e-5, 1e-3], "log": True}})
    put(tiny, "search.sampler", "exhaustive")
    with pytest.raises(AttnspaceError, match=r"search\.sampler: is too large to go through; .*choose another sampler"):
        prepare(write(tiny))


def test_a_stage_that_does_not_exist_has_no_block(tiny, write):
    stages = {stage: {"$published": "eca"} for stage in (1, 2, 3, 4)}
    with pytest.raises(AttnspaceError, match=r"per_stage\.4: stage 4 does not exist; allowed: 1, 2, 3"):
        prepare(write(put(tiny, "space.block", {"per_stage": stages})))


def test_what_suggests_designs_depends_on_how_many_objectives_there_are(tiny, write):
    del tiny["search"]["rungs"]
    assert load_config(write(tiny))[0].plain()["search"]["sampler"] == "forest"
    tiny["objective"] = {"maximize": "val_accuracy", "minimize": "params"}
    assert load_config(write(tiny))[0].plain()["search"]["sampler"] == "nsga2"
    tiny["search"]["sampler"] = "forest"
    with pytest.raises(StudyError, match=r"search\.sampler: is for one objective; .*leave sampler out"):
        load_config(write(tiny))
