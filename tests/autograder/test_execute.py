from dataclasses import replace

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.checks.drive import MIME
from autograder.execute import Limits, provisioner_name, run_notebook

# A cell that ends has time even on a busy machine; one that does not end gets little.
PATIENT = Limits(cell=30.0, submission=120.0, grace=2.0)
QUICK = Limits(cell=4.0, submission=60.0, grace=0.5)


def graded(source: str):
    meta = {"grade": True, "solution": False, "locked": True, "grade_id": "check_f", "points": 1}
    return new_code_cell(source, metadata={"nbgrader": meta})


def run(*sources, limits=PATIENT, drives=()):
    cells = [new_code_cell(s) if isinstance(s, str) else s for s in sources]
    runs = run_notebook(new_notebook(cells=cells), dict(drives), sandbox="none", limits=limits)
    return [runs.get(index) for index in range(len(cells))]


def printed(cell_run):
    return "".join(o["text"] for o in cell_run.outputs if o["output_type"] == "stream")


def test_cells_share_a_namespace_and_text_is_not_run():
    runs = run("x = 20", new_markdown_cell("x = 0"), "x + 1", "print(x)")
    assert [r and r.status for r in runs] == ["ok", None, "ok", "ok"]
    assert runs[2].outputs[0]["data"] == {"text/plain": "21"}
    assert printed(runs[3]) == "20\n"


def test_an_exception_stops_one_cell_and_is_named_without_colours():
    first, second = run("1 / 0", "print('on')")
    assert (first.status, first.error) == ("error", "ZeroDivisionError: division by zero")
    assert not first.lost
    assert printed(second) == "on\n"


def test_an_endless_recursion_is_shown_by_its_ends():
    recursion, after = run("def f(n):\n    return f(n + 1)\nf(0)", "print('on')")
    assert recursion.error.startswith("RecursionError: maximum recursion depth exceeded")
    [shown] = recursion.outputs
    calls = "\n".join(shown["traceback"]).count("---->")
    assert 5 <= calls <= 10
    assert "similar frames" not in "".join(shown["traceback"])
    assert printed(after) == "on\n"


def test_an_endless_loop_is_interrupted_and_the_kernel_goes_on():
    patient = replace(QUICK, grace=20.0)
    first, second = run("x = 1\nwhile True: pass", "print(x)", limits=patient)
    assert (first.status, first.lost) == ("time limit", False)
    assert printed(second) == "1\n"


def test_a_loop_that_ignores_interrupts_costs_its_kernel_and_only_its_own_cell():
    stubborn = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
    _, second, third = run("x = 1", stubborn, "print(x)", limits=QUICK)
    assert (second.status, second.lost) == ("time limit", True)
    assert printed(third) == "1\n"


@pytest.mark.parametrize(
    "end", ["import os; os._exit(0)", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"]
)
def test_a_dead_kernel_is_replaced_and_its_cell_left_out(end):
    runs = run("x = 1", end, "x += 1", end, "print(x)")
    assert [r.status for r in runs] == ["ok", "kernel died", "ok", "kernel died", "ok"]
    assert printed(runs[4]) == "2\n"


def test_endless_output_is_stopped_and_cut():
    limits = Limits(cell=20.0, grace=2.0, kept=10_000, output=200_000)
    first, second = run("while True: print('x' * 1000)", "print('on')", limits=limits)
    assert first.status == "output limit"
    assert len(printed(first)) < 11_000
    assert "output cut here" in printed(first)
    assert printed(second) == "on\n"


def test_the_time_of_the_whole_notebook_is_limited():
    limits = Limits(cell=1.0, submission=1.5, grace=0.2)
    loops = run(*["while True: pass"] * 4, limits=limits)
    assert loops[0].status == "time limit"
    assert loops[-1].status == "not run"


def test_pictures_stay_and_markup_that_could_run_does_not():
    html = "from IPython.display import HTML, display\ndisplay(HTML('<script>x</script>'))"
    picture = (
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n"
        "display({'image/svg+xml': '<svg onload=x>', 'text/plain': 'a drawing'}, raw=True)"
    )
    first, second = run(html, picture, limits=Limits(cell=60.0))
    assert set(first.outputs[0]["data"]) == {"text/plain"}
    assert "image/png" in second.outputs[0]["data"]
    assert second.outputs[1]["data"] == {"text/plain": "a drawing"}


def test_an_error_names_no_temporary_file():
    [only] = run("def f(x)\n    return x")
    assert only.error == "SyntaxError: expected ':' (line 1)"


def test_a_progress_bar_leaves_its_last_state():
    [only] = run("for i in range(3): print(f'\\r{i} of 3', end='')")
    assert printed(only) == "2 of 3"


def test_cleared_output_is_gone_and_updated_output_is_updated():
    source = (
        "from IPython.display import clear_output, display\nprint('old')\nclear_output()\n"
        "handle = display('first', display_id='d')\nhandle.update('second')"
    )
    [only] = run(source)
    assert [o["data"]["text/plain"] for o in only.outputs] == ["'second'"]


FORGED = (
    "from ipykernel.ipkernel import IPythonKernel\n"
    "k = get_ipython().kernel\n"
    "def send(kind, content):\n"
    "    k.session.send(k.iopub_socket, kind, content, parent=k.get_parent(), ident=b'x')\n"
)


@pytest.mark.parametrize(
    "forgery",
    [
        "send('stream', {'name': 3, 'text': ['a']})",
        "send('display_data', {'data': 'text'})",
        "send('error', {'ename': 5, 'traceback': 'text'})",
        "send('status', ['idle'])",
        "send('status', {'execution_state': 'idle'})",
        "send('unheard_of', {})",
        "send('execute_result', {'data': {'text/plain': 5}})",
    ],
)
def test_a_forged_message_breaks_nothing(forgery):
    first, second = run(FORGED + forgery, "print('on')")
    assert first.status in ("ok", "error")
    assert not first.lost
    assert printed(second) == "on\n"


def test_a_graded_cell_is_replaced_by_its_drive_asked_for_only_in_its_turn():
    asked = []

    def drive():
        asked.append("now")
        return f"publish_display_data({{{MIME!r}: {{'value': f()}}}})"

    define, test = run(
        "from IPython.display import publish_display_data\ndef f(): return 42",
        graded("1 / 0"),
        drives={"check_f": drive},
    )
    assert define.status == "ok"
    assert (test.status, test.answers, test.outputs) == ("ok", [{"value": 42}], [])
    assert asked == ["now"]


def test_a_drive_that_raises_is_named_and_one_without_end_is_interrupted():
    patient = replace(QUICK, grace=20.0)
    cells = ["def f():\n    while True: pass", graded("1"), "print('on')"]
    _, endless, after = run(*cells, limits=patient, drives={"check_f": lambda: "f()"})
    assert (endless.status, endless.lost) == ("time limit", False)
    assert printed(after) == "on\n"
    _, broken, _ = run(*cells, drives={"check_f": lambda: "f(1 / 0)"})
    assert (broken.status, broken.error) == ("error", "ZeroDivisionError: division by zero")


def test_every_answer_is_brought_back_also_a_second_one():
    source = (
        "from IPython.display import publish_display_data\n"
        f"for i in range(2): publish_display_data({{{MIME!r}: i}})"
    )
    [only] = run(source)
    assert only.answers == [0, 1]


def test_the_kernel_sees_neither_secrets_in_the_environment_nor_old_files(monkeypatch):
    monkeypatch.setenv("COURSE_PASSWORD", "hunter2")
    look = "import os\nprint(os.environ.get('COURSE_PASSWORD'), os.listdir('.'))"
    again = run("open('left', 'w').close()", look)
    assert printed(again[1]) == "None ['left']\n"
    assert printed(run(look)[0]) == "None []\n"


def test_no_question_is_asked_of_a_person():
    [only] = run("input()")
    assert only.error.startswith("StdinNotImplementedError")


def test_an_unknown_sandbox_is_named_with_the_way_out():
    with pytest.raises(ValueError, match=r"'bubble'.*'none'"):
        provisioner_name("bubble")
