from mindeye.report.text_tables import TextTable, as_latex, as_markdown, as_plain_text

TABLE = TextTable(
    title="Systems",
    words="All of 50 % of them & more.",
    header=["metric", "a_b", "c|d"],
    rows=[["PixCorr", "0.5 [0.4, 0.6]*", "0.1"], ["SSIM #2", "0.2", "0.30*"]],
)


def test_markdown_has_one_line_a_row_and_the_best_is_bold():
    lines = as_markdown([TABLE], "SIMULATED").splitlines()
    assert lines[:3] == ["SIMULATED", "", "## Systems"]
    assert lines[4:8] == [
        r"| metric | a\_b | c\|d |",
        "| --- | --- | --- |",
        "| PixCorr | **0.5 [0.4, 0.6]** | 0.1 |",
        "| SSIM #2 | 0.2 | **0.30** |",
    ]


def test_latex_escapes_what_would_end_a_cell_or_a_line():
    text = as_latex([TABLE], "SIMULATED")
    assert text.startswith("% SIMULATED\n")
    assert r"metric & a\_b & c\textbar{}d \\" in text
    assert r"PixCorr & \textbf{0.5 [0.4, 0.6]} & 0.1 \\" in text
    assert r"SSIM \#2 & 0.2 & \textbf{0.30} \\" in text
    assert r"\caption{Systems. All of 50 \% of them \& more.}" in text
    assert text.count(r"\begin") == text.count(r"\end") == 2


def test_a_backslash_is_no_command_in_latex():
    table = TextTable(title=r"a\b", words="", header=["x"], rows=[["{y}^~"]])
    text = as_latex([table], "")
    assert r"a\textbackslash{}b" in text
    assert r"\{y\}\textasciicircum{}\textasciitilde{} \\" in text


def test_a_small_p_keeps_its_sign_in_latexs_usual_font():
    table = TextTable(title="p", words="x > y", header=["p"], rows=[["<0.001"]])
    text = as_latex([table], "")
    assert r"\textless{}0.001 \\" in text
    assert r"x \textgreater{} y" in text


def test_plain_text_is_aligned():
    lines = as_plain_text(TABLE).splitlines()
    assert lines[2].index("0.5") == lines[3].index("0.2") == lines[0].index("a_b")
