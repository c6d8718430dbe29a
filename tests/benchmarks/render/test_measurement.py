"""What a table says of how its columns are measured."""

from fake_checkout import SMALL_TABLE, Checkout


def rendered(checkout: Checkout, table: str) -> str:
    (checkout.folder / "tables" / "table2.yaml").write_text(table)
    assert checkout.run("--yes") in (0, 1)
    return (checkout.folder / "out" / "table2.md").read_text()


def test_a_question_is_about_the_method_s_samples_in_batches(checkout: Checkout) -> None:
    asked = "  asked: {stage: pretext, corpus: ucf101, fold: 1, settings: {batch_size: 8}}\n"
    column = "  own: {label: pretext, protocol: asked, metric: accuracy}\n"
    table = SMALL_TABLE.replace("columns:\n", f"{asked}columns:\n{column}")
    assert (
        "**pretext**: accuracy in percent, by pretext on ucf101, fold 1; the samples of the method,"
        " once, in batches of 8 items;"
    ) in rendered(checkout, table)


def test_a_held_out_part_of_train_is_named(checkout: Checkout) -> None:
    held_out = SMALL_TABLE.replace("fold: 1}", "fold: 1, settings: {evaluate_on: held_out}}")
    assert "fold 1; space f, evaluate_on held_out;" in rendered(checkout, held_out)
    assert "evaluate_on" not in rendered(checkout, SMALL_TABLE)
